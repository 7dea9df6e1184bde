//! The judgement on a quote: what was given is read, what is missing is fetched, the verifier and the policy decide.

use std::path::Path;

use anyhow::{Result, bail};
use tdattest_verifier::result::Judgement;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::pcs::PcsRequests;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{Policy, TrustAnchor, Verifier, crypto};

use super::Args;
use crate::arguments::now;
use crate::input;
use crate::report::Judged;
use crate::sources::keeper::Keeper;
use crate::sources::trust_anchor;

/// Parse, verify, appraise: what every command that judges a quote calls.
pub(crate) fn judge(args: &Args) -> Result<Judged> {
    let files = [Some(&args.quote), args.collateral.as_ref(), args.root.as_ref()];
    let files = files.into_iter().chain([args.report_data.data_file()]).flatten();
    if files.filter(|file| is_stdin(file)).count() > 1 {
        bail!("only one of the files can come from standard input");
    }
    let policy = args.policy()?;
    let anchor = trust_anchor(args.root.as_deref())?;
    let now = args.at.map_or_else(now, Ok)?;
    let bytes = match input::quote(&args.quote) {
        Ok(bytes) => bytes,
        Err(problem) => return Ok(Judgement::Input(problem).into()),
    };
    let quote = match Quote::parse(&bytes) {
        Ok(quote) => quote,
        Err(fault) => return Ok(Judgement::UnreadableQuote(fault).into()),
    };
    let collateral = match args.collateral(&quote, &anchor, now)? {
        Ok(collateral) => collateral,
        Err(judged) => return Ok(*judged),
    };
    let verifier = Verifier::new(anchor, crypto::aws_lc()).with_clock_skew_s(args.clock_skew);
    Ok(Judgement::appraise(verifier.verify(&quote, &collateral, now), &policy).into())
}

impl Args {
    fn policy(&self) -> Result<Policy> {
        let mut policy = Policy::genuine_platform();
        if self.dangerous_allow_debug {
            policy = policy.dangerous_allow_debug();
        }
        if let Some(report_data) = self.report_data.report_data()? {
            policy = policy.expect_report_data(report_data);
        }
        Ok(policy)
    }

    /// The collateral that is given, or else fetched. The inner error is a judgement: there is none.
    fn collateral(
        &self,
        quote: &Quote<'_>,
        anchor: &TrustAnchor,
        now: UnixTime,
    ) -> Result<Result<Collateral, Box<Judged>>> {
        if let Some(path) = &self.collateral {
            let set = self.sources.wanted_set()?;
            let found = input::collateral_of(path, quote, set);
            return Ok(found.map_err(|judgement| Box::new(not_in_the_archive(*judgement))));
        }
        if self.offline {
            return Ok(Err(Box::new(Judgement::NoCollateral.into())));
        }
        let sources = self.sources.resolve()?;
        let requests = match PcsRequests::for_quote(quote, sources.set) {
            Ok(requests) => requests,
            Err(fault) => {
                let text = format!("it cannot be told which collateral to fetch: {fault}");
                return Ok(Err(Box::new(Judged {
                    judgement: Judgement::CollateralUnavailable(text),
                    remedy: Some(NAMELESS.into()),
                })));
            }
        };
        let keeper = Keeper::open(sources, anchor.clone(), now)?;
        Ok(keeper.collateral(&requests).map_err(|unavailable| Box::new(unavailable.judged())))
    }
}

/// An archive that lacks something is not helped by the network.
fn not_in_the_archive(judgement: Judgement) -> Judged {
    let is_lacking = matches!(judgement, Judgement::CollateralUnavailable(_));
    Judged { judgement, remedy: is_lacking.then(|| LACKING.into()) }
}

const LACKING: &str = "give an archive of this platform family and set (`tdattest collateral export` makes one), or leave --collateral out to fetch it";

const NAMELESS: &str = "fetch it for the platform by name (`tdattest collateral fetch --fmspc HEX --ca CA -o bundle.json`), and verify with --collateral bundle.json";

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}
