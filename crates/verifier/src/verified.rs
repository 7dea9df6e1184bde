//! What a verification establishes: the facts, and the witness that they hold.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use tdattest_wire::certificate::SerialNumber;
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pcs::PckCa;
use tdattest_wire::qe_identity::QeIdentity;
use tdattest_wire::quote::{Body, CertificationDataType, Header, Quote};
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::tcb_status::TcbStatus;
use tdattest_wire::time::UnixTime;

use crate::check::Check;
use crate::error::Artefact;
use crate::tcb_level;
use crate::trust_anchor::TrustAnchor;

pub use crate::tcb_level::{PlatformSvns, SvnComponent, SvnNeed, TcbEvaluation};

/// A quote that genuine Intel hardware made, judged against current collateral. Only verification can build one.
///
/// Says nothing about whether its TCB status is acceptable or which TD it is: see [`appraise`](crate::appraise()).
#[derive(Clone, Debug, PartialEq)]
pub struct VerifiedQuote {
    facts: Box<Facts>,
    evaluation: TcbEvaluation,
}

impl VerifiedQuote {
    pub(crate) fn new(facts: Facts, evaluation: TcbEvaluation) -> Self {
        Self { facts: Box::new(facts), evaluation }
    }

    /// Everything that was established.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The TCB evaluation, which every verified quote has.
    pub fn tcb(&self) -> &TcbEvaluation {
        &self.evaluation
    }

    /// The TD's or enclave's report, signed.
    pub fn body(&self) -> &Body {
        &self.facts.quote.body
    }
}

/// What a verification found out, be it accepted or refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    /// What the quote says.
    pub quote: QuoteFacts,
    /// The trust anchor used.
    pub trust_anchor: TrustAnchor,
    /// The time of the verification.
    pub now: UnixTime,
    /// What the PCK certificate says, once it was read.
    pub pck: Option<PckFacts>,
    /// The collateral and the platform's SVNs beside it, once they belonged together.
    pub tcb: Option<TcbFacts>,
    /// CRL numbers and sizes, once the CRLs were verified.
    pub crls: Vec<CrlFacts>,
    /// Every validity window, in the order they were judged.
    pub windows: Vec<Window>,
    /// Every check made, in order.
    pub checks: Vec<Check>,
}

impl Facts {
    pub(crate) fn new(quote: &Quote<'_>, trust_anchor: &TrustAnchor, now: UnixTime) -> Self {
        Self {
            quote: QuoteFacts::new(quote),
            trust_anchor: trust_anchor.clone(),
            now,
            pck: None,
            tcb: None,
            crls: Vec::new(),
            windows: Vec::new(),
            checks: Vec::new(),
        }
    }

    /// The converged TCB status, if the evaluation was reached.
    pub fn tcb_status(&self) -> Option<TcbStatus> {
        self.evaluation().map(|evaluation| evaluation.status)
    }

    /// The TCB evaluation, if it was reached.
    pub fn evaluation(&self) -> Option<&TcbEvaluation> {
        self.tcb.as_ref()?.evaluation.as_ref()
    }

    /// The earliest end of all windows: the last second at which the same quote and collateral verify.
    pub fn valid_until(&self) -> Option<UnixTime> {
        self.windows.iter().map(|window| window.not_after).min()
    }
}

/// What a quote says, without what borrows from its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuoteFacts {
    /// Version, TEE, vendor.
    pub header: Header,
    /// The report.
    pub body: Body,
    /// How its PCK is certified.
    pub certification_data: CertificationDataType,
    /// Bytes after the quote.
    pub trailing_bytes: usize,
    /// Bytes inside the declared size of its signature data but after the record.
    pub signature_trailing_bytes: usize,
}

impl QuoteFacts {
    /// What a quote says, verified or not: to show it, never to rely on it.
    pub fn new(quote: &Quote<'_>) -> Self {
        Self {
            header: quote.header().clone(),
            body: quote.body().clone(),
            certification_data: quote.signature().certification_data.kind(),
            trailing_bytes: quote.trailing().len(),
            signature_trailing_bytes: quote.signature().trailing.len(),
        }
    }
}

/// What a PCK certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PckFacts {
    /// Its serial number.
    pub serial: SerialNumber,
    /// The CA that issued it.
    pub ca: Option<PckCa>,
    /// Common name of that CA.
    pub issuer: String,
    /// Intel's SGX extension.
    pub extension: PckExtension,
}

/// The TCB: SVNs, the documents they are judged by, and the outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcbFacts {
    /// The platform's SVNs.
    pub svns: PlatformSvns,
    /// The TCB info.
    pub tcb_info: Arc<TcbInfo>,
    /// The QE identity.
    pub qe_identity: Arc<QeIdentity>,
    /// The outcome; `None` if something was wrong before, or no level fits.
    pub evaluation: Option<TcbEvaluation>,
}

impl TcbFacts {
    /// Every SVN beside what the lowest good level demands.
    pub fn needs(&self) -> Vec<SvnNeed> {
        tcb_level::needs(&self.svns, &self.tcb_info, &self.qe_identity)
    }

    /// The lower of the evaluation data numbers of TCB info and QE identity.
    pub fn evaluation_data_number(&self) -> u32 {
        self.tcb_info.tcb_evaluation_data_number.min(self.qe_identity.tcb_evaluation_data_number)
    }
}

/// A CRL that was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlFacts {
    /// Which one.
    pub artefact: Artefact,
    /// Common name of its issuer.
    pub issuer: String,
    /// Its number, big endian.
    pub number: Vec<u8>,
    /// How many certificates it revokes.
    pub revoked: usize,
}

/// A time span in which something is valid, both ends included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The artefact it belongs to.
    pub artefact: Artefact,
    /// The certificate in a chain; empty for a CRL or document.
    pub item: &'static str,
    /// Its first second.
    pub not_before: UnixTime,
    /// Its last second.
    pub not_after: UnixTime,
}
