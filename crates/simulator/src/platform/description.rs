//! The parts of a platform's description.

use serde::{Deserialize, Serialize};
use tdattest_wire::attributes::{SeamAttributes, SgxAttributes, TdAttributes, Xfam};
use tdattest_wire::bytes::{
    CpuSvn, EnclaveMeasurement, Fmspc, Measurement, MiscSelect, PceId, PlatformInstanceId, Ppid,
    TdId,
};
use tdattest_wire::pck::{PckConfiguration, PckExtension, PckTcb, SgxType};
use tdattest_wire::pcs::PckCa;
use tdattest_wire::time::UnixTime;

use super::names;

/// The CPU and its firmware.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hardware {
    /// The platform family.
    pub fmspc: Fmspc,
    /// The PCE's id.
    pub pce_id: PceId,
    /// The platform provisioning id.
    pub ppid: Ppid,
    /// The id that the QE puts into the header of quotes.
    pub qe_id: PlatformInstanceId,
    /// The CA that certified it.
    #[serde(with = "names::pck_ca")]
    pub ca: PckCa,
    /// How it protects memory.
    #[serde(with = "names::sgx_type")]
    pub sgx_type: SgxType,
    /// Its instance id. This and the next three are certified by the Platform CA alone.
    pub platform_instance_id: PlatformInstanceId,
    /// Packages can be added to it while it runs.
    pub dynamic_platform: bool,
    /// Intel keeps its platform root keys.
    pub cached_keys: bool,
    /// Simultaneous multithreading is on.
    pub smt_enabled: bool,
    /// The raw CPUSVN.
    pub cpu_svn: CpuSvn,
    /// The 16 component SVNs.
    pub sgx_tcb_svns: [u8; 16],
    /// The PCE's SVN.
    pub pce_svn: u16,
    /// ISVSVN of the SGX QE.
    pub qe_isv_svn: u16,
    /// ISVSVN of the TD QE.
    pub td_qe_isv_svn: u16,
}

impl Hardware {
    /// What the PCK certificate says of this hardware.
    pub fn pck_extension(&self) -> PckExtension {
        let several_packages = self.ca == PckCa::Platform;
        PckExtension {
            ppid: self.ppid,
            tcb: PckTcb {
                components: self.sgx_tcb_svns,
                pce_svn: self.pce_svn,
                cpu_svn: self.cpu_svn,
            },
            pce_id: self.pce_id,
            fmspc: self.fmspc,
            sgx_type: self.sgx_type,
            platform_instance_id: several_packages.then_some(self.platform_instance_id),
            configuration: several_packages.then_some(PckConfiguration {
                dynamic_platform: Some(self.dynamic_platform),
                cached_keys: Some(self.cached_keys),
                smt_enabled: Some(self.smt_enabled),
            }),
        }
    }
}

/// The TDX module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TdxModule {
    /// TEE_TCB_SVN when the TD was launched: minor and major version of the module, the SEAM loader's SVN, others.
    pub tee_tcb_svn: [u8; 16],
    /// TEE_TCB_SVN2, now: other than the above after a TD-preserving update. A module of TDX 1.0 has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tee_tcb_svn_2: Option<[u8; 16]>,
    /// MRSEAM.
    pub mr_seam: Measurement,
    /// MRSIGNERSEAM; zero for Intel.
    pub mr_signer_seam: Measurement,
    /// SEAMATTRIBUTES; zero for a production module.
    pub seam_attributes: SeamAttributes,
}

/// The TD, as the host launches it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Td {
    /// ATTRIBUTES.
    pub attributes: TdAttributes,
    /// XFAM.
    pub xfam: Xfam,
    /// MRTD.
    pub mr_td: Measurement,
    /// MRCONFIGID.
    pub mr_config_id: Measurement,
    /// MROWNER.
    pub mr_owner: Measurement,
    /// MROWNERCONFIG.
    pub mr_owner_config: Measurement,
    /// SERVTD_HASH: not zero if a service TD is bound.
    pub service_td_hash: Measurement,
    /// TD_ID: not zero in a TDREPORT of version 3 alone.
    pub td_id: TdId,
    /// VMID: likewise.
    pub vm_id: u8,
    /// What was measured into the RTMRs, in order.
    #[serde(default)]
    pub event: Vec<Event>,
}

/// One measured event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// The register it extends: 0 to 3.
    pub rtmr: u8,
    /// The TCG event type: 13 is EV_IPL.
    #[serde(rename = "type")]
    pub kind: u32,
    /// What is measured: the register is extended with the SHA-384 of this.
    pub data: String,
}

/// The SGX enclave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Enclave {
    /// MRENCLAVE.
    pub mr_enclave: EnclaveMeasurement,
    /// MRSIGNER.
    pub mr_signer: EnclaveMeasurement,
    /// ATTRIBUTES.
    pub attributes: SgxAttributes,
    /// MISCSELECT.
    pub misc_select: MiscSelect,
    /// ISVPRODID.
    pub isv_prod_id: u16,
    /// ISVSVN.
    pub isv_svn: u16,
}

/// Certificates and CRLs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PkiSettings {
    /// Where certificates say that the root CA's CRL is.
    pub root_ca_crl_url: String,
    /// Where PCK certificates say that their CA's CRL is, without the query.
    pub pck_crl_url: String,
    /// What has been revoked.
    pub revoked: Revoked,
    /// When everything is valid.
    pub windows: Windows,
}

/// Certificates that their issuers have revoked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// The platform's PCK certificate.
    pub pck: bool,
    /// The PCK CA.
    pub pck_ca: bool,
    /// The TCB signing certificate.
    pub tcb_signing: bool,
}

/// When everything is valid. Days count from the midnight (UTC) before the time of minting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Windows {
    /// Days from the root CA's CRL to the next.
    pub root_ca_crl_days: u32,
    /// Days from a PCK CRL to the next.
    pub pck_crl_days: u32,
    /// Days from TCB info, an identity or a list of evaluation data numbers to the next.
    pub document_days: u32,
    /// The root CA's certificate.
    pub root_ca: Window,
    /// Both PCK CA certificates.
    pub pck_ca: Window,
    /// The TCB signing certificate.
    pub tcb_signing: Window,
    /// The PCK certificate.
    pub pck: Window,
}

/// From the first second to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The first second.
    pub from: UnixTime,
    /// The last second.
    pub to: UnixTime,
}
