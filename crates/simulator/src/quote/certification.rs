//! Certification data before it is sealed: the PCK chain, or what else a QE can say of its PCK.

use tdattest_wire::Fixed as _;
use tdattest_wire::quote::{CertificationData, CertificationDataType, PpidCertification};

use crate::error::MintError;
use crate::pki::{CertificateDraft, ChainDraft};
use crate::platform::Platform;

/// Certification data to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CertificationDraft {
    /// Type 5: the PCK certificate chain.
    PckChain {
        /// The chain.
        chain: ChainDraft,
        /// Whether a NUL follows, as in Intel's quotes.
        nul: bool,
    },
    /// Type 4: the PCK certificate alone.
    PckLeaf(Box<CertificateDraft>),
    /// Types 1 to 3: PPID, CPUSVN, PCESVN and PCEID.
    Ppid {
        /// Which of the three.
        kind: CertificationDataType,
        /// PPID in the clear or encrypted, CPUSVN, PCESVN, PCEID.
        data: Vec<u8>,
    },
}

/// Certification data, sealed.
#[derive(Clone, Debug)]
pub(super) enum Minted {
    PckChain(Vec<u8>),
    PckLeaf(Vec<u8>),
    Ppid(CertificationDataType, Vec<u8>),
}

impl CertificationDraft {
    /// The PPID form of one of types 1 to 3. Nobody has the private key for an encrypted PPID: bytes of the seed stand
    /// in for it, always the same.
    pub fn ppid(platform: &Platform, kind: CertificationDataType) -> Self {
        let hardware = &platform.hardware;
        let mut data = match kind {
            CertificationDataType::PpidRsa2048 => platform.seed.many("PPID for RSA-2048", 256),
            CertificationDataType::PpidRsa3072 => platform.seed.many("PPID for RSA-3072", 384),
            _ => hardware.ppid.0.to_vec(),
        };
        hardware.cpu_svn.write(&mut data);
        hardware.pce_svn.write(&mut data);
        hardware.pce_id.write(&mut data);
        Self::Ppid { kind, data }
    }

    pub(super) fn mint(&self) -> Result<Minted, MintError> {
        Ok(match self {
            Self::PckChain { chain, nul } => {
                let mut text = chain.pem()?;
                text.extend(nul.then_some(0));
                Minted::PckChain(text)
            }
            Self::PckLeaf(leaf) => Minted::PckLeaf(ChainDraft::new(vec![(**leaf).clone()]).pem()?),
            Self::Ppid { kind, data } => Minted::Ppid(*kind, data.clone()),
        })
    }
}

impl Minted {
    pub(super) fn as_data(&self) -> CertificationData<'_> {
        match self {
            Self::PckChain(text) => CertificationData::PckChain(text),
            Self::PckLeaf(text) => CertificationData::PckLeaf(text),
            Self::Ppid(kind, data) => {
                CertificationData::Ppid(PpidCertification { kind: *kind, data })
            }
        }
    }
}
