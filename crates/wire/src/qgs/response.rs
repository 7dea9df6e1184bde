//! What the service answers.
//!
//! Must stay true: the oddities of Intel's library are written as its readers expect them, and read with or without.

use alloc::vec::Vec;

use super::unsupported;
use super::{Header, MessageType, NoAnswer, QgsError, bounded, framed, parts, required};
use crate::error::ParseError;
use crate::layout::Fixed as _;
use crate::reader::Reader;

/// Zeros that stand behind some answers, because Intel's library counts two fields twice.
const STRAY: [u8; 4] = [0; 4];

/// The answer to a request for a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteResponse<'a> {
    /// The id of the attestation key; Intel's service leaves it out, and QEMU insists on that.
    pub selected_id: &'a [u8],
    /// The quote, unchecked.
    pub quote: &'a [u8],
}

impl<'a> QuoteResponse<'a> {
    /// Parses a message without its prefix.
    ///
    /// # Errors
    /// What the service says, or why it cannot be understood. Success with an empty quote is malformed.
    pub fn parse(message: &'a [u8]) -> Result<Self, NoAnswer> {
        let mut reader = answered(message, MessageType::QuoteResponse)?;
        let [selected_id, quote] = parts(&mut reader)?;
        reader.finish()?;
        required(quote, "quote, and says success")?;
        Ok(Self { selected_id, quote })
    }

    /// Writes the message after its prefix.
    pub fn write(&self) -> Vec<u8> {
        framed(&Header::of(MessageType::QuoteResponse), &[], &[self.selected_id, self.quote], &[])
    }
}

/// The documents that verify the quotes of a platform family, as Intel's provider library has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollateralResponse<'a> {
    /// Major and minor version of the set.
    pub version: (u16, u16),
    /// The chain of the PCK CRL's issuer.
    pub pck_crl_issuer_chain: &'a [u8],
    /// The root CA's CRL.
    pub root_ca_crl: &'a [u8],
    /// The PCK CA's CRL.
    pub pck_crl: &'a [u8],
    /// The chain of the TCB info's issuer.
    pub tcb_info_issuer_chain: &'a [u8],
    /// TCB info.
    pub tcb_info: &'a [u8],
    /// The chain of the QE identity's issuer.
    pub qe_identity_issuer_chain: &'a [u8],
    /// QE identity.
    pub qe_identity: &'a [u8],
}

impl<'a> CollateralResponse<'a> {
    /// Parses a message without its prefix.
    ///
    /// # Errors
    /// What the service says, or why it cannot be understood. Success with an empty document is malformed.
    pub fn parse(message: &'a [u8]) -> Result<Self, NoAnswer> {
        let mut reader = answered(message, MessageType::CollateralResponse)?;
        let version = (u16::read(&mut reader)?, u16::read(&mut reader)?);
        let documents: [&[u8]; 7] = parts(&mut reader)?;
        finish(&reader)?;
        for document in documents {
            required(document, "document, and says success")?;
        }
        let [
            pck_crl_issuer_chain,
            root_ca_crl,
            pck_crl,
            tcb_info_issuer_chain,
            tcb_info,
            qe_identity_issuer_chain,
            qe_identity,
        ] = documents;
        Ok(Self {
            version,
            pck_crl_issuer_chain,
            root_ca_crl,
            pck_crl,
            tcb_info_issuer_chain,
            tcb_info,
            qe_identity_issuer_chain,
            qe_identity,
        })
    }

    /// Writes the message after its prefix; longer for who asked with minor version 0, as Intel's library has it.
    pub fn write(&self, minor_0: bool) -> Vec<u8> {
        let fixed = [self.version.0.to_bytes(), self.version.1.to_bytes()].concat();
        let documents = [
            self.pck_crl_issuer_chain,
            self.root_ca_crl,
            self.pck_crl,
            self.tcb_info_issuer_chain,
            self.tcb_info,
            self.qe_identity_issuer_chain,
            self.qe_identity,
        ];
        let tail: &[u8] = if minor_0 { &STRAY } else { &[] };
        framed(&Header::of(MessageType::CollateralResponse), &fixed, &documents, tail)
    }
}

/// What a platform is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlatformInfoResponse<'a> {
    /// The security version of the TD quoting enclave.
    pub tdqe_isv_svn: u16,
    /// The security version of the provisioning certification enclave.
    pub pce_isv_svn: u16,
    /// The platform's id, 16 bytes.
    pub platform_id: &'a [u8],
    /// The CPU's security version, 16 bytes.
    pub cpu_svn: &'a [u8],
}

impl<'a> PlatformInfoResponse<'a> {
    /// Parses a message without its prefix.
    ///
    /// # Errors
    /// What the service says, or why it cannot be understood.
    pub fn parse(message: &'a [u8]) -> Result<Self, NoAnswer> {
        let mut reader = answered(message, MessageType::PlatformInfoResponse)?;
        let (tdqe_isv_svn, pce_isv_svn) = (u16::read(&mut reader)?, u16::read(&mut reader)?);
        let [platform_id, cpu_svn] = parts(&mut reader)?;
        finish(&reader)?;
        required(platform_id, "platform id, and says success")?;
        required(cpu_svn, "CPUSVN, and says success")?;
        Ok(Self { tdqe_isv_svn, pce_isv_svn, platform_id, cpu_svn })
    }

    /// Writes the message after its prefix, with the four zeros that Intel's reader counts on.
    pub fn write(&self) -> Vec<u8> {
        let fixed = [self.tdqe_isv_svn.to_bytes(), self.pce_isv_svn.to_bytes()].concat();
        let parts = [self.platform_id, self.cpu_svn];
        framed(&Header::of(MessageType::PlatformInfoResponse), &fixed, &parts, &STRAY)
    }
}

/// Reads the header of an answer of this type that says success.
fn answered(message: &[u8], expected: MessageType) -> Result<Reader<'_>, NoAnswer> {
    let mut reader = bounded(message)?;
    let start = reader.clone();
    let header = Header::read(&mut reader, message)?;
    if header.kind != expected {
        let found = header.kind.number().into();
        return Err(unsupported(&start, "message type", expected.described(), found).into());
    }
    // Before the parts: an error has none, and is the better explanation.
    match QgsError::from_number(header.error) {
        Some(error) => Err(NoAnswer::Refused(error)),
        None => Ok(reader),
    }
}

/// Checks that nothing follows, or the stray zeros.
fn finish(reader: &Reader<'_>) -> Result<(), ParseError> {
    match reader.rest() {
        rest if rest == STRAY => Ok(()),
        _ => reader.finish(),
    }
}
