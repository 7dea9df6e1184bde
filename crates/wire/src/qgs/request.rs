//! What a TD, or somebody for it, asks of the service.

use alloc::vec::Vec;

use super::{Header, MINOR, MessageType, bounded, framed, parts, required, unsupported};
use crate::error::ParseError;

/// A request, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// A quote for a TDREPORT.
    Quote {
        /// The TDREPORT, unchecked.
        report: &'a [u8],
        /// Ids of attestation keys to choose from; nobody looks at them.
        id_list: &'a [u8],
    },
    /// The collateral of a platform family.
    Collateral {
        /// The FMSPC, unchecked.
        fmspc: &'a [u8],
        /// `processor` or `platform`, with a NUL or without.
        pck_ca: &'a [u8],
        /// Whether the header's minor version is 0, for which the answer is longer.
        minor_0: bool,
    },
    /// Facts about the platform.
    PlatformInfo,
    /// A quote for a TDREPORT with the history of migrations.
    MigrationQuote {
        /// The TDREPORT, unchecked.
        report: &'a [u8],
        /// The structure that extends it with service TDs, unchecked.
        service_td: &'a [u8],
        /// Ids of attestation keys to choose from; nobody looks at them.
        id_list: &'a [u8],
    },
}

impl<'a> Request<'a> {
    /// Parses a message without its prefix.
    ///
    /// # Errors
    /// When it is no request, or its sizes contradict each other.
    pub fn parse(message: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = bounded(message)?;
        let at_error = reader.clone();
        let header = Header::read(&mut reader, message)?;
        if header.error != 0 {
            return Err(unsupported(
                &at_error,
                "error code",
                "0 in a request",
                header.error.into(),
            ));
        }
        let request = match header.kind {
            MessageType::QuoteRequest => {
                let [report, id_list] = parts(&mut reader)?;
                required(report, "report")?;
                Self::Quote { report, id_list }
            }
            MessageType::CollateralRequest => {
                let [fmspc, pck_ca] = parts(&mut reader)?;
                required(fmspc, "FMSPC")?;
                required(pck_ca, "name of the PCK CA")?;
                Self::Collateral { fmspc, pck_ca, minor_0: header.minor == 0 }
            }
            MessageType::PlatformInfoRequest => Self::PlatformInfo,
            MessageType::MigrationQuoteRequest => {
                let [report, service_td, id_list] = parts(&mut reader)?;
                required(report, "report")?;
                required(service_td, "extension for service TDs")?;
                Self::MigrationQuote { report, service_td, id_list }
            }
            other => {
                let found = other.number().into();
                return Err(unsupported(&at_error, "message type", "0, 2, 4 or 6", found));
            }
        };
        reader.finish()?;
        Ok(request)
    }

    /// Writes the message after its prefix.
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Quote { report, id_list } => {
                framed(&Header::of(MessageType::QuoteRequest), &[], &[report, id_list], &[])
            }
            Self::Collateral { fmspc, pck_ca, minor_0 } => {
                let minor = if *minor_0 { 0 } else { MINOR };
                let header = Header { minor, ..Header::of(MessageType::CollateralRequest) };
                framed(&header, &[], &[fmspc, pck_ca], &[])
            }
            Self::PlatformInfo => {
                framed(&Header::of(MessageType::PlatformInfoRequest), &[], &[], &[])
            }
            Self::MigrationQuote { report, service_td, id_list } => {
                let header = Header::of(MessageType::MigrationQuoteRequest);
                framed(&header, &[], &[report, service_td, id_list], &[])
            }
        }
    }
}
