//! Documents and their windows, as rows for people and as JSON.

use serde::Serialize;
use tdattest_collateral::guard::admit_in;
use tdattest_collateral::windows::{State, Window, first_to_end};
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PcsRequest};
use tdattest_verifier::wire::time::UnixTime;

use super::place::Place;
use crate::documents::Kind;
use crate::table::{Align, aligned};

/// The name of the JSON form.
const SCHEMA: &str = "tdattest.collateral-windows/1";

/// Every document of a place.
pub(super) struct Listing {
    name: String,
    now: UnixTime,
    warn_s: u64,
    windows: Vec<Window>,
    /// Documents that are not genuine, and files that are no documents.
    faults: Vec<(Option<PcsRequest>, String)>,
    /// What quotes cannot be verified without.
    missing: Vec<PcsRequest>,
    is_cache: bool,
}

/// How all of the documents stand together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Current,
    Warning,
    Failed,
}

impl Listing {
    /// Verifies every document and looks at its window.
    pub(super) fn new(place: Place, warn_s: u64) -> Self {
        let Place { documents, name, authenticate, now } = place;
        let (missing, is_cache) = (documents.missing(), matches!(documents.kind, Kind::Cache(_)));
        let (windows, faults) = (Vec::new(), Vec::new());
        let mut listing = Self { name, now, warn_s, windows, faults, missing, is_cache };
        for found in documents.found {
            let window = found.window(&authenticate);
            match window.and_then(|window| served(window, &documents.kind)) {
                Ok(window) => listing.windows.push(window),
                Err(fault) => listing.faults.push((Some(found.endorsement.request), fault)),
            }
        }
        listing.faults.extend(documents.faults.into_iter().map(|fault| (None, fault)));
        listing
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn now(&self) -> UnixTime {
        self.now
    }

    pub(super) fn windows(&self) -> &[Window] {
        &self.windows
    }

    pub(super) fn state(&self, window: &Window) -> State {
        window.state(self.now, self.warn_s)
    }

    /// What is wrong with documents that are not genuine.
    pub(super) fn faults(&self) -> impl Iterator<Item = String> {
        self.faults.iter().map(|(request, fault)| match request {
            Some(request) => broken(request, fault),
            None => fault.clone(),
        })
    }

    /// What is not there, though quotes cannot be verified without it.
    pub(super) fn missing(&self) -> impl Iterator<Item = String> {
        self.missing.iter().map(|request| match (request, set(request).as_str()) {
            (PcsRequest::PckCrl(_), _) => format!("{} of either CA", request.document()),
            (_, "-") => document(request),
            (_, set) => format!("{} ({set})", document(request)),
        })
    }

    pub(super) fn is_cache(&self) -> bool {
        self.is_cache
    }

    pub(super) fn standing(&self) -> Standing {
        let worst = self.windows.iter().map(|window| self.state(window)).max();
        match worst {
            _ if !self.faults.is_empty() || !self.missing.is_empty() => Standing::Failed,
            Some(State::Ended | State::NotYet) => Standing::Failed,
            Some(State::Warning) => Standing::Warning,
            Some(State::Current) => Standing::Current,
            // Nothing to rely on.
            None => Standing::Failed,
        }
    }

    /// `PCK CRL platform ends first, at 2026-12-01T00:00:00Z, in 29 days`
    pub(super) fn first(&self) -> Option<String> {
        let first = first_to_end(&self.windows)?;
        Some(format!("{} {}", document(&first.request), self.end(first, " first,")))
    }

    /// `ends at 2026-12-01T00:00:00Z, in 29 days`
    pub(super) fn end(&self, window: &Window, which: &str) -> String {
        let remaining = window.remaining_s(self.now);
        let (verb, span) = match remaining {
            0.. => ("ends", format!("in {}", span(remaining))),
            _ => ("ended", format!("{} ago", span(remaining))),
        };
        format!("{verb}{which} at {}, {span}", window.validity.ends())
    }

    /// Aligned rows.
    pub(super) fn table(&self) -> String {
        let mut rows = vec![
            ["document", "set", "number", "issued", "ends", "left", "state"]
                .map(String::from)
                .to_vec(),
        ];
        rows.extend(self.windows.iter().map(|window| self.row(window)));
        aligned(&rows, &[Align::Left, Align::Left, Align::Right], "")
    }

    fn row(&self, window: &Window) -> Vec<String> {
        let remaining = window.remaining_s(self.now);
        let number = window.validity.evaluation_data_number;
        vec![
            document(&window.request),
            set(&window.request),
            number.map_or("-".into(), |number| number.to_string()),
            window.validity.issued.to_string(),
            window.validity.ends().to_string(),
            if remaining < 0 { "-".into() } else { span(remaining) },
            self.state(window).name().into(),
        ]
    }

    /// The JSON form.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let documents = self.windows.iter().map(|window| DocumentView::of(self, window));
        let faults =
            self.faults.iter().map(|(request, fault)| DocumentView::broken(*request, fault));
        let state = match self.standing() {
            Standing::Current => "current",
            Standing::Warning => "warning",
            Standing::Failed => "failed",
        };
        serde_json::to_string_pretty(&View {
            schema: SCHEMA,
            source: &self.name,
            at: self.now,
            state,
            first_to_end: first_to_end(&self.windows).map(|window| window.request.path()),
            documents: documents.chain(faults).collect(),
            missing: self.missing().collect(),
        })
    }
}

/// A window of a document that its place would serve: a cache serves nothing that is older than what it has seen.
fn served(window: Window, kind: &Kind) -> Result<Window, String> {
    if let Kind::Cache(folder) = kind {
        let admitted = admit_in(folder, window.request, &window.validity);
        admitted.map_err(|failure| failure.to_string())?;
    }
    Ok(window)
}

/// `TCB info TDX 50806F000000`
pub(super) fn document(request: &PcsRequest) -> String {
    let name = request.document();
    match request {
        PcsRequest::PckCrl(ca) => format!("{name} {}", ca.name()),
        PcsRequest::TcbInfo(tee, fmspc, _) => format!("{name} {tee} {fmspc}"),
        PcsRequest::QeIdentity(tee, _) | PcsRequest::EvaluationDataNumbers(tee) => {
            format!("{name} {tee}")
        }
        PcsRequest::QveIdentity(_) | PcsRequest::RootCaCrl => name.into(),
    }
}

/// What is wrong with a document, which is named once.
pub(super) fn broken(request: &PcsRequest, fault: &str) -> String {
    let named = format!("{}: ", request.document());
    format!("{}: {}", document(request), fault.strip_prefix(&named).unwrap_or(fault))
}

fn set(request: &PcsRequest) -> String {
    let set = match request {
        PcsRequest::TcbInfo(.., set)
        | PcsRequest::QeIdentity(_, set)
        | PcsRequest::QveIdentity(set) => set,
        PcsRequest::PckCrl(_) | PcsRequest::EvaluationDataNumbers(_) | PcsRequest::RootCaCrl => {
            return "-".into();
        }
    };
    match set {
        EvaluationDataSet::Standard => "standard".into(),
        EvaluationDataSet::Early => "early".into(),
        EvaluationDataSet::Number(_) => "by number".into(),
    }
}

/// A span of seconds in the largest unit that has at least two of it.
pub(super) fn span(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    let unit = |length: u64, name: &str| {
        let count = seconds / length;
        (count >= 2).then(|| format!("{count} {name}"))
    };
    unit(DAY_S, "days")
        .or_else(|| unit(60 * 60, "hours"))
        .or_else(|| unit(60, "minutes"))
        .unwrap_or_else(|| format!("{seconds} s"))
}

/// Seconds of a day.
pub(super) const DAY_S: u64 = 24 * 60 * 60;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View<'a> {
    schema: &'static str,
    source: &'a str,
    at: UnixTime,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_to_end: Option<String>,
    documents: Vec<DocumentView<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing: Vec<String>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<String>,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation_data_number: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched_at: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_update: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chain_ends: Option<UnixTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds_left: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<&'a str>,
}

impl<'a> DocumentView<'a> {
    fn of(listing: &Listing, window: &Window) -> Self {
        let validity = &window.validity;
        Self {
            request: Some(window.request.path()),
            document: Some(document(&window.request)),
            state: listing.state(window).name(),
            evaluation_data_number: validity.evaluation_data_number,
            fetched_at: window.fetched_at,
            issued: Some(validity.issued),
            next_update: Some(validity.next_update),
            chain_ends: Some(validity.chain_ends),
            seconds_left: Some(window.remaining_s(listing.now)),
            fault: None,
        }
    }

    fn broken(request: Option<PcsRequest>, fault: &'a str) -> Self {
        Self {
            request: request.map(|request| request.path()),
            document: request.map(|request| document(&request)),
            state: "broken",
            fault: Some(fault),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_told_in_the_unit_that_says_something() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 minutes"),
            (7199, "119 minutes"),
            (7200, "2 hours"),
            (172_799, "47 hours"),
            (172_800, "2 days"),
            (-172_800, "2 days"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
