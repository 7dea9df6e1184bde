//! Tokens as they are made and kept: a slow, salted hash, which does not give the token back.
//!
//! Source: RFC 9106; the string form of the Password Hashing Competition.

use argon2::{Argon2, PasswordHasher as _};
use data_encoding::BASE64URL_NOPAD;

/// The bytes of a token that is made here.
const TOKEN_BYTES: usize = 32;

/// The fewest characters of a token that somebody else has made.
const FEWEST: usize = 12;

/// The most; what is longer is not a token but a file.
const MOST: usize = 1_024;

/// Why a token cannot be kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// It would be guessed.
    #[error("the token has {0} characters, expected at least {FEWEST}")]
    Short(usize),
    /// It is too long for a header.
    #[error("the token has {0} characters, expected at most {MOST}")]
    Long(usize),
    /// No header can carry it.
    #[error(
        "the token has characters that a header cannot carry, expected printable ASCII without blanks"
    )]
    Characters,
    /// The system gives no randomness.
    #[error("the system gives no randomness: {0}")]
    Randomness(getrandom::Error),
    /// It cannot be hashed.
    #[error("the token cannot be hashed: {0}")]
    Hash(String),
}

/// A token that nobody guesses, for headers and command lines.
///
/// # Errors
/// When the system gives no randomness.
pub fn generate() -> Result<String, TokenError> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(TokenError::Randomness)?;
    Ok(BASE64URL_NOPAD.encode(&bytes))
}

/// The hash of a token, as it is kept.
///
/// # Errors
/// When the token is too short, too long, or nothing that a header can carry.
pub fn hash(token: &str) -> Result<String, TokenError> {
    match token.chars().count() {
        count if count < FEWEST => return Err(TokenError::Short(count)),
        count if count > MOST => return Err(TokenError::Long(count)),
        _ => {}
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Characters);
    }
    let mut salt = [0; argon2::RECOMMENDED_SALT_LEN];
    getrandom::fill(&mut salt).map_err(TokenError::Randomness)?;
    let hashed = Argon2::default().hash_password_with_salt(token.as_bytes(), &salt);
    hashed.map(|hashed| hashed.to_string()).map_err(|fault| TokenError::Hash(fault.to_string()))
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHash;
    use argon2::PasswordVerifier as _;

    use super::*;

    #[test]
    fn a_hash_knows_its_token_and_no_other() {
        let token = generate().unwrap();
        assert_eq!(token.len(), 43);
        let hashed = hash(&token).unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$") && !hashed.contains(&token));
        let parsed = PasswordHash::new(&hashed).unwrap();
        assert!(Argon2::default().verify_password(token.as_bytes(), &parsed).is_ok());
        let other = generate().unwrap();
        assert!(Argon2::default().verify_password(other.as_bytes(), &parsed).is_err());
    }

    #[test]
    fn the_same_token_has_another_hash_each_time() {
        assert_ne!(hash("correct-horse").unwrap(), hash("correct-horse").unwrap());
    }

    #[test]
    fn what_is_no_token_is_refused() {
        assert_eq!(hash("eleven-char"), Err(TokenError::Short(11)));
        assert_eq!(hash(&"a".repeat(1_025)), Err(TokenError::Long(1_025)));
        assert_eq!(hash("with a blank"), Err(TokenError::Characters));
        assert_eq!(hash("ünprintable-token"), Err(TokenError::Characters));
    }
}
