//! Production quotes and collateral from `../shared/vectors`, where that is present.
mod samples;
mod schema;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use samples::Sandbox;
use serde_json::Value;

/// The vectors and their manifest; `None`, said aloud, where there are none.
fn vectors() -> Option<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors");
    let Ok(text) = fs::read(folder.join("manifest.json")) else {
        // Not `println!`, which the test runner keeps to itself.
        let _ = writeln!(io::stdout(), "skipped: {} is not there", folder.display());
        return None;
    };
    Some((folder, serde_json::from_slice(&text).unwrap()))
}

/// Writes the collateral of a case as a folder of parts.
fn write_parts(sandbox: &Sandbox, vectors: &Path, case: &Value) {
    for (name, member) in [
        ("tcb_info.json", "tcb_info"),
        ("qe_identity.json", "qe_identity"),
        ("root_ca_crl.der", "root_ca_crl"),
        ("pck_crl.der", "pck_crl"),
        ("pck_crl_issuer_chain.pem", "pck_crl_issuer_chain"),
        ("tcb_info_issuer_chain.pem", "tcb_signing_chain"),
        ("qe_identity_issuer_chain.pem", "tcb_signing_chain"),
    ] {
        let file = vectors.join(case["collateral"][member].as_str().unwrap());
        sandbox.write(&format!("case/{name}"), fs::read(file).unwrap());
    }
}

#[test]
fn refuses_debug_tds_and_enclaves_unless_that_is_allowed() {
    let Some((folder, manifest)) = vectors() else { return };
    let sandbox = Sandbox::new("debug");
    let quotes = manifest["quotes"].as_array().unwrap();
    let is_debug =
        |file: &Value| quotes.iter().any(|it| it["file"] == *file && it["debug"] == true);
    let (mut refused, mut accepted) = (0, 0);
    for case in manifest["cases"].as_array().unwrap().iter().filter(|case| is_debug(&case["quote"]))
    {
        let status = case["expected"]["verdict"].as_str().unwrap();
        if status == "REJECT" {
            continue;
        }
        write_parts(&sandbox, &folder, case);
        let quote = folder.join(case["quote"].as_str().unwrap());
        let (quote, at) = (quote.to_str().unwrap(), case["time"].to_string());
        let arguments = ["verify", quote, "--collateral", "case", "--at", &at];

        let json = sandbox.run(&[&arguments[..], &["--json"]].concat()).json();
        assert_eq!(json["error"]["code"], "policy.debug", "{}", case["id"]);
        assert_eq!(json["tcb"]["status"], status, "{}", case["id"]);
        let run = sandbox.run(&arguments);
        assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""), "{}", case["id"]);
        refused += 1;

        let allowed = sandbox.run(&[&arguments[..], &["--dangerous-allow-debug"]].concat());
        let is_current = status == "UpToDate";
        assert_eq!(allowed.code, Some(if is_current { 0 } else { 1 }), "{}", case["id"]);
        assert_eq!(allowed.stderr.contains("warning: it runs in debug mode"), is_current);
        accepted += i32::from(is_current);
    }
    assert!(refused > 0 && accepted > 0, "{refused} refused, {accepted} accepted when allowed");
}

#[test]
fn inspects_every_quote_report_and_document() {
    let Some((folder, _)) = vectors() else { return };
    let sandbox = Sandbox::new("vectors");
    let schema = schema::Schema::read("inspection.json");
    let mut inspected = 0;
    for (subfolder, ending, kind) in [
        ("quotes", ".quote.bin", "quote"),
        ("tdreports", ".tdreport.bin", "tdreport"),
        ("collateral", ".tcbinfo.json", "tcbInfo"),
        ("collateral", ".qeidentity.json", "qeIdentity"),
        ("collateral", ".tcbeval.json", "tcbEvaluationDataNumbers"),
        ("collateral", ".der", "crl"),
        ("collateral", ".pem", "certificates"),
    ] {
        for entry in fs::read_dir(folder.join(subfolder)).unwrap() {
            let path = entry.unwrap().path();
            if !path.to_str().unwrap().ends_with(ending) {
                continue;
            }
            let json = sandbox.run(&["inspect", "--json", path.to_str().unwrap()]).json();
            assert_eq!(json["kind"], kind, "{}", path.display());
            assert_eq!(schema.faults(&json), Vec::<String>::new(), "{}", path.display());
            inspected += 1;
        }
    }
    assert!(inspected > 100, "{inspected}");
}
