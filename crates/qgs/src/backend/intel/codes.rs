//! What Intel's error numbers mean: where, in words, and what to do.
//!
//! The quoting library numbers its errors 0x110nn and the quote provider 0xe0nn, with one list of meanings for both. What the
//! provider answers while a quote is made, the library passes on as "unexpected"; what the provider told its log is then all
//! there is to go by.
//! Source: Intel DCAP, `td_ql_wrapper.h`, `sgx_ql_lib_common.h`, `sgx_default_qcnl_wrapper.h` and `td_ql_logic.cpp`.
//! Must stay true: every number is explained, known or not.

mod classes;
mod meanings;

use tdattest_wire::qgs::QgsError;

use crate::failure::{Failure, Hop};
use meanings::{MEANINGS, Meaning};

/// The code of a context whose key is not there or not certified: it can be made anew, once.
pub(super) const KEY_MISSING: &str = classes::KEY.code;

/// The codes that an altered TDREPORT may have, as well as a broken context: where its hashes do not fit, Intel's enclave says so,
/// and the library has no number for that.
pub(super) const IN_DOUBT: [&str; 3] =
    [classes::UNEXPECTED.code, classes::PARAMETER.code, classes::UNKNOWN.code];

/// What a kind of errors has in common.
struct Class {
    hop: Hop,
    code: &'static str,
    remedy: &'static str,
    answer: QgsError,
    spoils: bool,
}

/// Whose number it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Library,
    Provider,
    Network,
}

impl Family {
    /// The family of a number, and the number within it.
    fn of(status: u32) -> Option<(Self, u8)> {
        let family = match status & !0xff {
            0x1_1000 => Self::Library,
            0xe000 => Self::Provider,
            0xb000 => Self::Network,
            _ => return None,
        };
        status.to_le_bytes().first().map(|number| (family, *number))
    }

    /// What Intel calls a number of this family.
    fn name(self, meaning: &Meaning) -> String {
        match self {
            Self::Library => format!("TEE_ATT_{}", meaning.name),
            Self::Provider => format!("SGX_QL_{}", meaning.name),
            Self::Network => "of the provider's network library".into(),
        }
    }
}

/// Why a function failed, from its error number and from what the provider told the log meanwhile.
pub(super) fn explain(function: &str, status: u32, heard: &[String]) -> Failure {
    let Some((family, meaning)) = meaning_of(status) else {
        let text = format!("{function} failed with {status:#x}, which is none of its errors");
        return classes::UNKNOWN.failure(said(text, heard));
    };
    let text = format!("{function} failed with {status:#x} ({})", family.name(meaning));
    let told = match meaning.number {
        UNEXPECTED if !heard.is_empty() => told_by(heard),
        UNEXPECTED if family == Family::Provider => Some(&PROVIDER_UNEXPECTED),
        _ => None,
    };
    let Meaning { words, class, .. } = told.unwrap_or(meaning);
    class.failure(said(format!("{text}: {words}"), heard))
}

fn said(text: String, heard: &[String]) -> String {
    match heard.is_empty() {
        true => text,
        false => format!("{text}; the quote provider says `{}`", heard.join(" | ")),
    }
}

impl Class {
    fn failure(&self, cause: String) -> Failure {
        let failure = Failure::new(self.hop, self.code, cause).told_as(self.answer);
        let failure = match self.remedy {
            "" => failure,
            remedy => failure.with_remedy(remedy),
        };
        match self.spoils {
            true => failure.spoiling(),
            false => failure,
        }
    }
}

fn meaning_of(status: u32) -> Option<(Family, &'static Meaning)> {
    let (family, number) = Family::of(status)?;
    let number = match family {
        Family::Network => network_number(number)?,
        Family::Library | Family::Provider => number,
    };
    MEANINGS.iter().find(|meaning| meaning.number == number).map(|meaning| (family, meaning))
}

/// What the provider's errors point to, the last first.
fn told_by(heard: &[String]) -> Option<&'static Meaning> {
    let told = |line: &String| {
        let numbers = line.split_ascii_whitespace().filter_map(|word| {
            let digits = word.trim_end_matches(['.', ',', ';', ')']).split_once("0x")?.1;
            u32::from_str_radix(digits, 16).ok().and_then(meaning_of)
        });
        let phrase = PHRASES.iter().find(|(phrase, _)| line.contains(phrase));
        let phrase = phrase.and_then(|(_, status)| meaning_of(*status));
        numbers
            .chain(phrase)
            .map(|(_, meaning)| meaning)
            .find(|meaning| meaning.number != UNEXPECTED)
    };
    heard.iter().rev().find_map(told).or(Some(&PROVIDER_UNEXPECTED))
}

/// The provider's number for an error of its network library, as Intel's provider translates it.
fn network_number(number: u8) -> Option<u8> {
    Some(match number {
        0x01 => UNEXPECTED,
        0x02 => 0x02,
        0x03..=0x0c => 0x19,
        0x0d => 0x46,
        0x0e => 0x03,
        0x0f => 0x11,
        0x10 => 0x47,
        0x11 => 0x44,
        0x12 => 0x49,
        0x13 => 0x40,
        0x30 | 0x35 | 0x36 => 0x67,
        0x33 => 0x65,
        _ => return None,
    })
}

/// The number for whatever has none of its own.
const UNEXPECTED: u8 = 0x01;

/// What the provider says of failures without a number.
const PHRASES: [(&str, u32); 2] =
    [("No certificate data for this platform", 0xe011), ("CURL error", 0xe019)];

/// An unexpected error, where it is the provider's.
const PROVIDER_UNEXPECTED: Meaning = Meaning {
    number: UNEXPECTED,
    name: "ERROR_UNEXPECTED",
    words: "the quote provider failed",
    class: &classes::PROVIDER,
};

#[cfg(test)]
mod tests;
