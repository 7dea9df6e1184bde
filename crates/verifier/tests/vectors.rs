//! The cases of `vectors/`, read as any other implementation would read them: by `vectors/README.md` alone.

#[path = "../../cli/tests/schema/mod.rs"]
mod schema;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use schema::Schema;
use serde_json::{Value, json};
use tdattest_verifier::crypto::{self, Crypto};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::{CertificationData, Quote};
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::{Policy, TrustAnchor, Verifier};

/// A folder, and its `case.toml`.
struct Case {
    folder: PathBuf,
    toml: Value,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join("case.toml")).unwrap();
        let table: toml::Table = text.parse().unwrap();
        Self { folder: folder.into(), toml: serde_json::to_value(table).unwrap() }
    }

    fn name(&self) -> String {
        self.folder.file_name().unwrap().to_string_lossy().into_owned()
    }

    /// What a file that the case names holds.
    fn file(&self, key: &str) -> Vec<u8> {
        fs::read(self.folder.join(self.toml[key].as_str().unwrap())).unwrap()
    }

    fn policy(&self) -> Policy {
        let policy = &self.toml["policy"];
        let statuses = policy["accept_tcb"].as_array().unwrap().iter();
        let statuses = statuses.map(|name| TcbStatus::from_name(name.as_str().unwrap()).unwrap());
        let mut result = statuses.fold(Policy::genuine_platform(), Policy::accept_tcb);
        if policy["dangerous_allow_debug"] == true {
            result = result.dangerous_allow_debug();
        }
        match policy["report_data"].as_str() {
            Some(text) => result.expect_report_data(text.parse().unwrap()),
            None => result,
        }
    }

    fn judge(&self, provider: &'static dyn Crypto) -> Judgement {
        let root = pem::certificates(&self.file("root")).unwrap();
        let verifier = Verifier::new(TrustAnchor::from_der(&root[0]).unwrap(), provider);
        let (quote, collateral) = (self.file("quote"), self.file("collateral"));
        let quote = match Quote::parse(&quote) {
            Ok(quote) => quote,
            Err(fault) => return Judgement::UnreadableQuote(fault),
        };
        let collateral = match Collateral::from_bundle(&collateral) {
            Ok(collateral) => collateral,
            Err(fault) => return Judgement::Collateral(fault),
        };
        let at = self.toml["at"].as_str().unwrap().parse().unwrap();
        Judgement::appraise(verifier.verify(&quote, &collateral, at), &self.policy())
    }

    /// What is expected, in the members of our JSON form.
    fn expected(&self) -> Value {
        let expect = &self.toml["expect"];
        let tcb = &expect["tcb"];
        json!({
            "verdict": expect["verdict"],
            "codes": expect["code"].as_str().into_iter().collect::<Vec<_>>(),
            "intel_status": expect["intel_status"],
            "status": tcb["status"],
            "platform": tcb["platform"],
            "tdx_module": tcb["tdx_module"],
            "qe": tcb["qe"],
            "current": tcb["current"],
            "date": tcb["date"],
            "advisory_ids": tcb["advisory_ids"].as_array().cloned().unwrap_or_default(),
        })
    }
}

/// The same of a judgement, from its JSON form.
fn found(judgement: &Judgement) -> Value {
    let result: Value = serde_json::from_str(&judgement.to_json()).unwrap();
    let codes = result["errors"].as_array().unwrap().iter().map(|error| &error["code"]);
    let tcb = &result["tcb"];
    json!({
        "verdict": result["verdict"],
        "codes": codes.collect::<Vec<_>>(),
        "intel_status": result["error"]["qvlStatus"],
        "status": tcb["status"],
        "platform": tcb["platform"],
        "tdx_module": tcb["tdxModule"],
        "qe": tcb["qe"],
        "current": tcb["current"],
        "date": tcb["date"],
        "advisory_ids": tcb["advisoryIds"],
    })
}

fn cases(group: &str) -> Vec<Case> {
    let group = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors").join(group);
    let entries = fs::read_dir(group).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = entries.collect();
    folders.sort();
    folders.iter().map(|folder| Case::read(folder)).collect()
}

fn all() -> Vec<Case> {
    cases("accepted").into_iter().chain(cases("refused")).collect()
}

#[test]
fn every_case_comes_out_as_expected_with_both_providers() {
    let cases = all();
    for provider in [crypto::aws_lc(), crypto::rust_crypto()] {
        for case in &cases {
            let found = found(&case.judge(provider));
            assert_eq!(found, case.expected(), "{} with {}", case.name(), provider.name());
        }
    }
    // Not `println!`, which the test runner keeps to itself.
    let _ = writeln!(io::stdout(), "{} cases of vectors/ ran with 2 providers", cases.len());
    assert!(cases.len() > 150, "only {}", cases.len());
}

#[test]
fn the_group_of_a_case_is_its_verdict_and_its_name_begins_with_its_code() {
    for case in cases("accepted") {
        assert_eq!(case.toml["expect"]["verdict"], "accepted", "{}", case.name());
    }
    for case in cases("refused") {
        let (name, expect) = (case.name(), &case.toml["expect"]);
        assert_ne!(expect["verdict"], "accepted", "{name}");
        let rest = name.strip_prefix(expect["code"].as_str().unwrap());
        assert!(rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.')), "{name}");
    }
}

#[test]
fn every_refused_case_differs_from_its_accepted_twin_in_a_single_thing() {
    for case in cases("refused") {
        let name = case.name();
        let twin = Case::read(&case.folder.join(case.toml["twin"].as_str().unwrap()));
        assert_eq!(twin.toml["expect"]["verdict"], "accepted", "{name}");
        let files = ["quote", "collateral", "root"].into_iter();
        let mut differ: Vec<&str> =
            files.filter(|file| case.file(file) != twin.file(file)).collect();
        let values = ["at", "policy"].into_iter();
        differ.extend(values.filter(|value| case.toml[value] != twin.toml[value]));
        assert_eq!(differ.len(), 1, "{name} differs in {differ:?}");
    }
}

/// A runner in another language has this number to tell whether it found all.
#[test]
fn the_readme_counts_the_cases() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../vectors");
    let readme = fs::read_to_string(folder.join("README.md")).unwrap();
    let sentence = format!("There are {} cases;", all().len());
    assert!(readme.contains(&sentence), "the README does not say: {sentence}");
}

#[test]
fn every_case_fits_its_schema_which_describes_all_of_it() {
    let schema = Schema::read("vector-case.json");
    assert_eq!(schema.undescribed(), Vec::<String>::new());
    for case in all() {
        assert_eq!(schema.faults(&case.toml), Vec::<String>::new(), "{}", case.name());
    }
}

/// Nobody may take anything here for Intel's.
#[test]
fn every_certificate_of_an_accepted_case_says_that_it_is_simulated() {
    const MARK: &[u8] = b"SIMULATED, NOT INTEL";
    let mut looked_at = 0;
    for case in cases("accepted") {
        let bundle: Value = serde_json::from_slice(&case.file("collateral")).unwrap();
        let chains = [
            "pck_crl_issuer_chain",
            "tcb_info_issuer_chain",
            "qe_identity_issuer_chain",
            "pck_certificate_chain",
        ];
        let mut texts = vec![case.file("root")];
        let chains = chains.into_iter().filter_map(|chain| bundle[chain].as_str());
        texts.extend(chains.map(|chain| chain.as_bytes().to_vec()));
        let quote = case.file("quote");
        if let CertificationData::PckChain(chain) | CertificationData::PckLeaf(chain) =
            Quote::parse(&quote).unwrap().signature().certification_data
        {
            texts.push(chain.to_vec());
        }
        for certificate in texts.iter().flat_map(|text| pem::certificates(text).unwrap()) {
            // Once as the subject's organisation, once as the issuer's.
            let marks = certificate.windows(MARK.len()).filter(|part| *part == MARK).count();
            assert_eq!(marks, 2, "{}", case.name());
            looked_at += 1;
        }
    }
    assert!(looked_at > 0);
}
