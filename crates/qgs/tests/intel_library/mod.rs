//! Stand-ins for Intel's library: built once for all tests, each test with a copy of its own in a folder of its own.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use tdattest_qgs::Failure;
use tdattest_qgs::backend::intel::{Intel, IntelSettings};

/// Which library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Variant {
    /// As of 1.26 and later.
    Newest,
    /// Without the function for migration history.
    Older,
    /// Without a function that all have.
    Incomplete,
    /// That calls a function which nobody has.
    Undefined,
    /// That needs a library which is not there.
    Dependent,
}

/// A copy of a library, with a script that it follows.
pub(crate) struct StandIn {
    folder: tempfile::TempDir,
}

impl StandIn {
    pub(crate) fn new(variant: Variant, script: &str) -> Self {
        let stand_in = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(stand_in.library(), built(variant)).unwrap();
        stand_in.follow(script);
        stand_in
    }

    /// Loads the newest, which must be possible.
    pub(crate) fn backend(script: &str) -> (Self, Intel) {
        let stand_in = Self::new(Variant::Newest, script);
        let backend = stand_in.load().map_err(|failure| failure.cause).unwrap();
        (stand_in, backend)
    }

    /// From now on, this is the script.
    pub(crate) fn follow(&self, script: &str) {
        let (path, new) = (self.path("script"), self.path("script.new"));
        fs::write(&new, script).unwrap();
        fs::rename(new, path).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Not the usual name: a library of that name may be loaded already.
    pub(crate) fn library(&self) -> PathBuf {
        self.path("stand_in.so")
    }

    pub(crate) fn settings(&self) -> IntelSettings {
        IntelSettings { library: self.library(), ..IntelSettings::default() }
    }

    pub(crate) fn load(&self) -> Result<Intel, Failure> {
        Intel::load(self.settings())
    }

    /// What has been called so far.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(ToOwned::to_owned).collect()
    }
}

/// The bytes of a library.
fn built(variant: Variant) -> Vec<u8> {
    static BUILT: Mutex<BTreeMap<Variant, Vec<u8>>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap();
    built.entry(variant).or_insert_with(|| build(variant)).clone()
}

fn build(variant: Variant) -> Vec<u8> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stand_in/tdx_logic.rs");
    let arguments = match variant {
        Variant::Newest => vec!["--cfg=migration_history".into()],
        Variant::Older => vec![],
        Variant::Incomplete => vec!["--cfg=no_platform_info".into()],
        Variant::Undefined => vec!["--cfg=undefined_symbol".into()],
        Variant::Dependent => {
            let piece = folder.path().join("empty.so");
            fs::write(&piece, empty()).unwrap();
            let needed = format!("-Clink-arg={}", piece.display());
            vec!["-Clink-arg=-Wl,--no-as-needed".into(), needed]
        }
    };
    let library = folder.path().join("stand_in.so");
    compile(&source, &library, &arguments);
    fs::read(library).unwrap()
}

/// A library with nothing in it.
pub(crate) fn empty() -> Vec<u8> {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (source, library) = (folder.path().join("empty.rs"), folder.path().join("empty.so"));
    fs::write(&source, "").unwrap();
    compile(&source, &library, &["-Clink-arg=-Wl,-soname,libsgx_urts.so.2".into()]);
    fs::read(library).unwrap()
}

fn compile(source: &Path, library: &Path, arguments: &[String]) {
    let compiler = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(compiler)
        .args(["--edition=2024", "--crate-type=cdylib", "-Cstrip=symbols"])
        .args(arguments)
        .arg("-o")
        .args([library, source])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
