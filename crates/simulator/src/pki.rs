//! The PKI of a software Intel: keys from a seed, certificates, chains and CRLs, each open to change until it is sealed.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification.
//! Must stay true: every certificate says `O=SIMULATED, NOT INTEL`; only the common names are Intel's, since verifiers
//! look at them.

mod certificate;
mod chain;
mod crl;
mod extension;
mod key;
mod key_ring;
mod sgx_extension;

pub use certificate::{Algorithm, CertificateDraft};
pub use chain::ChainDraft;
pub(crate) use chain::pem;
pub use crl::CrlDraft;
pub use extension::{Extension, Extensions};
pub use key::Key;
pub(crate) use key_ring::KeyRing;

use der::asn1::{Any, ObjectIdentifier, PrintableStringRef, SetOfVec, Utf8StringRef};
use tdattest_wire::certificate::oid;
use tdattest_wire::pck::{PckExtension, PckTcb};
use tdattest_wire::pcs::PckCa;
use tdattest_wire::quote::TeeType;
use x509_cert::attr::AttributeTypeAndValue;

use certificate::Issuer;

use crate::error::MintError;
use crate::platform::Platform;

/// What every name says besides its common name, so that no one takes a simulated certificate for Intel's.
pub const ORGANISATION: &str = "SIMULATED, NOT INTEL";

/// The common name of the root CA.
pub const ROOT_CA: &str = "Intel SGX Root CA";
/// The common name of the signer of TCB info and identities.
pub const TCB_SIGNING: &str = "Intel SGX TCB Signing";
/// The common name of every PCK certificate.
pub const PCK: &str = "Intel SGX PCK Certificate";

/// The common name of a PCK CA.
pub fn pck_ca_name(ca: PckCa) -> &'static str {
    match ca {
        PckCa::Platform => "Intel SGX PCK Platform CA",
        PckCa::Processor => "Intel SGX PCK Processor CA",
    }
}

/// Whose key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party<'p> {
    /// The root CA.
    RootCa,
    /// A PCK CA.
    PckCa(PckCa),
    /// The signer of TCB info and identities.
    TcbSigning,
    /// The platform at a TCB.
    Pck(&'p PckTcb),
    /// The quoting enclave of a TEE.
    AttestationKey(TeeType),
    /// Nobody whom anything makes trustworthy.
    Stranger,
}

impl Party<'_> {
    /// What its key is derived from.
    fn label(self) -> String {
        match self {
            Self::RootCa => ROOT_CA.into(),
            Self::PckCa(ca) => pck_ca_name(ca).into(),
            Self::TcbSigning => TCB_SIGNING.into(),
            Self::Pck(tcb) => {
                format!("PCK {:?} {} {}", tcb.components, tcb.pce_svn, tcb.cpu_svn)
            }
            Self::AttestationKey(TeeType::Sgx) => "attestation key of the QE".into(),
            Self::AttestationKey(TeeType::Tdx) => "attestation key of the TD QE".into(),
            Self::Stranger => "a stranger".into(),
        }
    }
}

impl Platform {
    /// The key of one of the parties.
    pub fn key(&self, owner: Party<'_>) -> Key {
        self.keys.key(&self.seed, &owner.label())
    }

    /// The root CA's certificate, the trust anchor of everything that this platform's seed mints.
    pub fn root_ca(&self) -> CertificateDraft {
        let window = self.pki.windows.root_ca;
        CertificateDraft::new(ROOT_CA, &self.by_root_ca(), self.key(Party::RootCa), window, Some(1))
    }

    /// The certificate of a PCK CA.
    pub fn pck_ca(&self, ca: PckCa) -> CertificateDraft {
        let (name, window) = (pck_ca_name(ca), self.pki.windows.pck_ca);
        CertificateDraft::new(name, &self.by_root_ca(), self.key(Party::PckCa(ca)), window, Some(0))
    }

    /// The certificate that TCB info and identities are signed with.
    pub fn tcb_signing(&self) -> CertificateDraft {
        let (key, window) = (self.key(Party::TcbSigning), self.pki.windows.tcb_signing);
        CertificateDraft::new(TCB_SIGNING, &self.by_root_ca(), key, window, None)
    }

    /// The PCK certificate of this platform at its own TCB.
    pub fn pck(&self) -> CertificateDraft {
        self.pck_at(self.hardware.pck_extension())
    }

    /// The PCK certificate of this platform at another TCB: its key is another as well, as with real PCKs.
    pub fn pck_at(&self, sgx: PckExtension) -> CertificateDraft {
        let ca = self.hardware.ca;
        let issuer = Issuer {
            name: pck_ca_name(ca),
            key: self.key(Party::PckCa(ca)),
            crl_url: format!("{}?ca={}&encoding=der", self.pki.pck_crl_url, ca.name()),
        };
        let key = self.key(Party::Pck(&sgx.tcb));
        let mut pck = CertificateDraft::new(PCK, &issuer, key, self.pki.windows.pck, None);
        pck.extensions.set(Extension::Sgx(Box::new(sgx)));
        pck
    }

    /// PCK certificate, its CA and the root.
    pub fn pck_chain(&self) -> ChainDraft {
        ChainDraft::new(vec![self.pck(), self.pck_ca(self.hardware.ca), self.root_ca()])
    }

    fn by_root_ca(&self) -> Issuer<'static> {
        let crl_url = self.pki.root_ca_crl_url.clone();
        Issuer { name: ROOT_CA, key: self.key(Party::RootCa), crl_url }
    }
}

/// A distinguished name: SEQUENCE OF SET OF attributes.
pub(crate) type Name = Vec<SetOfVec<AttributeTypeAndValue>>;

/// The distinguished name of one of the simulator's parties, with its attributes in the order of Intel's names.
pub(crate) fn distinguished_name(common_name: &str) -> Result<Name, MintError> {
    let text = |value: &str| Any::encode_from(&Utf8StringRef::new(value)?);
    let country = Any::encode_from(&PrintableStringRef::new("XX")?);
    // CN, O, L, ST, C.
    let attributes = [
        (oid::COMMON_NAME, text(common_name)?),
        (ObjectIdentifier::new_unwrap("2.5.4.10"), text(ORGANISATION)?),
        (ObjectIdentifier::new_unwrap("2.5.4.7"), text("Loopback")?),
        (ObjectIdentifier::new_unwrap("2.5.4.8"), text("Nowhere")?),
        (ObjectIdentifier::new_unwrap("2.5.4.6"), country?),
    ];
    let rdn = |(oid, value)| {
        let mut set = SetOfVec::new();
        set.insert(AttributeTypeAndValue { oid, value })?;
        Ok(set)
    };
    attributes.into_iter().map(rdn).collect()
}
