//! Certificates and CRLs: no one can mistake them for Intel's, and they are in Intel's image otherwise.

use tdattest_simulator::wire::certificate::{Certificate, oid};
use tdattest_simulator::wire::crl::Crl;
use tdattest_simulator::wire::pck::PckExtension;
use tdattest_simulator::wire::pcs::PckCa;
use tdattest_simulator::{Platform, Seed};

use crate::{at, platform};

#[test]
fn every_certificate_and_crl_says_that_it_is_not_intels() {
    let platform = platform();
    let cas = [PckCa::Platform, PckCa::Processor];
    let certificates = [platform.root_ca(), platform.tcb_signing(), platform.pck()]
        .into_iter()
        .chain(cas.map(|ca| platform.pck_ca(ca)));
    for draft in certificates {
        let der = draft.der().unwrap();
        let certificate = Certificate::parse(&der).unwrap();
        for name in [certificate.subject, certificate.issuer] {
            let shown = name.to_string();
            assert!(shown.contains("O=SIMULATED\\, NOT INTEL"), "{shown}");
        }
        assert_eq!(certificate.subject.common_name(), draft.subject);
        assert!(draft.subject.starts_with("Intel SGX "), "verifiers look for {}", draft.subject);
    }
    for crl in [platform.root_ca_crl(at()), platform.pck_crl(PckCa::Platform, at())] {
        let shown = Crl::parse(&crl.der().unwrap()).unwrap().issuer.to_string();
        assert!(shown.contains("SIMULATED"), "{shown}");
    }
}

#[test]
fn a_common_name_cannot_add_another_attribute() {
    for name in ["X,O=Intel Corporation", "X+O=Intel", "X\\", "#04024869", "a;b<c>\"=/"] {
        let mut draft = platform().root_ca();
        draft.subject = name.into();
        let der = draft.der().unwrap();
        let certificate = Certificate::parse(&der).unwrap();
        assert_eq!(certificate.subject.common_name(), name);
        assert!(certificate.subject.to_string().contains("NOT INTEL"));
    }
}

#[test]
fn a_processor_ca_certifies_no_platform_instance() {
    let mut platform = platform();
    platform.hardware.ca = PckCa::Processor;
    let extension = platform.hardware.pck_extension();
    assert_eq!((extension.platform_instance_id, extension.configuration), (None, None));
    let der = platform.pck().der().unwrap();
    let certificate = Certificate::parse(&der).unwrap();
    assert_eq!(certificate.issuer.common_name(), "Intel SGX PCK Processor CA");
}

#[test]
fn the_pck_certificate_says_what_the_hardware_is() {
    let platform = platform();
    let der = platform.pck().der().unwrap();
    let certificate = Certificate::parse(&der).unwrap();
    let value = certificate.extensions.get(oid::SGX_EXTENSION).unwrap().value;
    assert_eq!(PckExtension::parse(value).unwrap(), platform.hardware.pck_extension());
    assert_eq!(certificate.issuer.common_name(), "Intel SGX PCK Platform CA");
}

#[test]
fn revocations_stand_in_the_list_of_their_issuer_alone() {
    let mut platform = platform();
    let serials = |platform: &Platform| {
        let count = |crl: Vec<u8>| Crl::parse(&crl).unwrap().revoked.len();
        [
            count(platform.root_ca_crl(at()).der().unwrap()),
            count(platform.pck_crl(PckCa::Platform, at()).der().unwrap()),
            count(platform.pck_crl(PckCa::Processor, at()).der().unwrap()),
        ]
    };
    assert_eq!(serials(&platform), [0, 0, 0]);
    platform.pki.revoked.pck = true;
    assert_eq!(serials(&platform), [0, 1, 0]);
    (platform.pki.revoked.pck_ca, platform.pki.revoked.tcb_signing) = (true, true);
    assert_eq!(serials(&platform), [2, 1, 0]);
}

#[test]
fn another_seed_gives_other_keys_and_the_same_gives_the_same() {
    let root = |phrase| Platform::new(Seed::of(phrase)).root_ca().der().unwrap();
    assert_eq!(root("one"), root("one"));
    assert_ne!(root("one"), root("another"));
}

#[test]
fn windows_after_2049_are_written_in_the_long_form() {
    for to in ["2049-12-31T23:59:59Z", "2050-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
        let mut platform = platform();
        platform.pki.windows.pck.to = to.parse().unwrap();
        let der = platform.pck().der().unwrap();
        assert_eq!(Certificate::parse(&der).unwrap().not_after.to_string(), to);
    }
}
