//! Archives: several families and both sets in one file, and what is no archive.

use tdattest_collateral::archive::{ARCHIVE_SCHEMA, Archive, ArchiveError, Kept};
use tdattest_collateral::{Fetch as _, FetchError};
use tdattest_simulator::{CollateralDraft, Format, QuoteDraft};
use tdattest_wire::bytes::ReportData;
use tdattest_wire::pcs::{EvaluationDataSet, PcsRequest, PcsRequests};
use tdattest_wire::quote::{Quote, TeeType};

use crate::world::{block_on, day, minted, pck_ca, platform, tcb_info};

/// Both TEEs and both sets.
fn archive() -> Archive {
    let platform = platform();
    let mut archive = Archive::default();
    for tee in [TeeType::Sgx, TeeType::Tdx] {
        for set in [EvaluationDataSet::Standard, EvaluationDataSet::Early] {
            let requests = PcsRequests::new(tee, platform.hardware.fmspc, pck_ca(), set);
            for request in requests.0 {
                let endorsement = minted(&platform, request, day(0));
                archive.add(Kept { endorsement, fetched_at: day(1) });
            }
        }
    }
    archive
}

#[test]
fn an_archive_survives_its_text_byte_for_byte() {
    let archive = archive();
    assert_eq!(archive.documents().count(), 10);
    let text = archive.write().unwrap();
    assert!(Archive::is_archive(text.as_bytes()));
    assert_eq!(Archive::parse(text.as_bytes()), Ok(archive));
}

#[test]
fn it_gives_the_collateral_of_a_quote() {
    let (platform, at) = (platform(), day(0));
    let draft = QuoteDraft::new(&platform, Format::V4_TD_1_0, ReportData([7; 64]), at).unwrap();
    let quote = draft.mint().unwrap();
    for set in [EvaluationDataSet::Standard, EvaluationDataSet::Early] {
        let requests = PcsRequests::for_quote(&Quote::parse(&quote).unwrap(), set).unwrap();
        let expected = CollateralDraft::new(&platform, TeeType::Tdx, set, at).unwrap();
        assert_eq!(archive().collateral(&requests), Ok(expected.mint().unwrap()));
    }
}

#[test]
fn what_it_lacks_is_named() {
    let missing = tcb_info();
    let documents = archive();
    let rest = documents.documents().filter(|kept| kept.endorsement.request != missing).cloned();
    let archive = Archive::from_iter(rest);
    let requests = PcsRequests(vec![PcsRequest::RootCaCrl, missing]);
    assert_eq!(archive.collateral(&requests), Err(ArchiveError::Lacks(missing)));
    assert_eq!(block_on(archive.fetch(missing)), Err(FetchError::NoSource(missing)));
    assert!(block_on(archive.fetch(PcsRequest::RootCaCrl)).is_ok());
}

#[test]
fn of_two_documents_for_one_request_the_later_stays() {
    let kept = |days| Kept {
        endorsement: minted(&platform(), tcb_info(), day(days)),
        fetched_at: day(days),
    };
    for order in [[1, 2], [2, 1]] {
        let archive = Archive::from_iter(order.map(kept));
        assert_eq!(archive.document(&tcb_info()), Some(&kept(2)));
    }
}

#[test]
fn what_is_no_archive_is_refused_for_what_it_is() {
    let text = archive().write().unwrap();
    let parse = |text: &str| Archive::parse(text.as_bytes());
    let later = text.replace(ARCHIVE_SCHEMA, "tdattest.collateral-archive/2");
    assert_eq!(parse(&later), Err(ArchiveError::Schema("tdattest.collateral-archive/2".into())));
    let later = r#"{"schema":"tdattest.collateral-archive/2","sets":[]}"#;
    assert_eq!(parse(later), Err(ArchiveError::Schema("tdattest.collateral-archive/2".into())));
    let path = PcsRequest::RootCaCrl.path();
    let renamed = text.replace(&path, "/sgx/certification/v4/rootcacrl?");
    let refused = ArchiveError::Request("/sgx/certification/v4/rootcacrl?".into());
    assert_eq!(parse(&renamed), Err(refused));
    let unknown = text.replacen("\"fetchedAt\"", "\"fetched\"", 1);
    assert!(matches!(parse(&unknown), Err(ArchiveError::Malformed(_))));
    for cut in [0, 1, text.len() / 2, text.len() - 3] {
        assert!(matches!(parse(&text[..cut]), Err(ArchiveError::Malformed(_))), "{cut}");
    }
}

#[test]
fn a_document_that_stands_twice_is_refused() {
    let text = archive().write().unwrap();
    let path = tcb_info().path();
    let early = path.replace("standard", "early");
    let twice = text.replace(&early, &path);
    assert_eq!(Archive::parse(twice.as_bytes()), Err(ArchiveError::Twice(tcb_info())));
}

#[test]
fn a_document_beyond_its_bound_is_refused() {
    let mut kept = archive().document(&PcsRequest::RootCaCrl).unwrap().clone();
    kept.endorsement.body = vec![0; tdattest_wire::limits::CRL_BYTES + 1];
    let text = Archive::from_iter([kept]).write().unwrap();
    let refused = Archive::parse(text.as_bytes());
    assert!(
        matches!(&refused, Err(ArchiveError::Document { request: PcsRequest::RootCaCrl, .. })),
        "{refused:?}"
    );
}
