//! Are the documents true? Codes, tests, files and links that they cite must exist, and each code has a vector.
//!
//! Prose can still be wrong; what a machine can check is checked here.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use tdattest_verifier::VerifyError;

use crate::verdict::{conclude, count};

/// Codes of judgements that are not verification errors.
const OTHER_CODES: &[&str] = &[
    "quote.malformed",
    "collateral.malformed",
    "collateral.missing",
    "input.unreadable",
    "policy.debug",
    "policy.under-debug",
    "policy.unknown-attributes",
    "policy.report-data",
    "policy.tcb-status",
];

/// The one code that no vector can bring about: it is of files that cannot be had.
const WITHOUT_VECTOR: &str = "input.unreadable";

const SPEC_MAP: &str = "docs/spec-map.md";
const EXCEPTIONS: &str = "vectors/exceptions.json";
const REFUSED: &str = "vectors/refused";

/// A deliberate departure from Intel's library.
#[derive(Deserialize)]
struct Exception {
    id: String,
    code: String,
    #[serde(rename = "intel")]
    _intel: String,
    #[serde(rename = "tdattest")]
    _tdattest: String,
    #[serde(rename = "reason")]
    _reason: String,
}

pub(crate) fn run() -> Result<()> {
    let documents = documents()?;
    let tests = test_names(Path::new("."))?;
    let codes: BTreeSet<&str> = VerifyError::CODES.iter().chain(OTHER_CODES).copied().collect();
    let mut problems = Vec::new();

    let map = fs::read_to_string(SPEC_MAP).with_context(|| format!("reading {SPEC_MAP}"))?;
    let mapped: BTreeSet<&str> = quoted(&map).collect();
    let unmapped = codes.iter().filter(|code| !mapped.contains(*code));
    problems.extend(unmapped.map(|code| format!("{SPEC_MAP} has no row for `{code}`")));
    let vectors = folders(Path::new(REFUSED))?;
    problems.extend(without_vector(&codes, &vectors));
    problems.extend(without_code(&codes, &vectors));

    for Exception { id, code, .. } in exceptions()? {
        if !codes.contains(code.as_str()) {
            problems.push(format!("{EXCEPTIONS}: `{id}` names `{code}`, which is no code"));
        }
        if !mapped.contains(id.as_str()) {
            problems.push(format!("{SPEC_MAP} does not mention the exception `{id}`"));
        }
    }
    for (path, text) in &documents {
        let missing = cited_tests(text).filter(|name| !tests.contains(*name));
        problems.extend(missing.map(|name| format!("{}: no test `{name}`", path.display())));
        let broken = links(text).filter(|link| !leads_somewhere(path, link));
        problems.extend(broken.map(|link| format!("{}: link to `{link}`", path.display())));
    }
    let found = format!(
        "{}, {} codes and their {} agree with the sources",
        count(documents.len(), "document"),
        codes.len(),
        count(vectors.len(), "vector"),
    );
    conclude("documents", &found, &problems)
}

/// The names of the folders in a folder.
fn folders(folder: &Path) -> Result<Vec<String>> {
    let reading = || format!("reading {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Whether a vector is of a code: its name is the code, or the code, a full stop and more.
fn is_of(vector: &str, code: &str) -> bool {
    vector.strip_prefix(code).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn without_vector(codes: &BTreeSet<&str>, vectors: &[String]) -> Vec<String> {
    let has_vector = |code: &str| vectors.iter().any(|vector| is_of(vector, code));
    let without = codes.iter().filter(|code| **code != WITHOUT_VECTOR && !has_vector(code));
    without.map(|code| format!("{REFUSED} has no case for `{code}`")).collect()
}

fn without_code(codes: &BTreeSet<&str>, vectors: &[String]) -> Vec<String> {
    let has_code = |vector: &str| codes.iter().any(|code| is_of(vector, code));
    let without = vectors.iter().filter(|vector| !has_code(vector));
    without.map(|vector| format!("{REFUSED}/{vector} begins with no code")).collect()
}

fn exceptions() -> Result<Vec<Exception>> {
    let text = fs::read(EXCEPTIONS).with_context(|| format!("reading {EXCEPTIONS}"))?;
    serde_json::from_slice(&text).with_context(|| format!("parsing {EXCEPTIONS}"))
}

/// Every Markdown file outside build folders.
fn documents() -> Result<Vec<(PathBuf, String)>> {
    let mut documents = Vec::new();
    for path in files(Path::new("."), "md")? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        documents.push((path, text));
    }
    Ok(documents)
}

/// The names of all functions in the sources: a cited test is one of them.
fn test_names(root: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for path in files(root, "rs")? {
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next());
        names.extend(functions.map(String::from));
    }
    Ok(names)
}

fn files(folder: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() {
            if !matches!(name, "target" | ".git" | "corpus") {
                found.extend(files(&path, ending)?);
            }
        } else if path.extension().is_some_and(|found| found == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// What stands between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// Quoted words that read like the name of a test: three words or more joined by underscores.
fn cited_tests(text: &str) -> impl Iterator<Item = &str> {
    quoted(text).filter(|word| {
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        word.bytes().all(lower) && word.matches('_').count() >= 4
    })
}

/// The targets of relative Markdown links.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.contains(' '))
}

fn leads_somewhere(document: &Path, link: &str) -> bool {
    document.parent().is_some_and(|folder| folder.join(link).exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_without_a_vector_and_a_vector_without_a_code_are_problems() {
        let codes = BTreeSet::from(["qe.signature", "tcb-info.fmspc", WITHOUT_VECTOR]);
        let vectors = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| (*name).to_owned()).collect()
        };
        let complete = vectors(&["qe.signature.v3-sgx", "tcb-info.fmspc"]);
        assert_eq!(without_vector(&codes, &complete), Vec::<String>::new());
        assert_eq!(without_code(&codes, &complete), Vec::<String>::new());

        let other = vectors(&["qe.signatures", "tcb-info.fmspc"]);
        assert_eq!(
            without_vector(&codes, &other),
            ["vectors/refused has no case for `qe.signature`"]
        );
        assert_eq!(
            without_code(&codes, &other),
            ["vectors/refused/qe.signatures begins with no code"]
        );
    }

    #[test]
    fn finds_cited_tests_and_relative_links_and_nothing_else() {
        let text = "see `rejects_an_expired_tcb_info` and `tcb_info`, [here](a/b.md#c), [there](https://x.y), `a.b`";
        assert_eq!(cited_tests(text).collect::<Vec<_>>(), ["rejects_an_expired_tcb_info"]);
        assert_eq!(links(text).collect::<Vec<_>>(), ["a/b.md"]);
    }
}
