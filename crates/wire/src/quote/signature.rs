//! The signature data of a quote: the signature, the attestation key, and what certifies that key.
//!
//! Must stay true: the declared sizes nest exactly. Only the outermost record of versions 4 and 5 may be followed by
//! bytes inside its declared size, because Intel's library lets them pass; they are reported.

use alloc::vec::Vec;

use super::certification::CertificationData;
use super::header::Version;
use crate::bytes::{EcdsaPublicKey, EcdsaSignature};
use crate::enclave_report::EnclaveReport;
use crate::error::{ParseError, ParseErrorKind};
use crate::layout::Fixed;
use crate::reader::Reader;

/// The certification data type that wraps the QE report in versions 4 and 5.
const QE_REPORT: u16 = 6;

/// Signature, attestation key, QE report, and certification data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureData<'a> {
    /// The attestation key's signature over header and body.
    pub quote_signature: EcdsaSignature,
    /// The key that the QE made for signing quotes.
    pub attestation_key: EcdsaPublicKey,
    /// The QE's own report, certified by the PCK.
    pub qe_report: EnclaveReport,
    /// The bytes of that report, as the PCK signed them.
    pub qe_report_bytes: &'a [u8],
    /// The PCK's signature over the QE report.
    pub qe_report_signature: EcdsaSignature,
    /// What the QE hashes into its report together with the attestation key.
    pub qe_auth_data: &'a [u8],
    /// What certifies the PCK.
    pub certification_data: CertificationData<'a>,
    /// Bytes inside the declared size but after the record (versions 4 and 5; read leniently, also 3): under no signature.
    pub trailing: &'a [u8],
}

impl<'a> SignatureData<'a> {
    pub(crate) fn parse(reader: &mut Reader<'a>, version: Version) -> Result<Self, ParseError> {
        let (data, rest) = Self::parse_before(reader, version)?;
        if version == Version::V3 {
            rest.finish()?;
        }
        Ok(data)
    }

    /// As Intel's library does: bytes may follow in version 3 as well.
    pub(crate) fn parse_lenient(
        reader: &mut Reader<'a>,
        version: Version,
    ) -> Result<Self, ParseError> {
        Self::parse_before(reader, version).map(|(data, _)| data)
    }

    /// The data, and a reader of what follows them inside their declared size.
    fn parse_before(
        reader: &mut Reader<'a>,
        version: Version,
    ) -> Result<(Self, Reader<'a>), ParseError> {
        reader.enter("quote signature data");
        let size = reader.length()?;
        let mut reader = reader.nested(size, "quote signature data")?;
        let quote_signature = Fixed::read(&mut reader)?;
        let attestation_key = Fixed::read(&mut reader)?;
        let data = if version == Version::V3 {
            Self::parse_qe(&mut reader, quote_signature, attestation_key)?
        } else {
            let mut record = parse_outer_record(&mut reader)?;
            let data = Self::parse_qe(&mut record, quote_signature, attestation_key)?;
            record.enter("QE report certification data");
            record.finish()?;
            data
        };
        Ok((Self { trailing: reader.rest(), ..data }, reader))
    }

    fn parse_qe(
        reader: &mut Reader<'a>,
        quote_signature: EcdsaSignature,
        attestation_key: EcdsaPublicKey,
    ) -> Result<Self, ParseError> {
        reader.enter("QE report");
        let mut at_report = reader.clone();
        let qe_report_bytes = reader.take(EnclaveReport::SIZE)?;
        let qe_report = Fixed::read(&mut at_report)?;
        reader.enter("QE report signature");
        let qe_report_signature = Fixed::read(reader)?;
        reader.enter("QE authentication data");
        let auth_size = u16::read(reader)?;
        let qe_auth_data = reader.take(auth_size.into())?;
        let certification_data = CertificationData::parse(reader)?;
        Ok(Self {
            quote_signature,
            attestation_key,
            qe_report,
            qe_report_bytes,
            qe_report_signature,
            qe_auth_data,
            certification_data,
            trailing: &[],
        })
    }

    /// Appends the size and the data, without [`SignatureData::trailing`].
    pub(crate) fn write(&self, version: Version, out: &mut Vec<u8>) {
        let mut qe = Vec::new();
        qe.extend_from_slice(self.qe_report_bytes);
        self.qe_report_signature.write(&mut qe);
        // A QE's authentication data has 32 bytes; more than a u16 can say cannot have been parsed.
        u16::try_from(self.qe_auth_data.len()).unwrap_or(u16::MAX).write(&mut qe);
        qe.extend_from_slice(self.qe_auth_data);
        self.certification_data.write(&mut qe);

        let mut data = Vec::new();
        self.quote_signature.write(&mut data);
        self.attestation_key.write(&mut data);
        if version != Version::V3 {
            QE_REPORT.write(&mut data);
            write_length(qe.len(), &mut data);
        }
        data.extend_from_slice(&qe);
        write_length(data.len(), out);
        out.extend_from_slice(&data);
    }
}

/// Writes a length as the `u32` that the format has for it.
pub(super) fn write_length(length: usize, out: &mut Vec<u8>) {
    u32::try_from(length).unwrap_or(u32::MAX).write(out);
}

/// Reads the head of the type 6 record of versions 4 and 5 and returns a reader over its content.
fn parse_outer_record<'a>(reader: &mut Reader<'a>) -> Result<Reader<'a>, ParseError> {
    reader.enter("outer certification data");
    let at_type = reader.clone();
    let kind = u16::read(reader)?;
    if kind != QE_REPORT {
        return Err(at_type.error(ParseErrorKind::Unsupported {
            field: "certification data type",
            expected: "6 (QE report)",
            found: kind.into(),
        }));
    }
    let size = reader.length()?;
    reader.nested(size, "QE report certification data")
}
