//! Which TCB level a platform reaches, and whose certificates a CRL revokes: the SVNs differ here, never the statuses.
//!
//! The platform's levels: up to date; out of date with every SVN one lower (and zero for one); revoked with every SVN 1.

use anyhow::Result;
use tdattest_simulator::{Format, Platform};
use tdattest_verifier::wire::tcb_status::TcbStatus::OutOfDate;

use super::{Bench, Draft, OLD, accepted, refused};
use crate::vectors::vector::{Demands, Tcb};

const SOURCE: &str = "PCS API v4, \"Get TDX TCB Info\"";
const REVOCATION: &str = "PCS API v4, \"Get Revocation List\"";
const ADVISORY: &str = "SIMULATED-SA-00001";

/// A platform that misses its first level by one SVN, and so reaches the second.
struct Short {
    name: &'static str,
    what: &'static str,
    change: fn(&mut Platform),
}

const SHORT: [Short; 4] = [
    Short {
        name: "one-sgx-svn-short",
        what: "SGX component SVN 16 is one below the highest level",
        change: |platform| platform.hardware.sgx_tcb_svns[15] -= 1,
    },
    Short {
        name: "one-tdx-svn-short",
        what: "TDX component SVN 3 is one below the highest level",
        change: |platform| platform.tdx_module.tee_tcb_svn[2] -= 1,
    },
    Short {
        name: "svns-that-do-not-compare",
        what: "one SGX component SVN is one below the highest level, and all others are far above it",
        change: |platform| {
            let short = platform.hardware.sgx_tcb_svns[0] - 1;
            platform.hardware.sgx_tcb_svns = [200; 16];
            platform.hardware.sgx_tcb_svns[0] = short;
        },
    },
    Short {
        name: "levels-in-another-order",
        what: "TDX component SVN 3 is one below the highest level, and the lowest level stands first in the document",
        change: |platform| {
            platform.tdx_module.tee_tcb_svn[2] -= 1;
            platform.standard.tcb_level.reverse();
        },
    },
];

/// The cases.
pub(super) fn cases(bench: &Bench) -> Result<Vec<Draft>> {
    let mut cases = Vec::new();
    for short in SHORT {
        cases.push(second_level(bench, &short)?);
    }
    cases.push(pce_svn_short(bench)?);
    cases.push(second_qe_level(bench)?);
    cases.push(two_levels_with_advisories(bench)?);
    cases.push(crls_of_others(bench)?);
    cases.push(one_of_many_revoked(bench)?);
    Ok(cases)
}

fn out_of_date(case: Draft, name: &str, why: String) -> Draft {
    let case = case.named(accepted(format!("tcb-level.{name}")), &why);
    Draft { source: SOURCE.into(), policy: Demands::accepting(OutOfDate), ..case }
}

fn second_level(bench: &Bench, short: &Short) -> Result<Draft> {
    let mut case = bench.with(short.change).case(Format::V4_TD_1_0)?;
    case.expect.tcb = case.expect.tcb.map(|tcb| Tcb {
        status: OutOfDate.to_string(),
        platform: OutOfDate.to_string(),
        date: OLD.into(),
        advisory_ids: vec![ADVISORY.into()],
        ..tcb
    });
    let why =
        format!("{}: the second level counts, OutOfDate, which the policy names.", short.what);
    Ok(out_of_date(case, short.name, why))
}

/// PCESVN 12 is below both levels that ask for 13; the lowest asks for 5.
fn pce_svn_short(bench: &Bench) -> Result<Draft> {
    let twin = bench.case(Format::V4_TD_1_0)?;
    let mut case = bench.with(|platform| platform.hardware.pce_svn -= 1).case(Format::V4_TD_1_0)?;
    case.expect.tcb = case.expect.tcb.map(|tcb| Tcb {
        status: "Revoked".into(),
        platform: "Revoked".into(),
        date: "2022-11-09T00:00:00Z".into(),
        advisory_ids: vec![ADVISORY.into(), "SIMULATED-SA-00002".into()],
        ..tcb
    });
    let why = "PCESVN is one below the two highest levels: the third counts, Revoked, which no policy accepts.";
    let case = case.named(refused("policy.tcb-status.pce-svn-short"), why);
    let case = Draft { source: SOURCE.into(), ..case };
    Ok(case.refused("policy.tcb-status", Some("TCB_REVOKED"), &twin))
}

fn second_qe_level(bench: &Bench) -> Result<Draft> {
    let mut case =
        bench.with(|platform| platform.hardware.td_qe_isv_svn -= 1).case(Format::V4_TD_1_0)?;
    case.expect.tcb = case.expect.tcb.map(|tcb| Tcb {
        status: OutOfDate.to_string(),
        qe: OutOfDate.to_string(),
        date: OLD.into(),
        advisory_ids: vec![ADVISORY.into()],
        ..tcb
    });
    let why =
        "The QE's ISVSVN is one below the highest level of its identity: the second counts.".into();
    Ok(out_of_date(case, "qe-svn-short", why))
}

fn two_levels_with_advisories(bench: &Bench) -> Result<Draft> {
    let bench = bench.with(|platform| {
        platform.tdx_module.tee_tcb_svn[2] -= 1;
        platform.hardware.td_qe_isv_svn -= 1;
        let advisories = |ids: [&str; 2]| ids.map(str::to_owned).to_vec();
        platform.standard.tcb_level[1].advisory_ids = advisories(["SIMULATED-SA-00009", ADVISORY]);
        platform.standard.td_qe[1].advisory_ids = advisories(["SIMULATED-SA-00005", ADVISORY]);
    });
    let mut case = bench.case(Format::V4_TD_1_0)?;
    case.expect.tcb = case.expect.tcb.map(|tcb| Tcb {
        status: OutOfDate.to_string(),
        platform: OutOfDate.to_string(),
        qe: OutOfDate.to_string(),
        date: OLD.into(),
        advisory_ids: [ADVISORY, "SIMULATED-SA-00005", "SIMULATED-SA-00009"]
            .map(Into::into)
            .to_vec(),
        ..tcb
    });
    let why = "Platform and QE are at levels with different advisories, and one in common.".into();
    Ok(out_of_date(case, "two-levels-with-advisories", why))
}

/// The serial numbers of nobody here.
fn others() -> Vec<Vec<u8>> {
    (1..=40_u8).map(|number| vec![number, 0x11, number]).collect()
}

fn crls_of_others(bench: &Bench) -> Result<Draft> {
    let case = bench.case(Format::V4_TD_1_0)?;
    let mut collateral = bench.collateral(Format::V4_TD_1_0.tee())?;
    (collateral.root_ca_crl.revoked, collateral.pck_crl.revoked) = (others(), others());
    let why = "Both CRLs revoke forty certificates, none of which is here.";
    let case = case.named(accepted("crl.revokes-others"), why);
    Ok(Draft { source: REVOCATION.into(), collateral: super::bundle(&collateral)?, ..case })
}

fn one_of_many_revoked(bench: &Bench) -> Result<Draft> {
    let twin = bench.case(Format::V4_TD_1_0)?;
    let mut collateral = bench.collateral(Format::V4_TD_1_0.tee())?;
    let mut revoked = others();
    revoked.insert(23, bench.platform.pck().serial);
    collateral.pck_crl.revoked = revoked;
    let why = "The PCK certificate is one of forty-one that the PCK CRL revokes.";
    let case = twin.clone().named(refused("pck-chain.revoked.among-others"), why);
    let case = Draft { source: REVOCATION.into(), collateral: super::bundle(&collateral)?, ..case };
    Ok(case.refused("pck-chain.revoked", Some("SGX_PCK_REVOKED"), &twin))
}
