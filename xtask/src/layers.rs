//! Do the crates depend on each other only as `docs/ARCHITECTURE.md` draws it?
//!
//! Three looks at one question: the edges between our crates, what the pure pair pulls in from
//! outside, and what the sources say. The clippy, wasm and `no_std` runs of `ci` prove the rest.

use anyhow::Result;
use cargo_metadata::{DependencyKind, Metadata};

use crate::sources;
use crate::verdict::{conclude, count};
use crate::workspace;

/// Each crate, named by its folder without `crates/`, and the crates it may depend on.
const ALLOWED: &[(&str, &[&str])] = &[
    ("wire", &[]),
    ("verifier", &["wire"]),
    // No collateral: no verification can ever start a download.
    ("collateral", &["wire"]),
    ("attester", &["wire"]),
    ("simulator", &["wire"]),
    ("qgs", &["wire"]),
    ("pccs", &["wire", "collateral"]),
    ("service", &["wire", "verifier", "collateral"]),
    ("cli", &["wire", "verifier", "collateral", "attester", "simulator", "qgs", "pccs", "service"]),
    ("capi", &["wire", "verifier", "collateral"]),
    ("wasm", &["wire", "verifier", "collateral"]),
    ("python", &["wire", "verifier", "collateral"]),
    ("dropin/tdx-attest", &["wire", "attester"]),
    ("dropin/quote-verification", &["wire", "verifier", "collateral"]),
    ("dropin/dcap-quoteverify", &["wire", "verifier", "collateral"]),
    ("dropin/dcap-quoteprov", &["wire", "verifier", "collateral"]),
    ("xtask", &["wire", "verifier", "collateral", "simulator", "qgs"]),
];

/// Dev-dependencies are free, except these: a test double that shares code with what it tests
/// shares its errors too.
const FORBIDDEN_EVEN_IN_TESTS: &[(&str, &str)] = &[("simulator", "verifier")];

const PURE_PACKAGES: [&str; 2] = ["tdattest-wire", "tdattest-verifier"];

/// Crates that bring a clock, a network, randomness, a log or untyped errors. `rand_core` is not
/// among them: `p256` names its traits, but without `getrandom` there is nothing to draw from.
const IMPURE_CRATES: [&str; 11] = [
    "anyhow",
    "chrono",
    "getrandom",
    "hyper",
    "log",
    "rand",
    "reqwest",
    "time",
    "tokio",
    "tracing",
    "ureq",
];

struct Edge {
    from: String,
    to: String,
    kind: DependencyKind,
}

/// Fails on an edge, an outside crate or a line of source that the architecture does not allow.
pub(crate) fn run() -> Result<()> {
    let metadata = workspace::members()?;
    let members = members(&metadata);
    let edges = edges(&metadata);

    let mut problems: Vec<String> = members.iter().filter_map(|name| lacks_rule(name)).collect();
    problems.extend(edges.iter().filter_map(refuse_edge));
    let mut pulled_in = 0;
    for package in PURE_PACKAGES {
        // All targets, so that a crate only Windows or wasm pulls in is seen as well.
        let tree =
            workspace::tree(&["--package", package, "--edges", "normal", "--target", "all"])?;
        problems.extend(tree.iter().filter_map(|one| refuse_impure(package, &one.name)));
        pulled_in = pulled_in.max(tree.len());
    }
    let scan = sources::scan()?;
    problems.extend(scan.problems);

    let success = format!(
        "{} with {} between them, {} at most under the pure pair, {}: all as drawn",
        count(members.len(), "member"),
        count(edges.len(), "edge"),
        count(pulled_in, "crate"),
        count(scan.files, "source file"),
    );
    conclude("layers", &success, &problems)
}

fn members(metadata: &Metadata) -> Vec<String> {
    metadata
        .workspace_packages()
        .iter()
        .filter_map(|package| short_name(metadata, package.manifest_path.parent()?.as_str()))
        .collect()
}

/// Every declared edge between members, optional and target-specific ones included.
fn edges(metadata: &Metadata) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent();
        for dependency in &package.dependencies {
            let from = folder.and_then(|path| short_name(metadata, path.as_str()));
            let path = dependency.path.as_ref();
            let to = path.and_then(|path| short_name(metadata, path.as_str()));
            if let (Some(from), Some(to)) = (from, to) {
                edges.push(Edge { from, to, kind: dependency.kind });
            }
        }
    }
    edges
}

/// `…/crates/wire` is `wire`, `…/dropin/tdx-attest` is `dropin/tdx-attest`.
fn short_name(metadata: &Metadata, folder: &str) -> Option<String> {
    let inside = folder.strip_prefix(metadata.workspace_root.as_str())?.strip_prefix('/')?;
    Some(inside.strip_prefix("crates/").unwrap_or(inside).to_owned())
}

fn rule(name: &str) -> Option<&'static [&'static str]> {
    ALLOWED.iter().find(|(from, _)| *from == name).map(|(_, to)| *to)
}

fn lacks_rule(name: &str) -> Option<String> {
    rule(name).is_none().then(|| {
        format!("{name} is not in the architecture: say in xtask/src/layers.rs, `ALLOWED`, what it may depend on")
    })
}

fn refuse_edge(edge: &Edge) -> Option<String> {
    let Edge { from, to, kind } = edge;
    if FORBIDDEN_EVEN_IN_TESTS.contains(&(from, to)) {
        return Some(format!("{from} must not depend on {to}, not even in tests"));
    }
    if *kind == DependencyKind::Development {
        return None;
    }
    // A crate without a rule has been reported as such.
    let allowed = rule(from)?;
    (!allowed.contains(&to.as_str())).then(|| {
        let list = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
        format!("{from} must not depend on {to}; allowed: {list}")
    })
}

fn refuse_impure(package: &str, name: &str) -> Option<String> {
    IMPURE_CRATES.contains(&name).then(|| {
        format!("{package} pulls in {name}; cargo tree -p {package} -e normal -i {name} says why")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: &str, to: &str, kind: DependencyKind) -> bool {
        refuse_edge(&Edge { from: from.into(), to: to.into(), kind }).is_some()
    }

    #[test]
    fn accepts_the_drawn_arrows() {
        assert!(!refused("verifier", "wire", DependencyKind::Normal));
        assert!(!refused("cli", "simulator", DependencyKind::Normal));
        assert!(!refused("dropin/tdx-attest", "attester", DependencyKind::Normal));
    }

    #[test]
    fn refuses_an_arrow_that_is_not_drawn_in_dependencies_and_build_dependencies() {
        assert!(refused("verifier", "collateral", DependencyKind::Normal));
        assert!(refused("verifier", "collateral", DependencyKind::Build));
        assert!(refused("collateral", "verifier", DependencyKind::Normal));
        assert!(refused("wire", "verifier", DependencyKind::Normal));
        assert!(refused("capi", "attester", DependencyKind::Normal));
    }

    #[test]
    fn dev_dependencies_are_free_but_for_the_simulator() {
        assert!(!refused("verifier", "simulator", DependencyKind::Development));
        assert!(refused("simulator", "verifier", DependencyKind::Development));
    }

    #[test]
    fn an_unknown_crate_is_told_where_its_rule_goes() {
        assert_eq!(lacks_rule("wire"), None);
        assert!(lacks_rule("common").unwrap().contains("xtask/src/layers.rs"));
    }

    #[test]
    fn every_arrow_ends_at_a_crate_with_a_rule() {
        for (from, targets) in ALLOWED {
            for to in *targets {
                assert!(rule(to).is_some(), "{from} -> {to}");
            }
        }
    }

    #[test]
    fn random_traits_are_pure_and_a_random_source_is_not() {
        assert_eq!(refuse_impure("tdattest-wire", "rand_core"), None);
        assert!(refuse_impure("tdattest-wire", "getrandom").is_some());
    }
}
