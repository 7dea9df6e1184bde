//! Mints `vectors/` from the simulator, byte for byte: `cargo xtask vectors --mint`.
//!
//! Must stay true: it writes and deletes nothing but the trust anchor and what lies in the folders of cases; a file is
//! written under another name first, so that none is ever there in part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::catalogue::{self, AT, Draft};
use super::minted::GROUPS;
use super::vector::{FILE, SCHEMA, Vector};
use crate::verdict::{conclude, count};

/// The trust anchor of all cases.
const ROOT: &str = "root.pem";

/// From a case's folder to the folder of all.
const UP: &str = "../..";

/// Paths below the folder, and what the files hold.
type Files = BTreeMap<PathBuf, Vec<u8>>;

/// What must change for the folder to be as minted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    /// Missing, or other than minted.
    differ: Vec<PathBuf>,
    /// Not minted any more.
    stale: Vec<PathBuf>,
}

/// Writes the folder anew.
pub(super) fn write(folder: &Path) -> Result<()> {
    let files = files()?;
    let difference = compare(folder, &files)?;
    apply(folder, &files, &difference)?;
    println!(
        "{}: {} minted, {} rewritten, {} removed",
        folder.display(),
        count(files.len(), "file"),
        difference.differ.len(),
        difference.stale.len()
    );
    Ok(())
}

/// Fails if minting would change anything, and names the files.
pub(super) fn check(folder: &Path) -> Result<()> {
    let files = files()?;
    let Difference { differ, stale } = compare(folder, &files)?;
    let told = |paths: &[PathBuf], how: &str| -> Vec<String> {
        paths.iter().map(|path| format!("{} {how}", folder.join(path).display())).collect()
    };
    let problems = [told(&differ, "is not as minted"), told(&stale, "is minted no more")].concat();
    conclude("vectors", &format!("{} as minted", count(files.len(), "file")), &problems)
        .context("`cargo xtask vectors --mint` mints them anew")
}

/// Everything to be in the folder.
fn files() -> Result<Files> {
    let (root, drafts) = catalogue::all()?;
    let mut shelf = Shelf { files: Files::from([(ROOT.into(), root.into())]), ..Shelf::default() };
    for draft in drafts {
        shelf.add(draft)?;
    }
    Ok(shelf.files)
}

/// The files so far, and which case has which artefact.
#[derive(Default)]
struct Shelf {
    files: Files,
    owners: BTreeMap<Vec<u8>, String>,
}

impl Shelf {
    fn add(&mut self, draft: Draft) -> Result<()> {
        let vector = Vector {
            schema: SCHEMA.into(),
            why: draft.why,
            source: draft.source,
            tee: draft.format.tee().name().into(),
            format: catalogue::slug(draft.format),
            quote: self.place(&draft.name, "quote.dat", draft.quote),
            collateral: self.place(&draft.name, "collateral.json", draft.collateral),
            root: format!("{UP}/{ROOT}"),
            at: AT.into(),
            twin: draft.twin.map(|name| format!("{UP}/{name}")),
            policy: draft.policy,
            expect: draft.expect,
        };
        let path = Path::new(&draft.name).join(FILE);
        let before = self.files.insert(path, vector.to_toml()?.into_bytes());
        ensure!(before.is_none(), "two cases are called {}", draft.name);
        Ok(())
    }

    /// The path to an artefact from the folder of a case, which owns it if no case before has the same.
    fn place(&mut self, case: &str, file: &str, bytes: Vec<u8>) -> String {
        if let Some(owner) = self.owners.get(&bytes) {
            return format!("{UP}/{owner}");
        }
        let path = format!("{case}/{file}");
        self.files.insert(PathBuf::from(&path), bytes.clone());
        self.owners.insert(bytes, path);
        file.into()
    }
}

fn compare(folder: &Path, files: &Files) -> Result<Difference> {
    let as_minted = |path: &Path, bytes: &[u8]| match fs::read(folder.join(path)) {
        Ok(found) => found == bytes,
        Err(_) => false,
    };
    let differ = files.iter().filter(|(path, bytes)| !as_minted(path, bytes));
    let mut present = Vec::new();
    for group in GROUPS.map(|group| folder.join(group)).iter().filter(|group| group.exists()) {
        list(group, &mut present)?;
    }
    let present: BTreeSet<PathBuf> =
        present.iter().filter_map(|path| path.strip_prefix(folder).ok()).map(Into::into).collect();
    Ok(Difference {
        differ: differ.map(|(path, _)| path.clone()).collect(),
        stale: present.into_iter().filter(|path| !files.contains_key(path)).collect(),
    })
}

/// Every file below a folder, and every folder in it without any.
fn list(folder: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading {}", folder.display());
    let before = found.len();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        // A link is not followed: what it leads to is not of this tree.
        if entry.file_type().with_context(reading)?.is_dir() {
            list(&path, found)?;
        } else {
            found.push(path);
        }
    }
    if found.len() == before {
        found.push(folder.into());
    }
    Ok(())
}

fn apply(folder: &Path, files: &Files, difference: &Difference) -> Result<()> {
    for path in &difference.stale {
        remove(&folder.join(path))?;
    }
    for (path, bytes) in files.iter().filter(|(path, _)| difference.differ.contains(path)) {
        let path = folder.join(path);
        replace(&path, bytes).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// Removes a file, or a folder that has none, and then its folder if nothing is left in it.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir(path) } else { fs::remove_file(path) };
    removed.with_context(|| format!("removing {}", path.display()))?;
    if let Some(folder) = path.parent() {
        // Refused by the system as long as something is in it.
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension(format!("{}.new", std::process::id()));
    fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path)).inspect_err(|_| {
        // The error that is reported says more than one about this.
        let _ = fs::remove_file(&draft);
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty folder of its own, removed when dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("tdattest-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn three_files() -> Files {
        let files =
            [("root.pem", "r"), ("accepted/a/case.toml", "a"), ("refused/b/case.toml", "b")];
        files.into_iter().map(|(path, text)| (path.into(), text.into())).collect()
    }

    fn mint(folder: &Path) -> Difference {
        let difference = compare(folder, &three_files()).unwrap();
        apply(folder, &three_files(), &difference).unwrap();
        difference
    }

    #[test]
    fn minting_twice_changes_nothing_the_second_time() {
        let scratch = Scratch::new("mint-twice");
        assert_eq!(mint(&scratch.0).differ.len(), 3);
        assert_eq!(mint(&scratch.0), Difference::default());
    }

    #[test]
    fn changed_and_stale_files_are_told_and_put_right_and_nothing_else_is_touched() {
        let scratch = Scratch::new("mint-changed");
        let path = |name: &str| scratch.0.join(name);
        mint(&scratch.0);
        fs::write(path("README.md"), "mine").unwrap();
        fs::write(path("accepted/a/case.toml"), "edited").unwrap();
        fs::remove_file(path("root.pem")).unwrap();
        fs::create_dir_all(path("refused/old")).unwrap();
        fs::write(path("refused/old/case.toml"), "old").unwrap();
        fs::create_dir_all(path("refused/empty")).unwrap();

        let expected = Difference {
            differ: vec!["accepted/a/case.toml".into(), "root.pem".into()],
            stale: vec!["refused/empty".into(), "refused/old/case.toml".into()],
        };
        assert_eq!(mint(&scratch.0), expected);
        assert_eq!(mint(&scratch.0), Difference::default());
        assert_eq!(fs::read_to_string(path("README.md")).unwrap(), "mine");
        assert!(!path("refused/old").exists() && !path("refused/empty").exists());
    }

    #[test]
    fn the_vectors_of_the_tree_are_as_minted() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../vectors"));
        assert_eq!(compare(folder, &files().unwrap()).unwrap(), Difference::default());
    }
}
