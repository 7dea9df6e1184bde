//! A quote: every field with Intel's name for it, the platform in its PCK certificate, and how to get its collateral.

use serde::Serialize;
use tdattest_verifier::verified::{PckFacts, QuoteFacts};
use tdattest_verifier::wire::Fixed;
use tdattest_verifier::wire::bytes::Hex;
use tdattest_verifier::wire::collateral::Part;
use tdattest_verifier::wire::enclave_report::EnclaveReport;
use tdattest_verifier::wire::error::ParseError;
use tdattest_verifier::wire::pcs::{
    EvaluationDataSet, INTEL_PCS, INTEL_ROOT_CA_CRL, PcsRequest, PcsRequests,
};
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::{
    CertificationData, CertificationDataType, PpidCertification, Quote, SignatureData, Version,
};

use super::certificates::{CertificateView, pck_rows, view};
use super::fields::Section;
use super::page::{Page, count};

/// Where the fields of version 3 that later ones reserve stand in the header, and what they are called there.
const RESERVED_LATER: [(&str, &str); 2] = [
    ("QE SVN (version 3)", "reserved (QE SVN in version 3)"),
    ("PCE SVN (version 3)", "reserved (PCE SVN in version 3)"),
];

/// A quote, as it says itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct QuoteView {
    #[serde(flatten)]
    facts: QuoteFacts,
    certification_data_type: u16,
    qe_auth_data: String,
    pck: Option<PckFacts>,
    certificates: Vec<CertificateView>,
    /// Why there are no certificates, or no platform in them.
    certificates_fault: Option<String>,
    pcs_requests: Vec<RequestView>,
    notes: Vec<String>,
    sections: Vec<Section>,
}

/// A request whose answer is a part of the collateral.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RequestView {
    part: &'static str,
    url: String,
    issuer_chain_header: Option<&'static str>,
}

impl QuoteView {
    pub(super) fn new(quote: &Quote<'_>) -> Self {
        let sections = sections(quote);
        let (certificates, certificates_fault) = match certificates(quote.signature()) {
            Ok(certificates) => (certificates, None),
            Err(fault) => (Vec::new(), Some(fault.to_string())),
        };
        let requests = PcsRequests::for_quote(quote, EvaluationDataSet::Standard);
        Self {
            facts: QuoteFacts::new(quote),
            certification_data_type: quote.signature().certification_data.kind().number(),
            qe_auth_data: Hex(quote.signature().qe_auth_data).to_string(),
            pck: certificates.iter().find_map(|certificate| certificate.pck.clone()),
            certificates,
            certificates_fault,
            pcs_requests: requests
                .map(|list| list.0.iter().map(RequestView::new).collect())
                .unwrap_or_default(),
            notes: notes(quote, &sections),
            sections,
        }
    }

    pub(super) fn title(&self) -> String {
        let header = &self.facts.header;
        let (version, body) = (header.version.number(), self.facts.body.kind().name());
        format!("quote, version {version}, {}, {body}", header.tee_type)
    }

    pub(super) fn show(&self, page: &mut Page, offsets: bool) {
        self.sections.iter().for_each(|section| section.show(page, offsets));
        self.show_certificates(page);
        if !self.notes.is_empty() {
            page.heading("worth a look");
            self.notes.iter().for_each(|note| page.line(note));
        }
        if !self.pcs_requests.is_empty() {
            page.heading("where its collateral is");
            let row = |request: &RequestView| vec![request.part.to_string(), request.url.clone()];
            page.table(&self.pcs_requests.iter().map(row).collect::<Vec<_>>(), &[]);
        }
    }

    fn show_certificates(&self, page: &mut Page) {
        if let Some(pck) = &self.pck {
            page.heading("platform, by its PCK certificate");
            page.pairs(&pck_rows(pck));
        }
        page.heading("certificates");
        if let Some(fault) = &self.certificates_fault {
            page.line(fault);
        }
        let mut rows =
            vec![["name", "serial number", "not before", "not after"].map(String::from).to_vec()];
        rows.extend(self.certificates.iter().map(CertificateView::row));
        if rows.len() > 1 {
            page.table(&rows, &[]);
        }
    }
}

impl RequestView {
    fn new(request: &PcsRequest) -> Self {
        let url = match request {
            PcsRequest::RootCaCrl => INTEL_ROOT_CA_CRL.into(),
            request => format!("{INTEL_PCS}{request}"),
        };
        let part = request.part().map_or(request.document(), Part::name);
        Self { part, url, issuer_chain_header: request.issuer_chain_header() }
    }
}

/// The certificates that the quote carries.
fn certificates(signature: &SignatureData<'_>) -> Result<Vec<CertificateView>, ParseError> {
    match &signature.certification_data {
        CertificationData::PckChain(pem) | CertificationData::PckLeaf(pem) => {
            pem::certificates(pem)?.iter().map(|der| view(der)).collect()
        }
        CertificationData::Ppid(_) => Ok(Vec::new()),
    }
}

/// What is unusual, though a verifier lets it pass.
fn notes(quote: &Quote<'_>, sections: &[Section]) -> Vec<String> {
    let mut notes = Vec::new();
    for section in sections {
        let odd = section.fields.iter().filter(|field| field.is_reserved() && !field.is_zero());
        notes.extend(odd.map(|field| {
            format!("{}: {} at byte {} is not zero", section.name, field.name, field.offset)
        }));
    }
    let inside = quote.signature().trailing.len();
    if inside > 0 {
        notes.push(format!(
            "{} follow the QE report inside the signature data, under no signature",
            count(inside, "byte")
        ));
    }
    let after = quote.trailing();
    if !after.is_empty() {
        let all = if after.iter().all(|byte| *byte == 0) { ", all zero" } else { "" };
        notes.push(format!(
            "{} follow the quote, under no signature{all}",
            count(after.len(), "byte")
        ));
    }
    notes
}

/// Every field of a quote, in the order of its bytes.
fn sections(quote: &Quote<'_>) -> Vec<Section> {
    let mut header = Section::new("header");
    quote.header().visit(&mut |field| header.take(field));
    if quote.header().version != Version::V3 {
        for (name, later) in RESERVED_LATER {
            if let Some(field) = header.get_mut(name) {
                field.name = later;
            }
        }
    }
    let mut at = Cursor(header.fields.iter().map(|field| field.size).sum());
    let mut sections = vec![header];
    let kind = quote.body().kind();
    if quote.header().version == Version::V5 {
        let mut descriptor = Section::new("body descriptor");
        descriptor.add("body type", at.pass(2), 2, kind.number().to_string());
        descriptor.explain(kind.name());
        descriptor.add("body size", at.pass(4), 4, kind.size().to_string());
        sections.push(descriptor);
    }
    let mut body = Section::new(kind.name());
    quote.body().visit(at.pass(kind.size()), &mut |field| body.take(field));
    sections.push(body);
    sections.extend(signature_sections(quote, at));
    sections
}

/// A place in the quote.
struct Cursor(usize);

impl Cursor {
    /// Goes on by `size` bytes and returns where they start.
    fn pass(&mut self, size: usize) -> usize {
        let at = self.0;
        self.0 = at.saturating_add(size);
        at
    }
}

fn signature_sections(quote: &Quote<'_>, mut at: Cursor) -> [Section; 3] {
    let signature = &quote.signature();
    let certification = &signature.certification_data;
    let is_v3 = quote.header().version == Version::V3;
    // The QE's part: report, signature, size and bytes of the authentication data, type, size and bytes of the
    // certification data.
    let qe_size =
        [EnclaveReport::SIZE, 64, 2, signature.qe_auth_data.len(), 6, certification.data().len()];
    let qe_size: usize = qe_size.iter().sum();
    let record = if is_v3 { 0 } else { 6 };
    let size: usize = [128, record, qe_size, signature.trailing.len()].iter().sum();

    let mut data = Section::new("signature data");
    data.add("size", at.pass(4), 4, size.to_string());
    data.add("quote signature", at.pass(64), 64, signature.quote_signature.to_string());
    data.add("attestation key", at.pass(64), 64, signature.attestation_key.to_string());
    if !is_v3 {
        let outer = CertificationDataType::QeReport;
        data.add("certification data type", at.pass(2), 2, outer.number().to_string());
        data.explain(outer.name());
        data.add("certification data size", at.pass(4), 4, qe_size.to_string());
    }

    let mut report = Section::new("QE report");
    signature.qe_report.visit("", at.pass(EnclaveReport::SIZE), &mut |field| report.take(field));

    let mut qe = Section::new("QE certification");
    let auth_data = signature.qe_auth_data;
    qe.add("QE report signature", at.pass(64), 64, signature.qe_report_signature.to_string());
    qe.add("QE authentication data size", at.pass(2), 2, auth_data.len().to_string());
    qe.add(
        "QE authentication data",
        at.pass(auth_data.len()),
        auth_data.len(),
        Hex(auth_data).to_string(),
    );
    let kind = certification.kind();
    qe.add("certification data type", at.pass(2), 2, kind.number().to_string());
    qe.explain(kind.name());
    let size = certification.data().len();
    qe.add("certification data size", at.pass(4), 4, size.to_string());
    match certification {
        CertificationData::Ppid(ppid) => add_ppid(&mut qe, ppid, &mut at),
        _ => qe.add("certification data", at.pass(size), size, "PEM, shown below".into()),
    }
    [data, report, qe]
}

/// The fields of certification data that has no certificate.
fn add_ppid(section: &mut Section, certification: &PpidCertification<'_>, at: &mut Cursor) {
    let (Ok(ppid), Ok((cpu_svn, pce_svn, pce_id))) = (certification.ppid(), certification.tcb())
    else {
        let data = certification.data;
        section.add("certification data", at.pass(data.len()), data.len(), Hex(data).to_string());
        return;
    };
    section.add("PPID", at.pass(ppid.len()), ppid.len(), Hex(ppid).to_string());
    section.add("CPUSVN", at.pass(16), 16, cpu_svn.to_string());
    section.add("PCESVN", at.pass(2), 2, pce_svn.to_string());
    section.add("PCEID", at.pass(2), 2, pce_id.to_string());
}
