//! Is this one document Intel's, and is it the one that was asked for? For whoever keeps documents before a quote comes.
//!
//! Source: PCS API v4; the checks are those of [`Verifier::prepare`], for each document alone.
//! Must stay true: dates and revocation are not judged here, they are judged with each quote; a [`Validity`] is a fact.

use alloc::string::String;

use tdattest_wire::endorsement::{Endorsement, PckCertificate, Validity};
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::pck::PckExtension;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::qe_identity::{EnclaveId, QeIdentity};
use tdattest_wire::quote::TeeType;
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::TcbInfo;
use tdattest_wire::time::UnixTime;

use crate::chain::{Chain, ChainVerifier};
use crate::check::Checks;
use crate::crl::VerifiedCrl;
use crate::document;
use crate::error::{Artefact, ChainFault, DocumentFault, Position, VerifyError};
use crate::verify::Verifier;

/// Why a document is not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndorsementError {
    /// It does not lead to the trust anchor, or cannot be read.
    #[error("{document}: {fault}")]
    Verify {
        /// What it was to be.
        document: &'static str,
        /// What is wrong.
        fault: VerifyError,
    },
    /// It is genuine, but not what was asked for.
    #[error("{document}: expected {expected}, found {found}")]
    Other {
        /// What it was to be.
        document: &'static str,
        /// What was asked for.
        expected: String,
        /// What came.
        found: String,
    },
}

impl Verifier {
    /// Verifies one document of the collateral: every signature up to the anchor, and that it answers its request.
    ///
    /// Judges neither dates nor revocation: that is for [`Verifier::verify`], with each quote.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn endorsement(&self, endorsement: &Endorsement) -> Result<Validity, EndorsementError> {
        Judge { verifier: self, endorsement, document: endorsement.request.document() }.judge()
    }

    /// Verifies a PCK certificate and its chain, PEM, up to the anchor.
    ///
    /// # Errors
    /// The first thing that does not hold.
    pub fn pck_certificate(&self, chain: &[u8]) -> Result<PckCertificate, EndorsementError> {
        const POSITIONS: &[Position] = &[Position::Pck, Position::PckCa, Position::Root];
        let error = |fault| EndorsementError::Verify { document: "PCK certificate", fault };
        let artefact = Artefact::PckChain;
        let chain = self.chain(artefact, POSITIONS, chain).map_err(error)?;
        let [pck, ca, _] = &*chain.links else {
            let fault = ChainFault::Length { expected: 3, found: chain.links.len() };
            return Err(error(VerifyError::Chain { chain: artefact, fault }));
        };
        let extension = PckExtension::parse(pck.sgx_extension.as_deref().unwrap_or_default())
            .map_err(|fault| error(VerifyError::PckExtension(fault)))?;
        let ca =
            PckCa::from_common_name(&ca.common_name).ok_or_else(|| EndorsementError::Other {
                document: "PCK certificate",
                expected: "a certificate of a PCK CA".into(),
                found: alloc::format!("one of {}", ca.common_name),
            })?;
        Ok(PckCertificate { ca, extension, chain_ends: ends(&chain) })
    }

    fn chain(
        &self,
        artefact: Artefact,
        positions: &[Position],
        text: &[u8],
    ) -> Result<Chain, VerifyError> {
        let known = alloc::vec![];
        let mut chains = ChainVerifier { anchor: self.anchor(), crypto: self.crypto(), known };
        chains.verify(artefact, positions, text, &mut Checks::default())
    }
}

struct Judge<'a> {
    verifier: &'a Verifier,
    endorsement: &'a Endorsement,
    document: &'static str,
}

impl Judge<'_> {
    fn judge(&self) -> Result<Validity, EndorsementError> {
        match self.endorsement.request {
            PcsRequest::PckCrl(ca) => self.pck_crl(ca),
            PcsRequest::RootCaCrl => self.root_ca_crl(),
            PcsRequest::TcbInfo(tee, fmspc, set) => {
                let (opened, chain) = self.open::<TcbInfo>(Artefact::TcbInfo)?;
                let asked = alloc::format!("{tee} {fmspc}");
                let found = alloc::format!("{} {}", opened.tee, opened.fmspc);
                self.require(asked, found)?;
                let number = opened.tcb_evaluation_data_number;
                self.require_set(set, number)?;
                Ok(validity(opened.issue_date, opened.next_update, Some(number), &chain))
            }
            PcsRequest::QeIdentity(TeeType::Sgx, set) => self.identity(EnclaveId::Qe, set),
            PcsRequest::QeIdentity(TeeType::Tdx, set) => self.identity(EnclaveId::TdQe, set),
            PcsRequest::QveIdentity(set) => self.identity(EnclaveId::Qve, set),
            PcsRequest::EvaluationDataNumbers(tee) => {
                let (opened, chain) = self.open::<EvaluationDataNumbers>(Artefact::TcbInfo)?;
                self.require(tee.name(), opened.tee.name())?;
                Ok(validity(opened.issue_date, opened.next_update, None, &chain))
            }
        }
    }

    fn identity(
        &self,
        id: EnclaveId,
        set: EvaluationDataSet,
    ) -> Result<Validity, EndorsementError> {
        let (opened, chain) = self.open::<QeIdentity>(Artefact::QeIdentity)?;
        self.require(id.name(), opened.id.name())?;
        let number = opened.tcb_evaluation_data_number;
        self.require_set(set, number)?;
        Ok(validity(opened.issue_date, opened.next_update, Some(number), &chain))
    }

    fn pck_crl(&self, asked: PckCa) -> Result<Validity, EndorsementError> {
        const POSITIONS: &[Position] = &[Position::PckCa, Position::Root];
        let chain = self.chain(Artefact::PckCrlIssuerChain, POSITIONS)?;
        let found = chain.leaf().map(|ca| ca.common_name.clone()).unwrap_or_default();
        let name = match PckCa::from_common_name(&found) {
            Some(ca) => ca.name(),
            None => &found,
        };
        self.require(asked.name(), name)?;
        self.crl(Artefact::PckCrl, &chain)
    }

    fn root_ca_crl(&self) -> Result<Validity, EndorsementError> {
        let chain = self.chain(Artefact::PckCrlIssuerChain, &[Position::Root])?;
        self.crl(Artefact::RootCaCrl, &chain)
    }

    fn crl(&self, artefact: Artefact, chain: &Chain) -> Result<Validity, EndorsementError> {
        let Some(issuer) = chain.leaf() else {
            let fault = ChainFault::Length { expected: 1, found: 0 };
            return Err(self.error(VerifyError::Chain { chain: chain.artefact, fault }));
        };
        let body = &self.endorsement.body;
        let crl = VerifiedCrl::verify(artefact, body, issuer, &mut Checks::default())
            .map_err(|fault| self.error(fault))?;
        Ok(validity(crl.this_update, crl.next_update, None, chain))
    }

    fn open<T: Document>(&self, artefact: Artefact) -> Result<(T, Chain), EndorsementError> {
        const POSITIONS: &[Position] = &[Position::TcbSigning, Position::Root];
        let of_chain = match artefact {
            Artefact::QeIdentity => Artefact::QeIdentityIssuerChain,
            _ => Artefact::TcbInfoIssuerChain,
        };
        let chain = self.chain(of_chain, POSITIONS)?;
        let Some(signer) = chain.leaf() else {
            let fault = ChainFault::Length { expected: 2, found: 0 };
            return Err(self.error(VerifyError::Chain { chain: of_chain, fault }));
        };
        let signed = Signed::<T>::from_outer(&self.endorsement.body).map_err(|fault| {
            let fault = DocumentFault::Malformed(fault);
            self.error(VerifyError::Document { document: artefact, fault })
        })?;
        let opened = document::open(artefact, &signed, signer, &mut Checks::default())
            .map_err(|fault| self.error(fault))?;
        Ok((opened, chain))
    }

    fn chain(&self, artefact: Artefact, positions: &[Position]) -> Result<Chain, EndorsementError> {
        let text = &self.endorsement.issuer_chain;
        self.verifier.chain(artefact, positions, text).map_err(|fault| self.error(fault))
    }

    fn require(
        &self,
        expected: impl AsRef<str>,
        found: impl AsRef<str>,
    ) -> Result<(), EndorsementError> {
        let (expected, found) = (expected.as_ref(), found.as_ref());
        if expected == found {
            return Ok(());
        }
        let document = self.document;
        Err(EndorsementError::Other { document, expected: expected.into(), found: found.into() })
    }

    /// A set asked for by its number has that number; which number the others have is for Intel to say.
    fn require_set(&self, set: EvaluationDataSet, found: u32) -> Result<(), EndorsementError> {
        let EvaluationDataSet::Number(expected) = set else { return Ok(()) };
        let name = |number| alloc::format!("TCB evaluation data number {number}");
        self.require(name(expected), name(found))
    }

    fn error(&self, fault: VerifyError) -> EndorsementError {
        EndorsementError::Verify { document: self.document, fault }
    }
}

fn validity(
    issued: UnixTime,
    next_update: UnixTime,
    evaluation_data_number: Option<u32>,
    chain: &Chain,
) -> Validity {
    Validity { issued, next_update, chain_ends: ends(chain), evaluation_data_number }
}

/// When the first certificate of a chain ends; a chain without certificates has ended.
fn ends(chain: &Chain) -> UnixTime {
    chain.links.iter().map(|link| link.not_after).min().unwrap_or(UnixTime::EPOCH)
}
