//! A PKI of our own in the image of Intel's: production documents with other keys, signed anew.
//!
//! Every certificate, CRL, document and quote is a production one in which the key was exchanged, so that whatever else
//! a test changes in it is the only thing that sets it apart. It hangs from a root of its own, which no verifier under
//! Intel's anchor accepts.

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tdattest_verifier::error::Artefact;
use tdattest_verifier::wire::Fixed;
use tdattest_verifier::wire::bytes::{EcdsaPublicKey, EcdsaSignature, ReportData};
use tdattest_verifier::wire::certificate::{Certificate, Extension};
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::crl::Crl;
use tdattest_verifier::wire::enclave_report::EnclaveReport;
use tdattest_verifier::wire::quote::{CertificationData, Quote, SignatureData, Version, write};
use tdattest_verifier::wire::signed::{Document, Signed};
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{Failure, TrustAnchor, VerifiedQuote, Verifier, VerifyError, crypto};

use crate::chains::{certificates, pem_of};
use crate::samples::Sample;

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owner {
    Root = 1,
    PckCa,
    TcbSigner,
    Pck,
    AttestationKey,
    Stranger,
}

impl Owner {
    fn key(self) -> SigningKey {
        SigningKey::from_slice(&[self as u8; 32]).unwrap()
    }

    /// The public key: an uncompressed point.
    pub(crate) fn point(self) -> [u8; 65] {
        let point = self.key().verifying_key().to_sec1_point(false);
        point.as_bytes().try_into().unwrap()
    }

    fn sign(self, message: &[u8]) -> Signature {
        self.key().sign(message)
    }

    pub(crate) fn sign_fixed(self, message: &[u8]) -> EcdsaSignature {
        EcdsaSignature(self.sign(message).to_bytes().into())
    }
}

/// A certificate to be: what is signed, and by whom.
pub(crate) struct OwnCertificate {
    pub(crate) tbs: Vec<u8>,
    pub(crate) signer: Owner,
}

impl OwnCertificate {
    fn new(der: &[u8], owner: Owner, signer: Owner) -> Self {
        let certificate = Certificate::parse(der).unwrap();
        let mut own = Self { tbs: certificate.tbs.to_vec(), signer };
        own.replace(certificate.public_key.key, &owner.point());
        own
    }

    /// Puts bytes of the same length in the place of others, wherever they stand.
    #[track_caller]
    pub(crate) fn replace(&mut self, old: &[u8], new: &[u8]) {
        assert_eq!(old.len(), new.len());
        let places: Vec<usize> = (0..=self.tbs.len() - old.len())
            .filter(|at| self.tbs[*at..].starts_with(old))
            .collect();
        assert!(!places.is_empty(), "the certificate has no {old:02x?}");
        for at in places {
            self.tbs[at..at + new.len()].copy_from_slice(new);
        }
    }

    /// Adds an extension at the end. Extensions are the last thing in a certificate, inside three lengths.
    pub(crate) fn push_extension(&mut self, extension: &[u8]) {
        let [0x30, 0x82, _, _, content @ ..] = &self.tbs[..] else { panic!("an unusual length") };
        let is_list = |at: &usize| {
            let [0xa3, 0x82, high, low, 0x30, 0x82, ..] = content[*at..] else { return false };
            at + 4 + usize::from(u16::from_be_bytes([high, low])) == content.len()
        };
        let at = (0..content.len()).find(is_list).expect("a list of extensions at the end");
        let list = tlv(0xa3, &tlv(0x30, &[&content[at + 8..], extension].concat()));
        self.tbs = tlv(0x30, &[&content[..at], &list].concat());
    }

    pub(crate) fn der(&self) -> Vec<u8> {
        sealed(&self.tbs, self.signer)
    }
}

/// A CRL to be.
pub(crate) struct OwnCrl {
    issuer: Vec<u8>,
    pub(crate) this_update: UnixTime,
    pub(crate) next_update: Option<UnixTime>,
    pub(crate) revoked: Vec<Vec<u8>>,
    /// OID (encoded), whether critical, value.
    pub(crate) extensions: Vec<(Vec<u8>, bool, Vec<u8>)>,
    pub(crate) signer: Owner,
}

impl OwnCrl {
    fn new(der: &[u8], signer: Owner) -> Self {
        let crl = Crl::parse(der).unwrap();
        let extension =
            |it: &Extension<'_>| (tlv(0x06, it.oid.as_bytes()), it.critical, it.value.to_vec());
        Self {
            issuer: tlv(0x30, crl.issuer.as_bytes()),
            this_update: crl.this_update,
            next_update: Some(crl.next_update),
            revoked: crl.revoked.iter().map(|serial| serial.as_bytes().to_vec()).collect(),
            extensions: crl.extensions.iter().map(extension).collect(),
            signer,
        }
    }

    fn der(&self) -> Vec<u8> {
        let entry = |serial: &Vec<u8>| {
            // A leading zero keeps the number positive.
            let number = tlv(0x02, &[&[0][..], serial].concat()[usize::from(serial[0] < 0x80)..]);
            tlv(0x30, &[number, utc_time(self.this_update)].concat())
        };
        let revoked: Vec<u8> = self.revoked.iter().flat_map(entry).collect();
        let extension = |(oid, critical, value): &(Vec<u8>, bool, Vec<u8>)| {
            let critical = if *critical { tlv(0x01, &[0xff]) } else { vec![] };
            tlv(0x30, &[oid.clone(), critical, tlv(0x04, value)].concat())
        };
        let extensions: Vec<u8> = self.extensions.iter().flat_map(extension).collect();
        let tbs = [
            tlv(0x02, &[1]),
            ECDSA_WITH_SHA_256.to_vec(),
            self.issuer.clone(),
            utc_time(self.this_update),
            self.next_update.map(utc_time).unwrap_or_default(),
            if revoked.is_empty() { vec![] } else { tlv(0x30, &revoked) },
            tlv(0xa0, &tlv(0x30, &extensions)),
        ];
        sealed(&tlv(0x30, &tbs.concat()), self.signer)
    }
}

/// Everything a verification takes, each part still open to change.
pub(crate) struct OwnPki {
    pub(crate) now: UnixTime,
    pub(crate) root: OwnCertificate,
    pub(crate) pck_ca: OwnCertificate,
    pub(crate) tcb_signer: OwnCertificate,
    pub(crate) pck: OwnCertificate,
    pub(crate) root_ca_crl: OwnCrl,
    pub(crate) pck_crl: OwnCrl,
    pub(crate) tcb_info: Value,
    pub(crate) tcb_info_signer: Owner,
    pub(crate) qe_identity: Value,
    pub(crate) qe_identity_signer: Owner,
    pub(crate) version: Version,
    /// Header and body of the quote.
    pub(crate) signed_part: Vec<u8>,
    pub(crate) qe_report: EnclaveReport,
    pub(crate) qe_report_signer: Owner,
    pub(crate) qe_auth_data: Vec<u8>,
    pub(crate) attestation_key: EcdsaPublicKey,
}

impl OwnPki {
    pub(crate) fn of(sample: &Sample) -> Self {
        let [pck, pck_ca, root] = &certificates(sample, Artefact::PckChain)[..] else { panic!() };
        let [tcb_signer, _] = &certificates(sample, Artefact::TcbInfoIssuerChain)[..] else {
            panic!()
        };
        let collateral = sample.collateral();
        let quote = sample.parsed();
        let attestation_key = Owner::AttestationKey.point()[1..].try_into().unwrap();
        let mut own = Self {
            now: sample.now,
            root: OwnCertificate::new(root, Owner::Root, Owner::Root),
            pck_ca: OwnCertificate::new(pck_ca, Owner::PckCa, Owner::Root),
            tcb_signer: OwnCertificate::new(tcb_signer, Owner::TcbSigner, Owner::Root),
            pck: OwnCertificate::new(pck, Owner::Pck, Owner::PckCa),
            root_ca_crl: OwnCrl::new(&collateral.root_ca_crl, Owner::Root),
            pck_crl: OwnCrl::new(&collateral.pck_crl, Owner::PckCa),
            tcb_info: serde_json::from_slice(collateral.tcb_info.signed_bytes()).unwrap(),
            tcb_info_signer: Owner::TcbSigner,
            qe_identity: serde_json::from_slice(collateral.qe_identity.signed_bytes()).unwrap(),
            qe_identity_signer: Owner::TcbSigner,
            version: quote.header().version,
            signed_part: quote.signed_bytes().to_vec(),
            qe_report: quote.signature().qe_report.clone(),
            qe_report_signer: Owner::Pck,
            qe_auth_data: quote.signature().qe_auth_data.to_vec(),
            attestation_key: EcdsaPublicKey(attestation_key),
        };
        own.qe_report.report_data = own.key_binding();
        own
    }

    /// What the QE report must say of the attestation key.
    pub(crate) fn key_binding(&self) -> ReportData {
        let hash =
            Sha256::new().chain_update(self.attestation_key.0).chain_update(&self.qe_auth_data);
        let mut report_data = ReportData::default();
        report_data.0[..32].copy_from_slice(&hash.finalize());
        report_data
    }

    pub(crate) fn anchor(&self) -> TrustAnchor {
        TrustAnchor::from_der(&self.root.der()).unwrap()
    }

    pub(crate) fn collateral(&self) -> Collateral {
        let root = self.root.der();
        let tcb_chain = pem_of([&self.tcb_signer.der(), &root]);
        Collateral {
            pck_crl_issuer_chain: pem_of([&self.pck_ca.der(), &root]),
            root_ca_crl: self.root_ca_crl.der(),
            pck_crl: self.pck_crl.der(),
            tcb_info_issuer_chain: tcb_chain.clone(),
            tcb_info: signed(&self.tcb_info, self.tcb_info_signer),
            qe_identity_issuer_chain: tcb_chain,
            qe_identity: signed(&self.qe_identity, self.qe_identity_signer),
            pck_certificate_chain: None,
        }
    }

    pub(crate) fn quote(&self) -> Vec<u8> {
        let chain = pem_of([&self.pck.der(), &self.pck_ca.der(), &self.root.der()]);
        let qe_report_bytes = self.qe_report.to_bytes();
        let signature = SignatureData {
            quote_signature: Owner::AttestationKey.sign_fixed(&self.signed_part),
            attestation_key: self.attestation_key,
            qe_report: self.qe_report.clone(),
            qe_report_signature: self.qe_report_signer.sign_fixed(&qe_report_bytes),
            qe_report_bytes: &qe_report_bytes,
            qe_auth_data: &self.qe_auth_data,
            certification_data: CertificationData::PckChain(&chain),
            trailing: &[],
        };
        write(&self.signed_part, self.version, &signature)
    }

    /// Signs everything and verifies it under this anchor.
    pub(crate) fn verify_under(&self, anchor: TrustAnchor) -> Result<VerifiedQuote, Failure> {
        let bytes = self.quote();
        let quote = Quote::parse(&bytes).unwrap();
        Verifier::new(anchor, crypto::aws_lc()).verify(&quote, &self.collateral(), self.now)
    }

    /// Signs everything and verifies it under its own root.
    pub(crate) fn verify(&self) -> Result<VerifiedQuote, Failure> {
        self.verify_under(self.anchor())
    }

    /// Why it is refused.
    #[track_caller]
    pub(crate) fn error(&self) -> VerifyError {
        self.verify().map(|_| ()).unwrap_err().error().clone()
    }
}

fn signed<T: Document>(text: &Value, signer: Owner) -> Signed<T> {
    let body = serde_json::to_vec(text).unwrap();
    let signature = signer.sign_fixed(&body);
    Signed::new(body, signature)
}

/// The algorithm identifier.
const ECDSA_WITH_SHA_256: [u8; 12] =
    [0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];

/// Certificate or CRL: what is signed, the algorithm, the signature.
fn sealed(tbs: &[u8], signer: Owner) -> Vec<u8> {
    let signature = signer.sign(tbs).to_der();
    let signature = tlv(0x03, &[&[0], signature.as_bytes()].concat());
    tlv(0x30, &[tbs, &ECDSA_WITH_SHA_256, &signature].concat())
}

/// A DER value with its tag and length, up to 65,535 bytes.
pub(crate) fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(value.len()).unwrap().to_be_bytes();
    let head = match value.len() {
        0..0x80 => vec![tag, low],
        0x80..0x100 => vec![tag, 0x81, low],
        _ => vec![tag, 0x82, high, low],
    };
    [&head, value].concat()
}

fn utc_time(time: UnixTime) -> Vec<u8> {
    let digits: String = time.to_string().chars().filter(char::is_ascii_digit).collect();
    tlv(0x17, format!("{}Z", &digits[2..]).as_bytes())
}
