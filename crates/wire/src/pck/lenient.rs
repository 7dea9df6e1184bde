//! The SGX extension as Intel's library reads it.
//!
//! Source: QVL, `PckCertificate` and `Tcb`.
//! Must stay true: the first fault in Intel's order is the one told.

use alloc::string::String;
use alloc::vec::Vec;

use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Reader as _, SliceReader, Tag, Tagged};

use super::{
    PckConfiguration, PckExtension, PckTcb, SGX_CONFIGURATION, SGX_TCB, STRUCTURE, TCB_ENTRIES,
    child_index, children, octets, sgx_type,
};
use crate::bytes::{CpuSvn, Fmspc, PceId, PlatformInstanceId, Ppid};
use crate::certificate::oid::SGX_EXTENSION;
use crate::error::ParseError;
use crate::lenient::FaultClass;

/// Why an SGX extension cannot be read, as Intel's library sorts it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct ExtensionFault {
    /// [`FaultClass::Format`] for a certificate that is not one, [`FaultClass::Content`] for an invalid extension.
    pub class: FaultClass,
    /// What is wrong.
    pub fault: ParseError,
}

impl PckExtension {
    /// Parses the value of the extension `1.2.840.113741.1.13.1` as Intel's library does.
    ///
    /// Unlike [`PckExtension::parse`], it takes the last of entries that stand twice, lets bytes follow the value, and
    /// cuts component SVNs down to 8 bits. A PCESVN over 65535 counts as 65535. The entries for multi-package platforms
    /// are left out when they are malformed, since the library looks at them for its supplemental data alone. One thing
    /// is stricter: a number of an SGX type that is not known is refused.
    ///
    /// # Errors
    /// The first fault in the order of Intel's library.
    pub fn parse_lenient(value: &[u8]) -> Result<Self, ExtensionFault> {
        let top = SliceReader::new(value).and_then(|mut reader| AnyRef::decode(&mut reader));
        let top = top.map_err(|_| content("not DER"))?;
        let entries = elements(top)?;
        if !matches!(entries.len(), 5 | 7) {
            let count = entries.len();
            return Err(content(alloc::format!("has {count} entries, expected 5 or 7")));
        }
        let mut draft = Draft::default();
        for entry in entries {
            let (oid, value) = pair(entry)?;
            if let Some(index) = child_index(SGX_EXTENSION, oid) {
                draft.read(index, value)?;
            }
        }
        draft.finish()
    }
}

fn format(text: impl Into<String>) -> ExtensionFault {
    let fault = ParseError::invalid(STRUCTURE, text);
    ExtensionFault { class: FaultClass::Format, fault }
}

fn content(text: impl Into<String>) -> ExtensionFault {
    let fault = ParseError::invalid(STRUCTURE, text);
    ExtensionFault { class: FaultClass::Content, fault }
}

/// The values in a sequence.
fn elements(value: AnyRef<'_>) -> Result<Vec<AnyRef<'_>>, ExtensionFault> {
    let read = || {
        value.tag().assert_eq(Tag::Sequence)?;
        let mut reader = SliceReader::new(value.value())?;
        let mut elements = Vec::new();
        while !reader.is_finished() {
            elements.push(AnyRef::decode(&mut reader)?);
        }
        Ok::<_, der::Error>(elements)
    };
    read().map_err(|_| format("an entry is not a sequence"))
}

/// An OID and what stands with it.
fn pair(entry: AnyRef<'_>) -> Result<(ObjectIdentifier, AnyRef<'_>), ExtensionFault> {
    let parts = elements(entry)?;
    let [oid, value] = &*parts else {
        let count = parts.len();
        return Err(content(alloc::format!("an entry has {count} parts, expected 2")));
    };
    let oid = oid.decode_as().map_err(|_| format("an entry does not begin with an OID"))?;
    Ok((oid, *value))
}

/// The entries read so far.
#[derive(Default)]
struct Draft {
    ppid: Option<Ppid>,
    tcb: Option<PckTcb>,
    pce_id: Option<PceId>,
    fmspc: Option<Fmspc>,
    sgx_type: Option<super::SgxType>,
    platform_instance_id: Option<PlatformInstanceId>,
    configuration: Option<PckConfiguration>,
}

impl Draft {
    fn read(&mut self, index: u32, value: AnyRef<'_>) -> Result<(), ExtensionFault> {
        match index {
            1 => self.ppid = Some(Ppid(bytes(value, "PPID")?)),
            2 => self.tcb = Some(tcb(value)?),
            3 => self.pce_id = Some(PceId(bytes(value, "PCEID")?)),
            4 => self.fmspc = Some(Fmspc(bytes(value, "FMSPC")?)),
            5 => self.sgx_type = Some(sgx_type(value).map_err(|_| malformed("SGX type"))?),
            6 => self.platform_instance_id = octets(value).ok().map(PlatformInstanceId),
            7 => self.configuration = configuration(value),
            _ => {}
        }
        Ok(())
    }

    fn finish(self) -> Result<PckExtension, ExtensionFault> {
        Ok(PckExtension {
            ppid: self.ppid.ok_or_else(|| missing("PPID"))?,
            tcb: self.tcb.ok_or_else(|| missing("TCB"))?,
            pce_id: self.pce_id.ok_or_else(|| missing("PCEID"))?,
            fmspc: self.fmspc.ok_or_else(|| missing("FMSPC"))?,
            sgx_type: self.sgx_type.ok_or_else(|| missing("SGX type"))?,
            platform_instance_id: self.platform_instance_id,
            configuration: self.configuration,
        })
    }
}

fn malformed(name: &str) -> ExtensionFault {
    format(alloc::format!("{name} is not what it must be"))
}

fn missing(name: &str) -> ExtensionFault {
    content(alloc::format!("{name} is missing"))
}

fn bytes<const N: usize>(value: AnyRef<'_>, name: &str) -> Result<[u8; N], ExtensionFault> {
    octets(value).map_err(|_| malformed(name))
}

/// `.2`: 18 entries, of which those that are known must all be there.
fn tcb(value: AnyRef<'_>) -> Result<PckTcb, ExtensionFault> {
    let entries = elements(value)?;
    if entries.len() != TCB_ENTRIES {
        let count = entries.len();
        return Err(content(alloc::format!("TCB has {count} entries, expected {TCB_ENTRIES}")));
    }
    let mut components = [None; 16];
    let (mut pce_svn, mut cpu_svn) = (None, None);
    for entry in entries {
        let (oid, value) = pair(entry)?;
        match child_index(SGX_TCB, oid) {
            Some(17) => pce_svn = Some(self::pce_svn(integer(value)?)),
            Some(18) => cpu_svn = Some(CpuSvn(bytes(value, "CPUSVN")?)),
            Some(index) => {
                let at = index.checked_sub(1).and_then(|at| usize::try_from(at).ok());
                if let Some(component) = at.and_then(|at| components.get_mut(at)) {
                    let [low, ..] = integer(value)?.to_le_bytes();
                    *component = Some(low);
                }
            }
            None => {}
        }
    }
    let mut found = [0; 16];
    for (target, component) in found.iter_mut().zip(components) {
        *target = component.ok_or_else(|| missing("a component SVN"))?;
    }
    Ok(PckTcb {
        components: found,
        pce_svn: pce_svn.ok_or_else(|| missing("PCESVN"))?,
        cpu_svn: cpu_svn.ok_or_else(|| missing("CPUSVN"))?,
    })
}

/// The low 32 bits, as Intel's library has it. What is over 65535 reaches every TCB level that one can reach.
fn pce_svn(number: i64) -> u16 {
    let [a, b, c, d, ..] = number.to_le_bytes();
    u16::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(u16::MAX)
}

/// An integer; -1 for one that does not fit 64 bits, as OpenSSL has it.
fn integer(value: AnyRef<'_>) -> Result<i64, ExtensionFault> {
    let read = || {
        value.tag().assert_eq(Tag::Integer).ok()?;
        let bytes = value.value();
        let sign = match *bytes {
            [] | [0, 0..=0x7f, ..] | [0xff, 0x80..=0xff, ..] => return None,
            [0x80..=0xff, ..] => 0xff,
            _ => 0,
        };
        let mut whole = [sign; 8];
        let Some(start) = whole.len().checked_sub(bytes.len()) else { return Some(-1) };
        whole.get_mut(start..)?.copy_from_slice(bytes);
        Some(i64::from_be_bytes(whole))
    };
    read().ok_or_else(|| malformed("an SVN"))
}

fn configuration(value: AnyRef<'_>) -> Option<PckConfiguration> {
    let mut configuration = PckConfiguration::default();
    let mut read = |index, value: AnyRef<'_>| configuration.read(index, value);
    children(SGX_CONFIGURATION, value, &mut read).ok()?;
    Some(configuration)
}
