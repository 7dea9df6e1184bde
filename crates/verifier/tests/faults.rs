//! Every check of the verifier has a fault of the simulator that only it notices, and there is no other.
//!
//! The two crates share no code: the simulator mints, the verifier judges, and here alone they meet.

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use tdattest_simulator::{
    Broken, CollateralDraft, Fault, Format, MintError, Platform, QuoteDraft, Seed,
};
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{Failure, TrustAnchor, VerifiedQuote, Verifier, VerifyError, crypto};

/// Codes that no input can bring about, each with its proof. There is none.
const UNREACHABLE: [&str; 0] = [];

/// A quote of one format and its collateral, both still open to change.
struct Case {
    platform: Platform,
    quote: QuoteDraft,
    collateral: CollateralDraft,
}

fn now() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

impl Case {
    fn new(platform: &Platform, format: Format) -> Self {
        let report_data = ReportData([0x5a; 64]);
        Self {
            quote: QuoteDraft::new(platform, format, report_data, now()).unwrap(),
            collateral: CollateralDraft::new(
                platform,
                format.tee(),
                EvaluationDataSet::Standard,
                now(),
            )
            .unwrap(),
            platform: platform.clone(),
        }
    }

    fn with(mut self, fault: Fault) -> Result<Self, MintError> {
        match fault.breaks() {
            Broken::Quote => self.quote.break_with(fault)?,
            Broken::Collateral => self.collateral.break_with(fault)?,
        }
        Ok(self)
    }

    fn verify(&self) -> Result<VerifiedQuote, Failure> {
        let anchor = TrustAnchor::from_der(&self.platform.root_ca().der().unwrap()).unwrap();
        let (bytes, collateral) = (self.quote.mint().unwrap(), self.collateral.mint().unwrap());
        let quote = Quote::parse(&bytes).unwrap();
        Verifier::new(anchor, crypto::aws_lc()).verify(&quote, &collateral, now())
    }
}

fn platform() -> Platform {
    Platform::new(Seed::of("the fault matrix"))
}

/// The formats in which a fault can be had.
fn cases(fault: Fault) -> Vec<(Format, Case)> {
    let platform = platform();
    let case = |format| Case::new(&platform, format).with(fault).ok().map(|case| (format, case));
    Format::ALL.into_iter().filter_map(case).collect()
}

/// Without this, the refusals below would prove nothing.
#[test]
fn every_format_is_accepted_without_a_fault() {
    for format in Format::ALL {
        let verified = Case::new(&platform(), format).verify();
        let verified = verified.unwrap_or_else(|refused| panic!("{format}: {refused}"));
        assert_eq!(verified.tcb().status.name(), "UpToDate", "{format}");
    }
}

#[test]
fn every_fault_gives_exactly_its_code_in_every_format() {
    for fault in Fault::all() {
        let cases = cases(fault);
        assert!(!cases.is_empty(), "{fault} fits no format");
        for (format, case) in cases {
            let refused = case.verify().map(|_| ()).expect_err(&format!("{fault} in a {format}"));
            assert_eq!(refused.error().code(), fault.name(), "{format}: {refused}");
            assert_eq!(refused.others(), [], "{fault} breaks more than one thing in a {format}");
            assert_eq!(refused.error().qvl_status(), fault.intel_status(), "{fault}");
        }
    }
}

#[test]
fn there_is_a_fault_for_every_code_and_a_code_for_every_fault() {
    let faults: BTreeSet<String> = Fault::all().into_iter().map(Fault::name).collect();
    let reachable = VerifyError::CODES.iter().filter(|code| !UNREACHABLE.contains(code));
    let codes: BTreeSet<String> = reachable.map(ToString::to_string).collect();
    assert_eq!(faults, codes);
    assert_eq!(faults.len() + UNREACHABLE.len(), VerifyError::CODES.len());
    // Not `println!`, which the test runner keeps to itself.
    let _ = writeln!(
        io::stdout(),
        "{} faults for {} error codes, {} of them unreachable",
        faults.len(),
        VerifyError::CODES.len(),
        UNREACHABLE.len()
    );
}
