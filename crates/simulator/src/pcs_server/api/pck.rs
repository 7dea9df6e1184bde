//! PCK certificates: the one for a platform's TCB, and those for all TCB levels.
//!
//! Source: PCS API v4, "Get PCK Certificate" and "Get PCK Certificates".
//! The PCS of a software Intel knows one platform. It cannot decrypt an encrypted PPID: any but zero is the platform's.

use std::collections::BTreeMap;

use data_encoding::{HEXLOWER_PERMISSIVE, HEXUPPER};
use serde::Serialize;
use serde_json::Value;
use tdattest_wire::bytes::{CpuSvn, PceId};
use tdattest_wire::pck::{PckExtension, PckTcb};
use tdattest_wire::quote::TeeType;

use super::Context;
use super::collateral::json;
use crate::documents::{FlatTcb, TcbInfoDraft, version_2};
use crate::error::MintError;
use crate::pcs_server::answer::{Answer, Refusal, percent_encoded};
use crate::pcs_server::request::Parameters;
use crate::pki::{ChainDraft, pem};
use crate::platform::{Platform, PlatformLevel};

/// Hexadecimal digits of an encrypted PPID: 384 bytes, RSA-3072.
const ENCRYPTED_PPID_DIGITS: usize = 768;

/// Hexadecimal digits of a platform manifest, the fewest and the most.
const MANIFEST_DIGITS: std::ops::RangeInclusive<usize> = 16_862..=112_884;

/// The PCK certificate of the highest TCB level that the given SVNs reach.
pub(super) fn certificate(context: &Context<'_>) -> Result<Answer, Refusal> {
    let fields = Fields::of(context)?;
    let cpu_svn = CpuSvn(fields.hex("cpusvn")?);
    let pce_svn = u16::from_le_bytes(fields.hex("pcesvn")?);
    fields.identify(context.platform)?;
    let raw = (components(context.platform, cpu_svn), pce_svn);
    let levels = levels(context);
    let reached = levels.iter().filter(|level| reaches(raw, tcb(level)));
    let highest = reached.clone().find(|level| {
        let above =
            |other: &&PlatformLevel| tcb(other) != tcb(level) && reaches(tcb(other), tcb(level));
        !reached.clone().any(|other| above(&other))
    });
    let level = highest.ok_or_else(|| Refusal::not_found("the TCB is below every TCB level"))?;
    let answer = Answer::new("application/x-pem-file", leaf(context.platform, level)?);
    let tcbm = tcbm(&extension(context.platform, level).tcb);
    Ok(with_headers(answer, context.platform)?.with("SGX-TCBm", tcbm))
}

/// The PCK certificates of all TCB levels of the standard set.
pub(super) fn certificates(
    context: &Context<'_>,
    of_configuration: bool,
) -> Result<Answer, Refusal> {
    let fields = Fields::of(context)?;
    if of_configuration {
        // Which configuration a CPUSVN stands for is Intel's secret; the platform has one.
        let _: [u8; 16] = fields.hex("cpusvn")?;
    }
    fields.identify(context.platform)?;
    let levels = levels(context);
    let entries = levels.iter().map(|level| {
        let cert = percent_encoded(&leaf(context.platform, level)?);
        let tcbm = tcbm(&extension(context.platform, level).tcb);
        Ok(Entry { tcb: version_2(level), tcbm, cert })
    });
    let entries: Vec<Entry> = entries.collect::<Result<_, MintError>>()?;
    let body = serde_json::to_vec(&entries).map_err(|fault| MintError::Json(fault.to_string()))?;
    with_headers(json(body), context.platform)
}

#[derive(Serialize)]
struct Entry {
    tcb: FlatTcb,
    tcbm: String,
    cert: String,
}

fn with_headers(answer: Answer, platform: &Platform) -> Result<Answer, Refusal> {
    let (ca, root) = (platform.pck_ca(platform.hardware.ca), platform.root_ca());
    let chain = percent_encoded(&ChainDraft::new(vec![ca, root]).pem()?);
    Ok(answer
        .with("SGX-PCK-Certificate-Issuer-Chain", chain)
        .with("SGX-FMSPC", platform.hardware.fmspc.to_string())
        .with("SGX-PCK-Certificate-CA-Type", platform.hardware.ca.name()))
}

/// The levels that PCK certificates are issued for: those that differ for SGX.
fn levels(context: &Context<'_>) -> Vec<PlatformLevel> {
    let Context { platform, now, .. } = *context;
    TcbInfoDraft::new(platform, TeeType::Sgx, &platform.standard, now).tcb_levels
}

/// What SVNs are compared by.
type Tcb = ([u8; 16], u16);

fn tcb(level: &PlatformLevel) -> Tcb {
    (level.sgx, level.pce_svn)
}

/// Compared component by component, not as one number (PCS API v4, "Get SGX TCB Info", step 3).
fn reaches(have: Tcb, need: Tcb) -> bool {
    have.1 >= need.1 && have.0.iter().zip(&need.0).all(|(have, need)| have >= need)
}

/// The components that a raw CPUSVN stands for: the platform's own if it is its own, else its bytes.
fn components(platform: &Platform, cpu_svn: CpuSvn) -> [u8; 16] {
    if cpu_svn == platform.hardware.cpu_svn { platform.hardware.sgx_tcb_svns } else { cpu_svn.0 }
}

/// What the certificate of a level says. At the platform's own TCB it is the certificate that its quotes carry.
fn extension(platform: &Platform, level: &PlatformLevel) -> PckExtension {
    let hardware = &platform.hardware;
    let own = level.sgx == hardware.sgx_tcb_svns;
    let cpu_svn = if own { hardware.cpu_svn } else { CpuSvn(level.sgx) };
    let tcb = PckTcb { components: level.sgx, pce_svn: level.pce_svn, cpu_svn };
    PckExtension { tcb, ..hardware.pck_extension() }
}

fn leaf(platform: &Platform, level: &PlatformLevel) -> Result<Vec<u8>, MintError> {
    let certificate = platform.pck_at(extension(platform, level));
    Ok(pem("CERTIFICATE", &certificate.der()?).into_bytes())
}

/// CPUSVN, then PCESVN in little endian.
fn tcbm(tcb: &PckTcb) -> String {
    HEXUPPER.encode(&tcb.cpu_svn.0) + &HEXUPPER.encode(&tcb.pce_svn.to_le_bytes())
}

/// The fields of a request, from its query or from its body.
enum Fields<'r> {
    Query(Parameters<'r>),
    Body(BTreeMap<String, Value>),
}

impl<'r> Fields<'r> {
    fn of(context: &Context<'r>) -> Result<Self, Refusal> {
        let request = context.request;
        if request.method == "POST" {
            let body = serde_json::from_slice(&request.body);
            return body.map(Self::Body).map_err(|fault| {
                let reason = format!("the body is no object in JSON: {fault}");
                Refusal::bad_request(reason).with_error_code("InvalidRequestSyntax")
            });
        }
        match request.header("PPID-Encryption-Key") {
            None | Some("RSA-3072") => Ok(Self::Query(Parameters::of(&request.query))),
            Some(other) => Err(Refusal::bad_request(format!(
                "`PPID-Encryption-Key` is `{other}`, expected RSA-3072"
            ))),
        }
    }

    fn text(&self, name: &str) -> Result<&str, Refusal> {
        match self {
            Self::Query(parameters) => parameters.required(name),
            Self::Body(fields) => {
                let text = fields.get(name).and_then(Value::as_str);
                let reason = || format!("`{name}` is missing, or no text");
                text.ok_or_else(|| self.refuse(reason()))
            }
        }
    }

    /// A field of exactly `2 * N` hexadecimal digits.
    fn hex<const N: usize>(&self, name: &str) -> Result<[u8; N], Refusal> {
        let text = self.text(name)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let digits = N.saturating_mul(2);
        let found = text.len();
        let reason =
            || format!("`{name}` has {found} characters, expected {digits} hexadecimal digits");
        bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| self.refuse(reason()))
    }

    fn refuse(&self, reason: String) -> Refusal {
        match self {
            Self::Query(_) => Refusal::bad_request(reason),
            Self::Body(_) => Refusal::bad_request(reason).with_error_code("InvalidRequestSyntax"),
        }
    }

    /// That the fields name the platform.
    fn identify(&self, platform: &Platform) -> Result<(), Refusal> {
        let pce_id = PceId(self.hex("pceid")?);
        let (name, digits) = match self {
            Self::Query(_) => ("encrypted_ppid", ENCRYPTED_PPID_DIGITS..=ENCRYPTED_PPID_DIGITS),
            Self::Body(_) => ("platformManifest", MANIFEST_DIGITS),
        };
        let text = self.text(name)?;
        // Even: a manifest is made of bytes.
        let bytes = HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
        let bytes = bytes.filter(|_| digits.contains(&text.len())).ok_or_else(|| {
            let (from, to, found) = (digits.start(), digits.end(), text.len());
            let reason = format!(
                "`{name}` has {found} characters, expected {from} to {to} hexadecimal digits"
            );
            self.malformed_identity(reason)
        })?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Err(Refusal::not_found(format!("`{name}` is zero: no platform has that")));
        }
        if pce_id != platform.hardware.pce_id {
            return Err(Refusal::not_found(format!("there is no platform of PCEID {pce_id}")));
        }
        Ok(())
    }

    fn malformed_identity(&self, reason: String) -> Refusal {
        match self {
            Self::Query(_) => Refusal::bad_request(reason),
            Self::Body(_) => {
                Refusal::bad_request(reason).with_error_code("InvalidPlatformManifest")
            }
        }
    }
}
