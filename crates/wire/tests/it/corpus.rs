//! The corpus beside the project, `../shared/vectors`: everything in it that should parse does, and the rest does not.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tdattest_wire::Fixed;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::crl::Crl;
use tdattest_wire::evaluation_data::EvaluationDataNumbers;
use tdattest_wire::lenient::{Fault, Lenient};
use tdattest_wire::pem;
use tdattest_wire::qe_identity::{self, QeIdentity};
use tdattest_wire::quote::Quote;
use tdattest_wire::signed::{Document, Signed};
use tdattest_wire::tcb_info::{self, TcbInfo};
use tdattest_wire::td_report::TdReport;

/// Name and bytes of the files of a folder with an ending; `None` where the corpus is absent.
fn files(folder: &str, ending: &str) -> Option<Vec<(String, Vec<u8>)>> {
    let corpus = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    if !corpus.join("manifest.json").exists() {
        // Not `println!`, which the test runner keeps to itself.
        let _ = writeln!(io::stdout(), "skipped: ../shared/vectors is absent");
        return None;
    }
    let read = |path: PathBuf| (path.display().to_string(), fs::read(&path).unwrap());
    let paths = fs::read_dir(corpus.join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        paths.filter(|path| path.to_string_lossy().ends_with(ending)).map(read).collect();
    assert!(!files.is_empty(), "no {ending} in {folder}");
    let _ = writeln!(io::stdout(), "{} real cases ran", files.len());
    Some(files)
}

#[test]
fn production_quotes_parse_and_are_written_as_they_were() {
    for (name, bytes) in files("quotes", ".quote.bin").unwrap_or_default() {
        let quote = Quote::parse(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let written = quote.write();
        if quote.signature().trailing.is_empty() {
            assert_eq!(written, bytes[..bytes.len() - quote.trailing().len()], "{name}");
        } else {
            assert_eq!(written[..quote.signed_bytes().len()], *quote.signed_bytes(), "{name}");
        }
    }
}

/// S31, S36.
#[test]
fn truncated_quotes_do_not_parse() {
    for (name, bytes) in files("negatives", ".quote-trunc.bin").unwrap_or_default() {
        assert!(Quote::parse(&bytes).is_err(), "{name}");
    }
}

#[test]
fn production_td_reports_parse_and_are_written_as_they_were() {
    for (name, bytes) in files("tdreports", ".tdreport.bin").unwrap_or_default() {
        let report = TdReport::parse(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        assert_eq!(report.to_bytes(), bytes, "{name}");
    }
}

#[test]
fn documents_that_intel_signed_parse_and_are_written_as_they_were() {
    all_parse::<TcbInfo>(".tcbinfo.json");
    all_parse::<QeIdentity>(".qeidentity.json");
    all_parse::<EvaluationDataNumbers>(".tcbeval.json");
}

/// Intel's reading comes to the same as ours, and what its library signs is what it served.
#[test]
fn documents_that_intel_signed_are_read_alike_leniently() {
    for (name, bytes) in files("collateral", ".tcbinfo.json").unwrap_or_default() {
        assert_alike(&name, &bytes, tcb_info::lenient::parse(&bytes));
    }
    for (name, bytes) in files("collateral", ".qeidentity.json").unwrap_or_default() {
        assert_alike(&name, &bytes, qe_identity::lenient::parse(&bytes));
    }
}

fn assert_alike<T: Document + std::fmt::Debug + PartialEq>(
    name: &str,
    bytes: &[u8],
    read: Result<Lenient<T>, Fault>,
) {
    let read = read.unwrap_or_else(|fault| panic!("{name}: {fault}"));
    let strict = Signed::<T>::from_outer(bytes).unwrap();
    assert_eq!(Ok(&read.document), strict.open_untrusted().as_ref(), "{name}");
    assert_eq!(read.signature.as_ref(), Some(strict.signature()), "{name}");
    assert_eq!(read.body(), strict.signed_bytes(), "{name}");
    assert_eq!(read.canonical_body().as_deref(), Some(strict.signed_bytes()), "{name}");
}

fn all_parse<T: Document + std::fmt::Debug + PartialEq>(ending: &str) {
    for (name, bytes) in files("collateral", ending).unwrap_or_default() {
        let read =
            Signed::<T>::from_outer(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let opened = read.open_untrusted().unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let again = Signed::<T>::from_outer(&read.write()).unwrap();
        assert_eq!(again.signed_bytes(), read.signed_bytes(), "{name}");
        assert_eq!(again.open_untrusted(), Ok(opened), "{name}");
    }
}

#[test]
fn production_crls_and_chains_parse() {
    for ending in [".pckcrl.der", ".rootcrl.der"] {
        for (name, bytes) in files("collateral", ending).unwrap_or_default() {
            assert_eq!(pem::crl(&bytes).as_ref(), Ok(&bytes), "{name}");
            Crl::parse(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        }
    }
    for (name, bytes) in files("collateral", ".pem").unwrap_or_default() {
        for der in pem::certificates(&bytes).unwrap_or_else(|fault| panic!("{name}: {fault}")) {
            Certificate::parse(&der).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        }
    }
}

/// S38. What Intel's own tests refuse is refused before any signature is needed.
#[test]
fn tcb_info_meant_to_fail_does_not_parse() {
    for (name, bytes) in files("negatives", ".tcbinfo.json").unwrap_or_default() {
        let read = Signed::<TcbInfo>::from_outer(&bytes).and_then(|it| it.open_untrusted());
        assert!(read.is_err(), "{name}");
    }
}
