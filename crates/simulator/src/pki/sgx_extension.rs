//! Writes Intel's SGX extension of a PCK certificate.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, "SGX Extensions".

use der::asn1::{Any, ObjectIdentifier, OctetString};
use der::{Encode, Sequence, Tag};
use tdattest_wire::certificate::oid::SGX_EXTENSION;
use tdattest_wire::pck::{PckConfiguration, PckExtension, PckTcb, SgxType};

use crate::error::MintError;

#[derive(Sequence)]
struct Entry {
    id: ObjectIdentifier,
    value: Any,
}

/// The value of the extension.
pub(super) fn to_der(extension: &PckExtension) -> Result<Vec<u8>, MintError> {
    const ROOT: ObjectIdentifier = SGX_EXTENSION;
    let tcb_oid = ROOT.push_arc(2)?;
    let mut entries = vec![
        entry(ROOT, 1, octets(&extension.ppid.0)?)?,
        entry(ROOT, 2, Any::encode_from(&tcb(tcb_oid, &extension.tcb)?)?)?,
        entry(ROOT, 3, octets(&extension.pce_id.0)?)?,
        entry(ROOT, 4, octets(&extension.fmspc.0)?)?,
        entry(ROOT, 5, Any::new(Tag::Enumerated, [sgx_type(extension.sgx_type)])?)?,
    ];
    if let Some(id) = &extension.platform_instance_id {
        entries.push(entry(ROOT, 6, octets(&id.0)?)?);
    }
    if let Some(configuration) = &extension.configuration {
        let flags = configuration_entries(ROOT.push_arc(7)?, configuration)?;
        entries.push(entry(ROOT, 7, Any::encode_from(&flags)?)?);
    }
    Ok(entries.to_der()?)
}

fn tcb(root: ObjectIdentifier, tcb: &PckTcb) -> Result<Vec<Entry>, MintError> {
    let mut entries = Vec::with_capacity(18);
    for (index, svn) in (1..).zip(tcb.components) {
        entries.push(entry(root, index, Any::encode_from(&svn)?)?);
    }
    entries.push(entry(root, 17, Any::encode_from(&tcb.pce_svn)?)?);
    entries.push(entry(root, 18, octets(&tcb.cpu_svn.0)?)?);
    Ok(entries)
}

fn configuration_entries(
    root: ObjectIdentifier,
    configuration: &PckConfiguration,
) -> Result<Vec<Entry>, MintError> {
    let PckConfiguration { dynamic_platform, cached_keys, smt_enabled } = configuration;
    let flags = [(1, dynamic_platform), (2, cached_keys), (3, smt_enabled)];
    let flags = flags.into_iter().filter_map(|(index, flag)| Some((index, (*flag)?)));
    flags.map(|(index, flag)| entry(root, index, Any::encode_from(&flag)?)).collect()
}

fn entry(root: ObjectIdentifier, index: u32, value: Any) -> Result<Entry, MintError> {
    Ok(Entry { id: root.push_arc(index)?, value })
}

fn octets(bytes: &[u8]) -> Result<Any, MintError> {
    Ok(Any::encode_from(&OctetString::new(bytes)?)?)
}

fn sgx_type(kind: SgxType) -> u8 {
    match kind {
        SgxType::Standard => 0,
        SgxType::Scalable => 1,
        SgxType::ScalableWithIntegrity => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tdattest_wire::bytes::{CpuSvn, Fmspc, PceId, PlatformInstanceId, Ppid};

    #[test]
    fn what_is_written_is_read_back() {
        let mut extension = PckExtension {
            ppid: Ppid([0xa1; 16]),
            tcb: PckTcb {
                components: [0, 1, 127, 128, 255, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
                pce_svn: 0x8001,
                cpu_svn: CpuSvn([0xc5; 16]),
            },
            pce_id: PceId([1, 2]),
            fmspc: Fmspc([1, 2, 3, 4, 5, 6]),
            sgx_type: SgxType::ScalableWithIntegrity,
            platform_instance_id: Some(PlatformInstanceId([0xd1; 16])),
            configuration: Some(PckConfiguration {
                dynamic_platform: Some(true),
                cached_keys: Some(false),
                smt_enabled: None,
            }),
        };
        assert_eq!(PckExtension::parse(&to_der(&extension).unwrap()).unwrap(), extension);
        (extension.platform_instance_id, extension.configuration) = (None, None);
        assert_eq!(PckExtension::parse(&to_der(&extension).unwrap()).unwrap(), extension);
    }
}
