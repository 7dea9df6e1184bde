//! Intel's SGX extension of a PCK certificate: the platform's identity and the TCB it was certified at.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, "SGX Extensions".
//! Must stay true: five entries or seven, as Intel's library counts; no known one twice.

mod lenient;

pub use lenient::ExtensionFault;

use der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use der::{Decode, Reader as _, SliceReader, Tagged};

use crate::bytes::{CpuSvn, Fmspc, PceId, PlatformInstanceId, Ppid};
use crate::certificate::oid::SGX_EXTENSION;
use crate::error::ParseError;

const STRUCTURE: &str = "SGX extension";

/// What the SGX extension says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckExtension {
    /// The platform provisioning id.
    pub ppid: Ppid,
    /// The TCB the certificate was issued for.
    pub tcb: PckTcb,
    /// The PCE's id.
    pub pce_id: PceId,
    /// The platform family.
    pub fmspc: Fmspc,
    /// How the platform protects memory.
    pub sgx_type: SgxType,
    /// Only on platforms with several packages (Platform CA).
    pub platform_instance_id: Option<PlatformInstanceId>,
    /// Only on platforms with several packages (Platform CA).
    pub configuration: Option<PckConfiguration>,
}

/// The TCB of a PCK certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckTcb {
    /// The 16 component SVNs, which TCB levels are compared with.
    pub components: [u8; 16],
    /// The PCE's security version.
    pub pce_svn: u16,
    /// The raw CPUSVN.
    pub cpu_svn: CpuSvn,
}

/// SGX type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SgxType {
    /// 0: client and single-package memory protection.
    Standard,
    /// 1: multi-package servers.
    Scalable,
    /// 2: multi-package servers with memory integrity.
    ScalableWithIntegrity,
}

impl SgxType {
    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Scalable => "scalable",
            Self::ScalableWithIntegrity => "scalable with integrity",
        }
    }
}

/// Configuration of a multi-package platform; each flag may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PckConfiguration {
    /// Packages can be added to the running platform.
    pub dynamic_platform: Option<bool>,
    /// Intel keeps platform root keys.
    pub cached_keys: Option<bool>,
    /// Simultaneous multithreading is on.
    pub smt_enabled: Option<bool>,
}

impl PckExtension {
    /// Parses the value of the extension `1.2.840.113741.1.13.1`.
    ///
    /// # Errors
    /// When it is not DER, an entry is missing, doubled or of another type, or there are neither five nor seven.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut draft = Draft::default();
        let count = entries(value, &mut |index, value| draft.read(index, value))
            .map_err(|fault| ParseError::der(STRUCTURE, fault))?;
        if count != 5 && count != 7 {
            let text = alloc::format!("has {count} entries, expected 5 or 7");
            return Err(ParseError::invalid(STRUCTURE, text));
        }
        draft.finish()
    }
}

/// The entries read so far.
#[derive(Default)]
struct Draft {
    ppid: Option<Ppid>,
    tcb: TcbDraft,
    pce_id: Option<PceId>,
    fmspc: Option<Fmspc>,
    sgx_type: Option<SgxType>,
    platform_instance_id: Option<PlatformInstanceId>,
    configuration: Option<PckConfiguration>,
}

#[derive(Default)]
struct TcbDraft {
    components: [Option<u8>; 16],
    pce_svn: Option<u16>,
    cpu_svn: Option<CpuSvn>,
}

impl Draft {
    /// Reads entry `.1` to `.7`. Others are let pass, as Intel's library does, if the count and the known ones fit.
    fn read(&mut self, index: u32, value: AnyRef<'_>) -> der::Result<()> {
        match index {
            1 => once(&mut self.ppid, Ppid(octets(value)?)),
            2 => match pairs(SGX_TCB, value, &mut |index, value| self.tcb.read(index, value))? {
                TCB_ENTRIES => Ok(()),
                _ => Err(der::ErrorKind::Failed.into()),
            },
            3 => once(&mut self.pce_id, PceId(octets(value)?)),
            4 => once(&mut self.fmspc, Fmspc(octets(value)?)),
            5 => once(&mut self.sgx_type, sgx_type(value)?),
            6 => once(&mut self.platform_instance_id, PlatformInstanceId(octets(value)?)),
            7 => {
                let mut configuration = PckConfiguration::default();
                children(SGX_CONFIGURATION, value, &mut |index, value| {
                    configuration.read(index, value)
                })?;
                once(&mut self.configuration, configuration)
            }
            _ => Ok(()),
        }
    }

    fn finish(self) -> Result<PckExtension, ParseError> {
        let missing =
            |name: &str| ParseError::invalid(STRUCTURE, alloc::format!("{name} is missing"));
        let mut components = [0; 16];
        for (target, found) in components.iter_mut().zip(self.tcb.components) {
            *target = found.ok_or_else(|| missing("a component SVN"))?;
        }
        Ok(PckExtension {
            ppid: self.ppid.ok_or_else(|| missing("PPID"))?,
            tcb: PckTcb {
                components,
                pce_svn: self.tcb.pce_svn.ok_or_else(|| missing("PCESVN"))?,
                cpu_svn: self.tcb.cpu_svn.ok_or_else(|| missing("CPUSVN"))?,
            },
            pce_id: self.pce_id.ok_or_else(|| missing("PCEID"))?,
            fmspc: self.fmspc.ok_or_else(|| missing("FMSPC"))?,
            sgx_type: self.sgx_type.ok_or_else(|| missing("SGX type"))?,
            platform_instance_id: self.platform_instance_id,
            configuration: self.configuration,
        })
    }
}

impl TcbDraft {
    /// `.2.1` to `.2.16` are component SVNs, `.2.17` is PCESVN, `.2.18` is CPUSVN.
    fn read(&mut self, index: u32, value: AnyRef<'_>) -> der::Result<()> {
        match index {
            17 => once(&mut self.pce_svn, value.decode_as()?),
            18 => once(&mut self.cpu_svn, CpuSvn(octets(value)?)),
            _ => {
                let index = index.checked_sub(1).and_then(|index| usize::try_from(index).ok());
                match index.and_then(|index| self.components.get_mut(index)) {
                    Some(component) => once(component, value.decode_as()?),
                    None => Err(der::ErrorKind::Failed.into()),
                }
            }
        }
    }
}

impl PckConfiguration {
    fn read(&mut self, index: u32, value: AnyRef<'_>) -> der::Result<()> {
        match index {
            1 => once(&mut self.dynamic_platform, value.decode_as()?),
            2 => once(&mut self.cached_keys, value.decode_as()?),
            3 => once(&mut self.smt_enabled, value.decode_as()?),
            _ => Ok(()),
        }
    }
}

const SGX_TCB: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.2");
const SGX_CONFIGURATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1.7");

/// Entries of a TCB: 16 components, PCESVN and CPUSVN.
const TCB_ENTRIES: usize = 18;

type Visit<'v> = dyn FnMut(u32, AnyRef<'_>) -> der::Result<()> + 'v;

/// Walks the top-level sequence of `{OID, value}` pairs and returns how many there are.
fn entries(value: &[u8], visit: &mut Visit<'_>) -> der::Result<usize> {
    let mut reader = SliceReader::new(value)?;
    let sequence = AnyRef::decode(&mut reader)?;
    reader.finish()?;
    pairs(SGX_EXTENSION, sequence, visit)
}

/// Walks a nested sequence of pairs whose OIDs stand under `parent`, however many there are.
fn children(parent: ObjectIdentifier, value: AnyRef<'_>, visit: &mut Visit<'_>) -> der::Result<()> {
    pairs(parent, value, visit).map(|_| ())
}

/// One level only: a value is handed on, not descended into, so that depth is bounded by the calls above.
fn pairs(parent: ObjectIdentifier, value: AnyRef<'_>, visit: &mut Visit<'_>) -> der::Result<usize> {
    let mut count: usize = 0;
    value.sequence(|reader| {
        while !reader.is_finished() {
            reader.sequence(|pair| {
                let oid = ObjectIdentifier::decode(pair)?;
                let value = AnyRef::decode(pair)?;
                match child_index(parent, oid) {
                    Some(index) => visit(index, value),
                    None => Ok(()),
                }
            })?;
            count = count.saturating_add(1);
        }
        Ok::<(), der::Error>(())
    })?;
    Ok(count)
}

/// The last arc of `oid` if it stands directly under `parent`.
fn child_index(parent: ObjectIdentifier, oid: ObjectIdentifier) -> Option<u32> {
    let (last, head) = (oid.arcs().last()?, oid.parent()?);
    (head == parent).then_some(last)
}

fn once<T>(slot: &mut Option<T>, value: T) -> der::Result<()> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(der::ErrorKind::Failed.into()),
    }
}

fn octets<const N: usize>(value: AnyRef<'_>) -> der::Result<[u8; N]> {
    let octets = value.decode_as::<&OctetStringRef>()?.as_bytes();
    octets.try_into().map_err(|_| der::ErrorKind::Length { tag: der::Tag::OctetString }.into())
}

fn sgx_type(value: AnyRef<'_>) -> der::Result<SgxType> {
    if value.tag() != der::Tag::Enumerated {
        return Err(value.tag().unexpected_error(Some(der::Tag::Enumerated)).into());
    }
    match value.value() {
        [0] => Ok(SgxType::Standard),
        [1] => Ok(SgxType::Scalable),
        [2] => Ok(SgxType::ScalableWithIntegrity),
        _ => Err(der::ErrorKind::Value { tag: der::Tag::Enumerated }.into()),
    }
}
