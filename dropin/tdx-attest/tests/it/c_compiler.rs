//! C programs built against our header and our library, as their authors would.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder of this package.
pub(crate) fn package(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The library that this test run was built with.
pub(crate) fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let library = test.parent().unwrap().join("libtdx_attest.so");
    assert!(library.is_file(), "{} is not there", library.display());
    library
}

/// Lays the library out as it is installed, in `home/lib`, and builds `tests/c/<name>.c` against it.
pub(crate) fn build(name: &str, home: &Path) -> PathBuf {
    let lib = home.join("lib");
    std::fs::create_dir_all(&lib).unwrap();
    std::fs::copy(library(), lib.join("libtdx_attest.so.1")).unwrap();
    std::os::unix::fs::symlink("libtdx_attest.so.1", lib.join("libtdx_attest.so")).unwrap();
    let program = home.join(name);
    compile(
        Command::new("cc")
            .args(["-std=c11", "-Wall", "-Wextra", "-Werror", "-o"])
            .arg(&program)
            .arg(package("tests/c").join(name).with_extension("c"))
            .arg("-I")
            .arg(package("include"))
            .arg("-L")
            .arg(&lib)
            .arg("-ltdx_attest"),
    );
    program
}

/// Runs a compiler, which must have nothing to complain of.
pub(crate) fn compile(compiler: &mut Command) {
    let output = compiler.output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && complaints.is_empty(), "{compiler:?}: {complaints}");
}
