//! `tdattest sim collateral`: what the simulated Intel says of a platform.

use anyhow::Result;
use clap::ValueEnum;
use tdattest_simulator::CollateralDraft;
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::quote::TeeType;

use crate::destination::{DestinationArgs, Form};
use crate::simulation::{SimulationArgs, unmintable};

/// Make the collateral of a simulated platform: everything but the quote that a verification takes
///
/// CRLs, TCB info and QE identity with their chains, as a bundle (JSON). They are valid from the midnight (UTC) before
/// --at, for as long as platform.toml says: 30 days by default.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    simulation: SimulationArgs,

    /// The TEE whose quotes it is for
    #[arg(long, default_value = "tdx")]
    tee: Tee,

    /// Which set of TCB info: the one in force, or that of the newest TCB recovery
    #[arg(long, value_name = "SET", default_value = "standard")]
    set_of: Set,

    /// Add the PCK certificate chain, for quotes that do not carry it
    #[arg(long)]
    pck_chain: bool,

    #[command(flatten)]
    destination: DestinationArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tee {
    Sgx,
    Tdx,
}

#[derive(Clone, Copy, ValueEnum)]
enum Set {
    Standard,
    Early,
}

const EXAMPLES: &str = "\
Examples:
  What Intel says of the platform today, and what it says after a TCB recovery:
    tdattest sim collateral --platform my-platform -o bundle.json
    tdattest sim collateral --platform my-platform --set-of early -o early.json

  The platform has been revoked; its TCB level has been:
    tdattest sim collateral --platform my-platform --fault pck-chain.revoked -o revoked.json
    tdattest sim collateral --platform my-platform --set standard.tcb_level.0.status=Revoked -o bad.json

  Collateral of last year, which a verifier must find expired:
    tdattest sim collateral --platform my-platform --at 2025-06-25T00:00:00Z -o old.json

Exit codes:
  0  made
  2  misuse, or a platform that cannot be used, or a file that cannot be written";

pub(super) fn run(args: &Args) -> Result<()> {
    let platform = args.simulation.platform()?;
    let (tee, name) = match args.tee {
        Tee::Sgx => (TeeType::Sgx, "SGX"),
        Tee::Tdx => (TeeType::Tdx, "TDX"),
    };
    let (set, which) = match args.set_of {
        Set::Standard => (EvaluationDataSet::Standard, "standard"),
        Set::Early => (EvaluationDataSet::Early, "early"),
    };
    let draft = CollateralDraft::new(&platform, tee, set, args.simulation.at()?);
    let mut draft = draft.map_err(unmintable)?;
    if args.pck_chain {
        draft.pck_certificate_chain = Some(platform.pck_chain());
    }
    if let Some(fault) = args.simulation.fault()? {
        draft.break_with(fault).map_err(unmintable)?;
    }
    let bundle = draft.mint().map_err(unmintable)?.to_bundle()? + "\n";
    let what = format!("collateral of {name} quotes, {which} set");
    args.destination.write(bundle.as_bytes(), Form::Text, &what)
}
