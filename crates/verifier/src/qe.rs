//! Is the quoting enclave the one Intel vouches for, and did it make this attestation key?
//!
//! Source: PCS API v4, "Get SGX QE Identity"; Intel QVL steps 4.1.2.5.13 to 4.1.2.5.16.
//! Must stay true: no field of the QE report counts before its signature is good.

use subtle::ConstantTimeEq;
use tdattest_wire::enclave_report::EnclaveReport;
use tdattest_wire::qe_identity::{EnclaveId, QeIdentity};
use tdattest_wire::quote::{SignatureData, TeeType};
use tdattest_wire::tcb_info::IsvSvnLevel;
use tdattest_wire::tcb_status::TcbStatus;

use crate::check::{Checks, Sides};
use crate::crypto::{VerifyingKey, sha256};
use crate::error::{NotSupported, QeField, VerifyError};

/// The QE report: signed by the PCK, and committed to the attestation key.
pub(crate) fn require_report(
    data: &SignatureData<'_>,
    pck: &dyn VerifyingKey,
    checks: &mut Checks,
) -> Result<(), VerifyError> {
    let good = pck.verify_fixed(data.qe_report_bytes, &data.qe_report_signature.0);
    checks.require(good, Sides::signature("QE report", good), VerifyError::QeReportSignature)?;
    // The QE commits to the key it will sign with by hashing it into its own report. Intel's library compares the hash
    // alone; the other 32 bytes are zero in every production quote, and required to be.
    let mut expected = [0; 64];
    let hash = sha256(&[data.attestation_key.as_ref(), data.qe_auth_data]);
    expected.iter_mut().zip(hash).for_each(|(target, byte)| *target = byte);
    let found = &data.qe_report.report_data;
    checks.require(
        bool::from(expected.ct_eq(&found.0)),
        Sides::new("QE report data", &expected[..], found.as_ref()),
        VerifyError::AttestationKeyNotBound,
    )
}

/// The QE identity: of the enclave that this TEE has, and describing this QE.
pub(crate) fn require_identity(
    report: &EnclaveReport,
    identity: &QeIdentity,
    tee: TeeType,
    checks: &mut Checks,
) -> Result<(), VerifyError> {
    let expected = match tee {
        TeeType::Sgx => EnclaveId::Qe,
        TeeType::Tdx => EnclaveId::TdQe,
    };
    let found = identity.id;
    checks.require(
        expected == found,
        Sides::new("QE identity", expected.name(), found.name()),
        VerifyError::QeIdentityOfOtherEnclave { expected, found },
    )?;
    // The identity's side is not masked: a value with bits outside its mask matches nothing, as in Intel's library.
    let misc_select = masked(report.misc_select.0, identity.misc_select_mask.0);
    let attributes = masked(report.attributes.0, identity.attributes_mask.0);
    let mut field = |field, name, expected: &[u8], found: &[u8]| {
        let error = VerifyError::QeMismatch(field);
        checks.require(expected == found, Sides::new(name, expected, found), error)
    };
    field(QeField::MiscSelect, "MISCSELECT", &identity.misc_select.0, &misc_select)?;
    field(QeField::Attributes, "ATTRIBUTES", &identity.attributes.0, &attributes)?;
    field(QeField::MrSigner, "MRSIGNER", &identity.mr_signer.0, &report.mr_signer.0)?;
    let (expected, found) = (identity.isv_prod_id, u32::from(report.isv_prod_id));
    checks.require(
        expected == found,
        Sides::new("ISVPRODID", u64::from(expected), u64::from(found)),
        VerifyError::QeMismatch(QeField::IsvProdId),
    )
}

/// The QE's level.
pub(crate) fn level(
    identity: &QeIdentity,
    isv_svn: u16,
) -> Result<(&IsvSvnLevel, TcbStatus), NotSupported> {
    let level = identity.tcb_levels.iter().find(|level| level.isv_svn <= isv_svn);
    level.and_then(|level| Some((level, level.tcb_status?))).ok_or(NotSupported::Qe)
}

fn masked<const N: usize>(mut bytes: [u8; N], mask: [u8; N]) -> [u8; N] {
    bytes.iter_mut().zip(mask).for_each(|(byte, mask)| *byte &= mask);
    bytes
}
