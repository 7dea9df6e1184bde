//! What only a PKI of our own can show about chains and CRLs: well signed, with the wrong rights, or revoked.

use tdattest_verifier::VerifyError;
use tdattest_verifier::error::{Artefact, ChainFault, CrlFault, Position};
use tdattest_verifier::wire::certificate::{Certificate, oid};

use crate::own_pki::{OwnCertificate, OwnCrl, OwnPki, Owner, tlv};
use crate::own_quotes::changed;
use crate::samples;

fn tdx(change: impl FnOnce(&mut OwnPki)) -> OwnPki {
    changed(&samples::tdx(), change)
}

fn chain(chain: Artefact, fault: ChainFault) -> VerifyError {
    VerifyError::Chain { chain, fault }
}

fn crl(crl: Artefact, fault: CrlFault) -> VerifyError {
    VerifyError::Crl { crl, fault }
}

/// The value of an extension.
fn extension(certificate: &OwnCertificate, oid: der::asn1::ObjectIdentifier) -> Vec<u8> {
    let der = certificate.der();
    let certificate = Certificate::parse(&der).unwrap();
    certificate.extensions.get(oid).unwrap().value.to_vec()
}

/// S9. Each certificate must be signed by the one above it, whatever its name says.
#[test]
fn refuses_certificates_signed_by_another_than_their_issuer() {
    type Change = fn(&mut OwnPki);
    let changes: [(Change, Artefact, Position); 4] = [
        (|own| own.pck.signer = Owner::Stranger, Artefact::PckChain, Position::Pck),
        (|own| own.pck.signer = Owner::Root, Artefact::PckChain, Position::Pck),
        (|own| own.pck_ca.signer = Owner::Stranger, Artefact::PckCrlIssuerChain, Position::PckCa),
        (
            |own| own.tcb_signer.signer = Owner::PckCa,
            Artefact::TcbInfoIssuerChain,
            Position::TcbSigning,
        ),
    ];
    for (change, artefact, position) in changes {
        assert_eq!(tdx(change).error(), chain(artefact, ChainFault::Signature(position)));
    }
}

/// S9, S11. The root's own signature is checked, unless it is the very certificate of the anchor.
#[test]
fn refuses_a_root_with_the_anchors_key_that_did_not_sign_itself() {
    let own = tdx(|own| own.root.signer = Owner::Stranger);
    let anchor = OwnPki::of(&samples::tdx()).anchor();
    let refused = own.verify_under(anchor).unwrap_err();
    let fault = ChainFault::Signature(Position::Root);
    assert_eq!(refused.error(), &chain(Artefact::PckCrlIssuerChain, fault));
}

/// S9. The issuer is found by key identifiers as well: one that names another key is refused.
#[test]
fn refuses_certificates_whose_key_identifiers_do_not_link_up() {
    let own = tdx(|own| {
        let id = extension(&own.pck, oid::AUTHORITY_KEY_ID);
        let mut other = id.clone();
        *other.last_mut().unwrap() ^= 1;
        own.pck.replace(&id, &other);
    });
    let fault = ChainFault::KeyIdentifier(Position::Pck);
    assert_eq!(own.error(), chain(Artefact::PckChain, fault));
}

/// S10. A PCK certificate with a CA's rights could issue others; a CA without them must not.
#[test]
fn refuses_certificates_with_the_rights_of_another_role() {
    let of_role = |position, artefact, extension, problem| {
        chain(artefact, ChainFault::Extension { position, extension, problem })
    };
    // `keyUsage` is a bit string: unused bits, then the bits from the left.
    let usage = |bits: u8| vec![0x03, 0x02, 0x01, bits];
    let pck = |bits| {
        tdx(|own| {
            let old = extension(&own.pck, oid::KEY_USAGE);
            assert_eq!(old.len(), 4);
            own.pck.replace(&old, &usage(bits));
        })
    };
    let with = |problem| of_role(Position::Pck, Artefact::PckChain, "keyUsage", problem);
    assert_eq!(pck(0xc4).error(), with("with keyCertSign"));
    assert_eq!(pck(0x40).error(), with("without digitalSignature"));

    let ca = |bits| {
        tdx(|own| {
            let old = extension(&own.pck_ca, oid::KEY_USAGE);
            own.pck_ca.replace(&old, &usage(bits));
        })
    };
    let of_ca =
        |problem| of_role(Position::PckCa, Artefact::PckCrlIssuerChain, "keyUsage", problem);
    assert_eq!(ca(0x02).error(), of_ca("without keyCertSign"));
    assert_eq!(ca(0x04).error(), of_ca("without cRLSign"));
}

/// S10. The basic constraints of a leaf and of a CA, exchanged for one another's (both well-formed).
#[test]
fn refuses_a_leaf_that_is_a_ca_and_a_ca_that_is_none() {
    let constraints = |own: &OwnPki| extension(&own.pck_ca, oid::BASIC_CONSTRAINTS);
    // CA with a path length of zero; the same bytes as an integer in the place of the flag are malformed.
    let own = tdx(|own| {
        let old = constraints(own);
        assert_eq!(old, [0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00]);
        own.pck_ca.replace(&old, &[0x30, 0x06, 0x02, 0x01, 0x00, 0x02, 0x01, 0x00]);
    });
    let (position, extension) = (Position::PckCa, "basicConstraints");
    let fault = ChainFault::Extension { position, extension, problem: "malformed" };
    assert_eq!(own.error(), chain(Artefact::PckCrlIssuerChain, fault));
}

/// What is critical and unknown may restrict a certificate in a way that nobody here looks at.
#[test]
fn refuses_a_critical_extension_that_it_does_not_know_and_passes_over_others() {
    const UNKNOWN: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x63];
    let with = |critical: bool| {
        let flag: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
        let extension = tlv(0x30, &[&UNKNOWN[..], flag, &tlv(0x04, b"x")].concat());
        tdx(|own| own.pck.push_extension(&extension))
    };
    assert!(with(false).verify().is_ok());
    let (position, extension) = (Position::Pck, "that is critical");
    let fault = ChainFault::Extension { position, extension, problem: "unknown" };
    assert_eq!(with(true).error(), chain(Artefact::PckChain, fault));
}

/// The serial number of a certificate.
fn serial(certificate: &OwnCertificate) -> Vec<u8> {
    Certificate::parse(&certificate.der()).unwrap().serial.as_bytes().to_vec()
}

/// S12, S45. Revocation of a PCK certificate, a CA and a TCB signer; the facts stand all the same.
#[test]
fn refuses_revoked_certificates_and_still_says_everything() {
    type Revoke = fn(&mut OwnPki);
    let cases: [(Revoke, &[(Artefact, Position)]); 3] = [
        (|own| own.pck_crl.revoked.push(serial(&own.pck)), &[(Artefact::PckChain, Position::Pck)]),
        (
            |own| own.root_ca_crl.revoked.push(serial(&own.pck_ca)),
            &[
                (Artefact::PckChain, Position::PckCa),
                (Artefact::PckCrlIssuerChain, Position::PckCa),
            ],
        ),
        (
            |own| own.root_ca_crl.revoked.push(serial(&own.tcb_signer)),
            &[
                (Artefact::TcbInfoIssuerChain, Position::TcbSigning),
                (Artefact::QeIdentityIssuerChain, Position::TcbSigning),
            ],
        ),
    ];
    for (revoke, expected) in cases {
        let failure = tdx(revoke).verify().unwrap_err();
        let found: Vec<_> = std::iter::once(failure.error())
            .chain(failure.others())
            .map(|error| match error {
                VerifyError::Chain { chain, fault: ChainFault::Revoked { position, .. } } => {
                    (*chain, *position)
                }
                other => panic!("{other}"),
            })
            .collect();
        assert_eq!(found, expected);
        assert_eq!(failure.facts().evaluation(), Some(samples::tdx().verified().tcb()));
    }
}

/// S12. The two lists do not stand in for each other.
#[test]
fn a_serial_number_counts_in_the_list_of_its_own_issuer_alone() {
    let own = tdx(|own| own.root_ca_crl.revoked.push(serial(&own.pck)));
    assert!(own.verify().is_ok(), "the root has not issued the PCK certificate");
    let own = tdx(|own| own.pck_crl.revoked.push(serial(&own.tcb_signer)));
    assert!(own.verify().is_ok(), "the PCK CA has not issued the TCB signing certificate");
}

/// S12, S13.
#[test]
fn refuses_crls_signed_by_another_than_their_issuer() {
    let own = tdx(|own| own.pck_crl.signer = Owner::Root);
    assert_eq!(own.error(), crl(Artefact::PckCrl, CrlFault::Signature));
    let own = tdx(|own| own.root_ca_crl.signer = Owner::PckCa);
    assert_eq!(own.error(), crl(Artefact::RootCaCrl, CrlFault::Signature));
}

/// S13. After a CA has changed its key, a list under the same name is not its list.
#[test]
fn refuses_a_crl_that_names_another_key_of_its_issuer() {
    let own = tdx(|own| {
        let authority = oid::AUTHORITY_KEY_ID.as_bytes();
        let is_authority = |it: &&mut (Vec<u8>, bool, Vec<u8>)| it.0.ends_with(authority);
        let (.., id) = own.pck_crl.extensions.iter_mut().find(is_authority).unwrap();
        *id.last_mut().unwrap() ^= 1;
    });
    assert_eq!(own.error(), crl(Artefact::PckCrl, CrlFault::KeyIdentifier));
}

/// S12. A list without an end would be good for ever.
#[test]
fn refuses_a_crl_that_does_not_say_when_the_next_is_due() {
    let own = tdx(|own| own.pck_crl.next_update = None);
    let VerifyError::Crl { crl: Artefact::PckCrl, fault } = own.error() else { panic!() };
    assert!(matches!(fault, CrlFault::Malformed(_)), "{fault}");
}

/// S12. Part of a list is no list: delta CRLs and those for some certificates only say so in a critical extension.
#[test]
fn refuses_a_crl_that_is_not_the_whole_list() {
    type Extensions = Vec<(Vec<u8>, bool, Vec<u8>)>;
    let with = |change: fn(&mut Extensions)| tdx(|own| change(&mut own.pck_crl.extensions));
    let of_extension = |own: OwnPki, expected: (&str, &str)| {
        let VerifyError::Crl { crl: Artefact::PckCrl, fault } = own.error() else { panic!() };
        let CrlFault::Extension { extension, problem } = fault else { panic!("{fault}") };
        assert_eq!((extension, problem), expected);
    };
    const ISSUING_POINT: [u8; 5] = [0x06, 0x03, 0x55, 0x1d, 0x1c];
    of_extension(
        with(|extensions| extensions.push((ISSUING_POINT.into(), true, vec![0x30, 0]))),
        ("that is critical", "unknown"),
    );
    assert!(with(|them| them.push((ISSUING_POINT.into(), false, vec![0x30, 0]))).verify().is_ok());
    of_extension(with(Vec::clear), ("cRLNumber", "missing or malformed"));
}

/// S12. An empty list revokes nothing, and is a list.
#[test]
fn accepts_crls_that_revoke_nothing() {
    let empty = |crl: &mut OwnCrl| crl.revoked.clear();
    let own = tdx(|own| {
        empty(&mut own.pck_crl);
        empty(&mut own.root_ca_crl);
    });
    let verified = own.verify().unwrap();
    assert!(verified.facts().crls.iter().all(|crl| crl.revoked == 0));
}
