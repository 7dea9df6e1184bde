//! What a policy finds beside the TCB status: debugging, attributes without a name, other report data.

use anyhow::Result;
use tdattest_simulator::{Format, Platform};
use tdattest_verifier::wire::bytes::{Hex, ReportData};

use super::{Bench, Draft, REPORT_DATA, accepted, refused};
use crate::vectors::vector::Demands;

/// DEBUG of a TD, and of an enclave.
const TD_DEBUG: u8 = 1;
const ENCLAVE_DEBUG: u8 = 2;
/// PERF_PROF of a TD: not DEBUG, but of its group.
const TD_PERF_PROF: u8 = 0x20;
/// In byte 5, bit 40, which means nothing in any of the fields.
const UNNAMED: u8 = 1;

const TD_ATTRIBUTES: &str = "TDX module ABI, \"ATTRIBUTES\"";
const XFAM: &str = "TDX module ABI, \"XFAM\"";
const SGX_ATTRIBUTES: &str = "SDM, \"ATTRIBUTES\"";
const APPRAISAL: &str = "RFC 9334, \"Appraisal Policy for Evidence\"";

/// The cases.
pub(super) fn cases(bench: &Bench) -> Result<Vec<Draft>> {
    let mut cases = debug(bench)?;
    cases.extend(under_debug(bench)?);
    cases.extend(unknown_attributes(bench)?);
    cases.extend(report_data(bench)?);
    Ok(cases)
}

fn debug(bench: &Bench) -> Result<Vec<Draft>> {
    let mut cases = Vec::new();
    for (what, who, format, source) in [
        ("td", "TD", Format::V4_TD_1_0, TD_ATTRIBUTES),
        ("enclave", "enclave", Format::V3_SGX, SGX_ATTRIBUTES),
    ] {
        let case = debugged(bench).case(format)?;
        let case = Draft { source: source.into(), ..case };
        let why = format!("The {who} runs in debug mode, which the policy allows.");
        let twin = case.clone().named(accepted(format!("policy.debug-allowed.{what}")), &why);
        let twin = Draft { policy: allowing_debug(), ..twin };
        let why = format!("The {who} runs in debug mode: its host can read and change it.");
        let case = case.named(refused(format!("policy.debug.{what}")), &why);
        cases.extend([twin.clone(), case.refused("policy.debug", None, &twin)]);
    }
    Ok(cases)
}

fn debugged(bench: &Bench) -> Bench {
    bench.with(|platform| {
        flip(&mut platform.td.attributes.0, 0, TD_DEBUG);
        flip(&mut platform.enclave.attributes.0, 0, ENCLAVE_DEBUG);
    })
}

fn allowing_debug() -> Demands {
    Demands { dangerous_allow_debug: true, ..Demands::strict() }
}

/// Refused, whether or not the policy allows DEBUG.
fn under_debug(bench: &Bench) -> Result<[Draft; 2]> {
    let format = Format::V4_TD_1_0;
    let profiled = bench.with(|platform| flip(&mut platform.td.attributes.0, 0, TD_PERF_PROF));
    let case = Draft { source: TD_ATTRIBUTES.into(), ..profiled.case(format)? };
    let why = "PERF_PROF, of the TD-under-debug group, is set in TDATTRIBUTES.";
    let strict = case.clone().named(refused("policy.under-debug"), why);
    let twin = bench.case(format)?;
    let strict = strict.refused("policy.under-debug", None, &twin);

    let why = "PERF_PROF is set, and the policy allows DEBUG, which is another bit of the group.";
    let allowing = case.named(refused("policy.under-debug.debug-allowed"), why);
    let allowing = Draft { policy: allowing_debug(), ..allowing };
    let twin = Draft { name: accepted("policy.debug-allowed.td"), ..twin };
    Ok([strict, allowing.refused("policy.under-debug", None, &twin)])
}

fn unknown_attributes(bench: &Bench) -> Result<Vec<Draft>> {
    type Change = fn(&mut Platform);
    let fields: [(&str, &str, Format, &str, Change); 3] = [
        ("td", "TDATTRIBUTES", Format::V4_TD_1_0, TD_ATTRIBUTES, |platform| {
            flip(&mut platform.td.attributes.0, 5, UNNAMED);
        }),
        ("xfam", "XFAM", Format::V4_TD_1_0, XFAM, |platform| {
            flip(&mut platform.td.xfam.0, 5, UNNAMED);
        }),
        ("enclave", "the enclave's ATTRIBUTES", Format::V3_SGX, SGX_ATTRIBUTES, |platform| {
            flip(&mut platform.enclave.attributes.0, 5, UNNAMED);
        }),
    ];
    let mut cases = Vec::new();
    for (name, field, format, source, change) in fields {
        let why = format!("Bit 40 of {field} is set, which has no name.");
        let case = bench.with(change).case(format)?;
        let case = case.named(refused(format!("policy.unknown-attributes.{name}")), &why);
        let case = Draft { source: source.into(), ..case };
        cases.push(case.refused("policy.unknown-attributes", None, &bench.case(format)?));
    }
    Ok(cases)
}

fn report_data(bench: &Bench) -> Result<[Draft; 2]> {
    let demanding = |report_data: ReportData| Demands {
        report_data: Some(Hex(&report_data.0).to_string()),
        ..Demands::strict()
    };
    let case = Draft { source: APPRAISAL.into(), ..bench.case(Format::V4_TD_1_0)? };
    let why = "The policy demands the report data that the quote has.";
    let twin = case.clone().named(accepted("policy.report-data"), why);
    let twin = Draft { policy: demanding(REPORT_DATA), ..twin };

    let mut other = REPORT_DATA;
    other.0.iter_mut().rev().take(1).for_each(|last| *last ^= 1);
    let why = "The policy demands report data whose last bit is another than the quote's.";
    let case = case.named(refused("policy.report-data"), why);
    let case = Draft { policy: demanding(other), ..case };
    let case = case.refused("policy.report-data", None, &twin);
    Ok([twin, case])
}

fn flip(bytes: &mut [u8], index: usize, bits: u8) {
    bytes.iter_mut().skip(index).take(1).for_each(|byte| *byte ^= bits);
}
