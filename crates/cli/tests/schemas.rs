//! The JSON of every kind of outcome fits its schema, and the schema describes all of it.

mod samples;
mod schema;

use samples::{AT, Sandbox};
use schema::Schema;
use serde_json::Value;

/// Fails with all faults of all runs.
fn assert_fit(schema: &Schema, runs: &[(String, Value)]) {
    let faults: Vec<String> = runs
        .iter()
        .flat_map(|(name, json)| {
            schema.faults(json).into_iter().map(move |fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_property_of_the_schemas_is_described() {
    for name in [
        "verification-result.json",
        "inspection.json",
        "faults.json",
        "rtmrs.json",
        "event-log.json",
        "qgs-check.json",
        "qgs-status.json",
        "collateral-archive.json",
        "collateral-windows.json",
        "collateral-diff.json",
        "pccs-status.json",
    ] {
        assert_eq!(Schema::read(name).undescribed(), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn verification_results_fit_their_schema() {
    let sandbox = Sandbox::new("verification_results");
    let collateral = |quote: &str| format!("{quote}_collateral.json");
    let mut verdicts = std::collections::BTreeSet::new();
    let mut runs = Vec::new();
    let mut verify = |arguments: &[&str]| {
        let run = sandbox.run(&[&["verify", "--json"], arguments].concat());
        let json = run.json();
        verdicts.insert((json["verdict"].as_str().unwrap().to_owned(), run.code));
        runs.push((arguments.join(" "), json));
    };
    for quote in ["tdx_quote", "sgx_quote", "tdx_quote_outdated", "tdx_quote_td15ex"] {
        for at in [AT, "2026-03-01T00:00:00Z", "2026-10-20T00:00:00Z"] {
            verify(&[quote, "--collateral", &collateral(quote), "--at", at]);
            verify(&[quote, "--collateral", "tdx_quote_collateral.json", "--at", at]);
        }
        verify(&[quote, "--offline"]);
    }
    for quote in ["changed_quote", "truncated_quote", "letter", "no_such_quote"] {
        verify(&[quote, "--collateral", "tdx_quote_collateral.json", "--at", AT]);
    }
    for bundle in [
        "bundle_without_pck_crl.json",
        "bundle_with_misspelt_pck_crl.json",
        "bundle_with_sgx_qe_identity.json",
        "bundle_with_edited_tcb_info.json",
        "letter",
        "no_such_bundle",
    ] {
        verify(&["tdx_quote", "--collateral", bundle, "--at", AT]);
    }
    assert_fit(&Schema::read("verification-result.json"), &runs);
    let verdict = |verdict: &str, code| (verdict.to_owned(), Some(code));
    let all = [
        verdict("accepted", 0),
        verdict("refused", 1),
        verdict("refused", 2),
        verdict("undecided", 3),
    ];
    assert_eq!(verdicts, all.into());
}

#[test]
fn inspections_of_every_kind_fit_their_schema() {
    let sandbox = Sandbox::new("inspections");
    let mut kinds = std::collections::BTreeSet::new();
    let mut runs = Vec::new();
    for entry in std::fs::read_dir(sandbox.path()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let json = sandbox.run(&["inspect", "--json", &name]).json();
        assert_eq!(json["verified"], false, "{name}");
        kinds.insert(json["kind"].as_str().unwrap().to_owned());
        runs.push((name, json));
    }
    for name in ["parts/tcb_info.json", "parts/qe_identity.json", "no_such_file"] {
        let json = sandbox.run(&["inspect", "--json", name]).json();
        kinds.insert(json["kind"].as_str().unwrap().to_owned());
        runs.push((name.into(), json));
    }
    assert_fit(&Schema::read("inspection.json"), &runs);
    let all = [
        "certificates",
        "collateral",
        "crl",
        "qeIdentity",
        "quote",
        "tcbEvaluationDataNumbers",
        "tcbInfo",
        "tdreport",
        "unknown",
    ];
    assert_eq!(kinds, all.map(String::from).into());
}
