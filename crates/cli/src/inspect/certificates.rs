//! Certificates: names, dates and keys, and what Intel's SGX extension says of a platform.

use serde::Serialize;
use sha2::{Digest, Sha256};
use tdattest_verifier::verified::PckFacts;
use tdattest_verifier::wire::bytes::Hex;
use tdattest_verifier::wire::certificate::{Certificate, Extensions, PublicKeyInfo, oid};
use tdattest_verifier::wire::error::ParseError;
use tdattest_verifier::wire::pck::PckExtension;
use tdattest_verifier::wire::pcs::PckCa;
use tdattest_verifier::wire::time::UnixTime;

use super::page::{Page, yes_or_no};
use super::unknown::NearMiss;

/// A certificate, as it says itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CertificateView {
    pub(super) subject: String,
    pub(super) issuer: String,
    #[serde(skip)]
    pub(super) common_name: String,
    serial: String,
    pub(super) not_before: UnixTime,
    pub(super) not_after: UnixTime,
    self_issued: bool,
    ca: Option<bool>,
    path_length: Option<u8>,
    key_usage: Vec<&'static str>,
    key: String,
    /// Of the point, as `verify` gives it for the trust anchor.
    public_key_sha256: String,
    sha256: String,
    extensions: Vec<ExtensionView>,
    /// What is wrong with its SGX extension, if there is one that cannot be read.
    pck_fault: Option<String>,
    pub(super) pck: Option<PckFacts>,
}

#[derive(Serialize)]
struct ExtensionView {
    oid: String,
    name: Option<&'static str>,
    critical: bool,
}

/// The certificates of a chain.
///
/// # Errors
/// When one of them cannot be read; the others say little without it.
pub(super) fn views(chain: &[Vec<u8>]) -> Result<Vec<CertificateView>, Vec<NearMiss>> {
    let views = chain.iter().zip(1..).map(|(der, number)| {
        let why =
            |fault| format!("looks like a certificate chain, but number {number} in it: {fault}");
        view(der).map_err(|fault| vec![NearMiss::new(why(fault))])
    });
    views.collect()
}

/// One certificate, DER.
pub(super) fn view(der: &[u8]) -> Result<CertificateView, ParseError> {
    let certificate = Certificate::parse(der)?;
    let constraints = certificate.extensions.basic_constraints();
    let (pck, pck_fault) = match pck(&certificate) {
        Some(Ok(pck)) => (Some(pck), None),
        Some(Err(fault)) => (None, Some(fault.to_string())),
        None => (None, None),
    };
    Ok(CertificateView {
        subject: certificate.subject.to_string(),
        issuer: certificate.issuer.to_string(),
        common_name: certificate.subject.common_name(),
        serial: certificate.serial.to_string(),
        not_before: certificate.not_before,
        not_after: certificate.not_after,
        self_issued: certificate.subject == certificate.issuer,
        ca: constraints.map(|(ca, _)| ca),
        path_length: constraints.and_then(|(_, length)| length),
        key_usage: key_usage(&certificate.extensions),
        key: key(&certificate.public_key),
        public_key_sha256: sha256(certificate.public_key.key),
        sha256: sha256(der),
        extensions: extensions(&certificate.extensions),
        pck_fault,
        pck,
    })
}

/// What the SGX extension says, if there is one.
fn pck(certificate: &Certificate<'_>) -> Option<Result<PckFacts, ParseError>> {
    let extension = certificate.extensions.get(oid::SGX_EXTENSION)?;
    let issuer = certificate.issuer.common_name();
    let facts = |extension| PckFacts {
        serial: certificate.serial,
        ca: PckCa::from_common_name(&issuer),
        issuer,
        extension,
    };
    Some(PckExtension::parse(extension.value).map(facts))
}

/// Shows each certificate in a section of its own.
pub(super) fn show(views: &[CertificateView], page: &mut Page) {
    for (view, number) in views.iter().zip(1..) {
        page.heading(&format!("certificate {number}: {}", view.common_name));
        page.pairs(&view.rows());
        if let Some(pck) = &view.pck {
            page.heading(&format!("SGX extension of certificate {number}"));
            page.pairs(&pck_rows(pck));
        }
    }
}

impl CertificateView {
    /// Name, serial number and dates.
    pub(super) fn row(&self) -> Vec<String> {
        let dates = [self.not_before, self.not_after].map(|time| time.to_string());
        [self.common_name.clone(), self.serial.clone()].into_iter().chain(dates).collect()
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let issuer = if self.self_issued { "itself".into() } else { self.issuer.clone() };
        let mut rows = vec![
            ("subject", self.subject.clone()),
            ("issuer", issuer),
            ("serial number", self.serial.clone()),
            ("not before", self.not_before.to_string()),
            ("not after", self.not_after.to_string()),
            ("key", self.key.clone()),
            ("CA", self.ca_text()),
        ];
        if !self.key_usage.is_empty() {
            rows.push(("key usage", self.key_usage.join(", ")));
        }
        rows.push(("SHA-256", self.sha256.clone()));
        rows.push(("SHA-256 of key", self.public_key_sha256.clone()));
        rows.push(("extensions", self.extension_text()));
        if let Some(fault) = &self.pck_fault {
            rows.push(("SGX extension", format!("cannot be read: {fault}")));
        }
        rows
    }

    fn ca_text(&self) -> String {
        let length = self.path_length.map(|length| format!(", path length {length}"));
        yes_or_no(self.ca) + &length.unwrap_or_default()
    }

    fn extension_text(&self) -> String {
        let text = |extension: &ExtensionView| {
            let name = extension.name.unwrap_or(&extension.oid);
            if extension.critical { format!("{name} (critical)") } else { name.into() }
        };
        self.extensions.iter().map(text).collect::<Vec<_>>().join(", ")
    }
}

/// What a PCK certificate says of its platform.
pub(super) fn pck_rows(pck: &PckFacts) -> Vec<(&'static str, String)> {
    let extension = &pck.extension;
    let svns = extension.tcb.components.map(|svn| svn.to_string()).join(" ");
    let mut rows = vec![
        ("FMSPC", extension.fmspc.to_string()),
        (
            "CA",
            pck.ca.map(|ca| ca.name().to_string()).unwrap_or("not one of Intel's PCK CAs".into()),
        ),
        ("PPID", extension.ppid.to_string()),
        ("PCEID", extension.pce_id.to_string()),
        ("PCESVN", extension.tcb.pce_svn.to_string()),
        ("CPUSVN", extension.tcb.cpu_svn.to_string()),
        ("component SVNs", svns),
        ("SGX type", extension.sgx_type.name().into()),
    ];
    if let Some(id) = &extension.platform_instance_id {
        rows.push(("platform instance id", id.to_string()));
    }
    if let Some(configuration) = &extension.configuration {
        rows.push(("dynamic platform", yes_or_no(configuration.dynamic_platform)));
        rows.push(("cached keys", yes_or_no(configuration.cached_keys)));
        rows.push(("SMT enabled", yes_or_no(configuration.smt_enabled)));
    }
    rows
}

fn key(key: &PublicKeyInfo<'_>) -> String {
    if key.algorithm == oid::EC_PUBLIC_KEY && key.curve == Some(oid::P_256) {
        return format!("EC P-256, {}", Hex(key.key));
    }
    let curve = key.curve.map(|curve| format!(" on curve {curve}")).unwrap_or_default();
    format!("algorithm {}{curve}, {} bytes", key.algorithm, key.key.len())
}

fn key_usage(extensions: &Extensions<'_>) -> Vec<&'static str> {
    let Some(usage) = extensions.key_usage() else { return Vec::new() };
    [
        (usage.digital_signature(), "digitalSignature"),
        (usage.non_repudiation(), "nonRepudiation"),
        (usage.key_encipherment(), "keyEncipherment"),
        (usage.data_encipherment(), "dataEncipherment"),
        (usage.key_agreement(), "keyAgreement"),
        (usage.key_cert_sign(), "keyCertSign"),
        (usage.crl_sign(), "cRLSign"),
    ]
    .into_iter()
    .filter_map(|(is_set, name)| is_set.then_some(name))
    .collect()
}

fn extensions(extensions: &Extensions<'_>) -> Vec<ExtensionView> {
    let names = [
        (oid::SUBJECT_KEY_ID, "subject key identifier"),
        (oid::KEY_USAGE, "key usage"),
        (oid::BASIC_CONSTRAINTS, "basic constraints"),
        (oid::CRL_NUMBER, "CRL number"),
        (oid::CRL_DISTRIBUTION_POINTS, "CRL distribution points"),
        (oid::AUTHORITY_KEY_ID, "authority key identifier"),
        (oid::SGX_EXTENSION, "SGX extension"),
    ];
    let view = |extension: &tdattest_verifier::wire::certificate::Extension<'_>| ExtensionView {
        oid: extension.oid.to_string(),
        name: names.iter().find(|(oid, _)| *oid == extension.oid).map(|(_, name)| *name),
        critical: extension.critical,
    };
    extensions.iter().map(view).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Hex(&Sha256::digest(bytes)).to_string()
}
