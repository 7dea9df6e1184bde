//! The quote body: an SGX enclave report, or a TD report of TDX 1.0, 1.5 or 1.5 extended.

use alloc::vec::Vec;

use super::header::{Header, TeeType, Version};
use crate::attributes::{SeamAttributes, ServiceTdAttributes, TdAttributes, Xfam};
use crate::bytes::{CpuSvn, InitialFmspc, Measurement, ReportData, TdId, TeeTcbSvn};
use crate::enclave_report::EnclaveReport;
use crate::error::{ParseError, ParseErrorKind};
use crate::layout::{Field, Fixed};
use crate::reader::Reader;

layout! {
    /// The TD report body of TDX 1.0.
    pub struct TdReport10 [584] {
        /// Security versions of the TDX module and the platform when the TD was launched.
        0 tee_tcb_svn "TEE_TCB_SVN": TeeTcbSvn,
        /// The TDX module's measurement.
        16 mr_seam "MRSEAM": Measurement,
        /// The TDX module's signer; zero for Intel.
        64 mr_signer_seam "MRSIGNERSEAM": Measurement,
        /// The TDX module's attributes; zero for a production module.
        112 seam_attributes "SEAMATTRIBUTES": SeamAttributes,
        /// The TD's attributes.
        120 td_attributes "TDATTRIBUTES": TdAttributes,
        /// The CPU state the TD may use.
        128 xfam "XFAM": Xfam,
        /// The measurement of the TD as built.
        136 mr_td "MRTD": Measurement,
        /// Configuration id given by the host.
        184 mr_config_id "MRCONFIGID": Measurement,
        /// Owner id given by the host.
        232 mr_owner "MROWNER": Measurement,
        /// Owner configuration given by the host.
        280 mr_owner_config "MROWNERCONFIG": Measurement,
        /// Run-time register 0.
        328 rtmr_0 "RTMR0": Measurement,
        /// Run-time register 1.
        376 rtmr_1 "RTMR1": Measurement,
        /// Run-time register 2.
        424 rtmr_2 "RTMR2": Measurement,
        /// Run-time register 3.
        472 rtmr_3 "RTMR3": Measurement,
        /// What the TD chose.
        520 report_data "REPORTDATA": ReportData,
    }
}

layout! {
    /// The TD report body of TDX 1.5.
    pub struct TdReport15 [648] {
        /// The fields of TDX 1.0.
        0 base "TD report 1.0": TdReport10,
        /// Security versions when the quote was made: newer after a TD-preserving update.
        584 tee_tcb_svn_2 "TEE_TCB_SVN2": TeeTcbSvn,
        /// The hash of bound service TDs; zero if there are none.
        600 mr_service_td "MRSERVICETD": Measurement,
    }
}

layout! {
    /// The extended TD report body of TDX 1.5.
    pub struct TdReport15Ex [885] {
        /// The fields of TDX 1.5.
        0 base "TD report 1.5": TdReport15,
        /// The VM's id.
        648 vm_id "VMID": u8,
        /// The TD's id.
        649 td_id "TD_ID": TdId,
        /// The hash of assigned devices.
        681 device_info_hash "DEVICE_INFO_HASH": Measurement,
        /// The hash of service TDs when the TD was initialised.
        729 init_service_td_hash "INIT_SERVTD_HASH": Measurement,
        /// The attributes of service TDs then.
        777 init_service_td_attributes "INIT_SERVTD_ATTR": ServiceTdAttributes,
        /// The CPUSVN then.
        785 init_cpu_svn "INIT_CPUSVN": CpuSvn,
        /// The TEE_TCB_SVN then.
        801 init_tee_tcb_svn "INIT_TEE_TCB_SVN": TeeTcbSvn,
        /// The FMSPC and model then.
        817 init_fmspc "INIT_TEE_FMSPC": InitialFmspc,
        /// The hash of service TDs now.
        829 current_service_td_hash "CURRENT_SERVTD_HASH": Measurement,
        /// The attributes of service TDs now.
        877 current_service_td_attributes "CURRENT_SERVTD_ATTR": ServiceTdAttributes,
    }
}

/// The body of a quote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "read once and borrowed; a box would cost more than the copy"
)]
pub enum Body {
    /// An SGX enclave report.
    Sgx(EnclaveReport),
    /// A TD report of TDX 1.0.
    Td10(TdReport10),
    /// A TD report of TDX 1.5.
    Td15(TdReport15),
    /// An extended TD report of TDX 1.5.
    Td15Ex(TdReport15Ex),
}

/// The body types that a version 5 descriptor names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// 1: an SGX enclave report.
    Sgx,
    /// 2: a TD report of TDX 1.0.
    Td10,
    /// 3: a TD report of TDX 1.5.
    Td15,
    /// 4: an extended TD report of TDX 1.5.
    Td15Ex,
}

impl BodyType {
    /// The number in the descriptor.
    pub fn number(self) -> u16 {
        match self {
            Self::Sgx => 1,
            Self::Td10 => 2,
            Self::Td15 => 3,
            Self::Td15Ex => 4,
        }
    }

    /// The size of such a body in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Sgx => EnclaveReport::SIZE,
            Self::Td10 => TdReport10::SIZE,
            Self::Td15 => TdReport15::SIZE,
            Self::Td15Ex => TdReport15Ex::SIZE,
        }
    }

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sgx => "SGX enclave report",
            Self::Td10 => "TD report 1.0",
            Self::Td15 => "TD report 1.5",
            Self::Td15Ex => "TD report 1.5 extended",
        }
    }

    fn from_number(number: u16) -> Option<Self> {
        [Self::Sgx, Self::Td10, Self::Td15, Self::Td15Ex]
            .into_iter()
            .find(|kind| kind.number() == number)
    }
}

impl Body {
    pub(crate) fn parse(reader: &mut Reader<'_>, header: &Header) -> Result<Self, ParseError> {
        let kind = match (header.version, header.tee_type) {
            (Version::V5, tee) => parse_descriptor(reader, tee)?,
            (_, TeeType::Sgx) => BodyType::Sgx,
            (_, TeeType::Tdx) => BodyType::Td10,
        };
        reader.enter(kind.name());
        Ok(match kind {
            BodyType::Sgx => Self::Sgx(Fixed::read(reader)?),
            BodyType::Td10 => Self::Td10(Fixed::read(reader)?),
            BodyType::Td15 => Self::Td15(Fixed::read(reader)?),
            BodyType::Td15Ex => Self::Td15Ex(Fixed::read(reader)?),
        })
    }

    /// Appends the body, in version 5 after its descriptor.
    pub fn write(&self, version: Version, out: &mut Vec<u8>) {
        if version == Version::V5 {
            let kind = self.kind();
            kind.number().write(out);
            u32::try_from(kind.size()).unwrap_or(u32::MAX).write(out);
        }
        match self {
            Self::Sgx(body) => body.write(out),
            Self::Td10(body) => body.write(out),
            Self::Td15(body) => body.write(out),
            Self::Td15Ex(body) => body.write(out),
        }
    }

    /// Shows each field in order; `offset` is where the body starts.
    pub fn visit(&self, offset: usize, visitor: &mut dyn FnMut(Field<'_>)) {
        match self {
            Self::Sgx(body) => body.visit("body", offset, visitor),
            Self::Td10(body) => body.visit("body", offset, visitor),
            Self::Td15(body) => body.visit("body", offset, visitor),
            Self::Td15Ex(body) => body.visit("body", offset, visitor),
        }
    }

    /// Which kind of body it is.
    pub fn kind(&self) -> BodyType {
        match self {
            Self::Sgx(_) => BodyType::Sgx,
            Self::Td10(_) => BodyType::Td10,
            Self::Td15(_) => BodyType::Td15,
            Self::Td15Ex(_) => BodyType::Td15Ex,
        }
    }

    /// The fields every TD report has, or `None` for an enclave.
    pub fn td(&self) -> Option<&TdReport10> {
        match self {
            Self::Sgx(_) => None,
            Self::Td10(body) => Some(body),
            Self::Td15(body) => Some(&body.base),
            Self::Td15Ex(body) => Some(&body.base.base),
        }
    }

    /// The fields every TDX 1.5 report has.
    pub fn td15(&self) -> Option<&TdReport15> {
        match self {
            Self::Sgx(_) | Self::Td10(_) => None,
            Self::Td15(body) => Some(body),
            Self::Td15Ex(body) => Some(&body.base),
        }
    }

    /// The enclave report, or `None` for a TD.
    pub fn enclave(&self) -> Option<&EnclaveReport> {
        match self {
            Self::Sgx(body) => Some(body),
            _ => None,
        }
    }

    /// What the TD or enclave chose.
    pub fn report_data(&self) -> &ReportData {
        match self {
            Self::Sgx(body) => &body.report_data,
            Self::Td10(body) => &body.report_data,
            Self::Td15(body) => &body.base.report_data,
            Self::Td15Ex(body) => &body.base.base.report_data,
        }
    }
}

/// Reads body type and size of a version 5 quote, which must agree with each other and with the TEE.
fn parse_descriptor(reader: &mut Reader<'_>, tee: TeeType) -> Result<BodyType, ParseError> {
    reader.enter("quote body descriptor");
    let at_type = reader.clone();
    let number = u16::read(reader)?;
    let expected = match tee {
        TeeType::Sgx => "1 (SGX enclave report) in an SGX quote",
        TeeType::Tdx => "2, 3 or 4 (TD report) in a TDX quote",
    };
    let kind = BodyType::from_number(number)
        .filter(|kind| (*kind == BodyType::Sgx) == (tee == TeeType::Sgx))
        .ok_or_else(|| {
            let found = number.into();
            at_type.error(ParseErrorKind::Unsupported { field: "body type", expected, found })
        })?;
    let at_size = reader.clone();
    let found = reader.length()?;
    if found != kind.size() {
        let expected = kind.size();
        return Err(at_size.error(ParseErrorKind::WrongSize {
            field: "body size",
            expected,
            found,
        }));
    }
    Ok(kind)
}
