//! The command as it is given to others: one static file, its manual pages and completions.
//!
//! Must stay true: what is laid out has been looked at and has run: it asks for no library and no loader, so that it
//! starts in any TD, whatever its distribution.

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
}

/// Builds the command without any library, checks it, lays it out below the prefix, and prints what it has made.
pub(crate) fn run(args: &Args) -> Result<()> {
    let built = build()?;
    let size = check(&built)?;
    for path in lay_out(&built, &args.prefix)? {
        println!("{}", path.display());
    }
    println!("static, {:.1} MiB; ran: tdattest demo", size as f64 / f64::from(1 << 20));
    Ok(())
}

fn build() -> Result<PathBuf> {
    if let Err(why) = toolchain::provide_target(TARGET) {
        bail!("cannot build for {TARGET}: {why}");
    }
    let has_compiler = Command::new("musl-gcc").arg("--version").output().is_ok();
    ensure!(
        has_compiler,
        "musl-gcc is missing, which compiles aws-lc; Debian has it in musl-tools"
    );
    let status = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET, "--package", "tdattest-cli"])
        .status()
        .context("starting cargo build")?;
    ensure!(status.success(), "cargo build --release --target {TARGET} failed");
    let folder = workspace::members()?.target_directory.join(TARGET).join("release");
    Ok(folder.join("tdattest").into_std_path_buf())
}

/// Fails unless the command is static and does its work in an empty environment; returns its size.
fn check(command: &Path) -> Result<u64> {
    // Of a static file, ldd says so and fails.
    let ldd =
        Command::new("ldd").env("LC_ALL", "C").arg(command).output().context("starting ldd")?;
    let said = [ldd.stdout, ldd.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    ensure!(is_static(&said), "{} is not static: ldd says {}", command.display(), said.trim());
    let headers = output_of("readelf", &["-l", "-W"], command)?;
    ensure!(!headers.contains("INTERP"), "{} asks for a loader", command.display());
    let demo = Command::new(command).arg("demo").env_clear().output().context("starting it")?;
    let said = String::from_utf8_lossy(&demo.stderr);
    ensure!(demo.status.success(), "{} demo: {}: {said}", command.display(), demo.status);
    Ok(fs::metadata(command)?.len())
}

fn is_static(ldd: &str) -> bool {
    ["not a dynamic executable", "statically linked"].contains(&ldd.trim())
}

/// Copies the command, and what it prints of itself, to where a system looks for them; returns what it has made.
fn lay_out(command: &Path, prefix: &Path) -> Result<Vec<PathBuf>> {
    let bin = install(&fs::read(command)?, &prefix.join("bin/tdattest"))?;
    fs::set_permissions(&bin, fs::Permissions::from_mode(0o755))?;
    let mut made = vec![bin];
    for (shell, path) in COMPLETIONS {
        made.push(install(&printed(command, &["completions", shell])?, &prefix.join(path))?);
    }
    let pages = prefix.join("share/man/man1");
    printed(command, &["man", "--out", &pages.to_string_lossy()])?;
    made.push(pages);
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
    fn a_command_that_needs_libraries_is_refused() {
        let shell = fs::canonicalize("/bin/sh").unwrap();
        assert!(check(&shell).unwrap_err().to_string().contains("is not static"));
    }
}
