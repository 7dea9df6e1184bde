//! Files put where their users install them, and what binutils say of them.
//!
//! Must stay true: a file appears whole or not at all, and nothing is overwritten that may be somebody's only copy.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Puts a file in the place of another in one step: a program that runs keeps the one it has loaded.
pub(crate) fn install(content: &[u8], path: &Path) -> Result<PathBuf> {
    make_parent(path)?;
    let new = beside(path);
    fs::write(&new, content).with_context(|| format!("writing {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("writing {}", path.display()))?;
    Ok(path.to_owned())
}

/// The same with a link. Where something else than a link is, it stays: it may be somebody's only library.
pub(crate) fn link(target: &str, path: &Path) -> Result<PathBuf> {
    let is_other = fs::symlink_metadata(path).is_ok_and(|found| !found.is_symlink());
    ensure!(!is_other, "{} is there and is no link: move it away first", path.display());
    make_parent(path)?;
    let new = beside(path);
    symlink(target, &new).with_context(|| format!("linking {}", new.display()))?;
    fs::rename(&new, path).with_context(|| format!("linking {}", path.display()))?;
    Ok(path.to_owned())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}", std::process::id()));
    name.into()
}

fn make_parent(path: &Path) -> Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))
}

/// What a tool of binutils prints of a file.
pub(crate) fn output_of(tool: &str, arguments: &[&str], file: &Path) -> Result<String> {
    let output = Command::new(tool)
        // The words looked for are English.
        .env("LC_ALL", "C")
        .args(arguments)
        .arg(file)
        .output()
        .with_context(|| format!("starting {tool}; it comes with binutils"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{tool} {}: {said}", file.display());
    String::from_utf8(output.stdout).with_context(|| format!("reading {tool}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_no_link_is_not_taken_away() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("libtdx_attest.so.1");
        fs::write(&path, "somebody's").unwrap();
        let refused = link("libtdx_attest.so.1.0.1.0", &path).unwrap_err();
        assert!(refused.to_string().contains("is no link"), "{refused}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "somebody's");
    }
}
