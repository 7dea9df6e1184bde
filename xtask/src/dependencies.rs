//! What do we ship that others wrote, under which licence, and none of it twice?
//!
//! Looks at normal and build dependencies of all members: what is linked, and what runs to link
//! it. Dev-dependencies reach no user.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::licence;
use crate::verdict::{conclude, count};
use crate::workspace::{self, Crate, PLATFORM};

/// A crate that may be there in exactly these series of versions, because nobody here can help it.
struct Duplicate {
    name: &'static str,
    series: &'static [&'static str],
    reason: &'static str,
}

const DUPLICATES: &[Duplicate] = &[
    Duplicate {
        name: "syn",
        series: &["2", "3"],
        reason: "der_derive 0.8, the newest, is on 2; serde, clap and thiserror have moved to 3",
    },
    Duplicate { name: "base64", series: &["0.22", "0.23"], reason: POSTGRES },
    Duplicate { name: "fallible-iterator", series: &["0.2", "0.3"], reason: POSTGRES },
    Duplicate { name: "const-oid", series: &["0.10", "0.9"], reason: POSTGRES_TLS },
    Duplicate { name: "der", series: &["0.7", "0.8"], reason: POSTGRES_TLS },
    Duplicate { name: "der_derive", series: &["0.7", "0.8"], reason: POSTGRES_TLS },
    Duplicate { name: "spki", series: &["0.7", "0.8"], reason: POSTGRES_TLS },
    Duplicate { name: "x509-cert", series: &["0.2", "0.3"], reason: POSTGRES_TLS },
];

const POSTGRES: &str = "postgres-protocol 0.6, the newest, is on the older";

const POSTGRES_TLS: &str = "tokio-postgres-rustls 0.14, the newest, is on the older, for the binding of SCRAM to its TLS channel";

/// Fails on a licence outside the list, on a crate in two versions, and on a stale exception.
pub(crate) fn run() -> Result<()> {
    let crates =
        workspace::tree(&["--workspace", "--edges", "normal,build", "--target", PLATFORM])?;
    let licences: BTreeSet<&str> = crates.iter().map(|one| one.licence.as_str()).collect();
    let mut problems: Vec<String> = crates.iter().filter_map(refuse_licence).collect();
    problems.extend(refuse_duplicates(&crates, DUPLICATES));

    let success = format!(
        "{} under {} and {}: allowed",
        count(crates.len(), "crate"),
        count(licences.len(), "licence expression"),
        count(DUPLICATES.len(), "known duplicate"),
    );
    conclude("dependencies", &success, &problems)
}

fn refuse_licence(one: &Crate) -> Option<String> {
    let Crate { name, version, licence } = one;
    match licence::is_allowed(licence) {
        Ok(true) => None,
        Ok(false) => Some(format!("{name} {version} is under {licence}, which is not allowed")),
        Err(error) => Some(format!("{name} {version} has no readable licence: {error}")),
    }
}

fn refuse_duplicates(crates: &BTreeSet<Crate>, known: &[Duplicate]) -> Vec<String> {
    let mut found: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for one in crates {
        found.entry(&one.name).or_default().insert(series(&one.version));
    }
    found.retain(|_, series| series.len() > 1);

    let mut problems = Vec::new();
    for duplicate in known {
        let expected = duplicate.series.iter().map(ToString::to_string).collect();
        if found.get(duplicate.name) == Some(&expected) {
            found.remove(duplicate.name);
        } else {
            problems.push(format!(
                "{} is no longer there as {} ({}): correct `DUPLICATES` in xtask/src/dependencies.rs",
                duplicate.name,
                duplicate.series.join(" and "),
                duplicate.reason,
            ));
        }
    }
    problems.extend(found.iter().map(|(name, series)| {
        let versions: Vec<&str> = series.iter().map(String::as_str).collect();
        format!(
            "{name} is there as {}; cargo tree -d -e normal,build says why",
            versions.join(" and ")
        )
    }));
    problems
}

/// The part of a version that Cargo will not unify across: `2` of `2.0.119`, `0.14` of `0.14.3`.
fn series(version: &str) -> String {
    let mut series = Vec::new();
    for part in version.split('.') {
        series.push(part);
        if part != "0" {
            break;
        }
    }
    series.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYN: &[Duplicate] = &[Duplicate { name: "syn", series: &["2", "3"], reason: "test" }];

    fn crates(list: &[(&str, &str)]) -> BTreeSet<Crate> {
        list.iter()
            .map(|(name, version)| Crate {
                name: (*name).into(),
                version: (*version).into(),
                licence: "MIT".into(),
            })
            .collect()
    }

    #[test]
    fn a_series_is_what_cargo_keeps_apart() {
        assert_eq!(series("2.0.119"), "2");
        assert_eq!(series("0.14.3"), "0.14");
        assert_eq!(series("0.0.7"), "0.0.7");
    }

    #[test]
    fn refuses_a_crate_in_two_versions() {
        let tree = crates(&[("der", "0.7.9"), ("der", "0.8.3"), ("log", "0.4.1")]);
        let problems = refuse_duplicates(&tree, &[]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("der is there as 0.7 and 0.8"));
    }

    #[test]
    fn accepts_a_known_duplicate() {
        let tree = crates(&[("syn", "2.0.119"), ("syn", "3.0.10")]);
        assert_eq!(refuse_duplicates(&tree, SYN), Vec::<String>::new());
    }

    #[test]
    fn refuses_an_exception_that_no_longer_applies() {
        assert_eq!(refuse_duplicates(&crates(&[("syn", "3.0.10")]), SYN).len(), 1);
    }

    #[test]
    fn an_exception_does_not_cover_another_version() {
        let tree = crates(&[("syn", "1.0.0"), ("syn", "2.0.119"), ("syn", "3.0.10")]);
        assert_eq!(refuse_duplicates(&tree, SYN).len(), 2);
    }

    #[test]
    fn refuses_a_crate_that_states_no_licence() {
        let silent = Crate { name: "a".into(), version: "1.0.0".into(), licence: String::new() };
        assert!(refuse_licence(&silent).is_some());
    }
}
