//! A minted quote and its collateral, both still open to change, and the verdict about them.

use std::sync::LazyLock;

use tdattest_simulator::{
    Broken, CollateralDraft, Fault, Format, MintError, Platform, QuoteDraft, Seed,
};
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::pcs::EvaluationDataSet;
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{Failure, TrustAnchor, VerifiedQuote, Verifier, crypto};

pub(crate) struct Case {
    pub(crate) platform: Platform,
    pub(crate) quote: QuoteDraft,
    pub(crate) collateral: CollateralDraft,
}

/// When everything is minted and judged.
pub(crate) fn now() -> UnixTime {
    "2026-11-01T12:00:00Z".parse().unwrap()
}

/// The platform that nobody changed. Its clones share the keys derived so far.
pub(crate) fn platform() -> Platform {
    static PLATFORM: LazyLock<Platform> =
        LazyLock::new(|| Platform::new(Seed::of("tests of the verifier")));
    PLATFORM.clone()
}

impl Case {
    pub(crate) fn new(platform: &Platform, format: Format) -> Self {
        let (set, report_data) = (EvaluationDataSet::Standard, ReportData([0x5a; 64]));
        Self {
            quote: QuoteDraft::new(platform, format, report_data, now()).unwrap(),
            collateral: CollateralDraft::new(platform, format.tee(), set, now()).unwrap(),
            platform: platform.clone(),
        }
    }

    pub(crate) fn break_with(mut self, fault: Fault) -> Result<Self, MintError> {
        match fault.breaks() {
            Broken::Quote => self.quote.break_with(fault)?,
            Broken::Collateral => self.collateral.break_with(fault)?,
        }
        Ok(self)
    }

    pub(crate) fn root(&self) -> Vec<u8> {
        self.platform.root_ca().der().unwrap()
    }

    pub(crate) fn verify(&self) -> Result<VerifiedQuote, Failure> {
        let anchor = TrustAnchor::from_der(&self.root()).unwrap();
        let (bytes, collateral) = (self.quote.mint().unwrap(), self.collateral.mint().unwrap());
        let quote = Quote::parse(&bytes).unwrap();
        Verifier::new(anchor, crypto::aws_lc()).verify(&quote, &collateral, now())
    }
}

/// Every format in which a fault can be had.
pub(crate) fn broken(fault: Fault) -> Vec<(Format, Case)> {
    let platform = platform();
    let case = |format| match Case::new(&platform, format).break_with(fault) {
        Ok(case) => Some((format, case)),
        Err(MintError::NeedsOtherQuote { .. }) => None,
        Err(other) => panic!("{fault} in a {format}: {other}"),
    };
    Format::ALL.into_iter().filter_map(case).collect()
}
