//! Collateral: its parts, what each is, and when all of them are valid together.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use serde_json::value::RawValue;
use tdattest_verifier::wire::collateral::{Collateral, Part};
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::wire::{limits, pem};

use super::certificates::CertificateView;
use super::page::{Page, count};
use super::unknown::Unknown;
use super::{Content, certificates, crl, json, tcb_info};
use crate::input;

/// The member of a bundle that holds the signature of a document.
const SIGNATURE_MEMBERS: [&str; 2] = ["tcb_info_signature", "qe_identity_signature"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CollateralView {
    parts: Vec<PartView>,
    unknown_members: Vec<String>,
    /// The span in which every part is valid, if every part could be read.
    not_before: Option<UnixTime>,
    not_after: Option<UnixTime>,
    /// Why `verify` would not take it, if it would not.
    fault: Option<String>,
    #[serde(skip)]
    bytes: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PartView {
    part: &'static str,
    /// Absent if the part is.
    bytes: Option<usize>,
    summary: Option<String>,
    not_before: Option<UnixTime>,
    not_after: Option<UnixTime>,
    fault: Option<String>,
    content: Option<Content>,
}

/// A folder of parts.
///
/// # Errors
/// When it has none of them.
pub(super) fn folder(path: &Path) -> Result<CollateralView, Unknown> {
    let read = |part| {
        let file = input::part_file(path, part)?;
        Some(input::read(&file, limits::BUNDLE_BYTES))
    };
    let views: Vec<PartView> =
        Part::ALL.into_iter().map(|part| PartView::new(part, read(part))).collect();
    if views.iter().all(PartView::is_absent) {
        let name = input::shown(path);
        return Err(Unknown::unreadable(format!(
            "{name} is a folder without any part of collateral (`tcb_info.json`, `pck_crl.der`, …)"
        )));
    }
    let whole = Collateral::from_parts(|part| read(part).and_then(Result::ok));
    Ok(CollateralView::new(views, Vec::new(), whole.err().map(|fault| fault.to_string())))
}

impl CollateralView {
    /// A bundle, of which the members have been found.
    pub(super) fn of_bundle(text: &[u8], members: &BTreeMap<String, &RawValue>) -> Self {
        let read = |part: Part| {
            let raw = members.get(part.name()).filter(|raw| raw.get() != "null")?;
            let text: Result<String, _> = serde_json::from_str(raw.get());
            Some(text.map(String::into_bytes).map_err(|_| "is not a string".into()))
        };
        let views = Part::ALL.into_iter().map(|part| PartView::new(part, read(part))).collect();
        let is_known = |name: &String| {
            SIGNATURE_MEMBERS.contains(&name.as_str())
                || Part::ALL.iter().any(|part| part.name() == name)
        };
        let unknown = members.keys().filter(|name| !is_known(name)).cloned().collect();
        let fault = Collateral::from_bundle(text).err().map(|fault| fault.to_string());
        Self::new(views, unknown, fault)
    }

    fn new(parts: Vec<PartView>, unknown_members: Vec<String>, fault: Option<String>) -> Self {
        let is_readable = parts.iter().all(|part| part.fault.is_none());
        let is_whole = fault.is_none() && is_readable;
        let not_before = parts.iter().filter_map(|part| part.not_before).max();
        let not_after = parts.iter().filter_map(|part| part.not_after).min();
        let bytes = parts.iter().filter_map(|part| part.bytes).sum();
        Self {
            parts,
            unknown_members,
            not_before: not_before.filter(|_| is_whole),
            not_after: not_after.filter(|_| is_whole),
            fault,
            bytes,
        }
    }

    /// The size of all parts together.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn show(&self, page: &mut Page) {
        page.heading("parts");
        let mut rows = vec![["part", "what it is", "from", "until"].map(String::from).to_vec()];
        rows.extend(self.parts.iter().map(PartView::row));
        page.table(&rows, &[]);
        for name in &self.unknown_members {
            page.line(&format!("`{name}` is no part of collateral"));
        }
        page.heading("all together");
        match (self.not_before, self.not_after) {
            (Some(from), Some(until)) if from <= until => {
                page.line(&format!("valid from {from} until {until}"))
            }
            (Some(from), Some(until)) => {
                page.line(&format!("never valid together: a part begins at {from}, when another has ended at {until}"));
            }
            _ => {}
        }
        if let Some(fault) = &self.fault {
            page.line(&format!("`tdattest verify` cannot use it: {fault}"));
        }
    }
}

/// What a part turned out to be.
struct Summary {
    text: String,
    window: (UnixTime, UnixTime),
    content: Content,
}

impl PartView {
    fn new(part: Part, bytes: Option<Result<Vec<u8>, String>>) -> Self {
        let size = bytes.as_ref().map(|bytes| bytes.as_ref().map(Vec::len).unwrap_or(0));
        let outcome = bytes.map(|bytes| bytes.and_then(|bytes| summary(part, &bytes)));
        let (found, fault) = match outcome {
            Some(Ok(found)) => (Some(found), None),
            Some(Err(fault)) => (None, Some(fault)),
            None => (None, None),
        };
        let window = found.as_ref().map(|found| found.window);
        Self {
            part: part.name(),
            bytes: size,
            summary: found.as_ref().map(|found| found.text.clone()),
            not_before: window.map(|(from, _)| from),
            not_after: window.map(|(_, until)| until),
            fault,
            content: found.map(|found| found.content),
        }
    }

    fn is_absent(&self) -> bool {
        self.bytes.is_none()
    }

    fn row(&self) -> Vec<String> {
        let what = match (&self.summary, &self.fault) {
            (Some(summary), _) => summary.clone(),
            (None, Some(fault)) => format!("cannot be read: {fault}"),
            (None, None) if self.part == Part::PckCertificateChain.name() => {
                "absent, which is fine if the quote carries its own".into()
            }
            (None, None) => "absent".into(),
        };
        let time = |time: Option<UnixTime>| time.map(|time| time.to_string()).unwrap_or_default();
        vec![self.part.into(), what, time(self.not_before), time(self.not_after)]
    }
}

/// Reads a part as what it must be.
fn summary(part: Part, bytes: &[u8]) -> Result<Summary, String> {
    match part {
        Part::RootCaCrl | Part::PckCrl => crl_summary(bytes),
        Part::TcbInfo | Part::QeIdentity => document_summary(part, bytes),
        _ => chain_summary(bytes),
    }
}

fn crl_summary(bytes: &[u8]) -> Result<Summary, String> {
    let view = crl::view(bytes).map_err(|fault| fault.to_string())?;
    let text = format!("of {}, {} revoked", view.issuer_common_name, view.revoked.len());
    Ok(Summary { text, window: (view.this_update, view.next_update), content: Content::Crl(view) })
}

fn chain_summary(bytes: &[u8]) -> Result<Summary, String> {
    let chain = pem::certificates(bytes).map_err(|fault| fault.to_string())?;
    let views: Result<Vec<CertificateView>, _> =
        chain.iter().map(|der| certificates::view(der)).collect();
    let views = views.map_err(|fault| fault.to_string())?;
    let names: Vec<&str> = views.iter().map(|view| view.common_name.as_str()).collect();
    let from = views.iter().map(|view| view.not_before).max();
    let until = views.iter().map(|view| view.not_after).min();
    let window = from.zip(until).ok_or("no certificate in it")?;
    Ok(Summary { text: names.join(", "), window, content: Content::Certificates(views) })
}

fn document_summary(part: Part, bytes: &[u8]) -> Result<Summary, String> {
    let content = json::detect(bytes).map_err(|misses| {
        misses.iter().map(|miss| miss.predicate()).collect::<Vec<_>>().join("; ")
    })?;
    match (part, &content) {
        (Part::TcbInfo, Content::TcbInfo(view)) => {
            let (text, window) = (tcb_info::summary(view), (view.issue_date, view.next_update));
            Ok(Summary { text, window, content })
        }
        (Part::QeIdentity, Content::QeIdentity(view)) => {
            let levels = count(view.tcb_levels.len(), "level");
            let number = view.tcb_evaluation_data_number;
            let text = format!("{}, evaluation data number {number}, {levels}", view.id);
            let window = (view.issue_date, view.next_update);
            Ok(Summary { text, window, content })
        }
        _ => Err(format!("it is a {}, which does not belong here", content.kind())),
    }
}
