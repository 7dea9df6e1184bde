//! What only a PKI of our own can show about quotes and QEs: well signed, and wrong in one thing.

use tdattest_verifier::error::{
    Artefact, ChainFault, DocumentFault, NotSupported, QeField, TdxModuleFault,
};
use tdattest_verifier::wire::bytes::{Measurement, QeVendorId};
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::{Finding, Policy, TrustAnchor, VerifyError, appraise};

use crate::own_pki::{OwnPki, Owner};
use crate::samples::{self, Sample};

/// Where the body of a version 4 quote begins.
const BODY: usize = 48;
const TEE_TCB_SVN: usize = BODY;
const MR_SIGNER_SEAM: usize = BODY + 64;
const SEAM_ATTRIBUTES: usize = BODY + 112;
const TD_ATTRIBUTES: usize = BODY + 120;
const XFAM: usize = BODY + 128;

/// A version 4 TDX quote in which `change` is the only fault.
fn tdx(change: impl FnOnce(&mut OwnPki)) -> OwnPki {
    changed(&samples::tdx(), change)
}

pub(crate) fn changed(sample: &Sample, change: impl FnOnce(&mut OwnPki)) -> OwnPki {
    let mut own = OwnPki::of(sample);
    change(&mut own);
    own
}

/// Without this, the refusals below would prove nothing. S11: and nothing of it is Intel's.
#[test]
fn our_own_pki_is_accepted_under_its_root_and_refused_under_intels() {
    for sample in samples::verifiable() {
        let own = OwnPki::of(&sample);
        assert_eq!(own.verify().unwrap().tcb(), sample.verified().tcb(), "{}", sample.name);
        let refused = own.verify_under(TrustAnchor::intel()).unwrap_err();
        let fault = ChainFault::Untrusted {
            expected: "Intel SGX Root CA".into(),
            found: "Intel SGX Root CA".into(),
        };
        let chain = Artefact::PckCrlIssuerChain;
        assert_eq!(refused.error(), &VerifyError::Chain { chain, fault });
    }
}

/// S1a. CVE-2026-22696: the QE identity was fetched and never verified.
#[test]
fn refuses_a_qe_identity_or_tcb_info_signed_by_another_key() {
    let bad = |document| VerifyError::Document { document, fault: DocumentFault::Signature };
    for signer in [Owner::Stranger, Owner::Root, Owner::PckCa, Owner::Pck] {
        let own = tdx(|own| own.qe_identity_signer = signer);
        assert_eq!(own.error(), bad(Artefact::QeIdentity), "{signer:?}");
        let own = tdx(|own| own.tcb_info_signer = signer);
        assert_eq!(own.error(), bad(Artefact::TcbInfo), "{signer:?}");
    }
}

/// S1b, S6. No policy is asked about a QE: one in debug mode is refused here.
#[test]
fn refuses_a_qe_that_is_not_the_one_of_the_identity() {
    type Change = fn(&mut OwnPki);
    let changes: [(Change, QeField); 6] = [
        (|own| own.qe_report.mr_signer.0[31] ^= 1, QeField::MrSigner),
        (|own| own.qe_report.isv_prod_id += 1, QeField::IsvProdId),
        (|own| own.qe_report.misc_select.0[0] ^= 1, QeField::MiscSelect),
        (|own| own.qe_report.attributes.0[0] ^= 2, QeField::Attributes),
        (|own| own.qe_report.attributes.0[7] ^= 0x80, QeField::Attributes),
        (|own| own.qe_identity["mrsigner"] = "00".repeat(32).into(), QeField::MrSigner),
    ];
    for (change, field) in changes {
        assert_eq!(tdx(change).error(), VerifyError::QeMismatch(field));
    }
}

/// S1b. Only what the mask covers is compared.
#[test]
fn accepts_a_qe_that_differs_outside_the_masks() {
    let own = tdx(|own| own.qe_report.attributes.0[8..].fill(0xff));
    assert!(own.verify().is_ok(), "XFRM, whose mask is zero");
    let own = tdx(|own| {
        own.qe_identity["miscselectMask"] = "00000000".into();
        own.qe_report.misc_select.0 = [0xff; 4];
    });
    assert!(own.verify().is_ok(), "MISCSELECT under a mask of zero");
}

/// S1c.
#[test]
fn refuses_a_qe_below_every_level() {
    let lowest = |own: &OwnPki| {
        let levels = own.qe_identity["tcbLevels"].as_array().unwrap().iter();
        let svns = levels.map(|level| level["tcb"]["isvsvn"].as_u64().unwrap());
        u16::try_from(svns.min().unwrap()).unwrap()
    };
    assert!(tdx(|own| own.qe_report.isv_svn = lowest(own)).verify().is_ok());
    let own = tdx(|own| own.qe_report.isv_svn = lowest(own) - 1);
    assert_eq!(own.error(), VerifyError::TcbNotSupported(NotSupported::Qe));
}

/// S1d.
#[test]
fn a_revoked_or_outdated_qe_weighs_on_the_status() {
    for (qe, status) in [("OutOfDate", TcbStatus::OutOfDate), ("Revoked", TcbStatus::Revoked)] {
        let own = tdx(|own| own.qe_identity["tcbLevels"][0]["tcbStatus"] = qe.into());
        let verified = own.verify().unwrap();
        assert_eq!((verified.tcb().status, verified.tcb().platform), (status, TcbStatus::UpToDate));
        let refused = appraise(verified, &Policy::genuine_platform()).unwrap_err();
        assert_eq!(refused.findings(), [Finding::TcbStatus(status)]);
    }
}

/// S17.
#[test]
fn refuses_an_attestation_key_that_the_qe_did_not_commit_to() {
    let unbound = VerifyError::AttestationKeyNotBound;
    assert_eq!(tdx(|own| own.qe_report.report_data.0[0] ^= 1).error(), unbound);
    assert_eq!(tdx(|own| own.qe_report.report_data.0[32] = 1).error(), unbound, "its tail");
    assert_eq!(tdx(|own| own.qe_report.report_data.0[63] = 1).error(), unbound, "its last byte");
    assert_eq!(tdx(|own| own.qe_auth_data[0] ^= 1).error(), unbound);
    assert_eq!(tdx(|own| own.qe_auth_data.push(0)).error(), unbound);
    // A byte moved from the key's end to the authentication data's beginning hashes to the same.
    let moved = tdx(|own| {
        let last = own.attestation_key.0[63];
        own.qe_auth_data.insert(0, last);
        own.attestation_key.0.rotate_right(1);
    });
    assert_eq!(moved.error(), unbound);
}

/// S17. Another length of authentication data is the QE's business, if it is hashed.
#[test]
fn accepts_authentication_data_of_any_length_that_the_qe_committed_to() {
    for length in [0, 1, 31, 33, 1000] {
        let own = tdx(|own| {
            own.qe_auth_data = vec![7; length];
            own.qe_report.report_data = own.key_binding();
        });
        assert!(own.verify().is_ok(), "{length}");
    }
}

/// S18.
#[test]
fn refuses_an_attestation_key_off_the_curve_although_the_qe_committed_to_it() {
    let own = tdx(|own| {
        own.attestation_key.0[63] ^= 1;
        own.qe_report.report_data = own.key_binding();
    });
    assert_eq!(own.error(), VerifyError::AttestationKey);
}

/// S9.
#[test]
fn refuses_a_qe_report_signed_by_another_than_the_pck() {
    for signer in [Owner::Stranger, Owner::PckCa, Owner::AttestationKey] {
        let own = tdx(|own| own.qe_report_signer = signer);
        assert_eq!(own.error(), VerifyError::QeReportSignature, "{signer:?}");
    }
}

/// S4.
#[test]
fn refuses_a_tdx_module_with_another_signer_or_attributes() {
    let module = VerifyError::TdxModule;
    let own = tdx(|own| own.signed_part[MR_SIGNER_SEAM + 47] = 1);
    assert_eq!(own.error(), module(TdxModuleFault::Signer));
    for byte in 0..8 {
        let own = tdx(|own| own.signed_part[SEAM_ATTRIBUTES + byte] = 0x80);
        assert_eq!(own.error(), module(TdxModuleFault::Attributes), "byte {byte}");
    }
}

/// S4. Nor does a TCB info that would allow it make a module's debug attribute acceptable.
#[test]
fn refuses_seam_attributes_other_than_zero_even_if_the_tcb_info_lists_them() {
    let own = tdx(|own| {
        own.signed_part[SEAM_ATTRIBUTES] = 1;
        own.tcb_info["tdxModule"]["attributes"] = "0100000000000000".into();
        for identity in own.tcb_info["tdxModuleIdentities"].as_array_mut().unwrap() {
            identity["attributes"] = "0100000000000000".into();
        }
    });
    assert_eq!(own.error(), VerifyError::TdxModule(TdxModuleFault::Attributes));
}

/// S4. No identity for a version is no excuse.
#[test]
fn refuses_a_tdx_module_of_a_version_without_an_identity() {
    let own = tdx(|own| own.signed_part[TEE_TCB_SVN + 1] = 0x77);
    assert_eq!(own.error(), VerifyError::TdxModule(TdxModuleFault::Unknown(0x77)));
    let own = tdx(|own| {
        own.tcb_info.as_object_mut().unwrap().remove("tdxModuleIdentities").unwrap();
    });
    assert_eq!(own.error(), VerifyError::TdxModule(TdxModuleFault::Unknown(1)));
}

/// S4.
#[test]
fn refuses_a_tdx_module_below_every_level_of_its_identity() {
    let own = tdx(|own| own.signed_part[TEE_TCB_SVN] = 0);
    assert_eq!(own.error(), VerifyError::TcbNotSupported(NotSupported::TdxModule));
}

/// S8. A quote that another vendor's QE made does not even parse.
#[test]
fn refuses_another_qe_vendor_although_it_is_signed() {
    let own = tdx(|own| own.signed_part[12..28].copy_from_slice(&QeVendorId([7; 16]).0));
    let fault = Quote::parse(&own.quote()).unwrap_err();
    assert_eq!((fault.structure, fault.offset), ("quote header", 12));
}

/// S5, S7. Every bit of TDATTRIBUTES on its own.
#[test]
fn unknown_and_debug_attributes_of_a_td_are_findings() {
    for bit in 0..64_u8 {
        let at = TD_ATTRIBUTES + usize::from(bit / 8);
        let verified = tdx(|own| {
            own.signed_part[TD_ATTRIBUTES..TD_ATTRIBUTES + 8].fill(0);
            own.signed_part[at] = 1 << (bit % 8);
        });
        let verified = verified.verify().unwrap();
        let known = !verified.body().td().unwrap().td_attributes.named().names().is_empty();
        let expected = match bit {
            0 => vec![Finding::Debug("TD")],
            1..=7 => vec![Finding::UnderDebug(1 << bit)],
            _ if known => vec![],
            _ => vec![Finding::UnknownAttributes { field: "TDATTRIBUTES", bits: vec![bit] }],
        };
        let findings = |policy| match appraise(verified.clone(), &policy) {
            Ok(_) => vec![],
            Err(rejection) => rejection.findings().to_vec(),
        };
        assert_eq!(findings(Policy::genuine_platform()), expected, "bit {bit}");
        // Allowing debug allows bit 0 and nothing else.
        let lenient = if bit == 0 { vec![] } else { expected };
        assert_eq!(findings(Policy::genuine_platform().dangerous_allow_debug()), lenient);
    }
}

/// S7.
#[test]
fn unknown_xfam_bits_of_a_td_are_findings() {
    let verified = tdx(|own| own.signed_part[XFAM + 7] |= 0x80).verify().unwrap();
    let rejection = appraise(verified, &Policy::genuine_platform()).unwrap_err();
    let expected = Finding::UnknownAttributes { field: "XFAM", bits: vec![63] };
    assert_eq!(rejection.findings(), [expected]);
}

/// S30. What the guest chose is under the signature and changes nothing else.
#[test]
fn report_data_and_measurements_are_what_was_signed() {
    let own = tdx(|own| own.signed_part[BODY + 520..BODY + 584].fill(0xab));
    let (changed, original) =
        (own.verify().unwrap(), OwnPki::of(&samples::tdx()).verify().unwrap());
    let (changed, original) = (changed.body().td().unwrap(), original.body().td().unwrap());
    assert_eq!(changed.report_data.0, [0xab; 64]);
    assert_eq!(changed.mr_td, original.mr_td);
    assert_ne!(changed.mr_td, Measurement::default());
}
