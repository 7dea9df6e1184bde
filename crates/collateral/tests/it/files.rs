//! Bundles and folders as sources.

use std::fs;

use tdattest_collateral::{Client, FetchError, Source};
use tdattest_simulator::CollateralDraft;
use tdattest_wire::collateral::Collateral;
use tdattest_wire::pcs::{EvaluationDataSet, PckCa, PcsRequest};
use tdattest_wire::quote::TeeType;

use crate::cases::{builder, now, platform, requests, server, source, tcb_info};

fn collateral() -> Collateral {
    let set = EvaluationDataSet::Standard;
    CollateralDraft::new(&platform(), TeeType::Tdx, set, now()).unwrap().mint().unwrap()
}

fn of(source: Source) -> Client {
    builder().source(source).build().unwrap()
}

#[tokio::test]
async fn a_bundle_answers_the_requests_that_it_fits() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), collateral().to_bundle().unwrap()).unwrap();
    let client = of(Source::files(file.path()));
    for answer in client.fetch_all(&requests()).await {
        answer.unwrap();
    }
    let fmspc = platform().hardware.fmspc;
    let other_ca = match platform().hardware.ca {
        PckCa::Platform => PckCa::Processor,
        PckCa::Processor => PckCa::Platform,
    };
    for lacked in [
        PcsRequest::PckCrl(other_ca),
        PcsRequest::TcbInfo(TeeType::Sgx, fmspc, EvaluationDataSet::Standard),
        PcsRequest::TcbInfo(
            TeeType::Tdx,
            "000000000001".parse().unwrap(),
            EvaluationDataSet::Early,
        ),
        PcsRequest::QeIdentity(TeeType::Tdx, EvaluationDataSet::Number(1)),
        PcsRequest::EvaluationDataNumbers(TeeType::Tdx),
    ] {
        let fault = client.fetch(lacked).await.unwrap_err();
        assert!(matches!(fault, FetchError::Lacks { .. }), "{lacked}: {fault}");
    }
}

#[tokio::test]
async fn a_folder_answers_and_what_it_lacks_comes_from_the_next_source() {
    let folder = tempfile::tempdir().unwrap();
    let collateral = collateral();
    for (name, bytes) in [
        ("pck_crl_issuer_chain.pem", collateral.pck_crl_issuer_chain.clone()),
        ("pck_crl.der", collateral.pck_crl.clone()),
        ("root_ca_crl.der", collateral.root_ca_crl.clone()),
        ("tcb_info_issuer_chain.pem", collateral.tcb_info_issuer_chain.clone()),
        ("tcb_info.json", collateral.tcb_info.write()),
        ("qe_identity_issuer_chain.pem", collateral.qe_identity_issuer_chain.clone()),
        ("qe_identity.json", collateral.qe_identity.write()),
    ] {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let server = server();
    let sources = [Source::files(folder.path()), source(&server.url())];
    let client = builder().sources(sources).build().unwrap();
    for answer in client.fetch_all(&requests()).await {
        answer.unwrap();
    }
    assert!(server.requests().is_empty());
    client.fetch(PcsRequest::EvaluationDataNumbers(TeeType::Tdx)).await.unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_bundle_that_somebody_changed_is_untrusted() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bundle = collateral().to_bundle().unwrap();
    let signature = collateral().tcb_info.write();
    let signature = String::from_utf8(signature).unwrap();
    let (_, signature) = signature.rsplit_once("\"signature\":\"").unwrap();
    let signature = signature.trim_end_matches(['"', '}', '\n']);
    let digit = if signature.starts_with('0') { "1" } else { "0" };
    let changed = bundle.replacen(signature, &format!("{digit}{}", &signature[1..]), 1);
    assert_ne!(bundle, changed);
    fs::write(file.path(), changed).unwrap();
    let fault = of(Source::files(file.path())).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Untrusted { .. }), "{fault}");
}

#[tokio::test]
async fn a_document_in_a_bundle_that_cannot_be_read_is_malformed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let bundle = collateral().to_bundle().unwrap();
    let changed = bundle.replace("UpToDate", "upToDate");
    assert_ne!(bundle, changed);
    fs::write(file.path(), changed).unwrap();
    let fault = of(Source::files(file.path())).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Malformed { .. }), "{fault}");
}

#[tokio::test]
async fn a_bundle_answers_a_number_that_is_its_own_and_never_for_early() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), collateral().to_bundle().unwrap()).unwrap();
    let client = of(Source::files(file.path()));
    let (_, validity) = client.fetch_accepting(tcb_info(), |_, _| Ok(())).await.unwrap();
    let own = EvaluationDataSet::Number(validity.evaluation_data_number.unwrap());
    let fmspc = platform().hardware.fmspc;
    client.fetch(PcsRequest::TcbInfo(TeeType::Tdx, fmspc, own)).await.unwrap();
    for early in [
        PcsRequest::TcbInfo(TeeType::Tdx, fmspc, EvaluationDataSet::Early),
        PcsRequest::QeIdentity(TeeType::Tdx, EvaluationDataSet::Early),
    ] {
        let fault = client.fetch(early).await.unwrap_err();
        assert!(matches!(fault, FetchError::Lacks { .. }), "{fault}");
    }
}

#[tokio::test]
async fn a_chain_that_has_the_root_first_is_read_all_the_same() {
    const END: &str = "-----END CERTIFICATE-----\n";
    let mut collateral = collateral();
    let chain = String::from_utf8(collateral.pck_crl_issuer_chain).unwrap();
    let mut certificates: Vec<&str> = chain.split_inclusive(END).collect();
    certificates.reverse();
    assert_eq!(certificates.len(), 2);
    collateral.pck_crl_issuer_chain = certificates.concat().into_bytes();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), collateral.to_bundle().unwrap()).unwrap();
    let client = of(Source::files(file.path()));
    client.fetch(PcsRequest::PckCrl(platform().hardware.ca)).await.unwrap();
    client.fetch(PcsRequest::RootCaCrl).await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_is_no_regular_file_is_not_opened() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("bundle.json");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    for path in [pipe, "/dev/zero".into()] {
        let fault = of(Source::files(&path)).fetch(tcb_info()).await.unwrap_err();
        assert!(
            matches!(&fault, FetchError::Unreachable { cause, .. } if cause == "it is no regular file"),
            "{fault}"
        );
    }
}

#[tokio::test]
async fn a_file_that_is_no_bundle_is_malformed() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "{}").unwrap();
    let fault = of(Source::files(file.path())).fetch(tcb_info()).await.unwrap_err();
    assert!(matches!(fault, FetchError::Malformed { .. }), "{fault}");
}
