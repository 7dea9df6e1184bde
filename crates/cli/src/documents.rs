//! Documents in a bundle, an archive, a folder of parts, or a cache: read, and looked at one by one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tdattest_collateral::archive::{ARCHIVE_BYTES, Archive, Kept};
use tdattest_collateral::cache::kept_in;
use tdattest_collateral::windows::Window;
use tdattest_verifier::TrustAnchor;
use tdattest_verifier::wire::certificate::Certificate;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::endorsement::Endorsement;
use tdattest_verifier::wire::error::ParseError;
use tdattest_verifier::wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::qe_identity::EnclaveId;
use tdattest_verifier::wire::quote::TeeType;
use tdattest_verifier::wire::time::UnixTime;

use crate::authenticate::Authenticator;
use crate::input;
use crate::sources::keeper::cache_folder;

/// A document, and since when it is kept, where that is known.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) endorsement: Endorsement,
    pub(crate) fetched_at: Option<UnixTime>,
}

/// What a place has.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(crate) found: Vec<Found>,
    /// Files of a cache that are no documents.
    pub(crate) faults: Vec<String>,
    pub(crate) kind: Kind,
}

/// What sort of place it is.
#[derive(Debug, Default)]
pub(crate) enum Kind {
    /// The collateral of one quote, which is whole: it could not be read otherwise.
    #[default]
    Collateral,
    Archive,
    /// The folder of a cache.
    Cache(PathBuf),
}

impl Documents {
    /// What verifying quotes takes beside the TCB info that is there, and is not there.
    pub(crate) fn missing(&self) -> Vec<PcsRequest> {
        if let Kind::Collateral = self.kind {
            return Vec::new();
        }
        let there: BTreeSet<PcsRequest> =
            self.found.iter().map(|found| found.endorsement.request).collect();
        let mut needed = BTreeSet::new();
        for request in &there {
            if let PcsRequest::TcbInfo(tee, _, set) = *request {
                needed.extend([PcsRequest::QeIdentity(tee, set), PcsRequest::RootCaCrl]);
                // Either CA's will do: which one is for the quote to say.
                if !there.contains(&PcsRequest::PckCrl(PckCa::Processor)) {
                    needed.insert(PcsRequest::PckCrl(PckCa::Platform));
                }
            }
        }
        needed.difference(&there).copied().collect()
    }
}

impl From<Kept> for Found {
    fn from(kept: Kept) -> Self {
        Self { endorsement: kept.endorsement, fetched_at: Some(kept.fetched_at) }
    }
}

impl Found {
    /// Its window, if it is genuine.
    ///
    /// # Errors
    /// What does not hold.
    pub(crate) fn window(&self, authenticate: &Authenticator) -> Result<Window, String> {
        Window::of(&self.endorsement, self.fetched_at, authenticate)
    }
}

/// What is at a path. The error is a sentence.
///
/// The folder that a user names for a cache has one for each anchor in it.
pub(crate) fn at(path: &Path, anchor: &TrustAnchor) -> Result<Documents, String> {
    let mut caches = [path.to_owned(), cache_folder(path, anchor)].into_iter();
    if let Some(cache) = caches.find(|folder| folder.join("documents").is_dir()) {
        return of_cache(&cache);
    }
    let fault = |fault: String| format!("{}: {fault}", input::shown(path));
    if !path.is_dir() {
        let text = input::read(path, ARCHIVE_BYTES)?;
        if Archive::is_archive(&text) {
            let archive = Archive::parse(&text).map_err(|error| fault(error.to_string()))?;
            let found = archive.documents().cloned().map(Found::from).collect();
            return Ok(Documents { found, faults: Vec::new(), kind: Kind::Archive });
        }
        let collateral =
            Collateral::from_bundle(&text).map_err(|error| fault(error.to_string()))?;
        return of_collateral(&collateral).map_err(|error| fault(error.to_string()));
    }
    let collateral = input::collateral(path).map_err(|judgement| {
        let error = judgement.errors().into_iter().next();
        fault(error.map(|error| error.message).unwrap_or_default())
    })?;
    of_collateral(&collateral).map_err(|error| fault(error.to_string()))
}

/// What is kept in a cache; nothing where there is none.
pub(crate) fn of_cache(folder: &Path) -> Result<Documents, String> {
    let mut documents = Documents { kind: Kind::Cache(folder.into()), ..Documents::default() };
    for kept in kept_in(folder).map_err(|fault| fault.to_string())? {
        match kept {
            Ok(kept) => documents.found.push(kept.into()),
            Err(fault) => documents.faults.push(fault.to_string()),
        }
    }
    Ok(documents)
}

/// The documents of a bundle. Which set they were fetched from is not in it: they are named by their number.
fn of_collateral(collateral: &Collateral) -> Result<Documents, ParseError> {
    let info = collateral.tcb_info.open_untrusted()?;
    let identity = collateral.qe_identity.open_untrusted()?;
    let tee = match identity.id {
        EnclaveId::TdQe => TeeType::Tdx,
        EnclaveId::Qe | EnclaveId::Qve => TeeType::Sgx,
    };
    let number = EvaluationDataSet::Number;
    let chain = pem::certificates(&collateral.pck_crl_issuer_chain)?;
    let (leaf, root) = (chain.first(), chain.last());
    let issuer = leaf.map(|leaf| Certificate::parse(leaf)).transpose()?;
    let ca = issuer.and_then(|ca| PckCa::from_common_name(&ca.subject.common_name()));
    let document = |request, body: Vec<u8>, issuer_chain: &[u8]| Found {
        endorsement: Endorsement { request, body, issuer_chain: issuer_chain.to_vec() },
        fetched_at: None,
    };
    let found = vec![
        document(
            PcsRequest::TcbInfo(info.tee, info.fmspc, number(info.tcb_evaluation_data_number)),
            collateral.tcb_info.write(),
            &collateral.tcb_info_issuer_chain,
        ),
        document(
            PcsRequest::QeIdentity(tee, number(identity.tcb_evaluation_data_number)),
            collateral.qe_identity.write(),
            &collateral.qe_identity_issuer_chain,
        ),
        // An issuer that is no PCK CA is found out when the chain is verified.
        document(
            PcsRequest::PckCrl(ca.unwrap_or(PckCa::Processor)),
            collateral.pck_crl.clone(),
            &collateral.pck_crl_issuer_chain,
        ),
        document(
            PcsRequest::RootCaCrl,
            collateral.root_ca_crl.clone(),
            root.map(|root| certificate_pem(root)).unwrap_or_default().as_bytes(),
        ),
    ];
    Ok(Documents { found, ..Documents::default() })
}

fn certificate_pem(der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut lines = String::from("-----BEGIN CERTIFICATE-----\n");
    let mut rest = text.as_str();
    while let Some((line, after)) = rest.split_at_checked(64) {
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    if !rest.is_empty() {
        lines.push_str(rest);
        lines.push('\n');
    }
    lines.push_str("-----END CERTIFICATE-----\n");
    lines
}
