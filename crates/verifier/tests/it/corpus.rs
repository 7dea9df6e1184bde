//! The corpus beside the project, `../shared/vectors`: statuses, attributes and reports that the samples do not have.
//!
//! `cargo xtask vectors` runs its verdicts; here is what it takes more than a verdict to show.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;
use tdattest_verifier::error::{Artefact, ChainFault};
use tdattest_verifier::td_report::{Consistency, consistency};
use tdattest_verifier::wire::collateral::{Collateral, Part};
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::wire::td_report::TdReport;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{
    Finding, Policy, TrustAnchor, VerifiedQuote, Verifier, VerifyError, appraise, crypto,
};

/// The folder, or `None` after saying so.
fn folder() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    if folder.join("manifest.json").exists() {
        return Some(folder.to_owned());
    }
    // Not `println!`, which the test runner keeps to itself.
    let _ = writeln!(io::stdout(), "skipped: ../shared/vectors is absent");
    None
}

#[test]
fn the_hashes_of_production_td_reports_are_those_of_their_parts() {
    let Some(folder) = folder() else { return };
    let mut count = 0;
    for entry in fs::read_dir(folder.join("tdreports")).unwrap() {
        let mut bytes = fs::read(entry.unwrap().path()).unwrap();
        let consistent = Consistency { tee_tcb_info: true, td_info: true };
        assert_eq!(consistency(&bytes).unwrap(), consistent);
        // Each hash covers its own part, to the last byte, and nothing else.
        for (at, expected) in [
            (TdReport::TEE_TCB_INFO_RANGE.start, Consistency { tee_tcb_info: false, ..consistent }),
            (
                TdReport::TEE_TCB_INFO_RANGE.end - 1,
                Consistency { tee_tcb_info: false, ..consistent },
            ),
            (TdReport::TEE_TCB_INFO_RANGE.end, consistent),
            (TdReport::TD_INFO_RANGE.start - 1, consistent),
            (TdReport::TD_INFO_RANGE.start, Consistency { td_info: false, ..consistent }),
            (TdReport::TD_INFO_RANGE.end - 1, Consistency { td_info: false, ..consistent }),
        ] {
            bytes[at] ^= 1;
            assert_eq!(consistency(&bytes).unwrap(), expected, "byte {at}");
            bytes[at] ^= 1;
        }
        count += 1;
    }
    assert!(count > 0);
    let _ = writeln!(io::stdout(), "{count} real cases ran");
}

/// S2, S3. Every status that production platforms have had.
#[test]
fn only_up_to_date_platforms_pass_by_default() {
    let Some(folder) = folder() else { return };
    let (mut seen, mut count) = (BTreeSet::new(), 0);
    for verified in verified(&folder) {
        let status = verified.tcb().status;
        let findings = findings(&verified, &Policy::genuine_platform());
        let refused = findings.contains(&Finding::TcbStatus(status));
        assert_eq!(refused, status != TcbStatus::UpToDate, "{status}");
        let accepting = Policy::genuine_platform().accept_tcb(status);
        assert!(!findings_contain_status(&verified, &accepting), "{status}");
        seen.insert(status.name());
        count += 1;
    }
    let expected = [
        "ConfigurationAndSWHardeningNeeded",
        "OutOfDate",
        "OutOfDateConfigurationNeeded",
        "SWHardeningNeeded",
        "UpToDate",
    ];
    assert!(seen.is_superset(&expected.into()), "{seen:?}");
    let _ = writeln!(io::stdout(), "{count} real cases ran");
}

fn findings_contain_status(verified: &VerifiedQuote, policy: &Policy) -> bool {
    findings(verified, policy).iter().any(|finding| matches!(finding, Finding::TcbStatus(_)))
}

/// S5. Real debug TDs and enclaves: genuine, and refused until the policy says so by name.
#[test]
fn debug_tds_and_enclaves_are_refused_until_debug_is_allowed_by_name() {
    let Some(folder) = folder() else { return };
    let mut count = 0;
    for verified in verified(&folder) {
        let (td, enclave) = (verified.body().td(), verified.body().enclave());
        let (debug, what) = match (td, enclave) {
            (Some(td), _) => (td.td_attributes.debug(), "TD"),
            (None, enclave) => (enclave.unwrap().attributes.debug(), "enclave"),
        };
        let strict = findings(&verified, &Policy::genuine_platform());
        assert_eq!(strict.contains(&Finding::Debug(what)), debug);
        if debug {
            assert_eq!(strict.first(), Some(&Finding::Debug(what)), "the weightiest first");
            let allowed = findings(&verified, &Policy::genuine_platform().dangerous_allow_debug());
            assert_eq!(allowed, strict[1..], "nothing else is let pass");
            count += 1;
        }
    }
    assert!(count > 0, "no debug TD or enclave in the corpus");
    let _ = writeln!(io::stdout(), "{count} real cases ran");
}

/// S11, S46. Chains that are sound in themselves, under a root that is not Intel's.
#[test]
fn quotes_under_another_root_are_refused() {
    let Some(folder) = folder() else { return };
    let manifest = manifest(&folder);
    let case = &manifest["cases"][0];
    let collateral = collateral(&folder, case);
    let mut count = 0;
    for entry in manifest["signature_only_quotes"].as_array().unwrap() {
        let expected = &entry["expected_checks"];
        if expected["intel_root"] != false || expected["chain_n"] != 3 {
            continue;
        }
        let bytes = fs::read(folder.join(entry["quote"].as_str().unwrap())).unwrap();
        let quote = Quote::parse(&bytes).unwrap();
        let verifier = Verifier::new(TrustAnchor::intel(), crypto::aws_lc());
        let refused = verifier.verify(&quote, &collateral, time(case)).unwrap_err();
        let VerifyError::Chain { chain: Artefact::PckChain, fault } = refused.error() else {
            panic!("{refused}");
        };
        assert!(matches!(fault, ChainFault::Untrusted { .. }), "{fault}");
        count += 1;
    }
    assert!(count > 0);
    let _ = writeln!(io::stdout(), "{count} real cases ran");
}

fn findings(verified: &VerifiedQuote, policy: &Policy) -> Vec<Finding> {
    match appraise(verified.clone(), policy) {
        Ok(_) => vec![],
        Err(rejection) => rejection.findings().to_vec(),
    }
}

/// Every case of the manifest that verifies.
fn verified(folder: &Path) -> Vec<VerifiedQuote> {
    let manifest = manifest(folder);
    let cases = manifest["cases"].as_array().unwrap();
    let verified = cases.iter().filter_map(|case| {
        let bytes = fs::read(folder.join(case["quote"].as_str().unwrap())).unwrap();
        let root = case["collateral"]["trusted_root"].as_str().unwrap();
        let root = pem::certificates(&fs::read(folder.join(root)).unwrap()).unwrap().remove(0);
        let verifier = Verifier::new(TrustAnchor::from_der(&root).unwrap(), crypto::aws_lc());
        let quote = Quote::parse(&bytes).unwrap();
        verifier.verify(&quote, &collateral(folder, case), time(case)).ok()
    });
    verified.collect()
}

fn manifest(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("manifest.json")).unwrap()).unwrap()
}

fn time(case: &Value) -> UnixTime {
    UnixTime::from_secs(case["time"].as_u64().unwrap()).unwrap()
}

fn collateral(folder: &Path, case: &Value) -> Collateral {
    let part = |part: Part| {
        let key = match part {
            Part::TcbInfoIssuerChain | Part::QeIdentityIssuerChain => "tcb_signing_chain",
            other => other.name(),
        };
        let file = case["collateral"].get(key)?.as_str()?;
        Some(fs::read(folder.join(file)).unwrap())
    };
    Collateral::from_parts(part).unwrap()
}
