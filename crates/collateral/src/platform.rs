//! Are these the PCK certificates of the platform that was asked about, and is each the one that the list says?
//!
//! Source: PCS API v4, "Get PCK Certificates".
//! Must stay true: what stands beside a certificate, in headers and list, is believed only as far as the certificate says
//! the same.

use tdattest_wire::pck_certificates::{PckCertificates, PckEntry, PlatformQuery};

use crate::authenticate::Authenticate;

/// Verifies each certificate, and that it says what the answer and the question say.
///
/// # Errors
/// The first thing that does not hold, in words.
pub(crate) fn verify(
    found: &PckCertificates,
    asked: &PlatformQuery,
    authenticate: &dyn Authenticate,
) -> Result<(), String> {
    let mut ppid = None;
    for entry in &found.entries {
        let Some(certificate) = &entry.certificate else { continue };
        let chain = [certificate.as_slice(), b"\n", &found.issuer_chain].concat();
        let pck = authenticate.pck_certificate(&chain)?;
        let extension = pck.extension;
        require("CA", found.ca.name(), pck.ca.name())?;
        require("FMSPC", found.fmspc, extension.fmspc)?;
        require("PCEID", asked.pce_id, extension.pce_id)?;
        let is_same_tcb = extension.tcb.components == entry.components
            && extension.tcb.pce_svn == entry.pce_svn
            && is_of_tcbm(entry, extension.tcb.cpu_svn);
        if !is_same_tcb {
            return Err(format!("a PCK certificate is for another TCB than {}", entry.tcbm));
        }
        if *ppid.get_or_insert(extension.ppid) != extension.ppid {
            return Err("the PCK certificates are of several platforms".into());
        }
    }
    match found.entries.is_empty() {
        true => Err("the list of PCK certificates is empty, so that nothing vouches for it".into()),
        // Of some platforms Intel has no certificate yet. Such a list vouches for nothing, and says nothing else.
        false => Ok(()),
    }
}

fn is_of_tcbm(entry: &PckEntry, cpu_svn: tdattest_wire::bytes::CpuSvn) -> bool {
    entry.tcbm.cpu_svn == cpu_svn && entry.tcbm.pce_svn == entry.pce_svn
}

fn require<T: PartialEq + std::fmt::Display>(
    what: &str,
    expected: T,
    found: T,
) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("a PCK certificate has {what} {found}, expected {expected}"))
}
