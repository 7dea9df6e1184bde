//! Certification data: what certifies the PCK that signed the QE report.
//!
//! Source: Intel SGX DCAP Quoting Library API, appendix A.4, "QE Certification Data".

use alloc::vec::Vec;

use super::signature::write_length;
use crate::bytes::{CpuSvn, PceId};
use crate::error::{ParseError, ParseErrorKind};
use crate::layout::Fixed;
use crate::reader::Reader;

/// Certification data, by type. Types 6 and 7 do not stand inside a QE report record, so they are refused there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificationData<'a> {
    /// Types 1 to 3: the platform's id and TCB, from which the PCK certificate can be asked of a PCS.
    Ppid(PpidCertification<'a>),
    /// Type 4: the PCK leaf certificate alone, PEM.
    PckLeaf(&'a [u8]),
    /// Type 5: the PCK certificate chain, PEM, leaf first; a NUL may follow.
    PckChain(&'a [u8]),
}

/// Types 1 to 3: PPID, CPUSVN, PCESVN and PCEID.
///
/// The data is kept as it came: Intel's library never looks at it, and quotes with unusual sizes are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PpidCertification<'a> {
    /// How the PPID is given.
    pub kind: CertificationDataType,
    /// The whole of the data.
    pub data: &'a [u8],
}

/// The types of certification data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificationDataType {
    /// 1: PPID in the clear.
    PpidCleartext,
    /// 2: PPID encrypted with RSA-2048.
    PpidRsa2048,
    /// 3: PPID encrypted with RSA-3072.
    PpidRsa3072,
    /// 4: PCK leaf certificate.
    PckLeaf,
    /// 5: PCK certificate chain.
    PckChain,
    /// 6: QE report with its own certification data (the outer record of versions 4 and 5).
    QeReport,
    /// 7: platform manifest.
    PlatformManifest,
}

impl CertificationDataType {
    const ALL: [Self; 7] = [
        Self::PpidCleartext,
        Self::PpidRsa2048,
        Self::PpidRsa3072,
        Self::PckLeaf,
        Self::PckChain,
        Self::QeReport,
        Self::PlatformManifest,
    ];

    /// The number in the record.
    pub fn number(self) -> u16 {
        match self {
            Self::PpidCleartext => 1,
            Self::PpidRsa2048 => 2,
            Self::PpidRsa3072 => 3,
            Self::PckLeaf => 4,
            Self::PckChain => 5,
            Self::QeReport => 6,
            Self::PlatformManifest => 7,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::PpidCleartext => "PPID in the clear",
            Self::PpidRsa2048 => "PPID encrypted with RSA-2048",
            Self::PpidRsa3072 => "PPID encrypted with RSA-3072",
            Self::PckLeaf => "PCK leaf certificate",
            Self::PckChain => "PCK certificate chain",
            Self::QeReport => "QE report certification data",
            Self::PlatformManifest => "platform manifest",
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}

impl<'a> CertificationData<'a> {
    pub(super) fn parse(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        reader.enter("certification data");
        let at_type = reader.clone();
        let number = u16::read(reader)?;
        let size = reader.length()?;
        let data = reader.take(size)?;
        let kind = CertificationDataType::from_number(number);
        match kind {
            Some(
                kind @ (CertificationDataType::PpidCleartext
                | CertificationDataType::PpidRsa2048
                | CertificationDataType::PpidRsa3072),
            ) => Ok(Self::Ppid(PpidCertification { kind, data })),
            Some(CertificationDataType::PckLeaf) => Ok(Self::PckLeaf(data)),
            Some(CertificationDataType::PckChain) => Ok(Self::PckChain(data)),
            Some(CertificationDataType::QeReport | CertificationDataType::PlatformManifest)
            | None => Err(at_type.error(ParseErrorKind::Unsupported {
                field: "certification data type",
                expected: "1 to 5 around the PCK (6 wraps a QE report, 7 is a platform manifest)",
                found: number.into(),
            })),
        }
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let data = self.data();
        self.kind().number().write(out);
        write_length(data.len(), out);
        out.extend_from_slice(data);
    }

    /// Which type it is.
    pub fn kind(&self) -> CertificationDataType {
        match self {
            Self::Ppid(ppid) => ppid.kind,
            Self::PckLeaf(_) => CertificationDataType::PckLeaf,
            Self::PckChain(_) => CertificationDataType::PckChain,
        }
    }

    /// The data of the record, whatever its type.
    pub fn data(&self) -> &'a [u8] {
        match self {
            Self::Ppid(ppid) => ppid.data,
            Self::PckLeaf(data) | Self::PckChain(data) => data,
        }
    }
}

impl<'a> PpidCertification<'a> {
    /// The PPID as given: 16 bytes in the clear, or 256 or 384 encrypted.
    ///
    /// # Errors
    /// When the data has not the size of its type.
    pub fn ppid(&self) -> Result<&'a [u8], ParseError> {
        self.split().map(|(ppid, ..)| ppid)
    }

    /// CPUSVN, PCESVN and PCEID.
    ///
    /// # Errors
    /// When the data has not the size of its type.
    pub fn tcb(&self) -> Result<(CpuSvn, u16, PceId), ParseError> {
        self.split().map(|(_, cpu_svn, pce_svn, pce_id)| (cpu_svn, pce_svn, pce_id))
    }

    fn split(&self) -> Result<(&'a [u8], CpuSvn, u16, PceId), ParseError> {
        let size = match self.kind {
            CertificationDataType::PpidRsa2048 => 256,
            CertificationDataType::PpidRsa3072 => 384,
            _ => 16,
        };
        let mut reader = Reader::new(self.data, "PPID certification data");
        let ppid = reader.take(size)?;
        let fields =
            (Fixed::read(&mut reader)?, Fixed::read(&mut reader)?, Fixed::read(&mut reader)?);
        reader.finish()?;
        Ok((ppid, fields.0, fields.1, fields.2))
    }
}
