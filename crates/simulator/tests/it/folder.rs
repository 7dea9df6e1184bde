//! Platform folders: written whole or not at all, and read only if whole.

use std::fs;
use std::path::Path;

use tdattest_simulator::folder::{self, FolderError, PLATFORM, ROOT};
use tdattest_simulator::platform::PlatformError;

use crate::platform;

/// A folder of this test's own.
fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_platform_is_read_back_and_leaves_nothing_else_behind() {
    let home = temporary();
    let folder = home.path().join("platform");
    folder::create(&folder, &platform()).unwrap();
    assert_eq!(names(home.path()), ["platform"]);
    assert_eq!(names(&folder), [PLATFORM, ROOT]);
    assert_eq!(folder::open(&folder).unwrap(), platform());
}

#[test]
fn nothing_is_overwritten() {
    let home = temporary();
    let folder = home.path().join("platform");
    fs::write(&folder, "something of value").unwrap();
    let refused = folder::create(&folder, &platform()).unwrap_err();
    assert!(matches!(refused, FolderError::Exists(path) if path == folder));
    assert_eq!(fs::read(&folder).unwrap(), b"something of value");
}

/// The name that a draft would have, taken by somebody: nothing of theirs is touched.
#[test]
fn a_folder_in_the_way_of_the_draft_is_left_alone() {
    let home = temporary();
    let draft = home.path().join(format!("platform.{}.new", std::process::id()));
    fs::create_dir(&draft).unwrap();
    fs::write(draft.join("theirs"), "something of value").unwrap();
    let refused = folder::create(&home.path().join("platform"), &platform()).unwrap_err();
    assert!(matches!(refused, FolderError::Io { .. }), "{refused}");
    assert_eq!(names(&draft), ["theirs"]);
}

#[test]
fn where_no_folder_can_be_made_nothing_is_left() {
    let home = temporary();
    let refused = folder::create(&home.path().join("no/such/parent"), &platform()).unwrap_err();
    assert!(matches!(refused, FolderError::Io { .. }), "{refused}");
    assert_eq!(names(home.path()), Vec::<String>::new());
}

#[test]
fn a_folder_that_is_missing_or_half_written_is_none() {
    let home = temporary();
    let folder = home.path().join("platform");
    let missing = |file| move |it: &FolderError| matches!(it, FolderError::Incomplete { file: found, .. } if *found == file);
    let refused = folder::open(&folder).unwrap_err();
    assert!(missing(PLATFORM)(&refused), "{refused}");
    folder::create(&folder, &platform()).unwrap();
    fs::remove_file(folder.join(ROOT)).unwrap();
    let refused = folder::open(&folder).unwrap_err();
    assert!(missing(ROOT)(&refused), "{refused}");
    fs::remove_file(folder.join(PLATFORM)).unwrap();
    let refused = folder::open(&folder).unwrap_err();
    assert!(missing(PLATFORM)(&refused), "{refused}");
}

#[test]
fn a_platform_cut_short_of_another_form_or_with_unknown_keys_is_refused() {
    let home = temporary();
    let folder = home.path().join("platform");
    folder::create(&folder, &platform()).unwrap();
    let whole = fs::read_to_string(folder.join(PLATFORM)).unwrap();
    let refusal = |text: &str| {
        fs::write(folder.join(PLATFORM), text).unwrap();
        match folder::open(&folder).unwrap_err() {
            FolderError::Platform { fault, .. } => fault,
            other => panic!("{other}"),
        }
    };
    let fault = refusal(&whole[..whole.len() / 2]);
    assert!(matches!(fault, PlatformError::Toml(_)), "{fault}");
    let text = fault.to_string();
    assert!(text.starts_with("line ") && !text.contains('\n'), "one line: {text}");
    let fault = refusal(&whole.replace("form = 1", "form = 2"));
    assert_eq!(fault, PlatformError::Form { found: "2".into() });
    let fault = refusal(&whole.replace("form = 1", "form = \"1.0\""));
    assert_eq!(fault.to_string(), "is of form \"1.0\", and this version reads form 1");
    let fault = refusal(&whole.replace("pce_svn = 13", "pce_svn = 13\npce_svm = 12"));
    assert!(matches!(fault, PlatformError::Toml(_)), "{fault}");
    let fault = refusal(&whole.replacen("rtmr = 2", "rtmr = 4", 1));
    assert!(matches!(fault, PlatformError::Impossible(_)), "{fault}");
}

#[test]
fn a_root_that_is_not_the_descriptions_is_refused() {
    let home = temporary();
    let folder = home.path().join("platform");
    folder::create(&folder, &platform()).unwrap();
    let text = fs::read_to_string(folder.join(PLATFORM)).unwrap();
    let seed = platform().seed.to_string();
    fs::write(folder.join(PLATFORM), text.replace(&seed, &"00".repeat(32))).unwrap();
    let refused = folder::open(&folder).unwrap_err();
    assert!(matches!(refused, FolderError::OtherRoot(_)), "{refused}");
}
