//! Which of a platform's PCK certificates is for its TCB: the highest that the TCB reaches.
//!
//! Source: Intel's PCCS as observed, "PCK Certificate Selection". TCBs are compared pairwise over 17 numbers, so that two
//! of them may be neither equal, nor lower, nor higher; then the order of the TCB levels in the text decides.
//! Must stay true: a certificate above the TCB is never chosen; it would claim what the platform does not have.

use std::cmp::Ordering;

use tdattest_wire::bytes::{Fmspc, PceId};
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pck_certificates::Tcbm;
use tdattest_wire::tcb_info::TcbInfo;

/// One certificate to choose from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    /// The raw TCB that it is for.
    pub(crate) tcbm: Tcbm,
    /// What it says of its platform.
    pub(crate) extension: PckExtension,
}

/// Why nothing can be chosen, whatever the TCB.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectionError {
    #[error("TCB info is for PCEID {tcb_info}, but the platform has {platform}")]
    PceId { platform: PceId, tcb_info: PceId },
    #[error("TCB info has no TCB levels")]
    NoLevels,
    #[error("PCK certificate is for PCEID {certificate}, but the platform has {platform}")]
    CertificatePceId { platform: PceId, certificate: PceId },
    #[error("PCK certificate says FMSPC {certificate}, but TCB info is for {tcb_info}")]
    Fmspc { certificate: Fmspc, tcb_info: Fmspc },
    #[error("the PCK certificates are for several platforms: their PPIDs differ")]
    Ppid,
}

/// Chooses the certificate for a raw TCB; `None` when the TCB is below all of them.
///
/// # Errors
/// When platform, certificates and TCB info do not belong together.
pub(crate) fn select(
    raw: Tcbm,
    pce_id: PceId,
    candidates: &[Candidate],
    tcb_info: &TcbInfo,
) -> Result<Option<Tcbm>, SelectionError> {
    check(pce_id, candidates, tcb_info)?;
    let raw = Tcb::of(raw);
    let ordered = in_order(candidates, &levels(tcb_info));
    Ok(ordered.into_iter().find(|tcbm| raw.reaches(&Tcb::of(*tcbm))))
}

fn check(
    platform: PceId,
    candidates: &[Candidate],
    tcb_info: &TcbInfo,
) -> Result<(), SelectionError> {
    if tcb_info.pce_id != platform {
        return Err(SelectionError::PceId { platform, tcb_info: tcb_info.pce_id });
    }
    if tcb_info.tcb_levels.is_empty() {
        return Err(SelectionError::NoLevels);
    }
    for Candidate { extension, .. } in candidates {
        if extension.pce_id != platform {
            let certificate = extension.pce_id;
            return Err(SelectionError::CertificatePceId { platform, certificate });
        }
        if extension.fmspc != tcb_info.fmspc {
            let (certificate, tcb_info) = (extension.fmspc, tcb_info.fmspc);
            return Err(SelectionError::Fmspc { certificate, tcb_info });
        }
    }
    let mut ppids = candidates.iter().map(|candidate| candidate.extension.ppid);
    let first = ppids.next();
    if ppids.any(|ppid| Some(ppid) != first) {
        return Err(SelectionError::Ppid);
    }
    Ok(())
}

/// The levels from the highest. Those that cannot be compared stay in the order of the text.
fn levels(tcb_info: &TcbInfo) -> Vec<Tcb> {
    let mut levels: Vec<Tcb> = Vec::new();
    for level in tcb_info.levels_as_listed() {
        let level = Tcb { components: level.sgx, pce_svn: level.pce_svn };
        let lower = levels.iter().rev().take_while(|before| level.reaches(before)).count();
        levels.insert(levels.len().saturating_sub(lower), level);
    }
    levels
}

/// Every certificate, under the first level that it reaches and, under each, from the highest; those under none last.
fn in_order(candidates: &[Candidate], levels: &[Tcb]) -> Vec<Tcbm> {
    let mut buckets: Vec<(Option<&Tcb>, Vec<Tcbm>)> =
        levels.iter().map(Some).chain([None]).map(|level| (level, Vec::new())).collect();
    for Candidate { tcbm, .. } in candidates {
        let tcb = Tcb::of(*tcbm);
        let fits = |level: &Option<&Tcb>| level.is_none_or(|level| tcb.reaches(level));
        if let Some((_, bucket)) = buckets.iter_mut().find(|(level, _)| fits(level)) {
            let above = bucket.iter().position(|other| tcb.reaches(&Tcb::of(*other)));
            bucket.insert(above.unwrap_or(bucket.len()), *tcbm);
        }
    }
    buckets.into_iter().flat_map(|(_, bucket)| bucket).collect()
}

/// What is compared: 16 components and the PCE's SVN.
struct Tcb {
    components: [u8; 16],
    pce_svn: u16,
}

impl Tcb {
    /// The CPUSVN of a certificate, and that of a platform, is compared as the components are.
    fn of(tcbm: Tcbm) -> Self {
        Self { components: tcbm.cpu_svn.0, pce_svn: tcbm.pce_svn }
    }

    /// Equal or higher.
    fn reaches(&self, other: &Self) -> bool {
        matches!(self.compare(other), Some(Ordering::Equal | Ordering::Greater))
    }

    /// `None` when some numbers are higher and some are lower.
    fn compare(&self, other: &Self) -> Option<Ordering> {
        let components = self.components.iter().zip(&other.components);
        components
            .map(|(own, other)| own.cmp(other))
            .chain([self.pce_svn.cmp(&other.pce_svn)])
            .try_fold(Ordering::Equal, |so_far, next| match (so_far, next) {
                (Ordering::Equal, next) => Some(next),
                (so_far, Ordering::Equal) => Some(so_far),
                (so_far, next) => (so_far == next).then_some(so_far),
            })
    }
}

#[cfg(test)]
mod tests;
