//! A path in the guest, with its symbolic links followed as the guest would: `/` is the guest's, and nothing is above.

use super::ImageError;
use super::ext4::{FileSystem, Inode, Kind};

/// As many as Linux follows.
const LINKS: usize = 40;
/// Linux allows links of less than a page.
const LINK_BYTES: u64 = 4095;
/// Names that are looked up for one path: far more than a path of 4096 bytes needs.
const LOOKUPS: usize = 1000;

/// What a path leads to.
pub(super) struct Arrived {
    /// The path to it in which no part is a link.
    pub(super) real_path: String,
    pub(super) inode: Inode,
}

/// Follows an absolute path.
pub(super) fn walk(file_system: &FileSystem, path: &str) -> Result<Arrived, ImageError> {
    let missing = || {
        let searched = vec![file_system.place().clone()];
        ImageError::NotFound { path: path.to_owned(), searched }
    };
    let too_many = || ImageError::TooManyLinks { path: path.to_owned(), most: LINKS };
    let root = file_system.root()?;
    let mut ahead: Vec<String> = parts(path);
    let mut behind: Vec<(String, Inode)> = Vec::new();
    let (mut links, mut lookups) = (0, 0);
    while let Some(name) = ahead.pop() {
        let folder = behind.last().map_or(&root, |(_, inode)| inode);
        if folder.kind != Kind::Folder {
            return Err(missing());
        }
        if name == ".." {
            behind.pop();
            continue;
        }
        lookups = usize::saturating_add(lookups, 1);
        if lookups > LOOKUPS {
            return Err(too_many());
        }
        if folder.is_encrypted {
            return Err(ImageError::Encrypted { path: path.to_owned() });
        }
        let inode = file_system.look_up(folder, &name)?.ok_or_else(missing)?;
        if inode.kind != Kind::Link {
            behind.push((name, inode));
            continue;
        }
        links = usize::saturating_add(links, 1);
        if links > LINKS {
            return Err(too_many());
        }
        let target = target(file_system, path, &inode)?.ok_or_else(missing)?;
        if target.starts_with('/') {
            behind.clear();
        }
        ahead.extend(parts(&target));
    }
    let names: Vec<&str> = behind.iter().map(|(name, _)| name.as_str()).collect();
    let real_path = format!("/{}", names.join("/"));
    let inode = behind.pop().map_or(root, |(_, inode)| inode);
    Ok(Arrived { real_path, inode })
}

/// Where a link leads; none if no path of text does.
fn target(
    file_system: &FileSystem,
    path: &str,
    link: &Inode,
) -> Result<Option<String>, ImageError> {
    if link.is_encrypted {
        return Err(ImageError::Encrypted { path: path.to_owned() });
    }
    if link.size > LINK_BYTES {
        let fault = format!("a symbolic link on the way to `{path}` is too long");
        return Err(ImageError::Ext4 { place: file_system.place().clone(), fault });
    }
    let target = String::from_utf8(file_system.read(link)?).ok();
    Ok(target.filter(|target| !target.is_empty()))
}

/// The names of a path, the last one first.
pub(super) fn parts(path: &str) -> Vec<String> {
    let names = path.rsplit('/').filter(|name| !name.is_empty() && *name != ".");
    names.map(str::to_owned).collect()
}
