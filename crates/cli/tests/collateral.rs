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
    assert_code(&older, 1);
    assert_eq!(older.stdout, "kept 0 documents\n");
    assert!(older.stderr.contains("has been seen before"), "{}", older.stderr);
    assert_code(&import("older.json", &["--dangerous-allow-rollback"]), 0);

    let text = String::from_utf8(sandbox.read("newer.json")).unwrap();
    sandbox.write("forged.json", text.replacen("UpToDate", "Revoked", 1));
    let forged = import("forged.json", &[]);
    assert_code(&forged, 1);
    assert_eq!(forged.stdout, "kept 10 documents\n");
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
