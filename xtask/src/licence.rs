//! May we ship code under this SPDX licence expression?
//!
//! Reads the part of SPDX 2.3, Annex D, that crates use: `AND`, `OR`, `WITH` and parentheses,
//! and the `/` that Cargo once took for `OR`.

use std::iter::Peekable;
use std::str::SplitWhitespace;

use anyhow::{Result, bail};

/// Permissive licences, none of which asks more than notice of those who ship an Apache-2.0 work.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

type Tokens<'a> = Peekable<SplitWhitespace<'a>>;

/// Whether the expression can be satisfied with allowed licences alone.
///
/// Errors on what is not an expression, an empty one among them.
pub(crate) fn is_allowed(expression: &str) -> Result<bool> {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut tokens = spaced.split_whitespace().peekable();
    let allowed = any_of(&mut tokens)?;
    match tokens.next() {
        None => Ok(allowed),
        Some(token) => bail!("unexpected `{token}`"),
    }
}

fn any_of(tokens: &mut Tokens<'_>) -> Result<bool> {
    let mut allowed = all_of(tokens)?;
    while tokens.next_if_eq(&"OR").is_some() {
        // The right side is read first, and always, so that its tokens are consumed.
        allowed = all_of(tokens)? || allowed;
    }
    Ok(allowed)
}

fn all_of(tokens: &mut Tokens<'_>) -> Result<bool> {
    let mut allowed = one(tokens)?;
    while tokens.next_if_eq(&"AND").is_some() {
        allowed = one(tokens)? && allowed;
    }
    Ok(allowed)
}

fn one(tokens: &mut Tokens<'_>) -> Result<bool> {
    match tokens.next() {
        Some("(") => {
            let allowed = any_of(tokens)?;
            match tokens.next() {
                Some(")") => Ok(allowed),
                _ => bail!("`(` without `)`"),
            }
        }
        None | Some(")" | "AND" | "OR" | "WITH") => bail!("a licence is missing"),
        Some(licence) if tokens.next_if_eq(&"WITH").is_some() => {
            let exception = tokens.next().unwrap_or_default();
            Ok(ALLOWED.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        Some(licence) => Ok(ALLOWED.contains(&licence)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_allowed_alternative_is_enough() {
        for expression in
            ["MIT", "MIT OR Apache-2.0", "MIT/GPL-3.0", "GPL-3.0 OR (LGPL-2.1 OR ISC)"]
        {
            assert!(is_allowed(expression).unwrap(), "{expression}");
        }
    }

    #[test]
    fn every_part_of_a_conjunction_must_be_allowed() {
        assert!(is_allowed("(MIT OR Apache-2.0) AND Unicode-3.0").unwrap());
        assert!(!is_allowed("GPL-3.0 AND MIT").unwrap());
        assert!(!is_allowed("MIT AND (GPL-3.0 OR LGPL-2.1)").unwrap());
    }

    #[test]
    fn and_binds_tighter_than_or() {
        assert!(is_allowed("MIT OR ISC AND GPL-3.0").unwrap());
        assert!(!is_allowed("GPL-3.0 OR ISC AND GPL-3.0").unwrap());
    }

    #[test]
    fn an_exception_is_part_of_the_licence() {
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception").unwrap());
        assert!(!is_allowed("MIT WITH LLVM-exception").unwrap());
        assert!(!is_allowed("GPL-3.0 WITH Classpath-exception-2.0").unwrap());
    }

    #[test]
    fn what_is_not_an_expression_is_an_error() {
        for expression in ["", "MIT OR", "(MIT", "MIT)", "AND MIT", "MIT Apache-2.0"] {
            assert!(is_allowed(expression).is_err(), "{expression}");
        }
    }
}
