//! `tdattest collateral`, and `tdattest verify` without collateral, against the simulator's PCS on loopback.
#![cfg(unix)]

mod samples;
mod schema;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use samples::{Run, Sandbox};
use schema::Schema;
use serde_json::Value;

const AT: &str = "2026-11-01T12:00:00Z";
const FMSPC: &str = "5A1D0F6C0B00";

/// A running PCS, ended when it is dropped.
struct Pcs {
    child: Child,
    url: String,
}

impl Pcs {
    fn start(sandbox: &Sandbox, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tdattest"))
            .args(["sim", "pcs", "--platform", "p", "--listen", "127.0.0.1:0"])
            .args(more)
            .current_dir(sandbox.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut url).unwrap();
        Self { child, url: url.trim_end().to_owned() }
    }
}

impl Drop for Pcs {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A platform, and a quote of it.
fn sandbox(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(&format!("collateral_{name}"));
    assert_eq!(sandbox.run(&["sim", "platform", "new", "p", "--phrase", "kept"]).code, Some(0));
    let quote = ["sim", "quote", "--platform", "p", "--at", AT, "-o", "q"];
    assert_eq!(sandbox.run(&quote).code, Some(0));
    sandbox
}

/// An address where nobody listens.
fn nowhere() -> String {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", taken.local_addr().unwrap())
}

/// A run under the platform's root, as of a time.
fn run(sandbox: &Sandbox, at: &str, arguments: &[&str]) -> Run {
    sandbox.run(&[arguments, &["--root", "p/root.pem", "--at", at]].concat())
}

#[track_caller]
fn assert_code(run: &Run, code: i32) {
    assert_eq!(run.code, Some(code), "{}{}", run.stdout, run.stderr);
}

#[test]
fn a_quote_is_verified_with_collateral_that_is_fetched_once() {
    let sandbox = sandbox("verify");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    assert_code(&run(&sandbox, AT, &["verify", "q", "--source", &pcs.url]), 0);
    drop(pcs);
    // From the cache, though nobody is there any more.
    assert_code(&run(&sandbox, AT, &["verify", "q", "--source", &nowhere()]), 0);
    let uncached = run(&sandbox, AT, &["verify", "q", "--source", &nowhere(), "--no-cache"]);
    assert_code(&uncached, 3);
    assert!(uncached.stderr.contains("cannot be had"), "{}", uncached.stderr);
    assert!(uncached.stderr.contains("hint: "), "{}", uncached.stderr);
    assert_code(&run(&sandbox, AT, &["verify", "q", "--offline"]), 3);
}

#[test]
fn what_cannot_be_fetched_is_undecided_in_json_too() {
    let sandbox = sandbox("undecided");
    let run = run(&sandbox, AT, &["verify", "q", "--source", &nowhere(), "--json"]);
    assert_code(&run, 3);
    let json = run.json();
    assert_eq!(json["verdict"], "undecided");
    assert_eq!(json["error"]["code"], "collateral.missing");
    assert_eq!(Schema::read("verification-result.json").faults(&json), Vec::<String>::new());
}

#[test]
fn a_fetched_bundle_verifies_the_quote() {
    let sandbox = sandbox("fetch");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let by_quote = ["collateral", "fetch", "q", "--source", &pcs.url, "-o", "b.json"];
    assert_code(&run(&sandbox, AT, &by_quote), 0);
    let by_name = [
        &["collateral", "fetch", "--fmspc", FMSPC, "--ca", "platform", "--tee", "tdx"],
        &["--source", &pcs.url, "--no-cache"][..],
    ];
    let printed = run(&sandbox, AT, &by_name.concat());
    assert_code(&printed, 0);
    assert_eq!(
        printed.stdout.trim_end(),
        fs::read_to_string(sandbox.path().join("b.json")).unwrap().trim_end()
    );
    assert_code(&run(&sandbox, AT, &["verify", "q", "--offline", "--collateral", "b.json"]), 0);
    let minted = ["sim", "collateral", "--platform", "p", "--at", AT, "-o", "minted.json"];
    assert_eq!(sandbox.run(&minted).code, Some(0));
    assert_eq!(sandbox.bundle("b.json"), sandbox.bundle("minted.json"));
}

#[test]
fn sources_are_asked_in_order_until_one_has_it() {
    let sandbox = sandbox("sources");
    let minted = ["sim", "collateral", "--platform", "p", "--at", AT, "-o", "minted.json"];
    assert_eq!(sandbox.run(&minted).code, Some(0));
    let away = nowhere();
    let verify = ["verify", "q", "--source", &away, "--source", "minted.json"];
    assert_code(&run(&sandbox, AT, &verify), 0);
    // The same from a configuration, and a mistake in it has its place.
    sandbox.write(
        "config/tdattest/config.toml",
        format!(
            "[[collateral.source]]\nat = \"{away}\"\n[[collateral.source]]\nat = \"minted.json\"\n"
        ),
    );
    assert_code(&run(&sandbox, AT, &["verify", "q", "--no-cache"]), 0);
    sandbox.write("config/tdattest/config.toml", "[collateral]\nsets = \"early\"\n");
    let mistaken = run(&sandbox, AT, &["verify", "q"]);
    assert_code(&mistaken, 2);
    assert!(mistaken.stderr.contains("line 2, column 1: "), "{}", mistaken.stderr);
}

#[test]
fn the_service_of_a_file_of_qcnl_is_asked() {
    let sandbox = sandbox("qcnl");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let conf = format!(
        "{{ // as Intel ships it\n \"pccs_url\": \"{}/sgx/certification/v4/\",\n \"tcb_update_type\": \"early\" }}\n",
        pcs.url
    );
    sandbox.write("qcnl.conf", conf);
    let fetch = ["collateral", "fetch", "q", "--qcnl-conf", "qcnl.conf", "-o", "b.json"];
    assert_code(&run(&sandbox, AT, &fetch), 0);
    // The early set leaves this platform behind.
    assert_code(&run(&sandbox, AT, &["verify", "q", "--collateral", "b.json"]), 1);
    assert_code(&run(&sandbox, AT, &["verify", "q", "--qcnl-conf", "qcnl.conf"]), 1);
    let standard = ["verify", "q", "--qcnl-conf", "qcnl.conf", "--set", "standard"];
    assert_code(&run(&sandbox, AT, &standard), 0);
}

#[test]
fn verify_says_what_to_do_as_fetch_does() {
    let sandbox = sandbox("remedies");
    let newer = Pcs::start(&sandbox, &["--at", AT]);
    assert_code(&run(&sandbox, AT, &["verify", "q", "--source", &newer.url]), 0);
    let older = Pcs::start(&sandbox, &["--at", "2026-10-20T00:00:00Z"]);
    let hint = |run: &Run| run.stderr.lines().last().unwrap().to_owned();
    let late = "2026-12-01T00:00:01Z";
    for source in [&older.url, &nowhere()] {
        let fetch = run(&sandbox, late, &["collateral", "fetch", "q", "--source", source]);
        let verify = run(&sandbox, late, &["verify", "q", "--source", source]);
        assert_code(&verify, 3);
        assert!(hint(&verify).starts_with("hint: "), "{}", verify.stderr);
        assert_eq!(hint(&verify), hint(&fetch));
    }
}

#[test]
fn http_to_another_machine_is_said_when_it_is_used() {
    let sandbox = sandbox("http");
    let warned = |source: &str| {
        let verify = ["verify", "q", "--cached", "--source", source, "--dangerous-allow-http"];
        let verify = run(&sandbox, AT, &verify);
        assert_code(&verify, 3);
        verify.stderr.contains(&format!("warning: {source} "))
    };
    assert!(warned("http://pccs.example"));
    assert!(!warned("http://localhost") && !warned("https://pccs.example"));
}

#[test]
fn a_source_that_lies_is_not_believed_and_nothing_of_it_is_kept() {
    let sandbox = sandbox("lies");
    let pcs = Pcs::start(&sandbox, &["--at", AT, "--fail", "tcb=lie:tcb-info.signature"]);
    let fetch = run(&sandbox, AT, &["collateral", "fetch", "q", "--source", &pcs.url]);
    assert_code(&fetch, 3);
    assert!(fetch.stderr.contains("TCB info"), "{}", fetch.stderr);
    assert_eq!(fetch.stdout, "");
    let kept = kept(&sandbox);
    assert!(!kept.iter().any(|name| name.contains("-tcb-")), "{kept:?}");
}

/// The names of the documents in the cache.
fn kept(sandbox: &Sandbox) -> BTreeSet<String> {
    let caches = fs::read_dir(sandbox.path().join("cache/tdattest")).unwrap();
    let folders = caches.map(|folder| folder.unwrap().path().join("documents"));
    let files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_check_goes_from_ok_over_a_warning_to_failure_as_time_passes() {
    let sandbox = sandbox("check");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let check =
        |at: &str, more: &[&str]| run(&sandbox, at, &[&["collateral", "check"], more].concat());
    assert_code(&check(AT, &[]), 3);
    let unknown = check(AT, &["--nagios"]);
    assert_eq!(
        (unknown.code, unknown.stdout.starts_with("COLLATERAL UNKNOWN - ")),
        (Some(3), true)
    );
    let fetch = ["collateral", "fetch", "q", "--source", &pcs.url, "-o", "b.json"];
    assert_code(&run(&sandbox, AT, &fetch), 0);
    for place in [&[][..], &["b.json"]] {
        let at = |at: &str, more: &[&str]| check(at, &[place, more].concat());
        let current = at(AT, &[]);
        assert_eq!((current.code, current.stderr.as_str()), (Some(0), ""), "{}", current.stdout);
        let soon = at("2026-11-28T00:00:00Z", &[]);
        assert_eq!(soon.code, Some(0));
        assert!(soon.stderr.contains("warning: TCB info TDX"), "{}", soon.stderr);
        assert_eq!(at("2026-11-28T00:00:00Z", &["--warn", "2d"]).stderr, "");
        let ended = at("2026-12-02T00:00:00Z", &[]);
        assert_eq!(ended.code, Some(1));
        assert!(ended.stderr.contains("error: TCB info TDX"), "{}", ended.stderr);
        for (time, code, word) in [
            (AT, 0, "OK"),
            ("2026-11-28T00:00:00Z", 1, "WARNING"),
            ("2026-12-02T00:00:00Z", 2, "CRITICAL"),
        ] {
            let nagios = at(time, &["--nagios"]);
            assert_code(&nagios, code);
            assert!(
                nagios.stdout.starts_with(&format!("COLLATERAL {word} - ")),
                "{}",
                nagios.stdout
            );
            assert_eq!((nagios.stdout.lines().count(), nagios.stderr.as_str()), (1, ""));
        }
    }
}

#[test]
fn a_check_tells_what_a_cache_would_not_serve_and_what_it_lacks() {
    let sandbox = sandbox("unserved");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let fetch = |at: &str, url: &str, more: &[&str]| {
        let fetch = ["collateral", "fetch", "q", "--source", url, "-o", "b.json"];
        assert_code(&run(&sandbox, at, &[&fetch[..], more].concat()), 0);
    };
    fetch(AT, &pcs.url, &[]);
    let cache = sandbox.path().join("cache/tdattest");
    let cache = fs::read_dir(cache).unwrap().next().unwrap().unwrap().path();
    let documents = cache.join("documents");
    let old: Vec<_> = fs::read_dir(&documents)
        .unwrap()
        .map(|file| file.unwrap().path())
        .map(|path| (fs::read(&path).unwrap(), path))
        .collect();
    let later = "2026-11-03T00:00:00Z";
    fetch(later, &Pcs::start(&sandbox, &["--at", later]).url, &["--refresh"]);
    // The folder that was named for the cache, and the one in it.
    for place in [&[][..], &["cache/tdattest"], &[cache.to_str().unwrap()]] {
        let check = [&["collateral", "check"], place].concat();
        assert_code(&run(&sandbox, later, &check), 0);
    }

    // A backup of the documents alone: they are current, and no more served.
    let newer = old.clone().into_iter().map(|(_, path)| (fs::read(&path).unwrap(), path));
    let newer: Vec<_> = newer.collect();
    old.into_iter().for_each(|(text, path)| fs::write(path, text).unwrap());
    assert_code(&run(&sandbox, later, &["verify", "q", "--cached"]), 3);
    let check = run(&sandbox, later, &["collateral", "check", "--json"]);
    assert_code(&check, 1);
    assert_eq!(states_of(&check.json()), ["broken".to_owned()].into());

    newer.into_iter().for_each(|(text, path)| fs::write(path, text).unwrap());
    for name in ["sgx-pckcrl-ca-platform-encoding-der.json", "sgx-rootcacrl.json"] {
        let text = fs::read(documents.join(name)).unwrap();
        fs::remove_file(documents.join(name)).unwrap();
        assert_code(&run(&sandbox, later, &["verify", "q", "--cached"]), 3);
        let check = run(&sandbox, later, &["collateral", "check", "--json"]);
        assert_code(&check, 1);
        let json = check.json();
        assert_eq!(json["missing"].as_array().unwrap().len(), 1);
        assert_eq!(Schema::read("collateral-windows.json").faults(&json), Vec::<String>::new());
        fs::write(documents.join(name), text).unwrap();
    }
    assert_code(&run(&sandbox, later, &["collateral", "check"]), 0);

    // Nothing is the same wherever it is.
    let nothing = r#"{ "schema": "tdattest.collateral-archive/1", "documents": [] }"#;
    sandbox.write("nothing.json", nothing);
    assert_code(&run(&sandbox, AT, &["collateral", "check", "nothing.json"]), 3);
}

#[test]
fn what_is_kept_is_refreshed_and_what_ended_long_ago_forgotten_but_not_that_it_was_seen() {
    let sandbox = sandbox("refreshed");
    let collateral = |at: &str, more: &[&str]| run(&sandbox, at, &[&["collateral"], more].concat());
    assert_code(&collateral(AT, &["refresh"]), 3);
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let fetch = ["fetch", "q", "--source", &pcs.url, "-o", "b.json"];
    assert_code(&collateral(AT, &fetch), 0);
    let later = "2026-11-03T00:00:00Z";
    let newer = Pcs::start(&sandbox, &["--at", later]);
    let refreshed = collateral(later, &["refresh", "--source", &newer.url]);
    assert_code(&refreshed, 0);
    assert_eq!(refreshed.stdout, "refreshed 4 of 4 documents\n");

    // Each on its own, and what is kept stays.
    let ailing = Pcs::start(&sandbox, &["--at", later, "--fail", "tcb=404"]);
    let refreshed = collateral(later, &["refresh", "--source", &ailing.url]);
    assert_code(&refreshed, 3);
    assert_eq!(refreshed.stdout, "refreshed 3 of 4 documents\n");
    assert_code(&collateral(later, &["check"]), 0);
    for mistake in [&["--cached"][..], &["--no-cache"], &["--set", "early"]] {
        assert_code(&collateral(later, &[&["refresh"], mistake].concat()), 2);
    }

    let ended = "2026-12-10T00:00:00Z";
    let check = collateral(ended, &["check"]);
    assert_code(&check, 1);
    assert!(check.stderr.contains("\nhint: "), "{}", check.stderr);
    let forget = |more: &[&str]| collateral(ended, &[&["forget"], more].concat());
    assert_eq!(forget(&[]).stdout, "forgot 0 documents\n");
    let forgot = forget(&["--ended", "1d"]);
    assert_code(&forgot, 0);
    assert_eq!(forgot.stdout, "forgot 3 documents\n");
    assert_eq!(kept(&sandbox), ["sgx-rootcacrl.json".to_owned()].into());
    assert_code(&collateral(ended, &["check"]), 0);
    // Genuine, current, and older than what was forgotten.
    let older = run(&sandbox, AT, &["verify", "q", "--source", &pcs.url]);
    assert_code(&older, 3);
    assert!(older.stderr.contains("has been seen before"), "{}", older.stderr);
}

#[test]
fn figures_for_prometheus_are_the_seconds_that_are_left() {
    let sandbox = sandbox("prometheus");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let fetch = ["collateral", "fetch", "q", "--source", &pcs.url, "-o", "b.json"];
    assert_code(&run(&sandbox, AT, &fetch), 0);
    let at = "2026-12-01T00:00:10Z";
    let figures = run(&sandbox, at, &["collateral", "check", "--prometheus"]);
    assert_code(&figures, 1);
    let path = format!("/tdx/certification/v4/tcb?fmspc={FMSPC}&update=standard");
    let line = format!(
        "tdattest_collateral_seconds_left{{document=\"TCB info TDX {FMSPC}\",request=\"{path}\"}} -10"
    );
    assert!(figures.stdout.lines().any(|found| found == line), "{}", figures.stdout);
    assert!(figures.stdout.contains("\ntdattest_collateral_broken 0\n"), "{}", figures.stdout);
}

#[test]
fn an_archive_carries_both_sets_to_where_there_is_no_network() {
    let sandbox = sandbox("archive");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url, "-o", "a.json"];
    assert_code(&run(&sandbox, AT, &export), 0);
    drop(pcs);
    let json = sandbox.bundle("a.json");
    assert_eq!(Schema::read("collateral-archive.json").faults(&json), Vec::<String>::new());
    assert_eq!(json["documents"].as_array().unwrap().len(), 11);

    // As a file beside the quote, as a source, and in a cache of its own.
    let verify = |more: &[&str]| run(&sandbox, AT, &[&["verify", "q"], more].concat());
    assert_code(&verify(&["--offline", "--collateral", "a.json"]), 0);
    assert_code(&verify(&["--offline", "--collateral", "a.json", "--set", "early"]), 1);
    assert_code(&verify(&["--source", "a.json", "--no-cache"]), 0);
    assert_code(&verify(&["--source", "a.json", "--no-cache", "--set", "early"]), 1);
    let import = ["collateral", "import", "a.json", "--cache-dir", "there"];
    let imported = run(&sandbox, AT, &import);
    assert_code(&imported, 0);
    assert_eq!(imported.stdout, "kept 11 documents\n");
    assert_code(&verify(&["--source", &nowhere(), "--cache-dir", "there"]), 0);

    let exported = ["collateral", "export", "--cache-dir", "there", "-o", "again.json"];
    assert_code(&run(&sandbox, AT, &exported), 0);
    assert_eq!(sandbox.bundle("again.json"), json);
}

#[test]
fn an_import_refuses_what_is_older_or_forged_and_keeps_the_rest() {
    let sandbox = sandbox("import");
    for (at, name) in [(AT, "newer.json"), ("2026-10-20T00:00:00Z", "older.json")] {
        let pcs = Pcs::start(&sandbox, &["--at", at]);
        let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url, "-o", name];
        assert_code(&run(&sandbox, at, &[&export[..], &["--no-cache"]].concat()), 0);
    }
    let import = |name: &str, more: &[&str]| {
        run(&sandbox, AT, &[&["collateral", "import", name], more].concat())
    };
    assert_code(&import("newer.json", &[]), 0);
    let older = import("older.json", &[]);
    assert_code(&older, 0);
    let told = "kept 0 documents; newer ones than 11 others have been seen\n";
    assert_eq!(older.stdout, told);
    assert!(older.stderr.contains("has been seen before"), "{}", older.stderr);
    assert_code(&import("older.json", &["--dangerous-allow-rollback"]), 0);

    let text = String::from_utf8(sandbox.read("newer.json")).unwrap();
    sandbox.write("forged.json", text.replacen("UpToDate", "Revoked", 1));
    let forged = import("forged.json", &[]);
    assert_code(&forged, 1);
    assert_eq!(forged.stdout, "kept 10 documents\n");

    let late =
        |at| run(&sandbox, at, &["collateral", "import", "newer.json", "--cache-dir", "elsewhere"]);
    let soon = late("2026-11-28T00:00:00Z");
    assert_code(&soon, 0);
    assert!(soon.stderr.contains("warning: TCB info TDX"), "{}", soon.stderr);
    let ended = late("2026-12-05T00:00:00Z");
    assert_code(&ended, 1);
    assert!(ended.stderr.contains("serves nobody"), "{}", ended.stderr);
}

#[test]
fn an_archive_in_which_the_sets_were_exchanged_is_refused_whole() {
    let sandbox = sandbox("exchanged");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url, "-o", "a.json"];
    assert_code(&run(&sandbox, AT, &[&export[..], &["--no-cache"]].concat()), 0);
    let text = String::from_utf8(sandbox.read("a.json")).unwrap();
    let exchanged = text
        .replace("update=standard", "update=other")
        .replace("update=early", "update=standard")
        .replace("update=other", "update=early");
    sandbox.write("exchanged.json", exchanged);
    let import = run(&sandbox, AT, &["collateral", "import", "exchanged.json"]);
    assert_code(&import, 2);
    assert_code(&run(&sandbox, AT, &["collateral", "show"]), 2);
    assert_code(&run(&sandbox, AT, &["collateral", "import", "a.json"]), 0);
}

#[test]
fn the_configured_set_counts_whatever_the_collateral_comes_from() {
    let sandbox = sandbox("configured");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url, "-o", "a.json"];
    assert_code(&run(&sandbox, AT, &export), 0);
    let standard = format!("/tdx/certification/v4/tcb?fmspc={FMSPC}&update=standard");
    let number = number(&sandbox.bundle("a.json"), &standard);

    // A file of QCNL as it is shipped says nothing of the set.
    sandbox
        .write("qcnl.conf", format!("{{ \"pccs_url\": \"{}/sgx/certification/v4/\" }}\n", pcs.url));
    let configure = |set: &str| {
        let text = format!("[collateral]\nset = \"{set}\"\nqcnl_conf = \"qcnl.conf\"\n");
        sandbox.write("config/tdattest/config.toml", text);
    };
    configure("early");
    assert_code(&run(&sandbox, AT, &["verify", "q"]), 1);
    assert_code(&run(&sandbox, AT, &["verify", "q", "--set", "standard"]), 0);
    let offline = ["verify", "q", "--offline", "--collateral", "a.json"];
    assert_code(&run(&sandbox, AT, &offline), 1);
    assert_code(&run(&sandbox, AT, &[&offline[..], &["--set", "standard"]].concat()), 0);

    configure(&number.to_string());
    assert_code(&run(&sandbox, AT, &export), 0);
    assert_eq!(sandbox.bundle("a.json")["documents"].as_array().unwrap().len(), 15);
    assert_code(&run(&sandbox, AT, &offline), 0);
}

/// The TCB evaluation data number of the document that answers a request.
fn number(archive: &Value, request: &str) -> u64 {
    let mut documents = archive["documents"].as_array().unwrap().iter();
    let document = documents.find(|document| document["request"] == request).unwrap();
    let body: Value = serde_json::from_str(document["body"].as_str().unwrap()).unwrap();
    body["tcbInfo"]["tcbEvaluationDataNumber"].as_u64().unwrap()
}

#[test]
fn an_export_leaves_out_what_is_not_to_be_had_as_long_as_the_rest_is_enough() {
    let sandbox = sandbox("leaves_out");
    let export = |at: &str, fail: &[&str], more: &[&str]| {
        let pcs = Pcs::start(&sandbox, &[&["--at", at], fail].concat());
        let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url];
        run(&sandbox, at, &[&export, more, &["-o", "a.json"]].concat())
    };
    let count = || sandbox.bundle("a.json")["documents"].as_array().unwrap().len();
    // A PCCS that knows one CA.
    let one_ca = export(AT, &["--fail", "pckcrl=404,times=1"], &["--no-cache"]);
    assert_code(&one_ca, 0);
    assert!(one_ca.stderr.contains("left out: PCK CRL"), "{}", one_ca.stderr);
    assert_eq!(count(), 10);
    // A set that is kept and has ended, and that Intel has retired.
    assert_code(&export(AT, &[], &[]), 0);
    let retired = export("2026-12-05T00:00:00Z", &["--fail", "tcb=410,times=1"], &[]);
    assert_code(&retired, 0);
    assert_eq!(count(), 10);
    // Nothing that a quote could be judged by: everything that is in the way is told.
    let too_little = export(AT, &["--fail", "pckcrl=404"], &["--no-cache"]);
    assert_code(&too_little, 3);
    assert_eq!(too_little.stderr.matches("error: ").count(), 2, "{}", too_little.stderr);
    assert_code(&export(AT, &["--fail", "tcb=404"], &["--no-cache"]), 3);
}

#[test]
fn an_import_needs_no_source_and_what_is_kept_serves_without_one() {
    let sandbox = sandbox("cached");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url, "-o", "a.json"];
    assert_code(&run(&sandbox, AT, &[&export[..], &["--no-cache"]].concat()), 0);
    let broken = ["--source", "https://pccs.example", "--ca-file", "gone.pem"];
    let import = ["collateral", "import", "a.json"];
    assert_code(&run(&sandbox, AT, &[&import[..], &broken].concat()), 0);
    let cached = [&["verify", "q", "--cached"][..], &broken].concat();
    assert_code(&run(&sandbox, AT, &cached), 0);
    // Due, and nobody is asked.
    assert_code(&run(&sandbox, "2026-11-30T12:00:00Z", &cached), 0);
    assert_code(&run(&sandbox, "2026-12-05T00:00:00Z", &cached), 3);
}

#[test]
fn an_export_asks_for_what_there_is_now_though_a_set_is_kept() {
    let sandbox = sandbox("refresh");
    let later = "2026-11-03T00:00:00Z";
    let export = |at: &str| {
        let pcs = Pcs::start(&sandbox, &["--at", at]);
        let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url];
        assert_code(&run(&sandbox, at, &[&export[..], &["-o", "a.json"]].concat()), 0);
        sandbox.bundle("a.json")
    };
    let (first, second) = (export(AT), export(later));
    for (first, second) in
        first["documents"].as_array().unwrap().iter().zip(second["documents"].as_array().unwrap())
    {
        assert_eq!(first["request"], second["request"]);
        assert_ne!(first["body"], second["body"]);
    }
}

#[test]
fn a_monitor_hears_of_what_keeps_the_check_from_running() {
    let sandbox = sandbox("monitor");
    let unreadable = "\ntdattest_collateral_readable 0\n";
    let check = |more: &[&str]| run(&sandbox, AT, &[&["collateral", "check"], more].concat());
    let nothing = check(&["--prometheus"]);
    assert_code(&nothing, 3);
    assert!(nothing.stdout.contains(unreadable), "{}", nothing.stdout);

    sandbox.write("config/tdattest/config.toml", "[collateral]\nsets = \"early\"\n");
    let nagios = check(&["--nagios"]);
    assert_code(&nagios, 3);
    assert!(nagios.stdout.starts_with("COLLATERAL UNKNOWN - "), "{}", nagios.stdout);
    assert_eq!((nagios.stdout.lines().count(), nagios.stderr.as_str()), (1, ""));
    let figures = check(&["--prometheus"]);
    assert_code(&figures, 2);
    assert!(figures.stdout.contains(unreadable), "{}", figures.stdout);

    sandbox.write("config/tdattest/config.toml", "");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let fetch = ["collateral", "fetch", "q", "--source", &pcs.url, "-o", "b.json"];
    assert_code(&run(&sandbox, AT, &fetch), 0);
    let written = check(&["--prometheus", "-o", "tdattest.prom"]);
    assert_eq!((written.code, written.stdout.as_str()), (Some(0), ""));
    let text = String::from_utf8(sandbox.read("tdattest.prom")).unwrap();
    assert!(text.contains("\ntdattest_collateral_readable 1\n"), "{text}");

    // A copy beside a document is no second document.
    let documents = sandbox.path().join("cache/tdattest");
    let cache = fs::read_dir(documents).unwrap().next().unwrap().unwrap().path().join("documents");
    let document = fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    fs::copy(&document, cache.join("old.json")).unwrap();
    let copied = check(&["--prometheus"]);
    assert_code(&copied, 1);
    assert!(copied.stdout.contains("\ntdattest_collateral_broken 1\n"), "{}", copied.stdout);
    let series = copied.stdout.lines().filter(|line| line.contains("seconds_left{")).count();
    assert_eq!(series, 4);
}

#[test]
fn what_is_said_of_trust_is_refused_where_it_has_no_effect() {
    let sandbox = sandbox("no_effect");
    let source = format!("[[collateral.source]]\nat = \"{}\"\n", nowhere());
    sandbox.write("config/tdattest/config.toml", source);
    let pin = "00".repeat(32);
    sandbox.write("key", "0123456789abcdef");
    for flag in [&["--pin-sha256", &pin][..], &["--api-key-file", "key"], &["--dangerous-insecure"]]
    {
        let refused = run(&sandbox, AT, &[&["verify", "q"], flag].concat());
        assert_code(&refused, 2);
        assert!(refused.stderr.contains("hint: "), "{}", refused.stderr);
    }
    assert_code(&run(&sandbox, AT, &["verify", "q"]), 3);
}

#[test]
fn a_tcb_recovery_is_told_from_an_archive() {
    let sandbox = sandbox("diff");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let export = ["collateral", "export", "--fmspc", FMSPC, "--source", &pcs.url, "-o", "a.json"];
    assert_code(&run(&sandbox, AT, &export), 0);
    let diff = |more: &[&str]| {
        sandbox.run(&[&["collateral", "diff", "a.json", "--root", "p/root.pem"], more].concat())
    };
    let words = diff(&[]);
    assert_code(&words, 0);
    assert!(words.stdout.contains("status: UpToDate -> OutOfDate"), "{}", words.stdout);
    let same = diff(&["a.json"]);
    assert_eq!((same.code, same.stdout.as_str()), (Some(0), "no change\n"));
    let json = diff(&["--json"]).json();
    assert_eq!(Schema::read("collateral-diff.json").faults(&json), Vec::<String>::new());
    assert!(!json["documents"].as_array().unwrap().is_empty());
    // Without its root it is nobody's.
    assert_code(&sandbox.run(&["collateral", "diff", "a.json"]), 2);
    sandbox.write("config/tdattest/config.toml", "[collateral]\nroot = \"p/root.pem\"\n");
    assert_code(&sandbox.run(&["collateral", "diff", "a.json"]), 0);
}

#[test]
fn listings_fit_their_schema_whatever_they_list() {
    let sandbox = sandbox("show");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    let fetch = ["collateral", "fetch", "q", "--source", &pcs.url, "-o", "b.json"];
    assert_code(&run(&sandbox, AT, &fetch), 0);
    let schema = Schema::read("collateral-windows.json");
    let mut states = BTreeSet::new();
    for at in ["2026-10-01T00:00:00Z", AT, "2026-11-28T00:00:00Z", "2026-12-02T00:00:00Z"] {
        for place in [&[][..], &["b.json"]] {
            let arguments = [&["collateral", "show", "--json"], place].concat();
            let shown = run(&sandbox, at, &arguments);
            assert_code(&shown, 0);
            let json = shown.json();
            assert_eq!(schema.faults(&json), Vec::<String>::new());
            assert_eq!(json["documents"].as_array().unwrap().len(), 4);
            states.extend(states_of(&json));
        }
    }
    // Under another root everything is broken.
    let broken = sandbox.run(&["collateral", "show", "b.json", "--json", "--at", AT]).json();
    assert_eq!(schema.faults(&broken), Vec::<String>::new());
    states.extend(states_of(&broken));
    let all = ["broken", "current", "ended", "notYet", "warning"].map(String::from);
    assert_eq!(states, all.into());
}

fn states_of(json: &Value) -> BTreeSet<String> {
    let documents = json["documents"].as_array().unwrap().iter();
    documents.map(|document| document["state"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn while_the_source_is_away_what_is_kept_serves_to_its_end_and_no_longer() {
    let sandbox = sandbox("outage");
    let pcs = Pcs::start(&sandbox, &["--at", AT]);
    assert_code(&run(&sandbox, AT, &["verify", "q", "--source", &pcs.url]), 0);
    drop(pcs);
    let away = nowhere();
    let at = |at: &str, more: &[&str]| {
        run(&sandbox, at, &[&["verify", "q", "--source", &away], more].concat())
    };
    let due = at("2026-11-30T12:00:00Z", &[]);
    assert_code(&due, 0);
    assert!(due.stderr.contains("is due and cannot be had"), "{}", due.stderr);
    let ended = at("2026-12-01T00:00:01Z", &[]);
    assert_code(&ended, 3);
    assert!(ended.stderr.contains("ended at 2026-12-01T00:00:00Z"), "{}", ended.stderr);
    // What is stale by name is judged like any other collateral: it has expired.
    let stale = at("2026-12-02T00:00:00Z", &["--dangerous-allow-stale"]);
    assert_code(&stale, 1);
    assert!(stale.stderr.contains("expired"), "{}", stale.stderr);
}
