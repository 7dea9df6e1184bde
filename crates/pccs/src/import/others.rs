//! What is not signed by Intel: registrations that wait, and appraisal policies.

use data_encoding::HEXLOWER;
use rusqlite::Row;
use sha2::{Digest as _, Sha384};
use tdattest_wire::bytes::CpuSvn;

use super::file::{Source, Take, bounded, bytes, integer, refuse, text};
use super::platforms::{ENCRYPTED_PPID_BYTES, MANIFEST_BYTES};
use super::{ImportError, Item};
use crate::request::hex;
use crate::store::{AppraisalPolicy, PlatformKey, Registration, RegistrationState};

/// Largest appraisal policy, in bytes: the bound of Intel's service for a request.
const POLICY_BYTES: usize = 2 * 1024 * 1024;

impl Source {
    /// The registrations that wait for somebody.
    pub(super) fn registrations(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let manifest = bounded("platform_manifest", MANIFEST_BYTES);
        let encrypted_ppid = bounded("enc_ppid", ENCRYPTED_PPID_BYTES);
        let (qe_id, pce_id) = (bounded("qe_id", 1040), bounded("pce_id", 4));
        // Those that were fetched already are kept in state 9.
        let statement = format!(
            "SELECT {qe_id}, {pce_id}, cpu_svn, pce_svn, {encrypted_ppid}, {manifest}, state \
             FROM platforms_registered WHERE rowid = $1 LIMIT 1"
        );
        let waiting = self.oldest_first("platforms_registered WHERE state IN (0, 1)")?;
        self.each(&waiting, &statement, &mut |row| {
            let state = match integer(row, 6) {
                Some(0) => RegistrationState::New,
                _ => RegistrationState::NotAvailable,
            };
            take(match registration(row) {
                Some(registration) => Item::Registration(registration, state),
                None => {
                    let name = text(row, 0).unwrap_or_default();
                    refuse(
                        format!("registration of {name}"),
                        "it has neither a manifest nor an encrypted PPID with its TCB",
                    )
                }
            })
        })
    }

    /// The appraisal policies.
    pub(super) fn policies(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let policy = bounded("policy", POLICY_BYTES);
        let statement = format!(
            "SELECT id, type, {policy}, is_default, fmspc FROM appraisal_policies WHERE rowid = $1 LIMIT 1"
        );
        let policies = self.oldest_first("appraisal_policies")?;
        self.each(&policies, &statement, &mut |row| {
            let what = format!("appraisal policy {}", text(row, 0).unwrap_or_default());
            let Some(policy) = policy_of(row) else {
                return take(refuse(what, "its kind, text or FMSPC is missing, or none"));
            };
            if text(row, 0).as_ref() != Some(&policy.id) {
                return take(refuse(what, format!("its text has the id {}", policy.id)));
            }
            take(Item::Policy(policy))
        })
    }
}

fn registration(row: &Row<'_>) -> Option<Registration> {
    let (qe_id, pce_id) = (text(row, 0)?.to_uppercase(), text(row, 1)?.to_uppercase());
    let _: [u8; 2] = hex(&pce_id)?;
    let key = PlatformKey { qe_id, pce_id };
    let manifest = bytes(row, 5).unwrap_or_default();
    if !manifest.is_empty() {
        let (cpu_svn, pce_svn, encrypted_ppid) = (None, None, Vec::new());
        return Some(Registration { key, cpu_svn, pce_svn, encrypted_ppid, manifest });
    }
    let encrypted_ppid =
        bytes(row, 4).filter(|encrypted| encrypted.len() == ENCRYPTED_PPID_BYTES)?;
    let cpu_svn = Some(CpuSvn(hex(&text(row, 2)?)?));
    let pce_svn = Some(u16::from_le_bytes(hex(&text(row, 3)?)?));
    Some(Registration { key, cpu_svn, pce_svn, encrypted_ppid, manifest })
}

fn policy_of(row: &Row<'_>) -> Option<AppraisalPolicy> {
    let kind =
        integer(row, 1).and_then(|kind| u8::try_from(kind).ok()).filter(|kind| *kind <= 2)?;
    let text_of = text(row, 2)?;
    Some(AppraisalPolicy {
        id: HEXLOWER.encode(&Sha384::digest(text_of.as_bytes())),
        text: text_of,
        is_default: integer(row, 3)? != 0,
        fmspc: text(row, 4)?.parse().ok()?,
        kind,
    })
}
