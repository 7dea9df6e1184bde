//! Every check of the verifier has a fault of the simulator that only it notices, and there is no other.
//!
//! The two crates share no code: the simulator mints, the verifier judges, and here they meet.

#[path = "minted/case.rs"]
mod case;

use std::collections::BTreeSet;
use std::io::{self, Write as _};

use tdattest_simulator::{Fault, Format, Platform, Seed};
use tdattest_verifier::VerifyError;

use case::{Case, broken, platform};

/// Codes that no input can bring about, each with its proof. There is none.
const UNREACHABLE: [&str; 0] = [];

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
        let cases = broken(fault);
        assert_eq!(cases.len(), formats_of(fault), "{fault}");
        for (format, case) in cases {
            let refused = case.verify().map(|_| ()).expect_err(&format!("{fault} in a {format}"));
            assert_eq!(refused.error().code(), fault.name(), "{format}: {refused}");
            assert_eq!(refused.others(), [], "{fault} breaks more than one thing in a {format}");
            assert_eq!(refused.error().qvl_status(), fault.intel_status(), "{fault}");
        }
    }
}

/// All seven, the four of TDX, or the two of TDX 1.5.
fn formats_of(fault: Fault) -> usize {
    match fault {
        Fault::CurrentPlatformTcb | Fault::CurrentTdxModuleTcb => 2,
        Fault::TdxModuleUnknown
        | Fault::TdxModuleSigner
        | Fault::TdxModuleAttributes
        | Fault::TdxModuleTcb
        | Fault::TdxModuleStatus => 4,
        _ => 7,
    }
}

/// Everything in order, and under a root of the right name that is not the one trusted.
#[test]
fn another_world_under_another_root_is_untrusted() {
    let other = Platform::new(Seed::of("another world"));
    for format in Format::ALL {
        let mut case = Case::new(&other, format);
        assert!(case.verify().is_ok(), "{format}");
        case.platform = platform();
        let refused = case.verify().unwrap_err();
        assert_eq!(refused.error().code(), "pck-crl-issuer-chain.untrusted", "{format}");
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
