//! What Cargo says about the workspace: its members, and the crates a build of them takes in.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use cargo_metadata::{Metadata, MetadataCommand};

/// The platform we publish for.
pub(crate) const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// One version of one crate, as `cargo tree` names it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The SPDX expression of its manifest; empty when it states none.
    pub(crate) licence: String,
}

/// The members alone, with the dependencies their manifests declare.
pub(crate) fn members() -> Result<Metadata> {
    MetadataCommand::new().no_deps().exec().context("reading the workspace's manifests")
}

/// The members and every package they resolve to, dev-dependencies included.
pub(crate) fn packages() -> Result<Metadata> {
    MetadataCommand::new()
        // Unfiltered, Cargo would download the crates of every other platform as well.
        .other_options(["--filter-platform".to_owned(), PLATFORM.to_owned()])
        .exec()
        .context("resolving the workspace's dependencies")
}

/// The crates that `cargo tree` lists for `selection`.
///
/// Not read from `cargo metadata`: that graph is resolved together with the dev-dependencies,
/// whose features switch on crates that no user of a package ever builds.
pub(crate) fn tree(selection: &[&str]) -> Result<BTreeSet<Crate>> {
    let output = Command::new("cargo")
        .args(["tree", "--quiet", "--prefix", "none", "--format", "{l}|{p}"])
        .args(selection)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo tree")?;
    ensure!(output.status.success(), "cargo tree {} failed", selection.join(" "));
    parse_tree(&String::from_utf8(output.stdout).context("reading cargo tree")?)
}

fn parse_tree(text: &str) -> Result<BTreeSet<Crate>> {
    text.lines().filter(|line| !line.is_empty()).map(parse_line).collect()
}

/// Reads `MIT|syn v2.0.119 (proc-macro) (*)`; what follows the version is of no use here.
fn parse_line(line: &str) -> Result<Crate> {
    let parts = || {
        let (licence, package) = line.split_once('|')?;
        let (name, rest) = package.split_once(" v")?;
        let version = rest.split_whitespace().next()?;
        Some((name, version, licence))
    };
    let (name, version, licence) =
        parts().with_context(|| format!("cargo tree printed an unknown line: {line}"))?;
    Ok(Crate { name: name.into(), version: version.into(), licence: licence.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_shape_of_a_cargo_tree_line_once() {
        let text = "Apache-2.0|tdattest-wire v0.1.0 (/clone/crates/wire)\n\
                    MIT OR Apache-2.0|syn v2.0.119 (proc-macro)\n\n\
                    MIT OR Apache-2.0|syn v2.0.119 (proc-macro) (*)\n\
                    |unlicensed v1.0.0\n";
        let read: Vec<_> = parse_tree(text)
            .unwrap()
            .into_iter()
            .map(|one| (one.name, one.version, one.licence))
            .collect();
        let expected = [
            ("syn", "2.0.119", "MIT OR Apache-2.0"),
            ("tdattest-wire", "0.1.0", "Apache-2.0"),
            ("unlicensed", "1.0.0", ""),
        ];
        assert_eq!(read, expected.map(|(n, v, l)| (n.to_owned(), v.to_owned(), l.to_owned())));
    }

    #[test]
    fn refuses_a_line_it_does_not_understand() {
        assert!(parse_tree("syn 2.0.119\n").is_err());
    }
}
