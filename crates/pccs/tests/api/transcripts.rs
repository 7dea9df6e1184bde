//! Every recorded request to Intel's PCCS, put to ours: status, content type, header names and what is said of a failure
//! are to be the same.
//!
//! The recordings are of a stand-in PCS whose platform the simulator's is made like. Three things of a request are put
//! in other words: the `ETag` that a client remembers, a manifest that is too short for the simulated PCS, and the
//! platform that the stand-in did not know.

use std::io::Write as _;
use std::path::Path;

use tdattest_pccs::{FillMode, Request};

use super::bundle::{value, written};
use super::cases::{Case, case};
use super::transcript::{Seen, listed, read_all};

/// The most requests that may be answered otherwise.
const DIFFERENCES: usize = 25;

/// Requests that are answered otherwise on purpose: folders, name, why.
const ON_PURPOSE: &[(&[&str], &str, &str)] = &[
    (ALL, "50-fmspcs-404", FMSPCS),
    (ALL, "51-evalnums-404", NUMBERS),
    (ALL, "104-refresh-certs-all", CERTS),
    (ALL, "107-refresh-certs-list", CERTS),
    (&["offline-after-put"], "38-crl-pckcrl-uri", ADDRESS),
    (&["lazy"], "59-v3-pckcert", TYPE),
    (&["lazy"], "72-pckcert-nonhex-qeid", TYPE),
];

const ALL: &[&str] = &["lazy", "req", "offline", "offline-after-put"];
const FMSPCS: &str = "the list of families is an endpoint of Intel's PCS that Intel's PCCS lacks";
const NUMBERS: &str =
    "the evaluation data numbers are an endpoint of Intel's PCS that Intel's PCCS lacks";
const CERTS: &str = "Intel's documents and its tool have this form, and its PCCS refuses it";
const ADDRESS: &str =
    "a CRL that is kept is served by its address too; Intel's PCCS keeps those apart";
const TYPE: &str =
    "Intel's PCCS names a character set when the certificate was just fetched, and none later";

#[tokio::test]
async fn recorded_requests_are_answered_as_recorded() {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/transcripts/pccs");
    if !recordings.is_dir() {
        let _ = writeln!(std::io::stdout(), "skipped: ../shared/transcripts/pccs is absent");
        return;
    }
    let mut tally = Tally::default();
    tally.replay(&recordings, "lazy", &case(FillMode::Lazy)).await;
    tally.replay(&recordings, "req", &case(FillMode::Req)).await;
    let offline = case(FillMode::Offline);
    tally.replay(&recordings, "offline", &offline).await;
    tally.replay(&recordings, "offline-after-put", &offline).await;
    assert_eq!(offline.upstream.requests().len(), 0, "OFFLINE asks nobody");

    let told = tally.folders.join(", ");
    let (same, on_purpose, sentences) = (tally.same, tally.on_purpose, tally.sentences);
    let _ = writeln!(
        std::io::stdout(),
        "{} requests ({told}): {same} as recorded, {sentences} of them with a sentence; {on_purpose} otherwise on purpose",
        same + on_purpose,
    );
    assert!(tally.unexpected.is_empty(), "{}", tally.unexpected.join("\n"));
    assert!(same >= 400, "only {same} recordings were found");
    assert!(sentences >= 200, "only {sentences} recordings have a sentence");
    assert!(tally.on_purpose <= DIFFERENCES);
}

#[derive(Default)]
struct Tally {
    same: usize,
    on_purpose: usize,
    sentences: usize,
    folders: Vec<String>,
    unexpected: Vec<String>,
}

impl Tally {
    async fn replay(&mut self, recordings: &Path, folder: &str, case: &Case) {
        let mut tag = None;
        // As the recorded one: without the chain of one CA.
        let mut bundle = value(case.time.now());
        let certificates = &mut bundle["collaterals"]["certificates"];
        let chains = certificates["SGX-PCK-Certificate-Issuer-Chain"].as_object_mut().unwrap();
        chains.remove("PROCESSOR").unwrap();
        let transcripts = read_all(&recordings.join(folder), &written(&bundle));
        let found = transcripts.len();
        assert_eq!(
            found,
            listed(&recordings.join(folder)),
            "{folder}: every request that was recorded"
        );
        self.folders.push(format!("{folder} {found}"));
        for transcript in transcripts {
            let name = &transcript.name;
            let asked = substituted(name, transcript.request, tag.as_deref());
            let method = asked.method.clone();
            let answer = case.pccs.answer(asked).await;
            if name.starts_with("01-") {
                let found = answer.headers.get("etag");
                tag = found.map(|tag| tag.to_str().unwrap().to_owned());
            }
            let (seen, recorded) = (Seen::of(&answer, &method), transcript.recorded);
            let listed =
                ON_PURPOSE.iter().any(|(folders, of, _)| of == name && folders.contains(&folder));
            match (seen == recorded, listed) {
                (true, false) => {
                    self.same += 1;
                    self.sentences +=
                        usize::from(seen.sentence.is_some_and(|text| !text.is_empty()));
                }
                (false, true) => self.on_purpose += 1,
                (true, true) => self.unexpected.push(format!("{folder}/{name} does not differ")),
                (false, false) => {
                    let found = format!("{folder}/{name}:\n  {recorded:?}\n  {seen:?}");
                    self.unexpected.push(found);
                }
            }
        }
    }
}

fn substituted(name: &str, mut request: Request, tag: Option<&str>) -> Request {
    if let (true, Some(tag)) = (name.ends_with("if-none-match"), tag) {
        request.headers.insert("if-none-match", tag.parse().unwrap());
    }
    if name.ends_with("platforms-post-manifest") {
        let manifest = "178e874b".to_owned() + &"0d".repeat(9000);
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        request.body = body.replace("178e874bdead", &manifest).into();
    }
    if name.ends_with("pckcert-unknown-pcs404") {
        request.query = request.query.replace("pceid=0000", "pceid=0100");
    }
    request
}
