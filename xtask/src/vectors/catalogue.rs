//! The cases to mint: what each shows, and what must come of it.
//!
//! Must stay true: what is expected is said here, or by the simulator's faults, never asked of our verifier; the first
//! case with an artefact owns it, so the accepted ones come first.

mod accepted;
mod appraisal;
mod faults;
mod levels;
mod statuses;
mod unreadable;

use anyhow::{Context, Result};
use tdattest_simulator::{CollateralDraft, Format, Platform, QuoteDraft, Seed, folder};
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::quote::{BodyType, TeeType};
use tdattest_verifier::wire::tcb_status::TcbStatus;
use tdattest_verifier::wire::time::UnixTime;

use super::vector::{Demands, Expectation, Tcb};

/// When every case is verified, and everything in it minted.
pub(super) const AT: &str = "2026-11-01T12:00:00Z";

/// The phrase that every key of the cases comes from.
const SEED: &str = "tdattest vectors";

/// The report data of every quote.
const REPORT_DATA: ReportData = ReportData([0x5a; 64]);

/// The documents that speak of a whole quote.
const TDX_QUOTING_API: &str = "TDX quoting API, \"Quote Format\"";
const SGX_QUOTING_API: &str = "SGX quoting API, appendix A.4";

/// The date of the simulator's levels that are up to date, and of those below.
const RECENT: &str = "2025-08-13T00:00:00Z";
const OLD: &str = "2024-03-13T00:00:00Z";

/// A case to be.
#[derive(Clone)]
pub(super) struct Draft {
    /// Its folder: `refused/pck-chain.revoked`.
    pub(super) name: String,
    pub(super) why: String,
    pub(super) source: String,
    pub(super) format: Format,
    pub(super) quote: Vec<u8>,
    pub(super) collateral: Vec<u8>,
    /// The folder of the accepted case that differs in a single thing.
    pub(super) twin: Option<String>,
    pub(super) policy: Demands,
    pub(super) expect: Expectation,
}

/// Every case, and the trust anchor of them all.
pub(super) fn all() -> Result<(String, Vec<Draft>)> {
    let bench = Bench::new()?;
    let mut cases = accepted::cases(&bench)?;
    cases.extend(statuses::cases(&bench)?);
    cases.extend(levels::cases(&bench)?);
    cases.extend(appraisal::cases(&bench)?);
    cases.extend(faults::cases(&bench)?);
    cases.extend(unreadable::cases(&bench)?);
    Ok((folder::root_pem(&bench.platform)?, cases))
}

/// A platform at the time of the cases.
#[derive(Clone)]
struct Bench {
    platform: Platform,
    at: UnixTime,
}

impl Bench {
    fn new() -> Result<Self> {
        let at = AT.parse().with_context(|| format!("`{AT}` is no time"))?;
        Ok(Self { platform: Platform::new(Seed::of(SEED)), at })
    }

    /// The same with something changed on the platform.
    fn with(&self, change: impl FnOnce(&mut Platform)) -> Self {
        let mut changed = self.clone();
        change(&mut changed.platform);
        changed
    }

    fn quote(&self, format: Format) -> Result<QuoteDraft> {
        Ok(QuoteDraft::new(&self.platform, format, REPORT_DATA, self.at)?)
    }

    fn collateral(&self, tee: TeeType) -> Result<CollateralDraft> {
        Ok(CollateralDraft::new(&self.platform, tee, EvaluationDataSet::Standard, self.at)?)
    }

    /// An up-to-date case in a format, under the name of the format.
    fn case(&self, format: Format) -> Result<Draft> {
        let [name, source] = match format.tee() {
            TeeType::Sgx => ["an enclave", SGX_QUOTING_API],
            TeeType::Tdx => ["a TD", TDX_QUOTING_API],
        };
        let (version, body) = (format.version().number(), format.body().name());
        Ok(Draft {
            name: accepted(slug(format)),
            why: format!("Version {version}, {body}: {name} on an up-to-date platform."),
            source: source.into(),
            format,
            quote: self.quote(format)?.mint()?,
            collateral: bundle(&self.collateral(format.tee())?)?,
            twin: None,
            policy: Demands::strict(),
            expect: accept(up_to_date(format)),
        })
    }
}

impl Draft {
    /// What is refused for this reason, where `twin` is accepted.
    fn refused(self, code: &str, intel_status: Option<&str>, twin: &Self) -> Self {
        let expect = Expectation {
            verdict: "refused".into(),
            code: Some(code.into()),
            intel_status: intel_status.map(str::to_owned),
            tcb: self.expect.tcb,
        };
        Self { expect, twin: Some(twin.name.clone()), ..self }
    }

    /// Without a TCB evaluation: the verification ends before.
    fn unevaluated(mut self) -> Self {
        self.expect.tcb = None;
        self
    }

    fn named(mut self, name: String, why: &str) -> Self {
        self.name = name;
        self.why = why.into();
        self
    }
}

/// The text of a bundle.
fn bundle(draft: &CollateralDraft) -> Result<Vec<u8>> {
    let mut text = draft.mint()?.to_bundle()?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn accept(tcb: Tcb) -> Expectation {
    Expectation { verdict: "accepted".into(), code: None, intel_status: None, tcb: Some(tcb) }
}

fn up_to_date(format: Format) -> Tcb {
    let name = || TcbStatus::UpToDate.name().to_owned();
    Tcb {
        status: name(),
        platform: name(),
        tdx_module: (format.tee() == TeeType::Tdx).then(name),
        qe: name(),
        current: matches!(format.body(), BodyType::Td15 | BodyType::Td15Ex).then(name),
        date: RECENT.into(),
        advisory_ids: Vec::new(),
    }
}

/// A format in the name of a folder: `v4-td-1.0`.
pub(super) fn slug(format: Format) -> String {
    let body = match format.body() {
        BodyType::Sgx => "sgx",
        BodyType::Td10 => "td-1.0",
        BodyType::Td15 => "td-1.5",
        BodyType::Td15Ex => "td-1.5-ex",
    };
    format!("v{}-{body}", format.version().number())
}

fn accepted(name: impl std::fmt::Display) -> String {
    format!("accepted/{name}")
}

fn refused(name: impl std::fmt::Display) -> String {
    format!("refused/{name}")
}
