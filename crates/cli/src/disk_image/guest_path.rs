//! A path in the guest, with its symbolic links followed as the guest would: `/` is the guest's, and nothing is above.
//!
//! `ext4-view` follows links too, but takes a link's own word for how long it is.

use ext4_view::{Ext4, Ext4Error};

/// As many as Linux follows.
const LINKS: usize = 40;
/// Linux allows links of less than a page.
const LINK_BYTES: u64 = 4095;
/// Names that are looked up for one path: far more than a path of 4096 bytes needs.
const LOOKUPS: usize = 1000;

/// How a walk along a path ends, if the file system can be read.
pub(super) enum Walk {
    /// At this path, in which no part is a link.
    Arrived(String),
    TooManyLinks(usize),
    LinkTooLong,
}

/// Follows an absolute path.
pub(super) fn walk(file_system: &Ext4, path: &str) -> Result<Walk, Ext4Error> {
    let mut ahead: Vec<String> = parts(path);
    let mut behind: Vec<String> = Vec::new();
    let (mut links, mut lookups) = (0, 0);
    while let Some(name) = ahead.pop() {
        if name == ".." {
            behind.pop();
            continue;
        }
        lookups = usize::saturating_add(lookups, 1);
        if lookups > LOOKUPS {
            return Ok(Walk::TooManyLinks(LINKS));
        }
        behind.push(name);
        let here = joined(&behind);
        let metadata = file_system.symlink_metadata(here.as_bytes())?;
        if !metadata.is_symlink() {
            continue;
        }
        links = usize::saturating_add(links, 1);
        if links > LINKS {
            return Ok(Walk::TooManyLinks(LINKS));
        }
        if metadata.len() > LINK_BYTES {
            return Ok(Walk::LinkTooLong);
        }
        let target = file_system.read_link(here.as_bytes())?;
        let target = target.to_str().map_err(|_| Ext4Error::NotFound)?;
        if target.starts_with('/') {
            behind.clear();
        } else {
            behind.pop();
        }
        ahead.extend(parts(target));
    }
    Ok(Walk::Arrived(joined(&behind)))
}

/// The names of a path, the last one first.
fn parts(path: &str) -> Vec<String> {
    let names = path.rsplit('/').filter(|name| !name.is_empty() && *name != ".");
    names.map(str::to_owned).collect()
}

fn joined(names: &[String]) -> String {
    format!("/{}", names.join("/"))
}
