//! The command among other processes: pipes, full disks, colours, folders, files of any size.
mod samples;

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::LazyLock;

use samples::{AT, Run, Sandbox};

static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new("process"));

/// Verifies `tdx_quote` at the time of its collateral.
fn verify(more: &[&str]) -> Run {
    SANDBOX.run(&[&["verify", "tdx_quote", "--at", AT], more].concat())
}

const BUNDLE: [&str; 2] = ["--collateral", "tdx_quote_collateral.json"];

#[test]
fn a_reader_that_has_gone_away_is_no_error_and_no_panic() {
    for arguments in [
        &["inspect", "tdx_quote", "--json"][..],
        &["verify", "tdx_quote", "--collateral", "tdx_quote_collateral.json", "--at", AT],
        &["completions", "bash"],
        &["man"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = SANDBOX.command(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error_even_if_the_quote_was_accepted() {
    for arguments in [
        &["verify", "tdx_quote", "--collateral", "tdx_quote_collateral.json", "--at", AT][..],
        &["verify", "tdx_quote", "--collateral", "tdx_quote_collateral.json", "--at", AT, "--json"],
        &["inspect", "tdx_quote"],
        &["completions", "bash"],
        &["man"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = SANDBOX.command(arguments).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr.starts_with("error: cannot write to standard output: "), "{stderr}");
    }
}

#[test]
fn colours_come_only_where_they_are_wanted() {
    let escapes = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = SANDBOX.command(arguments);
        let output = command.envs(variables.iter().copied()).output().unwrap();
        output.stdout.contains(&0x1b) || output.stderr.contains(&0x1b)
    };
    for arguments in
        [&["inspect", "tdx_quote"][..], &["verify", "tdx_quote", "--offline"], &["--help"]]
    {
        assert!(!escapes(&[], arguments), "{arguments:?}: a pipe gets no colours");
        assert!(escapes(&[("CLICOLOR_FORCE", "1")], arguments), "{arguments:?}");
        assert!(
            !escapes(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")], arguments),
            "{arguments:?}: NO_COLOR wins"
        );
    }
}

#[test]
fn what_a_file_says_cannot_reach_the_terminal_as_a_command() {
    SANDBOX.write("hostile.json", r#"{"a\u001b[2J\u202e":1}"#);
    SANDBOX.write("hostile\u{1b}[2J", "");
    for name in ["hostile.json", "hostile\u{1b}[2J"] {
        let run = SANDBOX.run(&["inspect", name]);
        assert_eq!(run.code, Some(2));
        assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']), "{}", run.stderr);
    }
}

#[test]
fn data_goes_to_standard_output_and_all_else_to_standard_error() {
    let accepted = verify(&BUNDLE);
    assert!(accepted.stderr.is_empty() && !accepted.stdout.is_empty());
    let refused = SANDBOX.run(&["verify", "changed_quote", "--at", AT, BUNDLE[0], BUNDLE[1]]);
    assert!(refused.stdout.is_empty() && !refused.stderr.is_empty());
    let json =
        SANDBOX.run(&["verify", "changed_quote", "--at", AT, BUNDLE[0], BUNDLE[1], "--json"]);
    assert!(json.stderr.is_empty() && !json.stdout.is_empty());
}

#[test]
fn quote_and_collateral_are_read_from_standard_input() {
    for quote in ["tdx_quote", "tdx_quote.hex", "tdx_quote.base64"] {
        let arguments = ["verify", "-", "--at", AT, BUNDLE[0], BUNDLE[1]];
        assert_eq!(SANDBOX.run_with(&arguments, quote).code, Some(0), "{quote}");
    }
    let arguments = ["verify", "tdx_quote", "--at", AT, "--collateral", "-"];
    assert_eq!(SANDBOX.run_with(&arguments, "tdx_quote_collateral.json").code, Some(0));
    assert_eq!(SANDBOX.run_with(&["inspect", "-"], "td_report").code, Some(0));
}

#[test]
fn crls_of_a_folder_may_be_der_pem_or_hexadecimal() {
    for (ending, source) in
        [("der", "der"), ("crl", "der"), ("crl", "pem"), ("pem", "pem"), ("hex", "hex")]
    {
        let folder = format!("parts_{ending}_{source}");
        for part in ["tcb_info.json", "qe_identity.json"] {
            SANDBOX.write(&format!("{folder}/{part}"), SANDBOX.read(&format!("parts/{part}")));
        }
        for part in ["pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain"] {
            let name = format!("{part}.pem");
            SANDBOX.write(&format!("{folder}/{name}"), SANDBOX.read(&format!("parts/{name}")));
        }
        for crl in ["root_ca_crl", "pck_crl"] {
            let bytes = SANDBOX.read(&format!("{crl}.{source}"));
            SANDBOX.write(&format!("{folder}/{crl}.{ending}"), bytes);
        }
        assert_eq!(verify(&["--collateral", &folder]).code, Some(0), "{folder}");
    }
}

#[test]
fn a_folder_that_lacks_a_part_is_undecided() {
    SANDBOX.write("two_parts/tcb_info.json", SANDBOX.read("parts/tcb_info.json"));
    SANDBOX.write("two_parts/qe_identity.json", SANDBOX.read("parts/qe_identity.json"));
    let run = verify(&["--collateral", "two_parts", "--json"]);
    assert_eq!(
        (run.code, run.json()["error"]["code"].as_str()),
        (Some(3), Some("collateral.missing"))
    );
    let inspected = SANDBOX.run(&["inspect", "two_parts", "--json"]);
    assert_eq!(inspected.code, Some(0));
    assert!(inspected.json()["collateral"]["fault"].is_string());
}

#[test]
fn every_encoding_of_a_crl_shows_the_same() {
    let crl = |name: &str| SANDBOX.run(&["inspect", name, "--json"]).json()["crl"].clone();
    let der = crl("pck_crl.der");
    assert_eq!(der["revoked"].as_array().unwrap().len(), 44);
    assert_eq!((crl("pck_crl.pem"), crl("pck_crl.hex")), (der.clone(), der));
}

#[test]
fn a_huge_file_is_refused_without_being_read() {
    File::create(SANDBOX.path().join("huge")).unwrap().set_len(100 << 20).unwrap();
    for arguments in [
        &["inspect", "huge"][..],
        &["verify", "huge"],
        &["verify", "tdx_quote", "--collateral", "huge"],
        &["verify", "tdx_quote", "--root", "huge"],
    ] {
        let run = SANDBOX.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}");
        assert!(run.stderr.starts_with("error: `huge` is larger than "), "{}", run.stderr);
    }
}

#[test]
#[cfg(unix)]
fn a_file_without_permission_is_an_error_of_one_line_and_a_hint() {
    use std::os::unix::fs::PermissionsExt;
    SANDBOX.write("secret", "quote");
    let path = SANDBOX.path().join("secret");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(&path).is_ok() {
        let _ = writeln!(io::stdout(), "skipped: this user may read every file");
        return;
    }
    let run = SANDBOX.run(&["inspect", "secret"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.starts_with("error: cannot read `secret`: permission denied\nhint: "));
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = SANDBOX.run(&["completions", shell]);
        assert_eq!(run.code, Some(0), "{shell}");
        assert!(
            run.stdout.contains("inspect") && run.stdout.contains("dangerous-allow-debug"),
            "{shell}"
        );
        assert!(run.stdout.contains("demo") && run.stdout.contains("pck-chain"), "{shell}");
    }
    let page = SANDBOX.run(&["man"]);
    assert_eq!(page.code, Some(0));
    assert!(
        page.stdout.contains(".TH tdattest 1") && page.stdout.contains(r"tdattest\-inspect(1)")
    );
    assert_eq!(SANDBOX.run(&["man", "--out", "pages"]).code, Some(0));
    for page in [
        "tdattest.1",
        "tdattest-verify.1",
        "tdattest-inspect.1",
        "tdattest-demo.1",
        "tdattest-report.1",
        "tdattest-quote.1",
        "tdattest-channel.1",
        "tdattest-channel-test.1",
        "tdattest-rtmr.1",
        "tdattest-rtmr-extend.1",
        "tdattest-qgs-serve.1",
        "tdattest-qgs-status.1",
        "tdattest-qgs-check.1",
        "tdattest-sim.1",
        "tdattest-sim-platform.1",
        "tdattest-sim-platform-new.1",
        "tdattest-sim-quote.1",
        "tdattest-sim-collateral.1",
        "tdattest-sim-faults.1",
    ] {
        assert!(!SANDBOX.read(&format!("pages/{page}")).is_empty(), "{page}");
    }
    let run = SANDBOX.run(&["man", "--out", "letter"]);
    assert_eq!(run.code, Some(2));
    assert!(
        run.stderr.starts_with("error: cannot write manual pages into `letter`: "),
        "{}",
        run.stderr
    );
}

#[test]
fn the_fields_of_a_quote_cover_all_of_it() {
    for quote in ["tdx_quote", "sgx_quote", "tdx_quote_td15ex"] {
        let json = SANDBOX.run(&["inspect", quote, "--json"]).json();
        let mut at = 0;
        for section in json["quote"]["sections"].as_array().unwrap() {
            for field in section["fields"].as_array().unwrap() {
                assert_eq!(field["offset"], at, "{quote}: {field}");
                at += field["size"].as_u64().unwrap();
            }
        }
        let trailing = json["quote"]["trailingBytes"].as_u64().unwrap();
        assert_eq!(at + trailing, json["bytes"].as_u64().unwrap(), "{quote}");
    }
    let json = SANDBOX.run(&["inspect", "td_report", "--json"]).json();
    let sections = json["tdreport"]["sections"].as_array().unwrap();
    let fields = sections.iter().flat_map(|section| section["fields"].as_array().unwrap());
    assert_eq!(fields.map(|field| field["size"].as_u64().unwrap()).sum::<u64>(), 1024);
}
