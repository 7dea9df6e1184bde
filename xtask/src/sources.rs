//! What the sources may not say: `unsafe` outside its homes, and I/O or time in the pure pair.
//!
//! A scan by line, not a parser: it knows `//` and string literals, which is enough for code
//! that rustfmt has laid out. The compiler's own lints stand behind it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Where our Rust code lives; absent folders are skipped.
const ROOTS: [&str; 4] = ["crates", "dropin", "fuzz", "xtask"];

/// House rule 6. The stand-in is no part of a crate: a test compiles it in place of Intel's C library.
const UNSAFE_HOMES: [&str; 5] = [
    "crates/attester/src/ioctl.rs",
    "crates/qgs/src/backend/intel.rs",
    "crates/qgs/tests/stand_in/",
    "crates/capi/",
    "dropin/",
];

/// House rule 5.
const PURE_FOLDERS: [&str; 2] = ["crates/wire/src/", "crates/verifier/src/"];

/// `std::{` hides what it imports from a scan by line, so the pure pair goes without.
const IMPURE: [&str; 6] =
    ["std::fs", "std::net", "std::env", "std::{", "SystemTime", "Instant::now"];

/// What a scan of all sources found.
#[derive(Default)]
pub(crate) struct Scan {
    pub(crate) files: usize,
    pub(crate) problems: Vec<String>,
}

/// Reads every Rust file of the workspace and of `fuzz/`.
pub(crate) fn scan() -> Result<Scan> {
    let mut scan = Scan::default();
    for root in ROOTS.map(Path::new).into_iter().filter(|root| root.is_dir()) {
        scan_folder(root, &mut scan)?;
    }
    Ok(scan)
}

fn scan_folder(folder: &Path, scan: &mut Scan) -> Result<()> {
    let reading = || format!("reading {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        if path.is_dir() && !path.ends_with("target") {
            scan_folder(&path, scan)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text =
                fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            scan.files += 1;
            scan.problems.extend(judge(&path.to_string_lossy(), &text));
        }
    }
    Ok(())
}

fn judge(path: &str, text: &str) -> Vec<String> {
    let may_be_unsafe = UNSAFE_HOMES.iter().any(|home| path.starts_with(home));
    let must_be_pure = PURE_FOLDERS.iter().any(|folder| path.starts_with(folder));
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let code = code_of(line);
        let at = format!("{path}:{}", index + 1);
        if !may_be_unsafe && has_word(&code, "unsafe") {
            problems.push(format!("{at}: `unsafe` outside the places of house rule 6"));
        }
        for word in IMPURE.iter().filter(|word| must_be_pure && code.contains(*word)) {
            problems.push(format!("{at}: `{word}` in the pure pair (house rule 5)"));
        }
    }
    problems
}

/// The line without its comment and without what its string literals say.
fn code_of(line: &str) -> String {
    let mut code = String::with_capacity(line.len());
    let mut in_string = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()), // The escaped character ends neither string nor char.
            '"' if code.ends_with('\'') && chars.peek() == Some(&'\'') => {} // The char '"'.
            '"' => in_string = !in_string,
            '/' if !in_string && chars.peek() == Some(&'/') => break,
            _ if !in_string => code.push(c),
            _ => {}
        }
    }
    code
}

fn has_word(code: &str, word: &str) -> bool {
    code.split(|c: char| !c.is_alphanumeric() && c != '_').any(|part| part == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsafe_is_refused_outside_its_homes() {
        let text = "fn f() {\n    unsafe { g() }\n}\n";
        assert_eq!(judge("crates/capi/src/lib.rs", text), Vec::<String>::new());
        assert_eq!(judge("crates/attester/src/ioctl.rs", text), Vec::<String>::new());
        let problems = judge("crates/attester/src/qgs.rs", text);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("crates/attester/src/qgs.rs:2: "));
    }

    #[test]
    fn unsafe_in_a_comment_a_string_or_a_lint_name_is_no_unsafe() {
        let text = "#![forbid(unsafe_code)] // unsafe\nlet s = \"an \\\" unsafe\";\n/// unsafe\n";
        assert_eq!(judge("xtask/src/main.rs", text), Vec::<String>::new());
    }

    #[test]
    fn code_after_a_string_or_a_quote_character_is_still_read() {
        assert!(has_word(&code_of("f(\"a // b\", unsafe { g() })"), "unsafe"));
        assert!(has_word(&code_of("if c == '\"' { unsafe { g() } }"), "unsafe"));
        assert!(has_word(&code_of("if c == '\\'' { unsafe { g() } }"), "unsafe"));
    }

    #[test]
    fn the_pure_pair_touches_no_clock_network_disk_or_environment() {
        for line in [
            "use std::fs::File;",
            "use std::net::TcpStream;",
            "let home = std::env::var(name);",
            "use std::{fs, io};",
            "fn now() -> SystemTime {",
            "let start = Instant::now();",
        ] {
            assert_eq!(judge("crates/verifier/src/verify.rs", line).len(), 1, "{line}");
            assert_eq!(judge("crates/wire/src/lib.rs", line).len(), 1, "{line}");
            assert!(judge("crates/verifier/tests/real.rs", line).is_empty(), "{line}");
        }
    }

    #[test]
    fn the_pure_pair_may_use_core_and_speak_of_the_clock() {
        let text = "use core::{fmt, str};\n//! Never `SystemTime`.\n";
        assert_eq!(judge("crates/wire/src/lib.rs", text), Vec::<String>::new());
    }
}
