//! A folder of samples for the tests of one kind: what the `dcap-qvl` package ships, and files made from that.
//!
//! Quotes and collateral are Intel's, so they are found in the package's source and not copied into the project.
#![allow(dead_code, reason = "each test uses a part of it")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Value, json};
use sha2::{Digest, Sha384};
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::{CertificationData, Quote};

/// When the collateral of `tdx_quote` and `sgx_quote` is valid.
pub(crate) const AT: &str = "2025-06-25T00:00:00Z";

/// The samples, in a folder of their own.
pub(crate) struct Sandbox(PathBuf);

/// How a run of `tdattest` ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Sandbox {
    /// Makes the folder anew. Two tests with the same name would take it from under one another.
    pub(crate) fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        let sandbox = Self(folder);
        sandbox.copy_samples();
        sandbox.write_quotes();
        sandbox.write_bundles();
        sandbox.write_parts();
        sandbox
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// `tdattest`, to be run in the folder, with the colours that a pipe gets.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tdattest"));
        command.args(arguments).current_dir(&self.0).stdin(Stdio::null());
        command.env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
        // Not this machine's sources, nor its cache.
        command.env("XDG_CONFIG_HOME", self.0.join("config"));
        command.env("XDG_CACHE_HOME", self.0.join("cache"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::new(&self.command(arguments).output().unwrap())
    }

    /// A run with these bytes on standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &str) -> Run {
        let input = fs::File::open(self.0.join(input)).unwrap();
        Run::new(&self.command(arguments).stdin(input).output().unwrap())
    }

    /// A bundle as a JSON object.
    pub(crate) fn bundle(&self, name: &str) -> Value {
        serde_json::from_slice(&self.read(name)).unwrap()
    }

    fn copy_samples(&self) {
        for entry in fs::read_dir(package_samples()).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, self.0.join(path.file_name().unwrap())).unwrap();
        }
    }

    fn write_quotes(&self) {
        let quote = self.read("tdx_quote");
        // In lines, as `xxd -p` and `base64` print them.
        let lines = |text: String, width: usize| {
            let lines =
                text.as_bytes().chunks(width).map(|line| std::str::from_utf8(line).unwrap());
            lines.collect::<Vec<_>>().join("\n") + "\n"
        };
        self.write("tdx_quote.hex", lines(HEXLOWER.encode(&quote), 60));
        self.write("tdx_quote.base64", lines(BASE64.encode(&quote), 76));
        self.write("truncated_quote", &quote[..1000]);
        self.write("quote_in_a_message", [&[0; 77][..], &quote].concat());
        let mut changed = quote.clone();
        changed[48 + 136] ^= 1; // A bit of MRTD.
        self.write("changed_quote", changed);
        let mut reserved = quote.clone();
        reserved[8] = 7;
        self.write("quote_with_reserved_bytes", reserved);
        self.write("td_report", td_report(&quote));
        let mut inconsistent = td_report(&quote);
        inconsistent[1000] ^= 1;
        self.write("inconsistent_td_report", inconsistent);
        self.write("lost_digit.hex", &HEXLOWER.encode(&quote)[1..]);
        self.write("empty", "");
        self.write("list.json", "[]\n");
        self.write("private_key.pem", pem_block("PRIVATE KEY", b"not one"));
        self.write("letter", "Dear Sir or Madam!\n");
        self.write(
            "qcnl.conf",
            "{\n  // the PCCS of this rack\n  \"pccs_url\": \"https://pccs.example:8081/sgx/certification/v4\",\n  \"use_secure_cert\": \"true\",\n  \"local_cache_only\": true\n}\n",
        );
    }

    fn write_bundles(&self) {
        let whole = self.bundle("tdx_quote_collateral.json");
        let sgx = self.bundle("sgx_quote_collateral.json");
        let write = |name: &str, bundle: &Value| {
            self.write(name, serde_json::to_string_pretty(bundle).unwrap());
        };
        let mut lacks = whole.clone();
        lacks.as_object_mut().unwrap().remove("pck_crl");
        write("bundle_without_pck_crl.json", &lacks);
        let mut misspelt = lacks;
        misspelt["pckcrl"] = whole["pck_crl"].clone();
        write("bundle_with_misspelt_pck_crl.json", &misspelt);
        let mut swapped = whole.clone();
        for member in ["qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"] {
            swapped[member] = sgx[member].clone();
        }
        write("bundle_with_sgx_qe_identity.json", &swapped);
        let mut edited = whole;
        let text = edited["tcb_info"].as_str().unwrap().replacen("OutOfDate", "UpToDate", 1);
        edited["tcb_info"] = text.into();
        write("bundle_with_edited_tcb_info.json", &edited);
    }

    /// The parts of a bundle as files, in `parts/` as `verify` reads them and beside it in other encodings.
    fn write_parts(&self) {
        let bundle = self.bundle("tdx_quote_collateral.json");
        let text = |member: &str| bundle[member].as_str().unwrap().to_owned();
        let answer = |member: &str, name: &str| {
            let signature = text(&format!("{member}_signature"));
            format!("{{\"{name}\":{},\"signature\":\"{signature}\"}}", text(member))
        };
        self.write("parts/tcb_info.json", answer("tcb_info", "tcbInfo"));
        self.write("parts/qe_identity.json", answer("qe_identity", "enclaveIdentity"));
        self.write("tcb_info_inner.json", text("tcb_info"));
        for chain in ["pck_crl_issuer_chain", "tcb_info_issuer_chain", "qe_identity_issuer_chain"] {
            self.write(&format!("parts/{chain}.pem"), text(chain));
        }
        for crl in ["root_ca_crl", "pck_crl"] {
            let der = HEXLOWER.decode(text(crl).as_bytes()).unwrap();
            self.write(&format!("{crl}.hex"), text(crl));
            self.write(&format!("{crl}.pem"), pem_block("X509 CRL", &der));
            self.write(&format!("{crl}.der"), &der);
            self.write(&format!("parts/{crl}.der"), &der);
        }
        let chain = pck_chain(&self.read("tdx_quote"));
        self.write("pck_chain.pem", &chain);
        let certificates = pem::certificates(&chain).unwrap();
        self.write("root.der", certificates.last().unwrap());
        self.write("pck.der", &certificates[0]);
        let signing = pem::certificates(text("tcb_info_issuer_chain").as_bytes()).unwrap();
        self.write("another_root.pem", pem_block("CERTIFICATE", &signing[0]));
        self.write("evaluation_data.json", evaluation_data().to_string());
    }
}

impl Run {
    pub(crate) fn new(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|fault| panic!("{fault}\n{}\n{}", self.stdout, self.stderr))
    }
}

/// The folder `sample` of the `dcap-qvl` package, wherever Cargo keeps it.
fn package_samples() -> PathBuf {
    let platform = format!("{}-unknown-{}-gnu", std::env::consts::ARCH, std::env::consts::OS);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        // Unfiltered, Cargo asks for the crates of every platform, which need not be there.
        .args(["--filter-platform", &platform])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|package| package["name"] == "dcap-qvl").unwrap();
    Path::new(package["manifest_path"].as_str().unwrap()).with_file_name("sample")
}

fn pck_chain(quote: &[u8]) -> Vec<u8> {
    match &Quote::parse(quote).unwrap().signature().certification_data {
        CertificationData::PckChain(chain) => chain.strip_suffix(b"\0").unwrap_or(chain).to_vec(),
        other => panic!("{other:?}"),
    }
}

/// The TDREPORT that such a quote could have been made from, but for the MAC, which is made up.
fn td_report(quote: &[u8]) -> Vec<u8> {
    let body = &quote[48..632];
    let mut report = vec![0; 1024];
    report[0] = 0x81;
    report[16..32].copy_from_slice(&[5; 16]);
    report[128..192].copy_from_slice(&body[520..584]);
    report[224..256].copy_from_slice(&[0xab; 32]);
    report[256..264].copy_from_slice(&[0xff, 1, 0, 0, 0, 0, 0, 0]);
    report[264..384].copy_from_slice(&body[..120]);
    report[512..912].copy_from_slice(&body[120..520]);
    let (module, td) = (Sha384::digest(&report[256..495]), Sha384::digest(&report[512..]));
    report[32..80].copy_from_slice(&module);
    report[80..128].copy_from_slice(&td);
    report
}

/// Made up after an answer of Intel's, signature and all.
fn evaluation_data() -> Value {
    let number = |number: u32, public: &str, date: &str| {
        json!({
            "tcbEvaluationDataNumber": number,
            "tcbRecoveryEventDate": format!("{public}T00:00:00Z"),
            "tcbDate": format!("{date}T00:00:00Z"),
        })
    };
    json!({
        "tcbEvaluationDataNumbers": {
            "id": "TDX",
            "version": 1,
            "issueDate": "2025-06-19T10:00:00Z",
            "nextUpdate": "2025-07-19T10:00:00Z",
            "tcbEvalNumbers": [
                number(18, "2024-11-12", "2024-11-13"),
                number(17, "2024-03-12", "2024-03-13"),
            ],
        },
        "signature": "ab".repeat(64),
    })
}

fn pem_block(label: &str, der: &[u8]) -> String {
    let base64 = BASE64.encode(der);
    let lines: Vec<&str> =
        base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
