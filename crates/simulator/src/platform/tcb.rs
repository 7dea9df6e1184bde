//! What Intel says of the platform: the levels of one set of TCB info and identities.

use serde::{Deserialize, Serialize};
use tdattest_wire::attributes::SeamAttributes;
use tdattest_wire::bytes::Measurement;
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

use super::names;

/// One set: everything with the same TCB evaluation data number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSet {
    /// Its number, which grows with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// When the TCB recovery that made it became public.
    pub tcb_recovery_event_date: UnixTime,
    /// The date that its up-to-date levels carry.
    pub tcb_date: UnixTime,
    /// The platform's levels.
    pub tcb_level: Vec<PlatformLevel>,
    /// The TDX modules by major version.
    #[serde(default)]
    pub tdx_module: Vec<ModuleIdentity>,
    /// The levels of the TD QE.
    pub td_qe: Vec<IsvLevel>,
    /// The levels of the SGX QE.
    pub qe: Vec<IsvLevel>,
}

/// A level of the platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlatformLevel {
    /// What it counts as.
    #[serde(with = "names::tcb_status")]
    pub status: TcbStatus,
    /// When it became that.
    pub date: UnixTime,
    /// The lowest SGX component SVNs that reach it.
    pub sgx: [u8; 16],
    /// The lowest PCESVN that reaches it.
    pub pce_svn: u16,
    /// The lowest TDX component SVNs that reach it; the first two count for a module of major version 0 alone.
    pub tdx: [u8; 16],
    /// The advisories about it.
    #[serde(default)]
    pub advisory_ids: Vec<String>,
}

/// A TDX module of one major version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModuleIdentity {
    /// The major version.
    pub version: u8,
    /// The MRSIGNERSEAM that it must have.
    #[serde(default)]
    pub mr_signer: Measurement,
    /// The SEAMATTRIBUTES that it must have.
    #[serde(default)]
    pub attributes: SeamAttributes,
    /// Its levels.
    pub level: Vec<IsvLevel>,
}

/// A level of a TDX module or a QE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsvLevel {
    /// What it counts as.
    #[serde(with = "names::tcb_status")]
    pub status: TcbStatus,
    /// When it became that.
    pub date: UnixTime,
    /// The lowest ISVSVN that reaches it.
    pub isv_svn: u16,
    /// The advisories about it.
    #[serde(default)]
    pub advisory_ids: Vec<String>,
}
