//! The one secret of a simulated platform: every key, serial number and random-looking value comes from it.
//!
//! Must stay true: the same seed and label give the same value for ever, on every machine. Committed vectors depend on
//! it.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER_PERMISSIVE;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tdattest_wire::bytes::Hex;

/// 32 bytes, written as 64 hexadecimal digits. A secret of a simulator protects nothing: it may be shown and shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(pub [u8; 32]);

impl Seed {
    /// The seed that stands for a phrase: its SHA-256.
    pub fn of(phrase: &str) -> Self {
        Self(Sha256::digest(phrase).into())
    }

    /// Bytes that look random, the same for the same label.
    pub fn bytes<const N: usize>(&self, label: &str) -> [u8; N] {
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.many(label, N));
        bytes
    }

    /// The same, of a length known only when running.
    pub(crate) fn many(&self, label: &str, length: usize) -> Vec<u8> {
        let block = |counter: u32| {
            let hash = Sha256::new().chain_update(self.0).chain_update(counter.to_be_bytes());
            hash.chain_update(label).finalize()
        };
        (0..).flat_map(block).take(length).collect()
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let seed = bytes.and_then(|bytes| bytes.try_into().ok()).map(Self);
        seed.ok_or_else(|| format!("a seed has 64 hexadecimal digits, not `{text}`"))
    }
}

impl TryFrom<String> for Seed {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.to_string()
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the seed, a counter and the label, whatever else changes: committed vectors are made of this.
    #[test]
    fn the_same_seed_and_label_give_the_same_bytes_for_ever() {
        let seed = Seed::of("known");
        assert_eq!(
            seed.to_string(),
            "7117fff2d0fd294462b3c802b7cb8753579f23f3946b99cf55f38e873f013f10"
        );
        let bytes = seed.bytes::<40>("label");
        assert_eq!(
            Hex(&bytes).to_string(),
            "1f44f7347c2dd12f025e46908a53c4211025bd9dbfd6d8bb44aeaf5f535af4ecceeb8073b3b7af18"
        );
        assert_eq!(bytes[..16], seed.bytes::<16>("label"));
        assert_ne!(seed.bytes::<16>("label"), seed.bytes::<16>("other"));
    }
}
