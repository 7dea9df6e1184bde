//! Is the TDX module one that Intel lists, and how up to date is it?
//!
//! Source: PCS API v4, "Get TDX TCB Info"; Intel QVL `TdxModuleCheck`.
//! Must stay true: a module with a major version is judged by the identity of that version, never by the base entry.

use tdattest_wire::bytes::TeeTcbSvn;
use tdattest_wire::quote::TdReport10;
use tdattest_wire::tcb_info::{IsvSvnLevel, TcbInfo, TdxModule};
use tdattest_wire::tcb_status::TcbStatus;

use crate::check::{Checks, Sides};
use crate::error::{NotSupported, TdxModuleFault, VerifyError};

/// Checks signer and attributes of the module that launched the TD.
pub(crate) fn require(
    report: &TdReport10,
    tcb_info: &TcbInfo,
    checks: &mut Checks,
) -> Result<(), VerifyError> {
    let version = report.tee_tcb_svn.module_version();
    let module = module(tcb_info, version);
    let found = if module.is_some() { "listed" } else { "not listed" };
    checks.require(
        module.is_some(),
        Sides::new("TDX module version", "listed", found),
        VerifyError::TdxModule(TdxModuleFault::Unknown(version)),
    )?;
    // Just required; without a module there is nothing to go on.
    let Some(module) = module else {
        return Err(VerifyError::TdxModule(TdxModuleFault::Unknown(version)));
    };
    checks.require(
        report.mr_signer_seam == module.mr_signer,
        Sides::new("MRSIGNERSEAM", module.mr_signer.as_ref(), report.mr_signer_seam.as_ref()),
        VerifyError::TdxModule(TdxModuleFault::Signer),
    )?;
    // Zero *and* equal, without a look at the mask: what Intel's library does, though its documentation says masked.
    let attributes = report.seam_attributes;
    checks.require(
        attributes.is_zero() && attributes == module.attributes,
        Sides::new("SEAMATTRIBUTES", module.attributes.as_ref(), attributes.as_ref()),
        VerifyError::TdxModule(TdxModuleFault::Attributes),
    )
}

/// Signer and attributes for a major version; version 0 is the module before there were identities.
fn module(tcb_info: &TcbInfo, version: u8) -> Option<&TdxModule> {
    match version {
        0 => tcb_info.tdx_module.as_ref(),
        version => tcb_info.tdx_module_identity(version).map(|identity| &identity.module),
    }
}

/// The level of the module with these SVNs; `None` for a module without a major version, which has no levels.
pub(crate) fn level(
    tcb_info: &TcbInfo,
    svn: TeeTcbSvn,
) -> Result<Option<(&IsvSvnLevel, TcbStatus)>, NotSupported> {
    let version = svn.module_version();
    if version == 0 {
        return Ok(None);
    }
    let identity = tcb_info.tdx_module_identity(version).ok_or(NotSupported::CurrentTdxModule)?;
    let isv_svn = u16::from(svn.module_isv_svn());
    let level = identity
        .tcb_levels
        .iter()
        .find(|level| level.isv_svn <= isv_svn)
        .ok_or(NotSupported::TdxModule)?;
    let status = level.tcb_status.ok_or(NotSupported::TdxModuleStatus)?;
    Ok(Some((level, status)))
}
