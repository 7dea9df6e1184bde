//! The PCK certificates of one platform, as a PCS lists them, and what a PCS must be told to find them.
//!
//! Source: PCS API v4, "Get PCK Certificates". Certificates that Intel does not have stand in the list as
//! `Not available`, with the TCB that they would be for.
//! Must stay true: a certificate is the text that Intel encoded, decoded once and otherwise untouched; nothing here looks
//! into it.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};

use crate::bytes::{CpuSvn, Fmspc, PceId, hex_array};
use crate::error::ParseError;
use crate::json;
use crate::limits;
use crate::pcs::PckCa;

/// What stands for a certificate that Intel does not have.
const NOT_AVAILABLE: &str = "Not available";

/// How a PCS tells one platform from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformQuery {
    /// What proves which platform it is.
    pub proof: PlatformProof,
    /// Its PCE.
    pub pce_id: PceId,
}

/// What proves to Intel which platform it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlatformProof {
    /// The PPID, encrypted to Intel: 384 bytes.
    EncryptedPpid(Vec<u8>),
    /// The manifest of a platform with several packages.
    Manifest(Vec<u8>),
}

/// What a PCS answers: every PCK certificate of the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckCertificates {
    /// The platform's family.
    pub fmspc: Fmspc,
    /// The CA that issued them.
    pub ca: PckCa,
    /// The chain above them, PEM: the CA first.
    pub issuer_chain: Vec<u8>,
    /// One entry a TCB level.
    pub entries: Vec<PckEntry>,
}

/// One PCK certificate of a platform, or the place where one is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckEntry {
    /// The TCB of the level that it is for: the SVNs of 16 components.
    pub components: [u8; 16],
    /// The PCE's SVN of that level.
    pub pce_svn: u16,
    /// The raw TCB that it is for.
    pub tcbm: Tcbm,
    /// The certificate, PEM; `None` where Intel has none.
    pub certificate: Option<Vec<u8>>,
}

/// A raw TCB: CPUSVN and PCESVN, 36 hexadecimal digits in headers, the PCESVN little endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tcbm {
    /// The CPU's SVN, opaque.
    pub cpu_svn: CpuSvn,
    /// The PCE's SVN.
    pub pce_svn: u16,
}

impl PckCertificates {
    /// Parses the list of an answer. The other fields come in its headers.
    ///
    /// # Errors
    /// When the text is too long, not such a list, or has too many entries.
    pub fn parse_entries(text: &[u8]) -> Result<Vec<PckEntry>, ParseError> {
        let List(entries) = json::parse(text, "PCK certificates")?;
        Ok(entries)
    }
}

struct List(Vec<PckEntry>);

impl<'de> Deserialize<'de> for List {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::bounded_vec(deserializer, limits::PCK_CERTIFICATES, "PCK certificates").map(Self)
    }
}

/// An entry as it is written: `tcb`, `tcbm` and `cert`.
#[derive(serde::Deserialize)]
struct Written<'a> {
    tcb: FlatTcb,
    tcbm: Tcbm,
    #[serde(borrow)]
    cert: Cow<'a, str>,
}

impl<'de> Deserialize<'de> for PckEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { tcb: FlatTcb { components, pce_svn }, tcbm, cert } =
            serde::Deserialize::deserialize(deserializer)?;
        let certificate = match &*cert {
            NOT_AVAILABLE => None,
            text => Some(percent_decoded(text).ok_or_else(|| {
                D::Error::custom("`cert` is neither `Not available` nor percent-encoded")
            })?),
        };
        if certificate.as_ref().is_some_and(|pem| pem.len() > limits::CHAIN_BYTES) {
            let limit = limits::CHAIN_BYTES;
            return Err(D::Error::custom(format_args!("`cert` has over {limit} bytes")));
        }
        Ok(Self { components, pce_svn, tcbm, certificate })
    }
}

impl Serialize for PckEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cert = match &self.certificate {
            Some(pem) => percent_encoded(pem),
            None => NOT_AVAILABLE.into(),
        };
        let mut entry = serializer.serialize_struct("PckEntry", 3)?;
        let tcb = FlatTcb { components: self.components, pce_svn: self.pce_svn };
        entry.serialize_field("tcb", &tcb)?;
        entry.serialize_field("tcbm", &self.tcbm)?;
        entry.serialize_field("cert", &cert)?;
        entry.end()
    }
}

/// `sgxtcbcomp01svn` to `sgxtcbcomp16svn`, and `pcesvn`: flat in version 4 of the API too.
struct FlatTcb {
    components: [u8; 16],
    pce_svn: u16,
}

impl<'de> Deserialize<'de> for FlatTcb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlatTcbVisitor;
        impl<'de> Visitor<'de> for FlatTcbVisitor {
            type Value = FlatTcb;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("sgxtcbcomp01svn to sgxtcbcomp16svn and pcesvn")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FlatTcb, A::Error> {
                flat_tcb(map)
            }
        }
        deserializer.deserialize_map(FlatTcbVisitor)
    }
}

fn flat_tcb<'de, A: MapAccess<'de>>(mut map: A) -> Result<FlatTcb, A::Error> {
    let mut components = [None; 16];
    let mut pce_svn = None;
    // The strict reader before this one refused a member that stands twice.
    while let Some(name) = map.next_key::<Cow<'de, str>>()? {
        if name == "pcesvn" {
            pce_svn = Some(map.next_value()?);
        } else if let Some(component) = component(&mut components, &name) {
            *component = Some(map.next_value()?);
        } else {
            map.next_value::<serde::de::IgnoredAny>()?;
        }
    }
    let missing = |name: &str| A::Error::custom(format_args!("missing field `{name}`"));
    let mut svns = [0; 16];
    for ((svn, found), number) in svns.iter_mut().zip(components).zip(1_u8..) {
        *svn = found.ok_or_else(|| missing(&member(number)))?;
    }
    Ok(FlatTcb { components: svns, pce_svn: pce_svn.ok_or_else(|| missing("pcesvn"))? })
}

fn component<'c>(components: &'c mut [Option<u8>; 16], name: &str) -> Option<&'c mut Option<u8>> {
    let digits = name.strip_prefix("sgxtcbcomp")?.strip_suffix("svn")?;
    // A sign would be read as part of a number.
    let is_number = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: usize = digits.parse().ok().filter(|_| is_number)?;
    components.get_mut(number.checked_sub(1)?)
}

fn member(number: u8) -> String {
    format!("sgxtcbcomp{number:02}svn")
}

impl Serialize for FlatTcb {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(17))?;
        for (svn, number) in self.components.iter().zip(1_u8..) {
            map.serialize_entry(&member(number), svn)?;
        }
        map.serialize_entry("pcesvn", &self.pce_svn)?;
        map.end()
    }
}

impl fmt::Display for Tcbm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pce_svn = self.pce_svn.to_le_bytes();
        self.cpu_svn.0.iter().chain(&pce_svn).try_for_each(|byte| write!(f, "{byte:02X}"))
    }
}

impl FromStr for Tcbm {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let [cpu_svn @ .., low, high] = hex_array::<18>(text, "TCBm")?;
        Ok(Self { cpu_svn: CpuSvn(cpu_svn), pce_svn: u16::from_le_bytes([low, high]) })
    }
}

impl Serialize for Tcbm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Tcbm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Cow<'de, str> = Deserialize::deserialize(deserializer)?;
        text.parse().map_err(|_| D::Error::custom("`tcbm` is not 36 hexadecimal digits"))
    }
}

/// The bytes behind percent signs; `None` when one is not followed by two hexadecimal digits.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let found = data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).ok()?;
            decoded.extend_from_slice(&found);
        } else {
            decoded.push(byte);
        }
    }
    Some(decoded)
}

/// As Intel encodes PEM: letters, digits and `-_.~` stand for themselves.
fn percent_encoded(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ParseErrorKind;
    use proptest::prelude::*;
    use std::string::ToString;

    const TCBM: &str = "0B0B100FFFFF010000000000000000000D00";

    fn tcb() -> String {
        let mut members: Vec<String> =
            (1..=16).map(|n| format!("\"sgxtcbcomp{n:02}svn\":{n}")).collect();
        members.push("\"pcesvn\":13".into());
        format!("{{{}}}", members.join(","))
    }

    fn list(cert: &str) -> String {
        format!("[{{\"tcb\":{},\"tcbm\":\"{TCBM}\",\"cert\":\"{cert}\"}}]", tcb())
    }

    fn problem(text: &str) -> String {
        match PckCertificates::parse_entries(text.as_bytes()).unwrap_err().kind {
            ParseErrorKind::Json { problem, .. } => problem,
            other => std::panic!("{other:?}"),
        }
    }

    #[test]
    fn reads_an_entry_and_decodes_its_certificate() {
        let text = list("-----BEGIN%20CERTIFICATE-----%0AAA%2b%3D");
        let [entry] =
            <[PckEntry; 1]>::try_from(PckCertificates::parse_entries(text.as_bytes()).unwrap())
                .unwrap();
        assert_eq!(entry.components, core::array::from_fn(|at| u8::try_from(at + 1).unwrap()));
        assert_eq!((entry.pce_svn, entry.tcbm.pce_svn), (13, 13));
        assert_eq!(entry.tcbm.to_string(), TCBM);
        assert_eq!(entry.certificate.unwrap(), b"-----BEGIN CERTIFICATE-----\nAA+=");
    }

    #[test]
    fn a_certificate_that_is_not_available_is_none_and_its_tcb_stays() {
        let entries = PckCertificates::parse_entries(list(NOT_AVAILABLE).as_bytes()).unwrap();
        assert_eq!((entries[0].certificate.as_ref(), entries[0].pce_svn), (None, 13));
    }

    #[test]
    fn refuses_a_missing_component_one_out_of_range_and_a_broken_escape() {
        let missing = list("x").replace("\"sgxtcbcomp16svn\":16,", "");
        assert_eq!(problem(&missing), "missing field `sgxtcbcomp16svn`");
        assert_eq!(
            problem(&list("x").replace("\"pcesvn\":13", "\"pcesvm\":1")),
            "missing field `pcesvn`"
        );
        let signed = list("x").replace("sgxtcbcomp01svn", "sgxtcbcomp+1svn");
        assert_eq!(problem(&signed), "missing field `sgxtcbcomp01svn`");
        let large = list("x").replace("\"sgxtcbcomp02svn\":2", "\"sgxtcbcomp02svn\":256");
        assert!(problem(&large).starts_with("invalid value: integer `256`"));
        for broken in ["%", "%0", "%0g", "a%"] {
            assert_eq!(
                problem(&list(broken)),
                "`cert` is neither `Not available` nor percent-encoded",
                "{broken}"
            );
        }
        assert_eq!(problem(&list("x").replace(TCBM, "0B")), "`tcbm` is not 36 hexadecimal digits");
    }

    #[test]
    #[cfg_attr(miri, ignore = "hundreds of entries, of which Miri makes minutes")]
    fn refuses_more_entries_than_a_platform_can_have() {
        let entries = |count: usize| {
            let entry = list(NOT_AVAILABLE);
            let entry = entry.trim_start_matches('[').trim_end_matches(']');
            format!("[{}]", std::vec![entry; count].join(","))
        };
        let most = entries(limits::PCK_CERTIFICATES);
        assert_eq!(
            PckCertificates::parse_entries(most.as_bytes()).unwrap().len(),
            limits::PCK_CERTIFICATES
        );
        assert_eq!(problem(&entries(limits::PCK_CERTIFICATES + 1)), "over 256 PCK certificates");
    }

    #[test]
    fn a_tcbm_ends_with_the_pcesvn_in_little_endian() {
        let tcbm: Tcbm = "0b0b100fffff0100000000000000000001ff".parse().unwrap();
        assert_eq!(tcbm.pce_svn, 0xff01);
        assert_eq!(tcbm.to_string(), "0B0B100FFFFF0100000000000000000001FF");
        assert!("0b0b".parse::<Tcbm>().is_err());
    }

    proptest! {
        #[test]
        fn an_entry_survives_being_written(
            components: [u8; 16],
            pce_svn: u16,
            cpu_svn: [u8; 16],
            certificate in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)),
        ) {
            let tcbm = Tcbm { cpu_svn: CpuSvn(cpu_svn), pce_svn };
            let entry = PckEntry { components, pce_svn, tcbm, certificate };
            let text = serde_json::to_vec(&[&entry]).unwrap();
            prop_assert_eq!(PckCertificates::parse_entries(&text).unwrap(), [entry]);
        }

        #[test]
        fn hostile_text_is_an_error_and_never_a_panic(text in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = PckCertificates::parse_entries(&text);
        }
    }
}
