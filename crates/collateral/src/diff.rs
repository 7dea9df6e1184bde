//! What one set of documents says otherwise than another: what a TCB recovery changes.
//!
//! Must stay true: levels are the same when their SVNs are; what a level counts as is what can change. Nothing here is
//! verified: whoever calls this has done so.

use std::collections::{BTreeMap, BTreeSet};

use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::error::ParseError;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::quote::TeeType;
use tdattest_wire::signed::Signed;
use tdattest_wire::tcb_info::{IsvSvnLevel, TcbInfo, TcbLevel};
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

/// What a document is about, whichever set it is from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// The TCB info of a platform family.
    TcbInfo {
        /// `SGX` or `TDX`.
        tee: TeeType,
        /// The family.
        fmspc: tdattest_wire::bytes::Fmspc,
    },
    /// The identity of an enclave.
    Identity {
        /// `QE`, `TD_QE` or `QVE`.
        enclave: &'static str,
    },
}

/// What a level counts as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its status; none for one that a component cannot have.
    pub status: Option<TcbStatus>,
    /// Its date.
    pub tcb_date: UnixTime,
    /// Its advisories.
    pub advisory_ids: BTreeSet<String>,
}

/// One level that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelChange {
    /// Which level: its SVNs, readable.
    pub level: String,
    /// What it counted as; none if there was no such level.
    pub before: Option<Standing>,
    /// What it counts as; none if there is no such level any more.
    pub after: Option<Standing>,
}

/// One document that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentChange {
    /// Which document.
    pub subject: Subject,
    /// The set that was compared; none where documents are compared whichever set they are of.
    pub set: Option<EvaluationDataSet>,
    /// The TCB evaluation data numbers; none where the document is not there.
    pub numbers: (Option<u32>, Option<u32>),
    /// The levels that differ, highest first.
    pub levels: Vec<LevelChange>,
}

/// A document in the terms in which documents are compared.
struct Terms {
    subject: Subject,
    set: Option<EvaluationDataSet>,
    number: u32,
    /// In the order of the document.
    levels: Vec<(Level, Standing)>,
}

/// What makes a level that level.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Platform { tdx: Option<[u8; 16]>, sgx: [u8; 16], pce_svn: u16 },
    Module { id: String, isv_svn: u16 },
    Enclave { isv_svn: u16 },
}

/// What `after` says otherwise than `before`, document by document, whichever sets they are of; documents that agree are
/// left out.
///
/// Of several documents about one subject the newest counts. Documents that have no levels (CRLs, evaluation data
/// numbers) are not compared.
///
/// # Errors
/// When a document cannot be read.
pub fn changes(
    before: &[&Endorsement],
    after: &[&Endorsement],
) -> Result<Vec<DocumentChange>, ParseError> {
    let unlabelled = |terms: Terms| Terms { set: None, ..terms };
    let (before, after) = (all_terms(before)?, all_terms(after)?);
    let blind = |all: Vec<Terms>| all.into_iter().map(unlabelled).collect();
    Ok(compared(blind(before), blind(after)))
}

/// The same, the standard set with the standard one and the early one with the early one.
///
/// Where either side has a document by its number alone, as bundles have, the newest of each side are compared.
///
/// # Errors
/// When a document cannot be read.
pub fn changes_by_set(
    before: &[&Endorsement],
    after: &[&Endorsement],
) -> Result<Vec<DocumentChange>, ParseError> {
    let (before, after) = (all_terms(before)?, all_terms(after)?);
    let unlabelled: BTreeSet<Subject> = before
        .iter()
        .chain(&after)
        .filter(|terms| terms.set.is_none())
        .map(|terms| terms.subject.clone())
        .collect();
    let labelled = |all: Vec<Terms>| {
        let set = |terms: &Terms| terms.set.filter(|_| !unlabelled.contains(&terms.subject));
        all.into_iter().map(|terms| Terms { set: set(&terms), ..terms }).collect()
    };
    Ok(compared(labelled(before), labelled(after)))
}

fn compared(before: Vec<Terms>, after: Vec<Terms>) -> Vec<DocumentChange> {
    let (mut before, mut after) = (by_key(before), by_key(after));
    let keys: BTreeSet<Key> = before.keys().chain(after.keys()).cloned().collect();
    let change = |key: Key| {
        let (before, after) = (before.remove(&key), after.remove(&key));
        let numbers =
            (before.as_ref().map(|terms| terms.number), after.as_ref().map(|terms| terms.number));
        let levels =
            level_changes(before.map(|terms| terms.levels), after.map(|terms| terms.levels));
        let (subject, set) = key;
        DocumentChange { subject, set, numbers, levels }
    };
    let differs =
        |change: &DocumentChange| change.numbers.0 != change.numbers.1 || !change.levels.is_empty();
    keys.into_iter().map(change).filter(differs).collect()
}

type Key = (Subject, Option<EvaluationDataSet>);

fn by_key(documents: Vec<Terms>) -> BTreeMap<Key, Terms> {
    let mut found: BTreeMap<Key, Terms> = BTreeMap::new();
    for terms in documents {
        let key = (terms.subject.clone(), terms.set);
        if found.get(&key).is_none_or(|known| known.number <= terms.number) {
            found.insert(key, terms);
        }
    }
    found
}

fn all_terms(documents: &[&Endorsement]) -> Result<Vec<Terms>, ParseError> {
    documents.iter().filter_map(|document| terms(document).transpose()).collect()
}

/// The set that a document is given for, unless that is a number, which is in the document as well.
fn label(set: EvaluationDataSet) -> Option<EvaluationDataSet> {
    match set {
        EvaluationDataSet::Standard | EvaluationDataSet::Early => Some(set),
        EvaluationDataSet::Number(_) => None,
    }
}

fn terms(document: &Endorsement) -> Result<Option<Terms>, ParseError> {
    match document.request {
        PcsRequest::TcbInfo(_, _, set) => {
            let info = Signed::<TcbInfo>::from_outer(&document.body)?.open_untrusted()?;
            Ok(Some(Terms { set: label(set), ..tcb_info(info) }))
        }
        PcsRequest::QeIdentity(_, set) | PcsRequest::QveIdentity(set) => {
            let identity = Signed::<QeIdentity>::from_outer(&document.body)?.open_untrusted()?;
            let levels = identity.tcb_levels.iter();
            let level = |level: &IsvSvnLevel| {
                (Level::Enclave { isv_svn: level.isv_svn }, isv_svn_standing(level))
            };
            Ok(Some(Terms {
                subject: Subject::Identity { enclave: identity.id.name() },
                set: label(set),
                number: identity.tcb_evaluation_data_number,
                levels: levels.map(level).collect(),
            }))
        }
        PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl | PcsRequest::EvaluationDataNumbers(_) => {
            Ok(None)
        }
    }
}

fn tcb_info(info: TcbInfo) -> Terms {
    let mut levels: Vec<(Level, Standing)> = Vec::new();
    for level in &info.tcb_levels {
        let TcbLevel { sgx, pce_svn, tdx, tcb_date, tcb_status, advisory_ids } = level;
        let name = Level::Platform { tdx: *tdx, sgx: *sgx, pce_svn: *pce_svn };
        let advisory_ids = advisory_ids.iter().cloned().collect();
        let status = Some(*tcb_status);
        levels.push((name, Standing { status, tcb_date: *tcb_date, advisory_ids }));
    }
    for module in &info.tdx_module_identities {
        for level in &module.tcb_levels {
            let name = Level::Module { id: module.id.clone(), isv_svn: level.isv_svn };
            levels.push((name, isv_svn_standing(level)));
        }
    }
    Terms {
        subject: Subject::TcbInfo { tee: info.tee, fmspc: info.fmspc },
        set: None,
        number: info.tcb_evaluation_data_number,
        levels,
    }
}

fn isv_svn_standing(level: &IsvSvnLevel) -> Standing {
    Standing {
        status: level.tcb_status,
        tcb_date: level.tcb_date,
        advisory_ids: level.advisory_ids.iter().cloned().collect(),
    }
}

fn level_changes(
    before: Option<Vec<(Level, Standing)>>,
    after: Option<Vec<(Level, Standing)>>,
) -> Vec<LevelChange> {
    // A document that is there on one side alone is one change, not one for each of its levels.
    let (Some(before), Some(after)) = (before, after) else { return Vec::new() };
    let mut left: BTreeMap<Level, Standing> = before.iter().cloned().collect();
    let mut changes = Vec::new();
    for (level, standing) in after {
        let known = left.remove(&level);
        if known.as_ref() != Some(&standing) {
            changes.push(LevelChange {
                level: level.to_string(),
                before: known,
                after: Some(standing),
            });
        }
    }
    for (level, standing) in before {
        if left.remove(&level).is_some() {
            changes.push(LevelChange {
                level: level.to_string(),
                before: Some(standing),
                after: None,
            });
        }
    }
    changes
}

impl std::fmt::Display for Level {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Platform { tdx, sgx, pce_svn } => {
                if let Some(tdx) = tdx {
                    write!(f, "TDX {}, ", svns(tdx))?;
                }
                write!(f, "SGX {}, PCE {pce_svn}", svns(sgx))
            }
            Self::Module { id, isv_svn } => write!(f, "{id} module, ISV SVN {isv_svn}"),
            Self::Enclave { isv_svn } => write!(f, "ISV SVN {isv_svn}"),
        }
    }
}

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::TcbInfo { tee, fmspc } => write!(f, "{tee} TCB info of FMSPC {fmspc}"),
            Self::Identity { enclave } => write!(f, "{enclave} identity"),
        }
    }
}

/// 16 SVNs, without the zeros at their end.
fn svns(all: &[u8; 16]) -> String {
    let used = all.iter().rposition(|svn| *svn != 0).map_or(0, |last| last.saturating_add(1));
    let shown: Vec<String> = all.iter().take(used).map(u8::to_string).collect();
    if shown.is_empty() { "0".into() } else { shown.join(".") }
}
