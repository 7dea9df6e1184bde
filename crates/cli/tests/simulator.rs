//! `tdattest sim` and `tdattest demo` among files, disks and shells.
mod samples;
mod schema;

use std::fs;
use std::io::{self, Write as _};
use std::process::Command;

use samples::{Run, Sandbox};
use schema::Schema;

/// A time at which a simulated platform is valid.
const AT: &str = "2026-11-01T12:00:00Z";

/// A folder of samples with a platform in it, and its quote and collateral.
fn sandbox(name: &str) -> Sandbox {
    let sandbox = Sandbox::new(name);
    assert_eq!(sandbox.run(&["sim", "platform", "new", "p", "--phrase", name]).code, Some(0));
    assert_eq!(quote(&sandbox, &["-o", "quote.dat"]).code, Some(0));
    assert_eq!(collateral(&sandbox, &["-o", "bundle.json"]).code, Some(0));
    sandbox
}

fn quote(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["sim", "quote", "--platform", "p", "--at", AT], more].concat())
}

fn collateral(sandbox: &Sandbox, more: &[&str]) -> Run {
    sandbox.run(&[&["sim", "collateral", "--platform", "p", "--at", AT], more].concat())
}

fn verify(sandbox: &Sandbox, quote: &str, bundle: &str, more: &[&str]) -> Run {
    sandbox.run(&[&["verify", quote, "--collateral", bundle, "--at", AT], more].concat())
}

const ROOT: [&str; 2] = ["--root", "p/root.pem"];

/// Every name in a folder of the sandbox.
fn names(sandbox: &Sandbox, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(sandbox.path().join(folder)).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// One line of error, and at most one of hint.
fn assert_misuse(run: &Run, error: &str) {
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(lines[0].starts_with(error), "expected {error}\n{}", run.stderr);
    assert!(lines[1..].iter().all(|line| line.starts_with("hint: ")), "{}", run.stderr);
    assert!(lines.len() <= 2, "{}", run.stderr);
}

#[test]
fn a_simulated_quote_without_its_root_is_refused_as_untrusted() {
    let sandbox = sandbox("without_its_root");
    let run = verify(&sandbox, "quote.dat", "bundle.json", &[]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert!(run.stderr.contains("[pck-crl-issuer-chain.untrusted]"), "{}", run.stderr);
    let hint = run.stderr.lines().last().unwrap();
    assert!(hint.starts_with("hint: ") && hint.contains("--root DIR/root.pem"), "{hint}");
    let json = verify(&sandbox, "quote.dat", "bundle.json", &["--json"]).json();
    assert_eq!(json["trustAnchor"]["kind"], "intel");
}

#[test]
fn every_result_under_a_simulated_root_says_that_it_is_custom_and_names_it() {
    let sandbox = sandbox("custom_root");
    assert_eq!(collateral(&sandbox, &["--set-of", "early", "-o", "early.json"]).code, Some(0));
    assert_eq!(quote(&sandbox, &["--fault", "quote.signature", "-o", "broken"]).code, Some(0));
    let schema = Schema::read("verification-result.json");
    for (quote, bundle, code) in [
        ("quote.dat", "bundle.json", 0),
        ("quote.dat", "early.json", 1),
        ("broken", "bundle.json", 1),
        ("tdx_quote", "bundle.json", 1),
        ("quote.dat", "tdx_quote_collateral.json", 1),
    ] {
        let run = verify(&sandbox, quote, bundle, &ROOT);
        assert_eq!(run.code, Some(code), "{quote} {bundle}");
        let anchor = "warning: trust anchor: custom, not Intel's: C=XX,ST=Nowhere,L=Loopback,\
                      O=SIMULATED\\, NOT INTEL,CN=Intel SGX Root CA (key ";
        assert!(run.stderr.contains(anchor), "{}", run.stderr);
        let row = "trust anchor  custom: C=XX,";
        assert_eq!(run.stdout.contains(row), code == 0, "{}", run.stdout);

        let json = verify(&sandbox, quote, bundle, &["--json", ROOT[0], ROOT[1]]).json();
        let anchor = &json["trustAnchor"];
        assert_eq!((&anchor["kind"], &anchor["isIntel"]), (&"custom".into(), &false.into()));
        assert_eq!(anchor["name"], "Intel SGX Root CA");
        assert!(anchor["subject"].as_str().unwrap().contains(r"O=SIMULATED\, NOT INTEL"));
        assert_eq!(schema.faults(&json), Vec::<String>::new());
    }
}

#[test]
fn intels_root_given_as_a_file_is_the_same_trust_anchor() {
    let sandbox = Sandbox::new("intels_root");
    let at = samples::AT;
    let verify = |more: &[&str]| {
        let bundle = "tdx_quote_collateral.json";
        let arguments = ["verify", "tdx_quote", "--collateral", bundle, "--at", at, "--json"];
        sandbox.run(&[&arguments, more].concat()).json()["trustAnchor"].clone()
    };
    assert_eq!(verify(&["--root", "root.der"]), verify(&[]));
}

#[test]
fn every_fault_is_refused_with_its_own_code() {
    let sandbox = sandbox("every_fault");
    let faults = sandbox.run(&["sim", "faults", "--json"]).json();
    assert_eq!(Schema::read("faults.json").faults(&faults), Vec::<String>::new());
    let faults = faults["faults"].as_array().unwrap();
    assert!(faults.len() > 90, "{}", faults.len());
    for fault in faults {
        let name = fault["name"].as_str().unwrap();
        let format: &[&str] = match name.starts_with("tcb.current-") {
            true => &["--format", "v5", "--body", "3"],
            false => &[],
        };
        let broken = ["--fault", name, "-o", "broken"];
        let (made, judged) = match fault["breaks"].as_str().unwrap() {
            "quote" => {
                let made = quote(&sandbox, &[format, &broken].concat());
                (made, verify(&sandbox, "broken", "bundle.json", &["--json", ROOT[0], ROOT[1]]))
            }
            _ => {
                let made = collateral(&sandbox, &broken);
                (made, verify(&sandbox, "quote.dat", "broken", &["--json", ROOT[0], ROOT[1]]))
            }
        };
        assert_eq!(made.code, Some(0), "{name}: {}", made.stderr);
        assert_eq!(judged.json()["error"]["code"], name);
    }
}

#[test]
fn the_list_of_faults_has_a_line_for_each() {
    let sandbox = Sandbox::new("list_of_faults");
    let json = sandbox.run(&["sim", "faults", "--json"]).json();
    let text = sandbox.run(&["sim", "faults"]).stdout;
    let faults = json["faults"].as_array().unwrap();
    assert_eq!(text.lines().count(), faults.len());
    for (line, fault) in text.lines().zip(faults) {
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), fault["name"].as_str());
        assert_eq!(words.next(), fault["breaks"].as_str());
        assert!(line.ends_with(fault["about"].as_str().unwrap()), "{line}");
    }
}

#[test]
fn every_format_and_kind_of_certification_data_verifies() {
    let sandbox = sandbox("every_format");
    for tee in ["sgx", "tdx"] {
        let bundle = format!("{tee}.json");
        assert_eq!(
            collateral(&sandbox, &["--tee", tee, "--pck-chain", "-o", &bundle]).code,
            Some(0)
        );
    }
    for (format, body) in
        [("v3", "1"), ("v4", "1"), ("v4", "2"), ("v5", "1"), ("v5", "2"), ("v5", "3"), ("v5", "4")]
    {
        let bundle = if body == "1" { "sgx.json" } else { "tdx.json" };
        for data in ["1", "2", "3", "4", "5"] {
            let options = ["--format", format, "--body", body, "--certification-data", data];
            assert_eq!(quote(&sandbox, &[&options[..], &["-o", "it"]].concat()).code, Some(0));
            let run = verify(&sandbox, "it", bundle, &ROOT);
            assert_eq!(run.code, Some(0), "{options:?}: {}", run.stderr);
        }
    }
}

#[test]
fn without_a_format_the_td_decides_it() {
    let sandbox = sandbox("format_of_the_td");
    let updated = "tdx_module.tee_tcb_svn_2=[6,3,7,2,4,1,3,6,1,2,5,1,4,2,3,1]";
    for (setting, version, body) in
        [("td.vm_id=0", 4, 584), (updated, 5, 648), ("td.vm_id=1", 5, 885)]
    {
        assert_eq!(quote(&sandbox, &["--set", setting, "-o", "it"]).code, Some(0));
        let bytes = sandbox.read("it");
        assert_eq!(u16::from_le_bytes([bytes[0], bytes[1]]), version, "{setting}");
        let size =
            if version == 4 { 584 } else { u32::from_le_bytes(bytes[50..54].try_into().unwrap()) };
        assert_eq!(size, body, "{setting}");
    }
}

#[test]
fn report_data_nonce_and_file_go_in_as_verify_demands_them() {
    let sandbox = sandbox("report_data");
    let report_data = "ab".repeat(64);
    for option in [
        ["--report-data", report_data.as_str()],
        ["--nonce", "00112233445566778899aabbccddeeff"],
        ["--data-file", "letter"],
    ] {
        assert_eq!(quote(&sandbox, &[&option[..], &["-o", "it"]].concat()).code, Some(0));
        let demand = [&option[..], &ROOT].concat();
        assert_eq!(verify(&sandbox, "it", "bundle.json", &demand).code, Some(0), "{option:?}");
        assert_eq!(verify(&sandbox, "quote.dat", "bundle.json", &demand).code, Some(1));
    }
}

#[test]
fn the_same_phrase_and_time_give_the_same_bytes_and_no_seed_gives_others() {
    let sandbox = sandbox("same_bytes");
    assert_eq!(
        sandbox.run(&["sim", "platform", "new", "again", "--phrase", "same_bytes"]).code,
        Some(0)
    );
    for file in ["platform.toml", "root.pem"] {
        assert_eq!(sandbox.read(&format!("again/{file}")), sandbox.read(&format!("p/{file}")));
    }
    assert_eq!(quote(&sandbox, &["-o", "quote2.dat"]).code, Some(0));
    assert_eq!(sandbox.read("quote2.dat"), sandbox.read("quote.dat"));
    assert_eq!(collateral(&sandbox, &["-o", "bundle2.json"]).code, Some(0));
    assert_eq!(sandbox.read("bundle2.json"), sandbox.read("bundle.json"));
    for name in ["random1", "random2"] {
        assert_eq!(sandbox.run(&["sim", "platform", "new", name]).code, Some(0));
    }
    assert_ne!(sandbox.read("random1/root.pem"), sandbox.read("random2/root.pem"));
}

#[test]
fn what_is_made_without_a_time_is_of_now() {
    let sandbox = sandbox("of_now");
    for arguments in [
        &["sim", "quote", "--platform", "p", "-o", "now.dat"][..],
        &["sim", "collateral", "--platform", "p", "-o", "now.json"],
        &["verify", "now.dat", "--collateral", "now.json", "--root", "p/root.pem"],
    ] {
        let run = sandbox.run(arguments);
        assert_eq!(run.code, Some(0), "{}", run.stderr);
    }
}

#[test]
fn a_pipe_gets_the_bytes_that_a_file_gets() {
    let sandbox = sandbox("pipe");
    for out in [&[][..], &["-o", "-"]] {
        let piped = |what: &str| {
            let arguments = [&["sim", what, "--platform", "p", "--at", AT], out].concat();
            let output = sandbox.command(&arguments).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            output.stdout
        };
        assert_eq!(piped("quote"), sandbox.read("quote.dat"));
        assert_eq!(piped("collateral"), sandbox.read("bundle.json"));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_terminal_gets_collateral_but_no_quote() {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let sandbox = sandbox("terminal");
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
    let run = |what: &str| {
        let terminal = fs::OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut command = sandbox.command(&["sim", what, "--platform", "p", "--at", AT]);
        // A bundle would fill the terminal, which nobody reads: what counts is that this is no reason to refuse.
        command.arg(if what == "quote" { "--padding=0" } else { "--fault=no-such-fault" });
        let output = command.stdout(terminal).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, stderr) = run("quote");
    assert_eq!(code, Some(2));
    assert!(stderr.starts_with("error: standard output is a terminal, "), "{stderr}");
    assert!(stderr.contains("hint: give -o FILE"), "{stderr}");
    assert!(run("collateral").1.starts_with("error: there is no fault"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    let sandbox = sandbox("full_disk");
    for what in ["quote", "collateral"] {
        let arguments = ["sim", what, "--platform", "p", "--at", AT, "-o", "/dev/full"];
        assert_misuse(&sandbox.run(&arguments), "error: cannot write `/dev/full`: no space left");
    }
}

/// Runs with files that cannot grow beyond a few hundred bytes: a disk that fills up while it is written to.
#[cfg(target_os = "linux")]
fn on_a_small_disk(sandbox: &Sandbox, arguments: &[&str]) -> Run {
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$0\" \"$@\"";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_tdattest")]).args(arguments);
    Run::new(&command.current_dir(sandbox.path()).output().unwrap())
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_half_written_is_left_by_a_disk_that_fills_up() {
    let sandbox = sandbox("small_disk");
    sandbox.write("out/old.dat", "old");
    let options = ["--platform", "p", "--at", AT, "-o"];
    for (what, file) in [("quote", "new.dat"), ("quote", "old.dat"), ("collateral", "new.json")] {
        let file = format!("out/{file}");
        let arguments = [&["sim", what], &options[..], &[&file]].concat();
        let run = on_a_small_disk(&sandbox, &arguments);
        assert_misuse(&run, &format!("error: cannot write `{file}`: file too large"));
    }
    let run = on_a_small_disk(&sandbox, &["sim", "platform", "new", "out/p"]);
    assert_misuse(&run, "error: cannot make `out/p`: file too large");
    let run = on_a_small_disk(&sandbox, &["demo", "--at", AT, "--folder", "out/demo"]);
    assert_misuse(&run, "error: cannot make `out/demo/platform`: file too large");
    assert_eq!(names(&sandbox, "out"), ["old.dat"]);
    assert_eq!(sandbox.read("out/old.dat"), b"old");
}

#[test]
#[cfg(unix)]
fn a_folder_that_cannot_be_written_to_is_an_error_and_stays_as_it_is() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::process::CommandExt as _;
    let sandbox = sandbox("read_only");
    fs::create_dir(sandbox.path().join("sealed")).unwrap();
    let sealed = fs::Permissions::from_mode(0o555);
    fs::set_permissions(sandbox.path().join("sealed"), sealed).unwrap();
    for (arguments, error) in [
        (&["sim", "platform", "new", "sealed/p"][..], "error: cannot make `sealed/p`: "),
        (
            &["sim", "quote", "--platform", "p", "--at", AT, "-o", "sealed/q"],
            "error: cannot write `sealed/q`: ",
        ),
        (
            &["sim", "collateral", "--platform", "p", "--at", AT, "-o", "sealed/b"],
            "error: cannot write `sealed/b`: ",
        ),
        (
            &["demo", "--at", AT, "--folder", "sealed/d"],
            "error: cannot make the folder `sealed/d`: ",
        ),
    ] {
        let mut command = sandbox.command(arguments);
        if rustix::process::geteuid().is_root() {
            // Whom no permission stops: as nobody instead.
            command.uid(65534);
        }
        let Ok(output) = command.output() else {
            let _ = writeln!(io::stdout(), "skipped: nobody may run a program that is here");
            return;
        };
        assert_misuse(&Run::new(&output), &format!("{error}permission denied"));
    }
    assert_eq!(names(&sandbox, "sealed"), Vec::<String>::new());
}

#[test]
#[cfg(unix)]
fn a_link_is_followed_to_the_file_that_is_replaced() {
    let sandbox = sandbox("link");
    sandbox.write("far/target.dat", "old");
    std::os::unix::fs::symlink("far/target.dat", sandbox.path().join("link.dat")).unwrap();
    assert_eq!(quote(&sandbox, &["-o", "link.dat"]).code, Some(0));
    assert_eq!(sandbox.read("far/target.dat"), sandbox.read("quote.dat"));
    assert!(sandbox.path().join("link.dat").is_symlink());
    assert_eq!(names(&sandbox, "far"), ["target.dat"]);
}

#[test]
fn a_platform_is_not_overwritten() {
    let sandbox = sandbox("not_overwritten");
    let before = sandbox.read("p/platform.toml");
    let run = sandbox.run(&["sim", "platform", "new", "p"]);
    assert_misuse(&run, "error: `p` is there already; a platform is not overwritten");
    assert_eq!(sandbox.read("p/platform.toml"), before);
    assert_eq!(names(&sandbox, "p"), ["platform.toml", "root.pem"]);
}

#[test]
fn a_platform_that_is_not_whole_is_refused_in_one_line() {
    let sandbox = sandbox("not_whole");
    let text = String::from_utf8(sandbox.read("p/platform.toml")).unwrap();
    let root = sandbox.read("p/root.pem");
    let write = |name: &str, text: Option<&str>, root: Option<&[u8]>| {
        sandbox.write(&format!("{name}/letter"), "");
        for (file, bytes) in [("platform.toml", text.map(str::as_bytes)), ("root.pem", root)] {
            if let Some(bytes) = bytes {
                sandbox.write(&format!("{name}/{file}"), bytes);
            }
        }
    };
    write("hollow", Some(""), Some(&root));
    write("half", Some(&text[..text.len() / 2]), Some(&root));
    write("cut", Some(&text[..text.len() - 20]), Some(&root));
    write("no_text", None, Some(&root));
    write("no_root", Some(&text), None);
    write("half_root", Some(&text), Some(&root[..root.len() / 2]));
    write("other_root", Some(&text), Some(&sandbox.read("another_root.pem")));
    write("other_form", Some(&text.replace("form = 1", "form = 2")), Some(&root));
    write("other_key", Some(&text.replace("pce_svn", "pce_snv")), Some(&root));
    write("no_levels", Some(text.split("[standard]").next().unwrap()), Some(&root));
    for (name, error) in [
        ("hollow", "error: `hollow/platform.toml`: line 1: missing field `form`"),
        ("half", "error: `half/platform.toml`: line "),
        ("cut", "error: `cut/platform.toml`: line "),
        ("no_text", "error: `no_text` is no simulated platform: it has no platform.toml"),
        ("no_root", "error: `no_root` is no simulated platform: it has no root.pem"),
        ("half_root", "error: `half_root/root.pem` is not the root certificate of platform.toml"),
        ("other_root", "error: `other_root/root.pem` is not the root certificate of platform.toml"),
        (
            "other_form",
            "error: `other_form/platform.toml`: is of form 2, and this version reads form 1",
        ),
        ("other_key", "error: `other_key/platform.toml`: line "),
        ("no_levels", "error: `no_levels/platform.toml`: line "),
        ("nowhere", "error: there is no folder `nowhere`"),
    ] {
        for what in ["quote", "collateral"] {
            let out = format!("{what}_of_{name}");
            let run = sandbox.run(&["sim", what, "--platform", name, "--at", AT, "-o", &out]);
            assert_misuse(&run, error);
            assert!(!sandbox.path().join(out).exists());
        }
    }
}

/// What a whole demo leaves behind.
const LEFT: [&str; 5] = ["bundle.json", "changed.dat", "early.json", "platform", "quote.dat"];

#[test]
fn the_demo_overwrites_nothing_unless_it_is_told_to() {
    let sandbox = Sandbox::new("demo_overwrites");
    sandbox.write("d/quote.dat", "mine");
    let run = sandbox.run(&["demo", "--at", AT, "--folder", "d"]);
    assert_misuse(&run, "error: `d` is there already; nothing was written");
    assert_eq!((names(&sandbox, "d"), run.stdout.as_str()), (vec!["quote.dat".into()], ""));
    assert_eq!(sandbox.read("d/quote.dat"), b"mine");

    sandbox.write("d/notes", "mine too");
    for _ in 0..2 {
        let run = sandbox.run(&["demo", "--at", AT, "--folder", "d", "--force"]);
        assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    }
    let left: Vec<&str> = LEFT.into_iter().chain(["notes"]).collect();
    let mut found = names(&sandbox, "d");
    found.sort_by_key(|name| name == "notes");
    assert_eq!(found, left);
    assert_eq!(sandbox.read("d/notes"), b"mine too");
}

#[test]
fn the_demo_takes_no_platform_away_that_has_more_in_it() {
    let sandbox = Sandbox::new("demo_platform");
    sandbox.write("d/platform/notes", "mine");
    let run = sandbox.run(&["demo", "--at", AT, "--folder", "d", "--force"]);
    assert_misuse(&run, "error: `d/platform` is there already, and no demo made it");
    assert_eq!(sandbox.read("d/platform/notes"), b"mine");
}

#[test]
fn the_demo_replaces_no_platform_but_that_of_a_demo() {
    let sandbox = sandbox("demo_of_somebody");
    // A platform of somebody's own, whose seed is nowhere else; one more file in a demo's; a link to a platform.
    sandbox.write("d/notes", b"");
    fs::rename(sandbox.path().join("p"), sandbox.path().join("d/platform")).unwrap();
    let mine = sandbox.read("d/platform/platform.toml");
    let force = ["demo", "--at", AT, "--folder", "d", "--force"];
    assert_misuse(
        &sandbox.run(&force),
        "error: `d/platform` is there already, and no demo made it",
    );
    assert_eq!(sandbox.read("d/platform/platform.toml"), mine);

    assert_eq!(sandbox.run(&["demo", "--at", AT, "--folder", "e"]).code, Some(0));
    sandbox.write("e/platform/more", b"mine");
    let force = ["demo", "--at", AT, "--folder", "e", "--force"];
    assert_misuse(
        &sandbox.run(&force),
        "error: `e/platform` is there already, and no demo made it",
    );
    assert_eq!(names(&sandbox, "e/platform"), ["more", "platform.toml", "root.pem"]);
}

#[test]
fn the_demo_shows_one_accepted_and_two_refused_verdicts() {
    let sandbox = Sandbox::new("demo_verdicts");
    let run = sandbox.run(&["demo", "--at", AT]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    let lines: Vec<&str> = run.stdout.lines().collect();
    let count = |line: &str| lines.iter().filter(|it| it.starts_with(line)).count();
    assert_eq!(count("Verification completed successfully."), 1);
    assert_eq!(count("error: "), 2, "{}", run.stdout);
    assert_eq!(count("error: the quote's signature is not by its attestation key"), 1);
    assert_eq!(count("error: TCB status is OutOfDate"), 1);
    assert_eq!(count("  SGX component 1 "), 1);
    assert_eq!(count("warning: trust anchor: custom"), 3);
    assert_eq!(names(&sandbox, "tdattest-demo"), LEFT);
    let changed = sandbox.read("tdattest-demo/changed.dat").into_iter();
    let quote = sandbox.read("tdattest-demo/quote.dat");
    assert_eq!(changed.zip(quote).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(), 1);
}

#[test]
#[cfg(unix)]
fn every_command_that_the_demo_shows_can_be_repeated_in_a_shell() {
    let sandbox = Sandbox::new("demo_repeated");
    let folder = "a demo; it's $HOME";
    let run = sandbox.run(&["demo", "--at", AT, "--folder", folder]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    fs::remove_dir_all(sandbox.path().join(folder).join("platform")).unwrap();
    let commands = run.stdout.lines().filter_map(|line| line.strip_prefix("  $ tdattest "));
    let repeated: Vec<i32> = commands
        .map(|command| {
            let script = format!("\"$0\" {command}");
            let mut shell = Command::new("sh");
            shell.args(["-c", &script, env!("CARGO_BIN_EXE_tdattest")]);
            shell.current_dir(sandbox.path()).output().unwrap().status.code().unwrap()
        })
        .collect();
    // Platform, quote, collateral, verdict; verdict; collateral, verdict.
    assert_eq!(repeated, [0, 0, 0, 0, 1, 0, 1]);
}

#[test]
fn a_demo_without_the_expected_verdicts_is_no_success() {
    let sandbox = Sandbox::new("demo_of_2001");
    let run = sandbox.run(&["demo", "--at", "2001-01-01T00:00:00Z"]);
    assert_eq!(run.code, Some(1));
    assert!(run.stderr.starts_with("error: these are not the verdicts"), "{}", run.stderr);
}
