//! TCB info: which security versions of a platform family count as up to date.
//!
//! Source: PCS API v4, "Get SGX TCB Info" and "Get TDX TCB Info" (versions 2 and 3).
//! Must stay true: levels are kept in descending order of their values, whatever their order in the text, which is kept
//! beside them, and no two are equal; a version or `tcbType` this file does not know is refused, since its comparison rules may differ.

pub mod lenient;
mod strict;

use alloc::string::String;
use alloc::vec::Vec;

use crate::attributes::SeamAttributes;
use crate::bytes::{Fmspc, Measurement, PceId};
use crate::quote::TeeType;
use crate::tcb_status::TcbStatus;
use crate::time::UnixTime;

pub(crate) use strict::{RawIsvSvnLevel, isv_svn_levels, sorted};

/// TCB info of one platform family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbInfo {
    /// SGX or TDX. Version 2, which has no `id`, is for SGX.
    pub tee: TeeType,
    /// 2 or 3.
    pub version: u8,
    /// When Intel made it.
    pub issue_date: UnixTime,
    /// When a newer one is due.
    pub next_update: UnixTime,
    /// The platform family.
    pub fmspc: Fmspc,
    /// The PCE.
    pub pce_id: PceId,
    /// Grows with every TCB recovery.
    pub tcb_evaluation_data_number: u32,
    /// What the 16 SGX components are; empty names where Intel gives none.
    pub sgx_components: [ComponentName; 16],
    /// What the 16 TDX components are.
    pub tdx_components: [ComponentName; 16],
    /// The TDX module before module identities; TDX only.
    pub tdx_module: Option<TdxModule>,
    /// TDX modules by version; TDX only.
    pub tdx_module_identities: Vec<TdxModuleIdentity>,
    /// The platform's levels, highest first.
    pub tcb_levels: Vec<TcbLevel>,
    /// The order of the text: which of `tcb_levels` stands there first, which next. See
    /// [`levels_as_listed`](Self::levels_as_listed).
    pub listed: Vec<usize>,
}

/// What a component is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ComponentName {
    /// `BIOS`, `OS/VMM`, or empty.
    pub category: String,
    /// `Early Microcode Update`, `TDX Module`, or empty.
    pub kind: String,
}

/// One TCB level of a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbLevel {
    /// SVNs of the SGX components.
    pub sgx: [u8; 16],
    /// SVN of the PCE.
    pub pce_svn: u16,
    /// SVNs of the TDX components; TDX only.
    pub tdx: Option<[u8; 16]>,
    /// When this level became what it is.
    pub tcb_date: UnixTime,
    /// What it counts as.
    pub tcb_status: TcbStatus,
    /// Intel's advisories about it.
    pub advisory_ids: Vec<String>,
}

/// Signer and attributes that a TDX module must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxModule {
    /// MRSIGNERSEAM.
    pub mr_signer: Measurement,
    /// SEAMATTRIBUTES.
    pub attributes: SeamAttributes,
    /// Which bits of it Intel means; the verifier demands all of them.
    pub attributes_mask: SeamAttributes,
}

/// A TDX module of one major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TdxModuleIdentity {
    /// `TDX_` and the version in hexadecimal, in upper case.
    pub id: String,
    /// Signer and attributes.
    pub module: TdxModule,
    /// Its levels by ISV SVN, highest first.
    pub tcb_levels: Vec<IsvSvnLevel>,
}

/// A TCB level of a TDX module or a QE, which have one SVN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IsvSvnLevel {
    /// The lowest ISV SVN that reaches it.
    pub isv_svn: u16,
    /// When it became what it is.
    pub tcb_date: UnixTime,
    /// What it counts as; `None` for a status that a component cannot have, which no evaluation accepts.
    pub tcb_status: Option<TcbStatus>,
    /// Intel's advisories about it.
    pub advisory_ids: Vec<String>,
}

impl TcbInfo {
    /// The platform's levels in the order of the text. It counts where levels of which neither is higher decide, as in
    /// the choice of a PCK certificate.
    pub fn levels_as_listed(&self) -> impl Iterator<Item = &TcbLevel> {
        self.listed.iter().filter_map(|place| self.tcb_levels.get(*place))
    }

    /// The identity of the TDX module of a major version: `TDX_03` for 3.
    pub fn tdx_module_identity(&self, version: u8) -> Option<&TdxModuleIdentity> {
        let id = alloc::format!("TDX_{version:02X}");
        self.tdx_module_identities.iter().find(|identity| identity.id == id)
    }
}
