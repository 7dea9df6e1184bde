//! Many documents in one file: what crosses an air gap, and what a cache keeps of each.
//!
//! Source: `schema/collateral-archive.json`. JSON documents stand in it as text, byte for byte as Intel signed them; CRLs
//! in hexadecimal.
//! Must stay true: an archive is untrusted. Whoever takes a document out of it verifies it, as if it had come by wire.

use std::collections::BTreeMap;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Deserialize, Serialize};
use tdattest_wire::collateral::{Collateral, CollateralError, Part};
use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::limits;
use tdattest_wire::pcs::{PcsRequest, PcsRequests};
use tdattest_wire::time::UnixTime;

use crate::error::FetchError;
use crate::fetch::{Fetch, Fetching};

/// The name of this form.
pub const ARCHIVE_SCHEMA: &str = "tdattest.collateral-archive/1";

/// Largest archive, in bytes. Every family of 2026, both TEEs and both sets, is about 4 MiB.
pub const ARCHIVE_BYTES: usize = 64 * 1024 * 1024;

/// Most documents of an archive; those of [`ARCHIVE_BYTES`] are some hundred.
pub const ARCHIVE_DOCUMENTS: usize = 4096;

/// A document that is kept, and since when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The document, untrusted.
    pub endorsement: Endorsement,
    /// When it was fetched.
    pub fetched_at: UnixTime,
}

/// Documents by what they answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive(BTreeMap<PcsRequest, Kept>);

/// Why a text is no archive, or an archive lacks what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It is too long, or has too many documents.
    #[error("the archive has {found} {unit}; at most {limit} are read")]
    TooLarge {
        /// What was found.
        found: usize,
        /// The bound.
        limit: usize,
        /// What is counted.
        unit: &'static str,
    },
    /// It is no JSON, or not of this form.
    #[error("the archive cannot be read: {0}")]
    Malformed(String),
    /// It is of another form.
    #[error("expected an archive `{ARCHIVE_SCHEMA}`, found `{0}`")]
    Schema(String),
    /// It names a document that there is none of.
    #[error("the archive has `{0}`, which names no document")]
    Request(String),
    /// It has one document twice.
    #[error("the archive has the {document} of `{0}` twice", document = .0.document())]
    Twice(PcsRequest),
    /// A document in it is too long, or no hexadecimal.
    #[error("the {document} of `{request}` {fault}", document = .request.document())]
    Document {
        /// Which document.
        request: PcsRequest,
        /// What is wrong, as a predicate.
        fault: String,
    },
    /// It does not have what was asked for.
    #[error("the archive lacks the {document} (`{0}`)", document = .0.document())]
    Lacks(PcsRequest),
    /// What it has does not make collateral.
    #[error(transparent)]
    Collateral(#[from] CollateralError),
}

impl Archive {
    /// Parses an archive.
    ///
    /// # Errors
    /// When it is too large, of another form, or says a thing twice.
    pub fn parse(text: &[u8]) -> Result<Self, ArchiveError> {
        bounded(text.len(), ARCHIVE_BYTES, "bytes")?;
        let form: Form = match serde_json::from_slice(text) {
            Ok(form) => form,
            Err(fault) => return Err(other_form(text, &fault)),
        };
        if form.schema != ARCHIVE_SCHEMA {
            return Err(ArchiveError::Schema(form.schema));
        }
        bounded(form.documents.len(), ARCHIVE_DOCUMENTS, "documents")?;
        let mut documents = BTreeMap::new();
        for row in form.documents {
            let kept = row.kept()?;
            let request = kept.endorsement.request;
            if documents.insert(request, kept).is_some() {
                return Err(ArchiveError::Twice(request));
            }
        }
        Ok(Self(documents))
    }

    /// Whether a text says that it is an archive, of whatever version.
    pub fn is_archive(text: &[u8]) -> bool {
        schema(text).is_some_and(|schema| schema.starts_with("tdattest.collateral-archive/"))
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// When a JSON document or a chain is no text: JSON could not carry it unchanged.
    pub fn write(&self) -> Result<String, ArchiveError> {
        let documents = self.0.values().map(Row::of).collect::<Result<_, _>>()?;
        let form = Form { schema: ARCHIVE_SCHEMA.into(), documents };
        let mut text = serde_json::to_string_pretty(&form)
            .map_err(|fault| ArchiveError::Malformed(fault.to_string()))?;
        text.push('\n');
        Ok(text)
    }

    /// Adds a document; of two for one request the one that was fetched later stays.
    pub fn add(&mut self, kept: Kept) {
        let request = kept.endorsement.request;
        let is_newer = self.0.get(&request).is_none_or(|known| known.fetched_at <= kept.fetched_at);
        if is_newer {
            self.0.insert(request, kept);
        }
    }

    /// The document that answers a request.
    pub fn document(&self, request: &PcsRequest) -> Option<&Kept> {
        self.0.get(request)
    }

    /// Every document, in the order of the requests.
    pub fn documents(&self) -> impl Iterator<Item = &Kept> {
        self.0.values()
    }

    /// The collateral of a quote.
    ///
    /// # Errors
    /// When a document is not there, or cannot be read.
    pub fn collateral(&self, requests: &PcsRequests) -> Result<Collateral, ArchiveError> {
        let mut documents = Vec::new();
        for request in &requests.0 {
            let kept = self.document(request).ok_or(ArchiveError::Lacks(*request))?;
            documents.push(&kept.endorsement);
        }
        Ok(collateral(documents)?)
    }
}

/// The collateral that these documents make.
///
/// # Errors
/// When a part is missing, or cannot be read.
pub fn collateral<'a>(
    documents: impl IntoIterator<Item = &'a Endorsement>,
) -> Result<Collateral, CollateralError> {
    let documents: Vec<&Endorsement> = documents.into_iter().collect();
    Collateral::from_parts(|part| documents.iter().find_map(|document| part_of(document, part)))
}

fn part_of(document: &Endorsement, part: Part) -> Option<Vec<u8>> {
    if document.request.part() == Some(part) {
        return Some(document.body.clone());
    }
    (document.request.issuer_chain_part() == Some(part)).then(|| document.issuer_chain.clone())
}

impl FromIterator<Kept> for Archive {
    fn from_iter<I: IntoIterator<Item = Kept>>(documents: I) -> Self {
        let mut archive = Self::default();
        documents.into_iter().for_each(|kept| archive.add(kept));
        archive
    }
}

/// An archive is a source like any other.
impl Fetch for Archive {
    fn fetch(&self, request: PcsRequest) -> Fetching<'_> {
        let found = self.document(&request).map(|kept| kept.endorsement.clone());
        Box::pin(std::future::ready(found.ok_or(FetchError::NoSource(request))))
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Form {
    schema: String,
    documents: Vec<Row>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    request: String,
    fetched_at: UnixTime,
    body: String,
    issuer_chain: String,
}

impl Row {
    fn of(kept: &Kept) -> Result<Self, ArchiveError> {
        let Kept { endorsement: Endorsement { request, body, issuer_chain }, fetched_at } = kept;
        let text = |bytes: &[u8], what: &str| match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => {
                let fault = format!("cannot be written down: its {what} is no text");
                Err(ArchiveError::Document { request: *request, fault })
            }
        };
        let body = if is_crl(request) { HEXLOWER.encode(body) } else { text(body, "body")? };
        let issuer_chain = text(issuer_chain, "issuer chain")?;
        Ok(Self { request: request.path(), fetched_at: *fetched_at, body, issuer_chain })
    }

    fn kept(self) -> Result<Kept, ArchiveError> {
        let Self { request, fetched_at, body, issuer_chain } = self;
        let request = PcsRequest::from_path(&request).ok_or(ArchiveError::Request(request))?;
        let fault = |fault| ArchiveError::Document { request, fault };
        let (body, limit) = if is_crl(&request) {
            let body = HEXLOWER_PERMISSIVE.decode(body.as_bytes());
            (body.map_err(|_| fault("is not hexadecimal".into()))?, limits::CRL_BYTES)
        } else {
            (body.into_bytes(), limits::DOCUMENT_BYTES)
        };
        for (what, found, limit) in
            [("body", body.len(), limit), ("issuer chain", issuer_chain.len(), limits::CHAIN_BYTES)]
        {
            if found > limit {
                return Err(fault(format!(
                    "has {found} bytes of {what}; at most {limit} are read"
                )));
            }
        }
        let issuer_chain = issuer_chain.into_bytes();
        Ok(Kept { endorsement: Endorsement { request, body, issuer_chain }, fetched_at })
    }
}

/// CRLs are DER, all other documents JSON.
fn is_crl(request: &PcsRequest) -> bool {
    matches!(request, PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl)
}

fn bounded(found: usize, limit: usize, unit: &'static str) -> Result<(), ArchiveError> {
    if found > limit {
        return Err(ArchiveError::TooLarge { found, limit, unit });
    }
    Ok(())
}

/// A later version has other members: its name says more than what the parser stumbled over.
fn other_form(text: &[u8], fault: &serde_json::Error) -> ArchiveError {
    match schema(text) {
        Some(schema) if schema != ARCHIVE_SCHEMA => ArchiveError::Schema(schema),
        _ => ArchiveError::Malformed(fault.to_string()),
    }
}

fn schema(text: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        schema: String,
    }
    serde_json::from_slice::<Named>(text).ok().map(|named| named.schema)
}
