//! The quote header: 48 bytes that say which version, key type, TEE and vendor.

use alloc::vec::Vec;
use core::fmt;

use crate::bytes::{QeVendorId, UserData};
use crate::error::{ParseError, ParseErrorKind};
use crate::layout::{Field, Fixed};
use crate::reader::Reader;

/// The QE vendor id of Intel, 939A7233-F79C-4CA9-940A-0DB3957F0607.
pub const QE_VENDOR_ID_INTEL: QeVendorId = QeVendorId([
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
]);

/// The attestation key type of ECDSA-256 with P-256, the only one that Intel's QE uses.
const ECDSA_P256: u16 = 2;

/// Versions of the quote format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// SGX only.
    V3,
    /// SGX or TDX 1.0.
    V4,
    /// SGX or TDX, with a body descriptor.
    V5,
}

impl Version {
    /// The number in the header.
    pub fn number(self) -> u16 {
        match self {
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V5 => 5,
        }
    }
}

/// The TEE that a quote speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TeeType {
    /// An SGX enclave.
    Sgx,
    /// An Intel TDX trust domain.
    Tdx,
}

impl TeeType {
    /// The number in the header.
    pub fn number(self) -> u32 {
        match self {
            Self::Sgx => 0,
            Self::Tdx => 0x81,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgx => "SGX",
            Self::Tdx => "TDX",
        }
    }
}

impl fmt::Display for TeeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The header of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The version of the format.
    pub version: Version,
    /// The TEE.
    pub tee_type: TeeType,
    /// Version 3: the QE's SVN. Later versions: reserved, though some production quotes carry it all the same.
    pub qe_svn: u16,
    /// Version 3: the PCE's SVN. Later versions: reserved, though some production quotes carry it all the same.
    pub pce_svn: u16,
    /// Who made the QE.
    pub qe_vendor_id: QeVendorId,
    /// Intel's QE puts its QE id into the first 16 bytes.
    pub user_data: UserData,
}

layout! {
    /// The header as it lies in memory, any value allowed.
    struct RawHeader [48] {
        /// Version.
        0 version "version": u16,
        /// Attestation key type.
        2 attestation_key_type "attestation key type": u16,
        /// TEE type.
        4 tee_type "TEE type": u32,
        /// QE SVN.
        8 qe_svn "QE SVN (version 3)": u16,
        /// PCE SVN.
        10 pce_svn "PCE SVN (version 3)": u16,
        /// QE vendor id.
        12 qe_vendor_id "QE vendor id": QeVendorId,
        /// User data.
        28 user_data "user data": UserData,
    }
}

impl Header {
    pub(crate) fn parse(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        reader.enter("quote header");
        let raw = RawHeader::read(reader)?;
        let version = match raw.version {
            3 => Version::V3,
            4 => Version::V4,
            5 => Version::V5,
            other => return Err(unsupported(0, "version", "3, 4 or 5", other.into())),
        };
        if raw.attestation_key_type != ECDSA_P256 {
            let found = raw.attestation_key_type.into();
            return Err(unsupported(2, "attestation key type", "2 (ECDSA P-256)", found));
        }
        let tee_type = match raw.tee_type {
            0 => TeeType::Sgx,
            0x81 if version != Version::V3 => TeeType::Tdx,
            0x81 => return Err(unsupported(4, "TEE type", "0 (SGX) in a version 3 quote", 0x81)),
            other => return Err(unsupported(4, "TEE type", "0 (SGX) or 0x81 (TDX)", other.into())),
        };
        if raw.qe_vendor_id != QE_VENDOR_ID_INTEL {
            let kind = ParseErrorKind::Invalid(alloc::format!(
                "QE vendor id is {}, expected Intel's {QE_VENDOR_ID_INTEL}",
                raw.qe_vendor_id
            ));
            return Err(ParseError { kind, structure: "quote header", offset: 12 });
        }
        let RawHeader { qe_svn, pce_svn, qe_vendor_id, user_data, .. } = raw;
        Ok(Self { version, tee_type, qe_svn, pce_svn, qe_vendor_id, user_data })
    }

    /// Appends the 48 bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.raw().write(out);
    }

    /// Shows each field in order with its offset.
    pub fn visit(&self, visitor: &mut dyn FnMut(Field<'_>)) {
        self.raw().visit("header", 0, visitor);
    }

    fn raw(&self) -> RawHeader {
        RawHeader {
            version: self.version.number(),
            attestation_key_type: ECDSA_P256,
            tee_type: self.tee_type.number(),
            qe_svn: self.qe_svn,
            pce_svn: self.pce_svn,
            qe_vendor_id: self.qe_vendor_id,
            user_data: self.user_data,
        }
    }
}

fn unsupported(
    offset: usize,
    field: &'static str,
    expected: &'static str,
    found: u64,
) -> ParseError {
    let kind = ParseErrorKind::Unsupported { field, expected, found };
    ParseError { kind, structure: "quote header", offset }
}
