//! The libraries that replace Intel's, laid out as their users install them.
//!
//! Must stay true: what is laid out has been looked at: the symbols that programs ask for and no others, and the SONAME
//! under which the loader looks for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::installation::{install, link, output_of};
use crate::workspace;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder that gets lib/, include/ and lib/pkgconfig/; made if it is not there
    // Made absolute at once: the task goes to the workspace folder, the name is of where it was called.
    #[arg(long, value_name = "DIR", value_parser = |name: &str| std::path::absolute(name))]
    prefix: PathBuf,
}

/// A replacement of one of Intel's libraries.
struct DropIn {
    /// Its folder in the workspace.
    folder: &'static str,
    package: &'static str,
    /// `libtdx_attest.so`, as the linker asks for it.
    name: &'static str,
    /// `1`, which makes `libtdx_attest.so.1`, as the loader asks for it.
    abi: u32,
    headers: &'static [&'static str],
    /// The pkg-config template, without `.in`.
    pkg_config: &'static str,
    symbols: &'static [&'static str],
}

const DROP_INS: &[DropIn] = &[DropIn {
    folder: "dropin/tdx-attest",
    package: "tdattest-dropin-tdx-attest",
    name: "libtdx_attest.so",
    abi: 1,
    headers: &["tdx_attest.h"],
    pkg_config: "tdx_attest.pc",
    symbols: &[
        "tdx_att_extend",
        "tdx_att_free_quote",
        "tdx_att_get_quote",
        "tdx_att_get_report",
        "tdx_att_get_supported_att_key_ids",
    ],
}];

/// Builds every replacement, checks it, lays it out below the prefix, and prints what it has made.
pub(crate) fn run(args: &Args) -> Result<()> {
    let metadata = workspace::members()?;
    for drop_in in DROP_INS {
        build(drop_in)?;
        let library = metadata.target_directory.join("release").join(drop_in.name);
        check(drop_in, library.as_std_path())?;
        let source = Path::new(drop_in.folder);
        for path in lay_out(drop_in, source, library.as_std_path(), &args.prefix)? {
            println!("{}", path.display());
        }
    }
    Ok(())
}

impl DropIn {
    fn soname(&self) -> String {
        format!("{}.{}", self.name, self.abi)
    }

    /// Behind the ABI stands our own version: Intel's file has another name, and neither overwrites the other.
    fn file_name(&self) -> String {
        format!("{}.{}", self.soname(), env!("CARGO_PKG_VERSION"))
    }
}

fn build(drop_in: &DropIn) -> Result<()> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--lib", "--package", drop_in.package])
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build --release --package {} failed", drop_in.package);
    Ok(())
}

/// Fails unless the library exports exactly what it must, under the SONAME that programs ask for.
fn check(drop_in: &DropIn, library: &Path) -> Result<()> {
    let listing = output_of("nm", &["-D", "--defined-only"], library)?;
    let symbols = symbols(&listing);
    ensure!(
        symbols == drop_in.symbols,
        "{} exports {}, expected {}",
        library.display(),
        symbols.join(", "),
        drop_in.symbols.join(", "),
    );
    let dynamic = output_of("readelf", &["-d", "-W"], library)?;
    let (found, expected) = (soname(&dynamic).unwrap_or("none"), drop_in.soname());
    ensure!(found == expected, "{} has the SONAME {found}, expected {expected}", library.display());
    Ok(())
}

/// Reads `0000000000035320 T tdx_att_get_quote`, a line a symbol.
fn symbols(listing: &str) -> Vec<&str> {
    let mut names: Vec<&str> =
        listing.lines().filter_map(|line| line.split_whitespace().last()).collect();
    names.sort_unstable();
    names
}

/// Reads ` 0x000000000000000e (SONAME)  Library soname: [libtdx_attest.so.1]`.
fn soname(dynamic: &str) -> Option<&str> {
    let line = dynamic.lines().find(|line| line.contains("(SONAME)"))?;
    line.split_once('[')?.1.strip_suffix(']')
}

/// Copies the library, its header and its pkg-config file, and makes the two links; returns what it has made.
fn lay_out(drop_in: &DropIn, source: &Path, library: &Path, prefix: &Path) -> Result<Vec<PathBuf>> {
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
    let pkg_config = lib.join("pkgconfig");
    let mut made = vec![
        install(&fs::read(library)?, &lib.join(drop_in.file_name()))?,
        link(&drop_in.file_name(), &lib.join(drop_in.soname()))?,
        link(&drop_in.soname(), &lib.join(drop_in.name))?,
    ];
    for header in drop_in.headers {
        let text = fs::read(source.join("include").join(header))?;
        made.push(install(&text, &include.join(header))?);
    }
    let template = fs::read_to_string(source.join(format!("{}.in", drop_in.pkg_config)))?;
    let text = template.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    made.push(install(text.as_bytes(), &pkg_config.join(drop_in.pkg_config))?);
    Ok(made)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TDX_ATTEST: &DropIn = &DROP_INS[0];

    /// A library with these functions under this SONAME.
    fn library(home: &Path, functions: &[&str], soname: &str) -> PathBuf {
        let (source, library) = (home.join("library.c"), home.join("library.so"));
        let text: String =
            functions.iter().map(|name| format!("void {name}(void) {{}}\n")).collect();
        fs::write(&source, text).unwrap();
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", &format!("-Wl,-soname,{soname}"), "-o"])
            .args([&library, &source])
            .status();
        assert!(built.unwrap().success());
        library
    }

    fn refusal(functions: &[&str], soname: &str) -> String {
        let home = tempfile::tempdir().unwrap();
        let library = library(home.path(), functions, soname);
        check(TDX_ATTEST, &library).unwrap_err().to_string()
    }

    #[test]
    fn accepts_exactly_the_symbols_under_the_soname() {
        let home = tempfile::tempdir().unwrap();
        let library = library(home.path(), TDX_ATTEST.symbols, "libtdx_attest.so.1");
        check(TDX_ATTEST, &library).unwrap();
    }

    #[test]
    fn refuses_a_symbol_too_many_and_one_too_few() {
        let mut symbols = TDX_ATTEST.symbols.to_vec();
        symbols.push("rust_eh_personality");
        assert!(refusal(&symbols, "libtdx_attest.so.1").contains("rust_eh_personality"));
        assert!(refusal(&TDX_ATTEST.symbols[1..], "libtdx_attest.so.1").contains("exports"));
    }

    #[test]
    fn refuses_another_soname_and_none() {
        assert!(refusal(TDX_ATTEST.symbols, "libtdx_attest.so").contains("SONAME"));
        assert_eq!(soname("Dynamic section at offset 0x2df8 contains 24 entries:\n"), None);
    }

    #[test]
    fn lays_out_what_compilers_and_loaders_look_for_twice_over() {
        let home = tempfile::tempdir().unwrap();
        let built = home.path().join("built.so");
        fs::write(&built, "a library").unwrap();
        let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(TDX_ATTEST.folder);
        let prefix = home.path().join("usr");
        let first = lay_out(TDX_ATTEST, &source, &built, &prefix).unwrap();
        fs::write(&built, "a newer one").unwrap();
        assert_eq!(lay_out(TDX_ATTEST, &source, &built, &prefix).unwrap(), first);

        let lib = prefix.join("lib");
        let target = |name: &str| fs::read_link(lib.join(name)).unwrap();
        assert_eq!(target("libtdx_attest.so"), Path::new("libtdx_attest.so.1"));
        assert_eq!(target("libtdx_attest.so.1"), Path::new(&TDX_ATTEST.file_name()));
        assert_eq!(fs::read_to_string(lib.join("libtdx_attest.so")).unwrap(), "a newer one");
        assert!(prefix.join("include/tdx_attest.h").is_file());
        let pkg_config = fs::read_to_string(lib.join("pkgconfig/tdx_attest.pc")).unwrap();
        assert!(pkg_config.contains(concat!("Version: ", env!("CARGO_PKG_VERSION"))));
        assert!(!pkg_config.contains('@'), "{pkg_config}");
        // The library, two links and a folder; nothing half-done is left.
        assert_eq!(fs::read_dir(&lib).unwrap().count(), 4);
    }
}
