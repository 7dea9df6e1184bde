//! The command as it is given to others: one file, its manual pages and completions.
//!
//! Static, it asks for no library and no loader, so that it starts in any TD, whatever its distribution. With glibc it can
//! load Intel's libraries on a TDX host, and brings what systemd wants to run the service there.
//!
//! Must stay true: what is laid out has been looked at and has run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::installation::{install, output_of};
use crate::{toolchain, workspace};

const TARGET: &str = "x86_64-unknown-linux-musl";

/// Where each shell looks for completions below a prefix.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/tdattest"),
    ("zsh", "share/zsh/site-functions/_tdattest"),
    ("fish", "share/fish/vendor_completions.d/tdattest.fish"),
];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder that gets bin/ and share/; made if it is not there
    // Made absolute at once: the task goes to the workspace folder, the name is of where it was called.
    #[arg(long, value_name = "DIR", value_parser = |name: &str| std::path::absolute(name))]
    prefix: PathBuf,
    /// Build for a TDX host with glibc, where `tdattest qgs serve` loads Intel's libraries, and lay out its units as well
    #[arg(long)]
    glibc: bool,
}

/// Libraries that every system with glibc has.
const OF_GLIBC: [&str; 6] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
];

/// What systemd wants of the QGS, and where it looks below a prefix.
const UNITS: [(&str, &str); 5] = [
    ("tdattest-qgs.service", "lib/systemd/system/tdattest-qgs.service"),
    ("tdattest-qgs.socket", "lib/systemd/system/tdattest-qgs.socket"),
    ("tdattest-qgs.sysusers", "lib/sysusers.d/tdattest-qgs.conf"),
    ("tdattest-qgs.tmpfiles", "lib/tmpfiles.d/tdattest-qgs.conf"),
    ("qgs.toml", "share/doc/tdattest/qgs.toml"),
];

/// The same of the caching service, which needs no library of anybody's.
const PCCS_UNITS: [(&str, &str); 5] = [
    ("tdattest-pccs.service", "lib/systemd/system/tdattest-pccs.service"),
    ("tdattest-pccs.socket", "lib/systemd/system/tdattest-pccs.socket"),
    ("tdattest-pccs.sysusers", "lib/sysusers.d/tdattest-pccs.conf"),
    ("tdattest-pccs.tmpfiles", "lib/tmpfiles.d/tdattest-pccs.conf"),
    ("pccs.toml", "share/doc/tdattest/pccs.toml"),
];

/// Builds the command, checks it, lays it out below the prefix, and prints what it has made.
pub(crate) fn run(args: &Args) -> Result<()> {
    let (built, needs) = match args.glibc {
        false => static_build()?,
        true => glibc_build()?,
    };
    // It writes into the folder that it stands in.
    let folder = tempfile::tempdir().context("making a folder")?;
    let demo = Command::new(&built).arg("demo").env_clear().current_dir(&folder).output();
    let demo = demo.with_context(|| format!("starting {}", built.display()))?;
    let said = String::from_utf8_lossy(&demo.stderr);
    ensure!(demo.status.success(), "{} demo: {}: {said}", built.display(), demo.status);
    for path in lay_out(&built, args)? {
        println!("{}", path.display());
    }
    let size = fs::metadata(&built)?.len();
    println!("{needs}, {:.1} MiB; ran: tdattest demo", size as f64 / f64::from(1 << 20));
    Ok(())
}

fn static_build() -> Result<(PathBuf, String)> {
    if let Err(why) = toolchain::provide_target(TARGET) {
        bail!("cannot build for {TARGET}: {why}");
    }
    let has_compiler = Command::new("musl-gcc").arg("--version").output().is_ok();
    ensure!(
        has_compiler,
        "musl-gcc is missing, which compiles aws-lc; Debian has it in musl-tools"
    );
    let built = build(&["--target", TARGET], &[TARGET, "release"])?;
    check_static(&built)?;
    Ok((built, "static".into()))
}

fn glibc_build() -> Result<(PathBuf, String)> {
    let built = build(&[], &["release"])?;
    let other: Vec<_> = needed(&output_of("readelf", &["-d", "-W"], &built)?)
        .into_iter()
        .filter(|library| !OF_GLIBC.contains(&library.as_str()))
        .collect();
    ensure!(other.is_empty(), "{} needs {}", built.display(), other.join(", "));
    let newest = newest_glibc(&output_of("readelf", &["-V", "-W"], &built)?);
    let newest = newest.context("it needs no glibc: was it built with musl?")?;
    Ok((built, format!("needs glibc {}.{} or newer", newest.0, newest.1)))
}

/// Builds the command; where it is below the target folder.
fn build(options: &[&str], below: &[&str]) -> Result<PathBuf> {
    let status = Command::new("cargo")
        .args(["build", "--release", "--package", "tdattest-cli"])
        .args(options)
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build --release {} failed", options.join(" "));
    let folder = workspace::members()?.target_directory.into_std_path_buf();
    Ok(below.iter().fold(folder, |folder, part| folder.join(part)).join("tdattest"))
}

/// Fails unless the command asks for no library and no loader.
fn check_static(command: &Path) -> Result<()> {
    // Of a static file, ldd says so and fails.
    let ldd =
        Command::new("ldd").env("LC_ALL", "C").arg(command).output().context("starting ldd")?;
    let said = [ldd.stdout, ldd.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(is_static(&said), "{} is not static: ldd says {}", command.display(), said.trim());
    let headers = output_of("readelf", &["-l", "-W"], command)?;
    ensure!(!headers.contains("INTERP"), "{} asks for a loader", command.display());
    Ok(())
}

/// The libraries of `readelf -d`: `0x… (NEEDED) Shared library: [libc.so.6]`.
fn needed(dynamic: &str) -> Vec<String> {
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines
        .filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']').to_owned()))
        .collect()
}

/// The newest version of glibc in what `readelf -V` prints.
fn newest_glibc(versions: &str) -> Option<(u32, u32)> {
    let numbers = versions.split("GLIBC_").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
        let mut parts = rest.get(..end)?.split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    });
    numbers.max()
}

fn is_static(ldd: &str) -> bool {
    ["not a dynamic executable", "statically linked"].contains(&ldd.trim())
}

/// Copies the command, and what it prints of itself, to where a system looks for them; returns what it has made.
fn lay_out(command: &Path, Args { prefix, glibc }: &Args) -> Result<Vec<PathBuf>> {
    let bin = install(&fs::read(command)?, &prefix.join("bin/tdattest"))?;
    fs::set_permissions(&bin, fs::Permissions::from_mode(0o755))?;
    let mut made = vec![bin];
    for (shell, path) in COMPLETIONS {
        made.push(install(&printed(command, &["completions", shell])?, &prefix.join(path))?);
    }
    let pages = prefix.join("share/man/man1");
    printed(command, &["man", "--out", &pages.to_string_lossy()])?;
    made.push(pages);
    for (name, path) in UNITS.iter().filter(|_| *glibc) {
        let unit = fs::read(Path::new("packaging/qgs").join(name))?;
        made.push(install(&unit, &prefix.join(path))?);
    }
    for (name, path) in PCCS_UNITS {
        let unit = fs::read(Path::new("packaging/pccs").join(name))?;
        made.push(install(&unit, &prefix.join(path))?);
    }
    made.push(install(&fs::read("LICENSE")?, &prefix.join("share/doc/tdattest/LICENSE"))?);
    Ok(made)
}

fn printed(command: &Path, arguments: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new(command).args(arguments).output().context("starting it")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "tdattest {}: {said}", arguments.join(" "));
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_static_file_is_told_from_one_that_needs_libraries() {
        assert!(is_static("\tnot a dynamic executable\n"));
        assert!(is_static("\tstatically linked\n"));
        assert!(!is_static(
            "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/libc.so.6 (0x00)\n"
        ));
        assert!(!is_static(""));
    }

    #[test]
    fn what_a_file_needs_is_read_from_readelf() {
        let dynamic = " 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]\n \
                       0x0000000000000001 (NEEDED)             Shared library: [libc.so.6]\n \
                       0x000000000000000c (INIT)               0x1000\n";
        assert_eq!(needed(dynamic), ["libgcc_s.so.1", "libc.so.6"]);
        let versions =
            "Name: GLIBC_2.9  Flags: none\nName: GLIBC_2.34  Flags\nName: GLIBC_2.2.5  F\n";
        assert_eq!(newest_glibc(versions), Some((2, 34)));
        assert_eq!(newest_glibc("Name: GCC_3.0"), None);
    }

    #[test]
    fn a_command_that_needs_libraries_is_refused() {
        let shell = fs::canonicalize("/bin/sh").unwrap();
        assert!(check_static(&shell).unwrap_err().to_string().contains("is not static"));
    }
}
