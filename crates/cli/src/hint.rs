//! What to do about it: one line for each kind of reason.

use tdattest_verifier::Facts;
use tdattest_verifier::result::{ErrorView, Judgement};
use tdattest_verifier::verified::{SvnComponent, SvnNeed};
use tdattest_verifier::wire::tcb_status::TcbStatus;

/// The remedy for what decided a judgement.
pub(crate) fn of(judgement: &Judgement) -> Option<String> {
    let error = judgement.errors().into_iter().next()?;
    if error.code == "policy.tcb-status" || error.code.starts_with("tcb.") {
        return judgement.facts().map(tcb);
    }
    Some(by_code(&error).into())
}

fn by_code(error: &ErrorView) -> &'static str {
    let (subject, fault) = error.code.split_once('.').unwrap_or((error.code, ""));
    match (subject, fault) {
        ("pck-chain", "expired") => {
            "the platform needs a new PCK certificate: refresh its PCCS, then make a new quote"
        }
        (_, "expired") => "fetch fresh collateral; --at judges an old quote as of its own time",
        ("tcb-info" | "qe-identity", "malformed") => {
            "Intel signed it, but this version of tdattest cannot read it: update tdattest"
        }
        (_, "not-yet-valid" | "not-yet-issued") => {
            "check this machine's clock, or give --at a time inside the collateral's windows"
        }
        (_, "revoked") => "Intel has revoked this key: do not rely on this platform any more",
        ("pck-chain", "untrusted") => {
            "the platform is not under the trust anchor, which is Intel's unless --root names another: a platform of `tdattest sim` (for one of yours give --root DIR/root.pem), or a forgery"
        }
        (_, "untrusted") => {
            "the collateral is not under the trust anchor, which is Intel's unless --root names another; for a platform that you made with `tdattest sim`, give --root DIR/root.pem"
        }
        ("pck-chain", "missing") => {
            "put the platform's PCK chain into the collateral as `pck_certificate_chain`, or quote on a host with a PCCS"
        }
        ("collateral", "missing") => {
            "give --collateral a bundle or folder with every part: `tdattest verify --help` lists them, `tdattest inspect` shows what is there"
        }
        ("collateral", "malformed") => {
            "fetch the collateral again and keep the bytes as they arrive; `tdattest inspect` tells what a file is"
        }
        ("tcb-info", "fmspc" | "pceid" | "other-tee")
        | ("qe-identity", "other-enclave")
        | ("pck-crl", "other-ca") => {
            "the collateral is another platform's: fetch it for the FMSPC, CA and TEE of this quote"
        }
        ("quote", "malformed") => {
            "check that the file is a whole quote, raw, hexadecimal or base64; `tdattest inspect` shows more"
        }
        ("input", _) => {
            "check that it is the right file, whole and readable; `tdattest inspect` tells what a file is"
        }
        ("policy", "debug") => "do not rely on it; --dangerous-allow-debug accepts it for tests",
        ("policy", "report-data") => {
            "the quote was made for other data: an old quote, another nonce, or another TD"
        }
        ("policy", "under-debug" | "unknown-attributes") => {
            "do not rely on it; ask who launched it for these attributes"
        }
        ("tdx-module", _) => {
            "the host runs a TDX module that Intel does not list: update it, or fetch newer TCB info"
        }
        ("qe" | "quote" | "tcb-info" | "qe-identity" | "pck-crl" | "root-ca-crl", _) => {
            "it was changed on its way, or forged: get it again from its source, and do not rely on it"
        }
        _ => "do not rely on it; get the quote and the collateral again from their source",
    }
}

/// What to update on the platform, from its status and the SVNs that fall short.
fn tcb(facts: &Facts) -> String {
    let status = facts.tcb_status();
    if let Some(remedy) = status.and_then(without_update) {
        return remedy.into();
    }
    let needs = facts.tcb.as_ref().map(|tcb| tcb.needs()).unwrap_or_default();
    let short: Vec<&SvnNeed> = needs.iter().filter(|need| need.falls_short()).collect();
    let mut remedies: Vec<&str> = short.iter().map(|need| remedy(need)).collect();
    if status.is_some_and(|status| status.name().contains("Configuration")) {
        remedies.push("change the BIOS settings that the advisories name (often hyper-threading)");
    }
    if status.is_some_and(|status| status.name().contains("SWHardening")) {
        remedies.push("apply the mitigations that the advisories ask of the software");
    }
    // These SVNs are the PCK certificate's: an update shows only in a new one.
    let certified =
        |need: &&SvnNeed| matches!(need.component, SvnComponent::Sgx(_) | SvnComponent::Pce);
    if short.iter().any(certified) {
        remedies.push("then make a new quote, with the platform's new PCK certificate");
    }
    if remedies.is_empty() {
        remedies
            .push("update the platform's BIOS, microcode and TDX module, then make a new quote");
    }
    let mut seen = Vec::new();
    remedies.retain(|remedy| {
        let new = !seen.contains(remedy);
        seen.push(*remedy);
        new
    });
    remedies.join("; ")
}

/// The remedy of a status that no update of the platform cures.
fn without_update(status: TcbStatus) -> Option<&'static str> {
    match status {
        TcbStatus::Revoked => {
            Some("this TCB is compromised: do not rely on this platform until it is updated")
        }
        TcbStatus::TdRelaunchAdvised => {
            Some("the host has been updated since: launch the TD again")
        }
        TcbStatus::TdRelaunchAdvisedConfigurationNeeded => Some(
            "the host has been updated since: launch the TD again, and change the BIOS settings that the advisories name",
        ),
        TcbStatus::SwHardeningNeeded => Some(
            "the platform is up to date; the advisories ask for mitigations in the software that runs on it",
        ),
        _ => None,
    }
}

fn remedy(need: &SvnNeed) -> &'static str {
    match (need.component, need.category.as_str(), need.kind.as_str()) {
        (SvnComponent::TdxModule, ..) | (SvnComponent::Tdx(1 | 2), ..) => "update the TDX module",
        (_, _, kind) if kind.contains("SEAMLDR") => {
            "update the TDX module's loader (SEAMLDR, with the BIOS or the OS)"
        }
        (_, _, "TDX Module") => "update the TDX module",
        (_, _, "TXT SINIT") => "update the TXT SINIT module (with the BIOS or the OS)",
        (SvnComponent::Qe, ..) => "update the quoting enclave on the host (Intel's DCAP packages)",
        (SvnComponent::Pce, ..) => "update the PCE on the host",
        (_, "OS/VMM", _) => "load newer microcode (OS or VMM)",
        (_, "BIOS", _) => "update the BIOS, which brings microcode",
        _ => "update BIOS and microcode",
    }
}
