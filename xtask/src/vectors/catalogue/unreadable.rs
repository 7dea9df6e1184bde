//! What cannot be read: quotes and collateral that a parser must refuse before anything is verified.

use anyhow::{Context, Result};
use tdattest_simulator::Format;

use super::{Bench, Draft, TDX_QUOTING_API, refused};

/// Bytes of a quote to be replaced: name, format, offset, new bytes, why.
type Patch = (&'static str, Format, usize, &'static [u8], &'static str);

const V4: Format = Format::V4_TD_1_0;
const V5: Format = Format::V5_TD_1_5;

/// Offsets: header 0, in version 5 body type 48 and size 50; in this version 4 quote the size of the signature data
/// 632, the type of the outer certification data 764.
const PATCHES: [Patch; 10] = [
    ("version", V4, 0, &[6, 0], "The header says version 6."),
    (
        "version-3-tdx",
        V4,
        0,
        &[3, 0],
        "The header says version 3, which is for SGX alone, and TDX.",
    ),
    ("attestation-key-type", V4, 2, &[3, 0], "The header says ECDSA-384, which no QE uses."),
    ("tee", V4, 4, &[0x82, 0, 0, 0], "The header says TEE type 0x82."),
    ("qe-vendor", V4, 12, &[0x92], "The header names another QE vendor than Intel."),
    ("body-type", V5, 48, &[9, 0], "The descriptor says body type 9."),
    ("body-of-other-tee", V5, 48, &[1, 0], "The descriptor says an SGX body, and the header TDX."),
    ("body-size", V5, 50, &[0x89, 2, 0, 0], "The descriptor says one byte more than the body has."),
    (
        "signature-size",
        V4,
        632,
        &[0x90, 1, 0, 0],
        "The signature data ends in the middle of the QE report.",
    ),
    (
        "certification-data-type",
        V4,
        764,
        &[7, 0],
        "The outer certification data is of type 7, not 6.",
    ),
];

/// Where the truncated quote ends: in the QE report.
const TRUNCATED: usize = 1_000;

/// The cases.
pub(super) fn cases(bench: &Bench) -> Result<Vec<Draft>> {
    let mut cases = Vec::new();
    for (name, format, offset, bytes, why) in PATCHES {
        let twin = bench.case(format)?;
        let mut quote = twin.quote.clone();
        quote.iter_mut().skip(offset).zip(bytes).for_each(|(target, byte)| *target = *byte);
        cases.push(Draft { quote, ..malformed_quote(&twin, name, why) });
    }
    let twin = bench.case(V4)?;
    let mut quote = twin.quote.clone();
    quote.truncate(TRUNCATED);
    let why = "The quote ends in the middle of the QE report.";
    cases.push(Draft { quote, ..malformed_quote(&twin, "truncated", why) });
    cases.extend(unreadable_collateral(&twin)?);
    Ok(cases)
}

fn malformed_quote(twin: &Draft, name: &str, why: &str) -> Draft {
    let case = twin.clone().named(refused(format!("quote.malformed.{name}")), why);
    let case = Draft { source: TDX_QUOTING_API.into(), ..case };
    case.refused("quote.malformed", Some("UNSUPPORTED_QUOTE_FORMAT"), twin).unevaluated()
}

fn unreadable_collateral(twin: &Draft) -> Result<[Draft; 3]> {
    let text = std::str::from_utf8(&twin.collateral).context("reading a minted bundle")?;
    let case = |name: &str, why: &str, text: String| Draft {
        collateral: text.into_bytes(),
        source: "PCS API v4".into(),
        ..twin.clone().named(refused(name), why)
    };
    let without = |member: &str| -> String {
        let start = format!("  \"{member}\":");
        text.lines()
            .filter(|line| !line.starts_with(&start))
            .flat_map(|line| [line, "\n"])
            .collect()
    };
    let why = "The collateral has no PCK CRL.";
    let missing = case("collateral.missing.pck-crl", why, without("pck_crl"));
    let mut missing = missing.refused("collateral.missing", Some("MISSING_PARAMETERS"), twin);
    missing.expect.verdict = "undecided".into();

    let half = text.lines().take(4).flat_map(|line| [line, "\n"]).collect();
    let cut = case("collateral.malformed.truncated", "The bundle ends after four lines.", half);

    let why = "The TCB info's signature begins with a character that is no hexadecimal digit.";
    const SIGNATURE: &str = "\"tcb_info_signature\": \"";
    let (before, after) = text.split_once(SIGNATURE).context("finding the signature")?;
    let after = after.get(1..).unwrap_or_default();
    let signature = format!("{before}{SIGNATURE}g{after}");
    let signature = case("collateral.malformed.signature", why, signature);
    let malformed = |case: Draft| case.refused("collateral.malformed", None, twin).unevaluated();
    Ok([missing.unevaluated(), malformed(cut), malformed(signature)])
}
