//! What is in a file: shown for people and as JSON, and nothing of it verified.
//!
//! The JSON form is `tdattest.inspection/1`: `schema/inspection.json` describes it.
//! Must stay true: nothing here judges, and every page says so.

mod certificates;
mod collateral;
mod crl;
mod detect;
mod evaluation_data;
mod fields;
mod json;
mod page;
mod qe_identity;
mod quote;
mod tcb_info;
mod td_report;
mod unknown;

use std::path::Path;

use serde::Serialize;
use tdattest_verifier::wire::limits;

use crate::input::{self, Encoding};
use crate::inspect::page::Page;

pub(crate) use unknown::Unknown;

/// The name of the JSON form.
const SCHEMA: &str = "tdattest.inspection/1";

/// The line under a title.
const UNVERIFIED: &str = "nothing here is verified; `tdattest verify` does that";

/// The same for a TDREPORT, of which no `verify` can tell whether it is genuine.
const UNVERIFIABLE: &str = "nothing here is verified; only the CPU that made it can do that";

/// What a file holds.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspection {
    schema: &'static str,
    kind: &'static str,
    verified: bool,
    encoding: Encoding,
    bytes: usize,
    #[serde(flatten)]
    content: Content,
}

/// The kinds of content, each under its name.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Content {
    Quote(Box<quote::QuoteView>),
    #[serde(rename = "tdreport")]
    TdReport(Box<td_report::TdReportView>),
    Collateral(collateral::CollateralView),
    TcbInfo(tcb_info::TcbInfoView),
    QeIdentity(qe_identity::QeIdentityView),
    TcbEvaluationDataNumbers(evaluation_data::EvaluationDataView),
    Certificates(Vec<certificates::CertificateView>),
    Crl(crl::CrlView),
}

/// Looks at a file, a folder, or standard input.
///
/// # Errors
/// When it cannot be read, or is none of the things that are known; the reason says which of them it resembles.
pub(crate) fn inspect(path: &Path) -> Result<Inspection, Unknown> {
    if path.is_dir() {
        return collateral::folder(path).map(|view| {
            Inspection::new(Encoding::Folder, view.bytes(), Content::Collateral(view))
        });
    }
    let bytes = input::read(path, limits::BUNDLE_BYTES).map_err(Unknown::unreadable)?;
    if bytes.trim_ascii().is_empty() {
        return Err(Unknown::unreadable(format!("{} is empty", input::shown(path))));
    }
    detect::detect(&bytes).map_err(|misses| Unknown::new(path, &bytes, misses))
}

impl Inspection {
    fn new(encoding: Encoding, bytes: usize, content: Content) -> Self {
        let kind = content.kind();
        Self { schema: SCHEMA, kind, verified: false, encoding, bytes, content }
    }

    /// The page for people; `offsets` adds where in the bytes each field stands.
    pub(crate) fn page(&self, offsets: bool) -> String {
        let caution = match self.content {
            Content::TdReport(_) => UNVERIFIABLE,
            _ => UNVERIFIED,
        };
        let mut page = Page::new(&self.title(), caution);
        match &self.content {
            Content::Quote(view) => view.show(&mut page, offsets),
            Content::TdReport(view) => view.show(&mut page, offsets),
            Content::Collateral(view) => view.show(&mut page),
            Content::TcbInfo(view) => view.show(&mut page),
            Content::QeIdentity(view) => view.show(&mut page),
            Content::TcbEvaluationDataNumbers(view) => view.show(&mut page),
            Content::Certificates(views) => certificates::show(views, &mut page),
            Content::Crl(view) => view.show(&mut page),
        }
        page.finish()
    }

    fn title(&self) -> String {
        let what = match &self.content {
            Content::Quote(view) => view.title(),
            Content::TdReport(_) => "TDREPORT".into(),
            Content::Collateral(_) => "collateral".into(),
            Content::TcbInfo(view) => view.title(),
            Content::QeIdentity(view) => view.title(),
            Content::TcbEvaluationDataNumbers(view) => view.title(),
            Content::Certificates(views) if views.len() == 1 => "certificate".into(),
            Content::Certificates(views) => format!("{} certificates", views.len()),
            Content::Crl(_) => "certificate revocation list".into(),
        };
        format!("{what} ({}, {} bytes)", self.encoding.name(), self.bytes)
    }
}

impl Content {
    fn kind(&self) -> &'static str {
        match self {
            Self::Quote(_) => "quote",
            Self::TdReport(_) => "tdreport",
            Self::Collateral(_) => "collateral",
            Self::TcbInfo(_) => "tcbInfo",
            Self::QeIdentity(_) => "qeIdentity",
            Self::TcbEvaluationDataNumbers(_) => "tcbEvaluationDataNumbers",
            Self::Certificates(_) => "certificates",
            Self::Crl(_) => "crl",
        }
    }
}
