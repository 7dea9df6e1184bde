//! Platforms with their PCK certificates, and which was chosen for each raw TCB.

use rusqlite::Row;
use tdattest_wire::bytes::{Fmspc, PceId};
use tdattest_wire::limits;
use tdattest_wire::pck_certificates::{PckCertificates, PckEntry, Tcbm};
use tdattest_wire::pcs::PckCa;

use super::documents::named_ca;
use super::file::{Source, Take, bounded, bytes, integer, refuse, text};
use super::{ImportError, Item, PlatformItem};
use crate::cache::platform::judge;
use crate::request::hex;
use crate::store::{Platform, PlatformCertificate, PlatformKey, Selection};

/// Largest manifest, in bytes: that of Intel's API.
pub(super) const MANIFEST_BYTES: usize = 56_442;

/// An encrypted PPID: RSA-3072.
pub(super) const ENCRYPTED_PPID_BYTES: usize = 384;

/// Most certificates of a platform. Intel has one for each TCB level.
const CERTIFICATES: usize = limits::TCB_LEVELS;

/// Most raw TCBs of a platform: as many as a store remembers.
const SELECTIONS: usize = crate::store::MOST_SELECTIONS;

/// A TCB and the certificate for it, as they stand in a row.
type Listed = (Option<String>, Option<Vec<u8>>);

impl Source {
    /// Every platform.
    pub(super) fn platforms(&self, take: &mut Take<'_>) -> Result<(), ImportError> {
        let manifest = bounded("platform_manifest", MANIFEST_BYTES);
        let encrypted_ppid = bounded("enc_ppid", ENCRYPTED_PPID_BYTES);
        let (qe_id, pce_id) = (bounded("qe_id", 1040), bounded("pce_id", 4));
        let statement = format!(
            "SELECT {qe_id}, {pce_id}, {manifest}, {encrypted_ppid}, fmspc, ca, updated_time FROM platforms"
        );
        let mut fault = Ok(());
        self.rows(&statement, &[], &mut |row| {
            let name = text(row, 0).unwrap_or_default();
            let Some((pce_id, platform)) = self.platform(row) else {
                let what = format!("platform {name}");
                return take(refuse(what, "its PCEID, FMSPC or CA is missing, or none"));
            };
            match self.complete(&name, pce_id, platform, take) {
                Ok(more) => more,
                Err(found) => {
                    fault = Err(found);
                    false
                }
            }
        })?;
        fault
    }

    /// A platform without its chain.
    fn platform(&self, row: &Row<'_>) -> Option<(PceId, Platform)> {
        let (qe_id, pce_id) = (text(row, 0)?.to_uppercase(), text(row, 1)?.to_uppercase());
        let of_pce = PceId(hex(&pce_id)?);
        let fmspc: Fmspc = text(row, 4)?.parse().ok()?;
        let platform = Platform {
            key: PlatformKey { qe_id, pce_id },
            manifest: bytes(row, 2).unwrap_or_default(),
            encrypted_ppid: bytes(row, 3).unwrap_or_default(),
            fmspc,
            ca: named_ca(&text(row, 5)?)?,
            issuer_chain: Vec::new(),
            fetched_at: self.time(row, 6),
        };
        Some((of_pce, platform))
    }

    /// Adds certificates and selections to a platform; those that are not good are told.
    fn complete(
        &self,
        name: &str,
        pce_id: PceId,
        mut platform: Platform,
        take: &mut Take<'_>,
    ) -> Result<bool, ImportError> {
        let what = format!("platform {} {}", platform.key.qe_id, platform.key.pce_id);
        let Some(chain) = self.pck_chain(platform.ca)? else {
            return Ok(take(refuse(what, "the certificates of its CA are missing")));
        };
        platform.issuer_chain = chain;
        let mut certificates = Vec::new();
        for (tcbm, certificate) in self.listed_certificates(name, &platform)? {
            match self.certificate(pce_id, &platform, tcbm.as_deref(), certificate) {
                Ok(certificate) => certificates.push(certificate),
                Err(why) => {
                    let tcbm = tcbm.unwrap_or_default();
                    if !take(refuse(format!("{what}, PCK certificate {tcbm}"), why)) {
                        return Ok(false);
                    }
                }
            }
        }
        if certificates.is_empty() {
            return Ok(take(refuse(what, "it has no PCK certificate that is good")));
        }
        let mut selections = self.listed_selections(name, &platform)?;
        selections.retain(|selection| certificates.iter().any(|one| one.tcbm == selection.chosen));
        Ok(take(Item::Platform(PlatformItem { platform, certificates, selections })))
    }

    fn pck_chain(&self, ca: PckCa) -> Result<Option<Vec<u8>>, ImportError> {
        let name = ca.name().to_uppercase();
        let mut chain = None;
        let statement = "SELECT intmd_cert_id, root_cert_id FROM pck_certchain WHERE ca = $1";
        self.rows(statement, &[&name], &mut |row| {
            chain = self.chain(integer(row, 0), integer(row, 1));
            true
        })?;
        Ok(chain)
    }

    fn certificate(
        &self,
        pce_id: PceId,
        platform: &Platform,
        tcbm: Option<&str>,
        certificate: Option<Vec<u8>>,
    ) -> Result<PlatformCertificate, String> {
        let tcbm = tcbm.and_then(|tcbm| tcbm.parse().ok()).ok_or("its TCB cannot be read")?;
        let certificate = certificate.ok_or("it is missing, or larger than any")?;
        let entry =
            PckEntry { components: [0; 16], pce_svn: 0, tcbm, certificate: Some(certificate) };
        let list = PckCertificates {
            fmspc: platform.fmspc,
            ca: platform.ca,
            issuer_chain: platform.issuer_chain.clone(),
            entries: vec![entry],
        };
        let judged = judge(self.authenticate.as_ref(), pce_id, list)?;
        judged.certificates.into_iter().next().ok_or_else(|| "it is missing".into())
    }

    fn listed_certificates(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<Vec<Listed>, ImportError> {
        let certificate = bounded("pck_cert", limits::CERTIFICATE_BYTES);
        let statement = format!(
            "SELECT tcbm, {certificate} FROM pck_cert WHERE qe_id = $1 AND pce_id = $2 COLLATE NOCASE LIMIT {CERTIFICATES}"
        );
        let mut listed = Vec::new();
        self.rows(&statement, &[&name, &platform.key.pce_id], &mut |row| {
            listed.push((text(row, 0), bytes(row, 1)));
            true
        })?;
        Ok(listed)
    }

    fn listed_selections(
        &self,
        name: &str,
        platform: &Platform,
    ) -> Result<Vec<Selection>, ImportError> {
        let statement = format!(
            "SELECT cpu_svn || pce_svn, tcbm FROM platform_tcbs WHERE qe_id = $1 AND pce_id = $2 COLLATE NOCASE LIMIT {SELECTIONS}"
        );
        let tcbm = |row: &Row<'_>, column| -> Option<Tcbm> { text(row, column)?.parse().ok() };
        let mut listed = Vec::new();
        self.rows(&statement, &[&name, &platform.key.pce_id], &mut |row| {
            if let (Some(raw), Some(chosen)) = (tcbm(row, 0), tcbm(row, 1)) {
                listed.push(Selection { raw, chosen });
            }
            true
        })?;
        Ok(listed)
    }
}
