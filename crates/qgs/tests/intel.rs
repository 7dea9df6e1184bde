//! Intel's quoting library, loaded at run time: a stand-in that is built from Rust, since the real one wants real hardware.
#![cfg(all(target_os = "linux", not(target_feature = "crt-static")))]
mod intel_library;
mod scripted;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use intel_library::{StandIn, Variant};
use scripted::{Running, answered, report};
use tdattest_qgs::backend::intel::{Intel, IntelSettings};
use tdattest_qgs::backend::{Backend, Context};
use tdattest_qgs::wire::qgs::{CollateralResponse, NoAnswer, PREFIX_BYTES, QgsError, Request};
use tdattest_qgs::{Failure, Hop, PckCa, PlatformInfo, PoolSettings, Settings};

/// A context that can make quotes.
fn ready(backend: &Intel) -> Box<dyn Context> {
    let mut context = open(backend).unwrap();
    context.probe().unwrap();
    context
}

fn open(backend: &Intel) -> Result<Box<dyn Context>, Failure> {
    backend.open()
}

fn quote(context: &mut dyn Context, number: u32) -> Result<Vec<u8>, Failure> {
    context.quote(report(number).as_slice().try_into().unwrap(), None)
}

/// What the stand-in makes of a report.
fn expected(number: u32, service_td: u8) -> Vec<u8> {
    let mut quote = vec![b'.'; 100];
    quote[..64].copy_from_slice(&report(number)[128..192]);
    quote[64] = service_td;
    quote
}

fn code<T>(outcome: Result<T, Failure>) -> Option<(Hop, &'static str)> {
    outcome.err().map(|failure| (failure.hop, failure.code))
}

#[test]
fn a_library_that_is_not_there_is_told_with_the_package_that_brings_it() {
    let missing =
        IntelSettings { library: "lib-of-nobody.so.1".into(), ..IntelSettings::default() };
    let failure = Intel::load(missing).err().unwrap();
    assert_eq!((failure.hop, failure.code), (Hop::Backend, "backend.library"));
    assert!(failure.remedy.unwrap().contains("libsgx-tdx-logic1"));
}

#[test]
fn a_library_that_cannot_be_loaded_is_told_in_the_words_of_the_loader() {
    for (variant, named) in [
        (Variant::Incomplete, "tee_att_get_platform_info"),
        (Variant::Undefined, "sgx_function_of_next_year"),
        (Variant::Dependent, "libsgx_urts.so.2"),
    ] {
        let failure = StandIn::new(variant, "").load().err().unwrap();
        assert_eq!(failure.code, "backend.library");
        // Installing the library would not help.
        assert!(!failure.remedy.unwrap().contains("brings it"));
        assert!(failure.cause.contains(named), "{}", failure.cause);
    }
    let garbage = StandIn::new(Variant::Newest, "");
    fs::write(garbage.library(), "no library").unwrap();
    assert_eq!(code(garbage.load()), Some((Hop::Backend, "backend.library")));

    let named_oddly = IntelSettings { library: "a\0b".into(), ..IntelSettings::default() };
    assert_eq!(code(Intel::load(named_oddly)), Some((Hop::Backend, "backend.library")));
}

#[test]
fn the_calls_come_in_the_order_of_intels_daemon() {
    let (stand_in, backend) = StandIn::backend("");
    let mut context = ready(&backend);
    assert_eq!(quote(&mut *context, 7), Ok(expected(7, 0)));
    drop(context);
    let calls =
        ["create", "provider", "logger", "init false", "size", "quote", "free"].map(String::from);
    assert_eq!(stand_in.calls(), calls);
}

#[test]
fn what_the_platform_is_is_read_from_the_packed_structure() {
    let (_stand_in, backend) = StandIn::backend("");
    let expected =
        PlatformInfo { tdqe_isv_svn: 4, pce_isv_svn: 13, platform_id: [1; 16], cpu_svn: [2; 16] };
    assert_eq!(open(&backend).unwrap().platform_info(), Ok(expected));
}

#[test]
fn a_key_that_is_gone_is_made_anew_once_and_no_more() {
    let (stand_in, backend) = StandIn::backend("quote first 0x1100f\n");
    assert_eq!(quote(&mut *ready(&backend), 1), Ok(expected(1, 0)));
    let calls = ["init false", "size", "quote", "init true", "size", "quote", "free"];
    assert!(stand_in.calls().ends_with(&calls.map(String::from)), "{:?}", stand_in.calls());

    let (stand_in, backend) = StandIn::backend("size always 0x1100f\n");
    let failure = quote(&mut *ready(&backend), 1).unwrap_err();
    assert_eq!((failure.hop, failure.code), (Hop::Enclave, "enclave.key"));
    assert!(failure.spoils_context);
    let calls = ["init false", "size", "init true", "size", "free"];
    assert!(stand_in.calls().ends_with(&calls.map(String::from)), "{:?}", stand_in.calls());
}

#[test]
fn a_context_that_cannot_be_created_is_no_context() {
    let (stand_in, backend) = StandIn::backend("create first 0x11003\n");
    let failure = open(&backend).err().unwrap();
    assert_eq!((failure.code, failure.answer), ("backend.memory", QgsError::OUT_OF_MEMORY));
    assert_eq!(stand_in.calls(), ["create"]);
    assert!(open(&backend).is_ok());

    let (_stand_in, backend) = StandIn::backend("nothing context\n");
    assert_eq!(code(open(&backend)), Some((Hop::Backend, "backend.empty")));
}

#[test]
fn a_first_start_that_fails_can_be_repeated_in_the_same_context() {
    let (stand_in, backend) = StandIn::backend("init first 0x11011\n");
    let mut context = open(&backend).unwrap();
    let failure = context.probe().unwrap_err();
    assert_eq!((failure.hop, failure.code), (Hop::Provider, "provider.no-certificate"));
    assert!(!failure.spoils_context);
    assert_eq!(context.probe(), Ok(()));
    assert_eq!(quote(&mut *context, 1), Ok(expected(1, 0)));
    drop(context);
    assert_eq!(stand_in.calls().iter().filter(|call| *call == "create").count(), 1);
}

#[test]
fn a_report_that_the_enclave_stumbles_over_does_not_cost_the_context() {
    for status in ["0x11001", "0x11002", "0x5005"] {
        let (stand_in, backend) = StandIn::backend(&format!("quote first {status}\n"));
        let mut context = ready(&backend);
        let failure = quote(&mut *context, 1).unwrap_err();
        assert_eq!((failure.hop, failure.spoils_context), (Hop::Backend, false), "{status}");
        let calls = ["init false", "size", "quote", "init false"].map(String::from);
        assert!(stand_in.calls().ends_with(&calls), "{:?}", stand_in.calls());
        assert_eq!(quote(&mut *context, 2), Ok(expected(2, 0)));

        // The same from a context that is broken.
        let script = format!("quote first {status}\ninit second 0x11014\n");
        let (_stand_in, backend) = StandIn::backend(&script);
        let failure = quote(&mut *ready(&backend), 1).unwrap_err();
        assert_eq!((failure.hop, failure.spoils_context), (Hop::Backend, true), "{status}");
    }
    // An enclave that is lost is not asked again.
    let (stand_in, backend) = StandIn::backend("quote always 0x11014\n");
    assert!(quote(&mut *ready(&backend), 1).unwrap_err().spoils_context);
    let calls = ["init false", "size", "quote", "free"].map(String::from);
    assert!(stand_in.calls().ends_with(&calls), "{:?}", stand_in.calls());
}

#[test]
fn sizes_of_no_quote_are_refused_and_nothing_is_asked_for() {
    for size in ["0", "1048553", "4294967295"] {
        let (stand_in, backend) = StandIn::backend(&format!("size_is {size}\n"));
        let failure = quote(&mut *ready(&backend), 1).unwrap_err();
        assert_eq!((failure.hop, failure.code), (Hop::Backend, "backend.size"), "{size}");
        assert!(failure.spoils_context);
        assert!(!stand_in.calls().contains(&"quote".to_owned()), "{size}");
    }
    let (_stand_in, backend) = StandIn::backend("size_is 1048552\n");
    assert_eq!(quote(&mut *ready(&backend), 1).map(|quote| quote.len()), Ok(1_048_552));
}

#[test]
fn a_library_that_writes_behind_its_buffer_is_caught() {
    let (_stand_in, backend) = StandIn::backend("writes_behind 1\n");
    let failure = quote(&mut *ready(&backend), 1).unwrap_err();
    assert_eq!((failure.hop, failure.code), (Hop::Backend, "backend.overrun"));
    assert!(failure.spoils_context);
}

#[test]
fn only_newer_libraries_make_quotes_with_migration_history() {
    let mut history = [0; 272];
    (history[0], history[271]) = (0x50, 0x05);
    let bytes = report(3);
    let bytes = bytes.as_slice().try_into().unwrap();

    let (stand_in, backend) = StandIn::backend("");
    assert_eq!(ready(&backend).quote(bytes, Some(&history)), Ok(expected(3, 0x55)));
    assert!(stand_in.calls().contains(&"migration quote".to_owned()));

    let older = StandIn::new(Variant::Older, "");
    let mut context = ready(&older.load().map_err(|failure| failure.cause).unwrap());
    let failure = context.quote(bytes, Some(&history)).unwrap_err();
    assert_eq!((failure.code, failure.answer), ("backend.migration", QgsError::INVALID_TYPE));
    assert!(!failure.spoils_context && failure.remedy.is_some());
    assert_eq!(quote(&mut *context, 4), Ok(expected(4, 0)));
}

#[test]
fn paths_are_told_to_the_library_and_must_be_files() {
    let (stand_in, _) = StandIn::backend("");
    for name in ["tdqe", "pce", "provider", "ide"] {
        fs::write(stand_in.path(name), "").unwrap();
    }
    let settings = IntelSettings {
        tdqe: Some(stand_in.path("tdqe")),
        pce: Some(stand_in.path("pce")),
        provider: Some(stand_in.path("provider")),
        id_enclave: Some(stand_in.path("ide")),
        ..stand_in.settings()
    };
    drop(open(&Intel::load(settings.clone()).ok().unwrap()).unwrap());
    let calls = ["create", "path 0 tdqe", "path 1 pce", "path 2 provider", "path 3 ide"];
    assert!(stand_in.calls().starts_with(&calls.map(String::from)), "{:?}", stand_in.calls());

    fs::remove_file(stand_in.path("provider")).unwrap();
    let backend = Intel::load(settings.clone()).ok().unwrap();
    assert_eq!(code(open(&backend)), Some((Hop::Backend, "backend.path")));
    // The context that was begun is given back.
    assert_eq!(stand_in.calls().last().map(String::as_str), Some("free"));

    let odd = IntelSettings { pce: Some(PathBuf::from("a\0b")), ..stand_in.settings() };
    assert_eq!(code(Intel::load(odd)), Some((Hop::Backend, "backend.path")));

    stand_in.follow("path always 0x11002\n");
    fs::write(stand_in.path("provider"), "").unwrap();
    let backend = Intel::load(settings).ok().unwrap();
    assert_eq!(code(open(&backend)), Some((Hop::Backend, "backend.parameter")));
}

#[test]
fn collateral_is_copied_and_given_back_and_the_ca_is_a_c_string() {
    let (stand_in, backend) = StandIn::backend("");
    let mut context = open(&backend).unwrap();
    for (ca, name) in [(PckCa::Processor, "processor"), (PckCa::Platform, "platform")] {
        let set = context.collateral([0, 0x80, 0x6f, 5, 0, 0], ca).unwrap();
        let document = |number| format!(r"document {number} {name} \x00\x80o\x05\x00\x00");
        assert_eq!(set.version, (3, 1));
        let documents = [
            set.pck_crl_issuer_chain,
            set.root_ca_crl,
            set.pck_crl,
            set.tcb_info_issuer_chain,
            set.tcb_info,
            set.qe_identity_issuer_chain,
            set.qe_identity,
        ];
        for (number, found) in documents.iter().enumerate() {
            assert_eq!(found, document(number + 1).as_bytes());
        }
    }
    let freed = stand_in.calls().into_iter().filter(|call| call == "free collateral").count();
    assert_eq!(freed, 2);
}

#[test]
fn collateral_of_absurd_sizes_is_refused_and_given_back() {
    for size in ["1048577", "4294967295"] {
        let (stand_in, backend) = StandIn::backend(&format!("tcb_info_size {size}\n"));
        let failure = open(&backend).unwrap().collateral([0; 6], PckCa::Platform).unwrap_err();
        assert_eq!((failure.hop, failure.code), (Hop::Provider, "provider.size"), "{size}");
        assert!(!failure.spoils_context);
        assert!(stand_in.calls().contains(&"free collateral".to_owned()));
    }
    // What is not there is empty, which nobody takes for an answer.
    for script in ["tcb_info_is null\n", "tcb_info_size 0\n"] {
        let (_stand_in, backend) = StandIn::backend(script);
        let set = open(&backend).unwrap().collateral([0; 6], PckCa::Platform).unwrap();
        assert_eq!(set.tcb_info, b"", "{script}");
    }
}

#[test]
fn collateral_that_fails_leaves_the_context_as_good_as_it_was() {
    for (script, expected) in [
        ("collateral always 0xe062\n", (Hop::Pccs, "pccs.no-collateral")),
        ("collateral always 0xe019\n", (Hop::Pccs, "pccs.network")),
        ("collateral always 0xe001\n", (Hop::Provider, "provider.unexpected")),
        ("collateral always 0xe003\n", (Hop::Backend, "backend.memory")),
        ("nothing collateral\n", (Hop::Backend, "backend.empty")),
        ("nothing provider\n", (Hop::Backend, "backend.empty")),
        ("provider always 0x1100e\n", (Hop::Provider, "provider.library")),
        ("provider_is nobody.so\n", (Hop::Provider, "provider.library")),
    ] {
        let (_stand_in, backend) = StandIn::backend(script);
        let mut context = ready(&backend);
        let failure = context.collateral([0; 6], PckCa::Platform).unwrap_err();
        assert_eq!((failure.hop, failure.code), expected, "{script}");
        assert!(!failure.spoils_context, "{script}");
        assert!(quote(&mut *context, 1).is_ok(), "{script}");
    }
}

#[test]
fn a_provider_without_the_functions_for_collateral_is_told_so() {
    let (stand_in, backend) = StandIn::backend("provider_is other.so\n");
    // A library that can be loaded, and is no provider.
    fs::write(stand_in.path("other.so"), intel_library::empty()).unwrap();
    let mut context = ready(&backend);
    let failure = context.collateral([0; 6], PckCa::Platform).unwrap_err();
    assert_eq!((failure.hop, failure.code), (Hop::Provider, "provider.library"));
    assert!(failure.cause.contains("tdx_ql_get_quote_verification_collateral"));
}

#[test]
fn what_the_provider_says_tells_where_an_unexpected_error_comes_from() {
    let line = "[QPL] Failed to get quote config. Error code is 0xb006";
    let script = format!("init first 0x11001\nsays 0 {line}\\n\n");
    let (_stand_in, backend) = StandIn::backend(&script);
    let mut context = open(&backend).unwrap();
    let failure = context.probe().unwrap_err();
    assert_eq!((failure.hop, failure.code), (Hop::Pccs, "pccs.network"));
    assert!(failure.cause.ends_with(&format!("`{line}`")), "{}", failure.cause);
    assert!(!failure.spoils_context);
    assert_eq!(context.probe(), Ok(()));
}

/// A worker that tries again at once.
fn settings() -> Settings {
    let pool = PoolSettings {
        workers: 1,
        first_pause: Duration::ZERO,
        longest_pause: Duration::ZERO,
        ..PoolSettings::default()
    };
    Settings { pool, ..Settings::default() }
}

#[test]
fn quotes_come_back_through_a_service_and_every_third_that_fails_is_told_and_kept() {
    let (stand_in, backend) = StandIn::backend("quote third 0x11014\n");
    let mut running = Running::with(Arc::new(backend), settings());
    for number in 1..=9 {
        let answer = match number % 3 {
            0 => Err(NoAnswer::Refused(QgsError::UNEXPECTED)),
            _ => Ok(expected(number, 0)),
        };
        assert_eq!(running.quote(number), answer, "{number}");
    }
    let failures = running.service().status().failures;
    let hops: Vec<_> = failures.iter().map(|failure| failure.reason.hop.clone()).collect();
    assert_eq!(hops, ["enclave", "enclave", "enclave"]);
    assert_eq!(running.failures(), ["enclave.lost", "enclave.lost", "enclave.lost"]);

    // The report is at fault: the guest is told so where that is known, and the context stays.
    stand_in.follow("quote always 0x11015\n");
    assert_eq!(running.quote(10), Err(NoAnswer::Refused(QgsError::INVALID_PARAMETER)));
    stand_in.follow("quote always 0x11001\n");
    assert_eq!(running.quote(10), Err(NoAnswer::Refused(QgsError::UNEXPECTED)));
    stand_in.follow("");
    assert_eq!(running.quote(11), Ok(expected(11, 0)));
    assert!(running.drain());
    let calls = stand_in.calls();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    // One at the start, and one for each that was lost; one more look at the key.
    assert_eq!((count("create"), count("init false")), (4, 5));
}

#[test]
fn every_message_is_answered_through_a_service() {
    let (_stand_in, backend) = StandIn::backend("");
    let running = Running::with(Arc::new(backend), settings());
    assert_eq!(running.exchange(&report(8)), expected(8, 0));

    let bytes = report(9);
    let history = [[1; 1].as_slice(), &[0; 271]].concat();
    let request = Request::MigrationQuote { report: &bytes, service_td: &history, id_list: &[] };
    assert_eq!(answered(&running.exchange(&request.write())), Ok(expected(9, 1)));

    // No NUL behind the name, as careless clients send it.
    let request = Request::Collateral { fmspc: b"abcdef", pck_ca: b"platform", minor_0: false };
    let answer = running.exchange(&request.write());
    let collateral = CollateralResponse::parse(&answer[PREFIX_BYTES..]).unwrap();
    assert_eq!(collateral.tcb_info, b"document 5 platform abcdef");
    assert_eq!(running.failures(), Vec::<String>::new());
}

#[test]
fn each_worker_has_a_context_of_its_own() {
    let (stand_in, backend) = StandIn::backend("");
    let mut running = Running::with(Arc::new(backend), Settings::default());
    while !running.service().status().workers.iter().all(|worker| worker.state == "ready") {
        assert_eq!(stand_in.calls().iter().filter(|call| *call == "free").count(), 0);
        std::thread::yield_now();
    }
    // The stand-in refuses a context in a thread that did not make it.
    std::thread::scope(|scope| {
        for thread in 0..8_u32 {
            let running = &running;
            scope.spawn(move || {
                for number in 0..20 {
                    let number = thread * 100 + number;
                    assert_eq!(running.quote(number), Ok(expected(number, 0)));
                }
            });
        }
    });
    assert_eq!(running.failures(), Vec::<String>::new());
    assert!(running.drain());
    let created = stand_in.calls().into_iter().filter(|call| call == "create").count();
    assert_eq!(created, PoolSettings::default().workers);
}
