use super::*;

fn library(number: u8) -> Failure {
    explain("f", 0x1_1000 | u32::from(number), &[])
}

fn heard(line: &str) -> (Hop, &'static str) {
    let failure = explain("f", 0x1_1001, &[line.into()]);
    (failure.hop, failure.code)
}

#[test]
fn every_number_of_the_headers_has_a_meaning_and_no_other_has() {
    let listed = [0x01..=0x35, 0x37..=0x49, 0x50..=0x53, 0x60..=0x68, 0x70..=0x73];
    let numbers: Vec<u8> = MEANINGS.iter().map(|meaning| meaning.number).collect();
    assert_eq!(numbers, listed.into_iter().flatten().collect::<Vec<u8>>());
    for number in numbers {
        for family in [0x1_1000, 0xe000] {
            let failure = explain("f", family | u32::from(number), &[]);
            assert_ne!(failure.code, classes::UNKNOWN.code, "{number:#x}");
            assert!(failure.remedy.is_some() || failure.code == "backend.busy", "{number:#x}");
        }
    }
}

#[test]
fn names_differ_and_none_says_whose_it_is() {
    let mut names: Vec<&str> = MEANINGS.iter().map(|meaning| meaning.name).collect();
    assert!(names.iter().all(|name| !name.starts_with("TEE_") && !name.starts_with("SGX_QL")));
    names.sort_unstable();
    let before = names.len();
    names.dedup();
    assert_eq!(names.len(), before);
}

#[test]
fn an_unknown_number_is_told_as_it_is() {
    for status in [1, 0x1_1036, 0x1_10ff, 0xe0ff, 0xb099, 0x1_2001, u32::MAX] {
        let failure = explain("tee_att_get_quote", status, &[]);
        assert_eq!((failure.hop, failure.code), (Hop::Backend, "backend.unknown"));
        assert!(failure.cause.contains(&format!("{status:#x}")), "{}", failure.cause);
        assert!(failure.spoils_context);
    }
}

#[test]
fn each_hop_is_told_by_its_numbers() {
    for (number, hop, code, answer, spoils) in [
        (0x03, Hop::Backend, "backend.memory", QgsError::OUT_OF_MEMORY, true),
        (0x01, Hop::Backend, "backend.unexpected", QgsError::UNEXPECTED, true),
        (0x0d, Hop::Pce, "pce.unavailable", QgsError::UNEXPECTED, true),
        (0x0e, Hop::Provider, "provider.library", QgsError::UNEXPECTED, false),
        (0x0f, Hop::Enclave, KEY_MISSING, QgsError::UNEXPECTED, true),
        (0x10, Hop::Provider, "provider.certificate", QgsError::UNEXPECTED, false),
        (0x11, Hop::Provider, "provider.no-certificate", QgsError::UNEXPECTED, false),
        (0x12, Hop::Enclave, "enclave.epc", QgsError::UNEXPECTED, true),
        (0x14, Hop::Enclave, "enclave.lost", QgsError::UNEXPECTED, true),
        (0x15, Hop::Report, "report.refused", QgsError::INVALID_PARAMETER, false),
        (0x16, Hop::Enclave, "enclave.load", QgsError::UNEXPECTED, true),
        (0x18, Hop::Pce, "pce.certification", QgsError::UNEXPECTED, false),
        (0x19, Hop::Pccs, "pccs.network", QgsError::UNEXPECTED, false),
        (0x1a, Hop::Pccs, "pccs.message", QgsError::UNEXPECTED, false),
        (0x20, Hop::Report, "report.format", QgsError::INVALID_PARAMETER, false),
        (0x35, Hop::Enclave, "enclave.privilege", QgsError::UNEXPECTED, true),
        (0x3f, Hop::Enclave, "enclave.device", QgsError::UNEXPECTED, true),
        (0x47, Hop::Pccs, "pccs.platform-unknown", QgsError::UNEXPECTED, false),
        (0x49, Hop::Pcs, "pcs.no-certificate", QgsError::UNEXPECTED, false),
    ] {
        let failure = library(number);
        let found = (failure.hop, failure.code, failure.answer, failure.spoils_context);
        assert_eq!(found, (hop, code, answer, spoils), "{number:#x}");
    }
}

#[test]
fn an_unexpected_error_is_where_the_provider_says_that_it_is() {
    let network = "[QPL] Failed to get quote config. Error code is 0xb006";
    assert_eq!(heard(network), (Hop::Pccs, "pccs.network"));
    let refused = "[QPL] Failed to get quote config. Error code is 0xb012.";
    assert_eq!(heard(refused), (Hop::Pcs, "pcs.no-certificate"));
    let none = "[QPL] No certificate data for this platform.";
    assert_eq!(heard(none), (Hop::Provider, "provider.no-certificate"));
    assert_eq!(heard("[QCNL] Encountered CURL error: (7)"), (Hop::Pccs, "pccs.network"));
    for vague in ["something else", "Error code is 0xb001", "at 0xffffffffff", "0x", "0x\u{e9}"] {
        assert_eq!(heard(vague), (Hop::Provider, "provider.unexpected"), "{vague}");
    }
    assert!(!explain("f", 0x1_1001, &["something else".into()]).spoils_context);
}

#[test]
fn the_last_that_the_provider_says_counts_and_a_number_of_the_library_counts_more() {
    let lines = ["Error code is 0xb006".into(), "Failed : 0xb010".into(), "and so on".into()];
    assert_eq!(explain("f", 0x1_1001, &lines).code, "pccs.platform-unknown");
    assert_eq!(explain("f", 0x1_1014, &lines).code, "enclave.lost");
}

#[test]
fn what_the_provider_says_is_part_of_every_cause() {
    let line = "[QCNL] Encountered CURL error: (7) Couldn't connect to server";
    for status in [0x1_1001, 0x1_1014, 0xe019, 0x1234] {
        assert!(explain("f", status, &[line.into()]).cause.contains(line), "{status:#x}");
    }
}

#[test]
fn the_network_library_is_understood_where_the_provider_passes_it_on() {
    assert_eq!(explain("f", 0xb010, &[]).code, "pccs.platform-unknown");
    assert_eq!(explain("f", 0xb033, &[]).code, "pccs.certificate");
    assert_eq!(explain("f", 0xe001, &[]).code, "provider.unexpected");
}
