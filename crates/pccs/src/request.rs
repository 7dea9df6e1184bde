//! One request of the API, as far as HTTP has been taken off it, and what its query says.
//!
//! Source: Intel's PCCS as observed: of a repeated parameter the first counts, parameters nobody knows are ignored.

use std::ops::Range;

use data_encoding::HEXLOWER_PERMISSIVE;
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use tdattest_wire::bytes::Fmspc;
use tdattest_wire::pcs::EvaluationDataSet;

use crate::answer::Refusal;

/// The most parameters of a query that are looked at.
const PARAMETERS: usize = 64;

/// A request as the server hands it in.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is to be done.
    pub method: Method,
    /// The path as it was sent, percent-encoding included.
    pub path: String,
    /// What follows the `?` as it was sent; empty when nothing does.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; empty when it was too large.
    pub body: Bytes,
    /// Whether the body went past the server's limit.
    pub body_too_large: bool,
}

impl Request {
    /// The body, if it is said to be JSON.
    pub(crate) fn json(&self) -> Result<&[u8], Refusal> {
        let kind = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            return Err(Refusal::InvalidRequest);
        }
        Ok(&self.body)
    }
}

/// The parameters of a query, decoded: names and values one behind the other in one text.
pub(crate) struct Parameters {
    text: String,
    places: Vec<(Range<usize>, Range<usize>)>,
}

impl Parameters {
    pub(crate) fn parse(query: &str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).take(PARAMETERS);
        let mut text = String::with_capacity(query.len());
        let places = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name, &mut text), decode(value, &mut text))
        });
        let places = places.collect();
        Self { text, places }
    }

    /// The first value of a parameter.
    pub(crate) fn first(&self, name: &str) -> Option<&str> {
        let found = |(found, _): &&(Range<usize>, _)| self.text.get(found.clone()) == Some(name);
        let (_, value) = self.places.iter().find(found)?;
        self.text.get(value.clone())
    }

    /// A parameter that has to be there as `N` bytes in hexadecimal.
    pub(crate) fn hex<const N: usize>(&self, name: &str) -> Result<[u8; N], Refusal> {
        self.first(name).and_then(hex).ok_or(Refusal::InvalidRequest)
    }

    pub(crate) fn fmspc(&self) -> Result<Fmspc, Refusal> {
        self.hex("fmspc").map(Fmspc)
    }

    /// Which set is asked for; none named is the standard one.
    pub(crate) fn set(&self) -> Result<EvaluationDataSet, Refusal> {
        let number = self.first("tcbEvaluationDataNumber");
        match (self.first("update"), number) {
            (None, None) => Ok(EvaluationDataSet::Standard),
            (Some(update), None) => named_set(update).ok_or(Refusal::InvalidRequest),
            (None, Some(number)) => {
                let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                let number = if digits { number.parse().ok() } else { None };
                number.map(EvaluationDataSet::Number).ok_or(Refusal::InvalidRequest)
            }
            // PCS API v4, "Get TCB Info": the two exclude each other.
            (Some(_), Some(_)) => Err(Refusal::InvalidRequest),
        }
    }
}

/// The set that a value of `update` names.
pub(crate) fn named_set(update: &str) -> Option<EvaluationDataSet> {
    match update {
        _ if update.eq_ignore_ascii_case("standard") => Some(EvaluationDataSet::Standard),
        _ if update.eq_ignore_ascii_case("early") => Some(EvaluationDataSet::Early),
        _ => None,
    }
}

/// Exactly `N` bytes in hexadecimal of either case.
pub(crate) fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let length = HEXLOWER_PERMISSIVE.decode_len(text.len()).ok()?;
    if length != N {
        return None;
    }
    HEXLOWER_PERMISSIVE.decode_mut(text.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// Puts a name or a value behind what is there; says where it stands.
fn decode(encoded: &str, text: &mut String) -> Range<usize> {
    let begins = text.len();
    // Nearly all there is stands for itself.
    match encoded.contains(['+', '%']) {
        false => text.push_str(encoded),
        true => {
            let spaced = encoded.replace('+', " ");
            text.push_str(&percent_decode_str(&spaced).decode_utf8_lossy());
        }
    }
    begins..text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_repeated_parameters_counts() {
        let parameters = Parameters::parse("fmspc=00806F050000&fmspc=zzz&update=EARLY&update=zzz");
        assert_eq!(parameters.fmspc(), Ok(Fmspc([0, 0x80, 0x6f, 5, 0, 0])));
        assert_eq!(parameters.set(), Ok(EvaluationDataSet::Early));
    }

    #[test]
    fn names_and_values_are_decoded_and_kept_apart() {
        let parameters = Parameters::parse("a%62=+c%26&&=d&ab=e&f&g==&%ff=%C3%A4");
        for (name, value) in [
            ("ab", Some(" c&")),
            ("", Some("d")),
            ("f", Some("")),
            ("g", Some("=")),
            ("\u{fffd}", Some("\u{e4}")),
            ("c&", None),
            ("a%62", None),
        ] {
            assert_eq!(parameters.first(name), value, "{name}");
        }
    }

    #[test]
    fn an_address_is_read_raw_and_percent_encoded() {
        for query in [
            "uri=https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
            "uri=https%3A%2F%2Fcertificates.trustedservices.intel.com%2FIntelSGXRootCA.der",
        ] {
            assert_eq!(
                Parameters::parse(query).first("uri"),
                Some("https://certificates.trustedservices.intel.com/IntelSGXRootCA.der")
            );
        }
    }

    #[test]
    fn a_set_is_named_in_any_case_and_never_twice() {
        let set = |query| Parameters::parse(query).set();
        assert_eq!(set(""), Ok(EvaluationDataSet::Standard));
        assert_eq!(set("update=Standard"), Ok(EvaluationDataSet::Standard));
        assert_eq!(set("tcbEvaluationDataNumber=17"), Ok(EvaluationDataSet::Number(17)));
        for query in [
            "update=",
            "update=all",
            "tcbEvaluationDataNumber=",
            "tcbEvaluationDataNumber=+7",
            "tcbEvaluationDataNumber=4294967296",
            "update=early&tcbEvaluationDataNumber=17",
        ] {
            assert_eq!(set(query), Err(Refusal::InvalidRequest), "{query}");
        }
    }

    #[test]
    fn hexadecimal_has_its_very_length() {
        assert_eq!(hex::<2>("0aFF"), Some([0x0a, 0xff]));
        for text in ["", "0a", "0aff00", "0af", "0ag0"] {
            assert_eq!(hex::<2>(text), None, "{text}");
        }
    }
}
