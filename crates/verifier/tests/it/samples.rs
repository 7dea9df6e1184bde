//! Production quotes with their collateral: the samples that the `dcap-qvl` crate ships.
//!
//! They are read where Cargo keeps that crate, a dev-dependency, and are not copied into this
//! project. Each is judged at a frozen time inside its windows.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::quote::{Quote, SignatureData, write};
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{TrustAnchor, VerifiedQuote, Verifier, crypto};

/// A quote, the text of its collateral, and a moment inside all windows.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) quote: Vec<u8>,
    pub(crate) bundle: Vec<u8>,
    pub(crate) now: UnixTime,
}

/// Version 4, TDX 1.0 body; 70 bytes follow the quote.
pub(crate) fn tdx() -> Sample {
    read("tdx_quote", "2025-06-25T00:00:00Z")
}

/// Version 5, TDX 1.5 extended body; the collateral carries a PCK chain as well.
pub(crate) fn tdx_15_extended() -> Sample {
    read("tdx_quote_td15ex", "2026-10-15T00:00:00Z")
}

/// Version 3, SGX enclave.
pub(crate) fn sgx() -> Sample {
    read("sgx_quote", "2025-06-25T00:00:00Z")
}

/// Version 5, TDX 1.5 body, of a platform that reaches none of the TCB levels of its collateral.
pub(crate) fn tdx_below_every_level() -> Sample {
    read("tdx_quote_outdated", "2026-03-01T00:00:00Z")
}

/// The samples that verify.
pub(crate) fn verifiable() -> [Sample; 3] {
    [tdx(), tdx_15_extended(), sgx()]
}

/// Every sample.
pub(crate) fn all() -> [Sample; 4] {
    [tdx(), tdx_15_extended(), sgx(), tdx_below_every_level()]
}

/// A verifier under Intel's root with the native provider.
pub(crate) fn verifier() -> Verifier {
    Verifier::new(TrustAnchor::intel(), crypto::aws_lc())
}

impl Sample {
    pub(crate) fn collateral(&self) -> Collateral {
        Collateral::from_bundle(&self.bundle).unwrap()
    }

    pub(crate) fn parsed(&self) -> Quote<'_> {
        Quote::parse(&self.quote).unwrap()
    }

    /// The quote without the bytes that follow it.
    pub(crate) fn without_trailing(mut self) -> Self {
        let length = self.parsed().write().len();
        self.quote.truncate(length);
        self
    }

    /// The bytes of the quote with something about its signature data changed.
    pub(crate) fn with<'s>(&'s self, change: impl FnOnce(&mut SignatureData<'s>)) -> Vec<u8> {
        let quote = self.parsed();
        let mut signature = quote.signature().clone();
        change(&mut signature);
        write(quote.signed_bytes(), quote.header().version, &signature)
    }

    pub(crate) fn verified(&self) -> VerifiedQuote {
        let verified = verifier().verify(&self.parsed(), &self.collateral(), self.now);
        verified.unwrap_or_else(|failure| panic!("{}: {failure}", self.name))
    }
}

fn read(name: &'static str, now: &str) -> Sample {
    let read = |file: String| {
        let path = FOLDER.join(file);
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    Sample {
        name,
        quote: read(name.to_owned()),
        bundle: read(format!("{name}_collateral.json")),
        now: now.parse().unwrap(),
    }
}

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    in_registry().or_else(told_by_cargo).expect(
        "the samples of dcap-qvl 0.7.1 are neither in $CARGO_HOME/registry/src nor where \
         `cargo metadata --offline` says: run `cargo fetch`",
    )
});

/// Where Cargo unpacks what it downloads.
fn in_registry() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo")))?;
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    registries
        .filter_map(|registry| Some(registry.ok()?.path().join("dcap-qvl-0.7.1/sample")))
        .find(|folder| folder.is_dir())
}

/// Where it is if it was vendored or is otherwise elsewhere.
fn told_by_cargo() -> Option<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let platform = format!("{}-unknown-{}-gnu", env::consts::ARCH, env::consts::OS);
    let output = Command::new(cargo)
        .args(["metadata", "--offline", "--format-version", "1"])
        // Unfiltered, Cargo asks for the crates of every platform, which need not be there.
        .args(["--filter-platform", &platform])
        .args(["--manifest-path", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")])
        .output()
        .ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let packages = metadata.get("packages")?.as_array()?;
    let package = packages.iter().find(|package| package["name"] == "dcap-qvl")?;
    Some(Path::new(package["manifest_path"].as_str()?).parent()?.join("sample"))
}
