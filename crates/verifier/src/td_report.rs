//! The relations inside a TDREPORT that can be checked without its CPU: the two hashes under the MAC.
//!
//! A TDREPORT with good hashes is *consistent*, not genuine: only the CPU that made it can check its MAC, which is what
//! a quote is for.

use tdattest_wire::error::ParseError;
use tdattest_wire::td_report::TdReport;

use crate::crypto::sha384;

/// Whether the hashes of a TDREPORT are those of its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consistency {
    /// TEE_TCB_INFO_HASH is the SHA-384 of TEE_TCB_INFO.
    pub tee_tcb_info: bool,
    /// TEE_INFO_HASH is the SHA-384 of TDINFO.
    pub td_info: bool,
}

/// Parses a TDREPORT and compares its hashes.
///
/// # Errors
/// When the bytes are not a TDREPORT.
pub fn consistency(bytes: &[u8]) -> Result<Consistency, ParseError> {
    let report = TdReport::parse(bytes)?;
    let hash = |range| bytes.get(range).map(sha384);
    let mac = &report.report_mac;
    Ok(Consistency {
        tee_tcb_info: hash(TdReport::TEE_TCB_INFO_RANGE) == Some(mac.tee_tcb_info_hash.0),
        td_info: hash(TdReport::TD_INFO_RANGE) == Some(mac.tee_info_hash.0),
    })
}
