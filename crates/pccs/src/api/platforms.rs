//! Platforms: registering one, and reading the queue or the list of those whose certificates are kept.
//!
//! Source: Intel's PCCS as observed. What waits comes with its blobs in lower case, what is kept in upper case, and the
//! members in another order.

use std::sync::Arc;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE, HEXUPPER};
use hyper::header::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use tdattest_wire::bytes::{CpuSvn, Fmspc};
use tdattest_wire::pcs::EvaluationDataSet;

use super::pckcert::qe_id;
use super::taken::Taken;
use crate::answer::{Answer, JSON, Refusal};
use crate::cache::Cache;
use crate::fill_mode;
use crate::request::{Parameters, Request, hex, named_set};
use crate::store::{Platform, PlatformKey, Registration, RegistrationState, Selection};

/// The longest manifest, in bytes: what Intel's PCS takes, with room to spare.
const MANIFEST_BYTES: usize = 64 * 1024;

/// A platform as it is registered, and as a bundle lists it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Named {
    pub(super) qe_id: String,
    pub(super) pce_id: String,
    #[serde(default)]
    cpu_svn: Option<String>,
    #[serde(default)]
    pce_svn: Option<String>,
    #[serde(default)]
    enc_ppid: Option<String>,
    #[serde(default)]
    platform_manifest: Option<String>,
}

impl Named {
    pub(super) fn key(&self) -> Result<PlatformKey, Refusal> {
        let qe_id = qe_id(&self.qe_id).ok_or(Refusal::InvalidRequest)?;
        hex::<2>(&self.pce_id).ok_or(Refusal::InvalidRequest)?;
        Ok(PlatformKey { qe_id, pce_id: self.pce_id.to_ascii_uppercase() })
    }

    /// What Intel must be told: a manifest, or a TCB and an encrypted PPID.
    pub(super) fn registration(&self) -> Result<Registration, Refusal> {
        let key = self.key()?;
        let cpu_svn = checked::<16>(&self.cpu_svn)?.map(CpuSvn);
        let pce_svn = checked::<2>(&self.pce_svn)?.map(u16::from_le_bytes);
        let encrypted_ppid = checked::<384>(&self.enc_ppid)?;
        let manifest = self.manifest()?;
        if !manifest.is_empty() {
            // With a manifest the other members say nothing.
            let encrypted_ppid = Vec::new();
            return Ok(Registration {
                key,
                cpu_svn: None,
                pce_svn: None,
                encrypted_ppid,
                manifest,
            });
        }
        let (Some(_), Some(_), Some(encrypted)) = (cpu_svn, pce_svn, encrypted_ppid) else {
            return Err(Refusal::InvalidRequest);
        };
        Ok(Registration { key, cpu_svn, pce_svn, encrypted_ppid: encrypted.to_vec(), manifest })
    }

    /// What a bundle says of a platform: every member but the key may be missing.
    pub(super) fn raw_registration(&self) -> Result<Registration, Refusal> {
        Ok(Registration {
            key: self.key()?,
            cpu_svn: checked::<16>(&self.cpu_svn)?.map(CpuSvn),
            pce_svn: checked::<2>(&self.pce_svn)?.map(u16::from_le_bytes),
            encrypted_ppid: self.encrypted_ppid()?,
            manifest: self.manifest()?,
        })
    }

    pub(super) fn encrypted_ppid(&self) -> Result<Vec<u8>, Refusal> {
        Ok(checked::<384>(&self.enc_ppid)?.map(|ppid| ppid.to_vec()).unwrap_or_default())
    }

    pub(super) fn manifest(&self) -> Result<Vec<u8>, Refusal> {
        let text = self.platform_manifest.as_deref().unwrap_or_default();
        let manifest = HEXLOWER_PERMISSIVE.decode(text.as_bytes());
        let manifest = manifest.map_err(|_| Refusal::InvalidRequest)?;
        (manifest.len() <= MANIFEST_BYTES).then_some(manifest).ok_or(Refusal::InvalidRequest)
    }
}

/// A member that may be missing or empty, but not something else than hexadecimal.
fn checked<const N: usize>(text: &Option<String>) -> Result<Option<[u8; N]>, Refusal> {
    match text.as_deref() {
        None | Some("") => Ok(None),
        Some(text) => hex(text).map(Some).ok_or(Refusal::InvalidRequest),
    }
}

/// Registers a platform.
pub(super) async fn post(
    cache: Arc<Cache>,
    parameters: Parameters,
    request: Request,
) -> Result<Answer, Refusal> {
    let named: Named =
        serde_json::from_slice(request.json()?).map_err(|_| Refusal::InvalidRequest)?;
    let sets = sets(&parameters)?;
    fill_mode::register(&cache, &named.registration()?, &sets).await?;
    Ok(Answer::done())
}

/// The sets that a registration wants: here, and only here, `all` names both.
fn sets(parameters: &Parameters) -> Result<Vec<EvaluationDataSet>, Refusal> {
    let Some(update) = parameters.first("update") else {
        return Ok(vec![EvaluationDataSet::Standard]);
    };
    if update.eq_ignore_ascii_case("all") {
        return Ok(vec![EvaluationDataSet::Standard, EvaluationDataSet::Early]);
    }
    named_set(update).map(|set| vec![set]).ok_or(Refusal::InvalidRequest)
}

/// The queue, which this empties, or the platforms that are kept.
pub(super) async fn get(cache: &Arc<Cache>, parameters: &Parameters) -> Result<Answer, Refusal> {
    match parameters.first("source") {
        None | Some("" | "reg") => queue(cache, RegistrationState::New).await,
        Some("reg_na") => queue(cache, RegistrationState::NotAvailable).await,
        Some(list) => kept(cache, &families(list)?).await,
    }
}

/// `[F1,F2]`, or `[]` for all.
fn families(list: &str) -> Result<Vec<Fmspc>, Refusal> {
    let inside = list.strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    let inside = inside.ok_or(Refusal::InvalidRequest)?.trim();
    if inside.is_empty() {
        return Ok(Vec::new());
    }
    let families = inside.split(',').map(|name| hex(name).map(Fmspc));
    families.collect::<Option<_>>().ok_or(Refusal::InvalidRequest)
}

async fn queue(cache: &Arc<Cache>, state: RegistrationState) -> Result<Answer, Refusal> {
    let taken = Taken::take(cache, state).await?;
    let answer = list(taken.registrations().iter().map(Waiting::of).collect::<Vec<_>>())?;
    // Nothing is waited for from here until the server has the answer.
    taken.hand_over();
    Ok(answer)
}

async fn kept(cache: &Cache, families: &[Fmspc]) -> Result<Answer, Refusal> {
    let platforms = cache.store.platforms(families).await;
    let mut platforms = platforms.map_err(|fault| cache.store_failed(&fault))?;
    platforms.sort_by(|(one, _), (other, _)| one.key.cmp(&other.key));
    let mut rows = Vec::new();
    for (platform, mut selections) in platforms {
        selections.sort_by_key(|selection| selection.raw);
        rows.extend(selections.iter().map(|selection| Kept::of(&platform, selection)));
    }
    list(rows)
}

fn list<T: Serialize>(rows: Vec<T>) -> Result<Answer, Refusal> {
    let body = serde_json::to_vec(&rows).map_err(|_| Refusal::Internal)?;
    let count = HeaderValue::from(rows.len());
    Ok(Answer::ok(JSON, body).with(HeaderName::from_static("platform-count"), count))
}

/// A platform that waits.
#[derive(Serialize)]
struct Waiting {
    enc_ppid: String,
    platform_manifest: String,
    qe_id: String,
    pce_id: String,
    cpu_svn: String,
    pce_svn: String,
}

impl Waiting {
    fn of(registration: &Registration) -> Self {
        let cpu_svn = registration.cpu_svn.map(|svn| HEXUPPER.encode(&svn.0));
        let pce_svn = registration.pce_svn.map(|svn| HEXUPPER.encode(&svn.to_le_bytes()));
        Self {
            enc_ppid: HEXLOWER.encode(&registration.encrypted_ppid),
            platform_manifest: HEXLOWER.encode(&registration.manifest),
            qe_id: registration.key.qe_id.clone(),
            pce_id: registration.key.pce_id.clone(),
            cpu_svn: cpu_svn.unwrap_or_default(),
            pce_svn: pce_svn.unwrap_or_default(),
        }
    }
}

/// A platform that is kept, at one of its TCBs.
#[derive(Serialize)]
struct Kept {
    qe_id: String,
    pce_id: String,
    cpu_svn: String,
    pce_svn: String,
    enc_ppid: String,
    platform_manifest: String,
}

impl Kept {
    fn of(platform: &Platform, selection: &Selection) -> Self {
        Self {
            qe_id: platform.key.qe_id.clone(),
            pce_id: platform.key.pce_id.clone(),
            cpu_svn: HEXUPPER.encode(&selection.raw.cpu_svn.0),
            pce_svn: HEXUPPER.encode(&selection.raw.pce_svn.to_le_bytes()),
            enc_ppid: HEXUPPER.encode(&platform.encrypted_ppid),
            platform_manifest: HEXUPPER.encode(&platform.manifest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(json: &str) -> Result<Registration, Refusal> {
        serde_json::from_str::<Named>(json).map_err(|_| Refusal::InvalidRequest)?.registration()
    }

    #[test]
    fn a_registration_has_a_manifest_or_all_of_the_rest() {
        let ppid = "ab".repeat(384);
        let whole = format!(
            r#"{{"qe_id":"aa","pce_id":"00ff","cpu_svn":"{:032}","pce_svn":"0b00","enc_ppid":"{ppid}","more":1}}"#,
            7
        );
        let registration = named(&whole).unwrap();
        assert_eq!(registration.key, PlatformKey { qe_id: "AA".into(), pce_id: "00FF".into() });
        assert_eq!(registration.pce_svn, Some(11));

        let with_manifest = whole.replace("\"more\":1", "\"platform_manifest\":\"178E\"");
        let registration = named(&with_manifest).unwrap();
        assert_eq!(registration.manifest, [0x17, 0x8e]);
        assert_eq!((registration.cpu_svn, registration.pce_svn), (None, None));
        assert!(registration.encrypted_ppid.is_empty());

        for broken in [
            whole.replace(&ppid, "ab"),
            whole.replace("0b00", ""),
            whole.replace("00ff", "0"),
            whole.replace("\"aa\"", "\"\""),
            whole.replace("\"aa\"", &format!("\"{}\"", "q".repeat(261))),
            with_manifest.replace("178E", "17x"),
            r#"{"qe_id":"aa"}"#.into(),
            "[]".into(),
        ] {
            assert_eq!(named(&broken), Err(Refusal::InvalidRequest), "{broken}");
        }
    }

    #[test]
    fn a_list_of_families_has_brackets_and_no_spaces() {
        assert_eq!(families("[]"), Ok(vec![]));
        let one = Fmspc([0, 0x80, 0x6f, 5, 0, 0]);
        assert_eq!(families("[00806f050000,00806F050000]"), Ok(vec![one, one]));
        for list in ["foo", "[", "[00806F050000, 00606A000000]", "[00806F05]", "[,]"] {
            assert_eq!(families(list), Err(Refusal::InvalidRequest), "{list}");
        }
    }

    #[test]
    fn all_names_both_sets_of_a_registration() {
        use EvaluationDataSet::{Early, Standard};
        let sets = |query| sets(&Parameters::parse(query));
        assert_eq!(sets(""), Ok(vec![Standard]));
        assert_eq!(sets("update=EARLY"), Ok(vec![Early]));
        assert_eq!(sets("update=all"), Ok(vec![Standard, Early]));
        assert_eq!(sets("update="), Err(Refusal::InvalidRequest));
        assert_eq!(sets("update=bad"), Err(Refusal::InvalidRequest));
    }
}
