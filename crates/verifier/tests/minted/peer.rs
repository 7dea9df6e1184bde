//! The same verdicts as the `dcap-qvl` crate on everything minted, but for what a checked-in file names with reasons.

use std::collections::BTreeSet;

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};
use serde_json::Value;
use tdattest_simulator::{Fault, Format};
use tdattest_verifier::VerifiedQuote;
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::quote::{TeeType, Version};
use tdattest_verifier::wire::tcb_status::TcbStatus;

use crate::case::{Case, broken, now, platform};

/// What the peer accepts although we refuse it, or the reverse, each with its reason.
const EXCEPTIONS: &str = include_str!("../../../../vectors/peer-exceptions.json");

#[test]
fn the_peer_judges_everything_minted_the_same_but_for_the_named_exceptions() {
    let mut exceptions = Exceptions::read();
    let mut alike = 0;
    for (format, status) in Format::ALL.into_iter().flat_map(|format| {
        let statuses = TcbStatus::ALL.into_iter().filter(|status| status.is_platform_status());
        statuses.map(move |status| (format, status))
    }) {
        let mut platform = platform();
        platform.standard.tcb_level.iter_mut().for_each(|level| level.status = status);
        let case = Case::new(&platform, format);
        match verdict(&case) {
            Ok(theirs) => {
                assert_same(&theirs, &case.verify().unwrap(), &format!("{format}, {status}"));
                alike += 1;
            }
            Err(refused) if is_unreadable(format) => {
                exceptions.expect("refuses", &format.to_string(), &refused);
            }
            Err(refused) => {
                assert_eq!(status, TcbStatus::Revoked, "{format}: {refused}");
                exceptions.expect("refuses", "a TCB that is Revoked", &refused);
            }
        }
    }
    for fault in Fault::all() {
        for (format, case) in
            broken(fault).into_iter().filter(|(format, _)| !is_unreadable(*format))
        {
            match verdict(&case) {
                Err(_) => alike += 1,
                Ok(_) => exceptions.expect("accepts", &fault.name(), &format!("in a {format}")),
            }
        }
    }
    exceptions.conclude();
    assert!(alike > 300, "only {alike} verdicts were compared");
}

/// What the peer cannot read at all says nothing about the rest of it.
fn is_unreadable(format: Format) -> bool {
    format.tee() == TeeType::Sgx && format.version() != Version::V3
}

/// The peer's facts about a quote that we verified, unless it is known to refuse such.
pub(crate) fn assert_agrees(case: &Case, ours: &VerifiedQuote, format: Format, what: &str) {
    match verdict(case) {
        Ok(theirs) => assert_same(&theirs, ours, what),
        Err(refused) => {
            let tcb = ours.tcb();
            // Also one that is revoked now, whatever it was at launch.
            let revoked = [Some(tcb.status), tcb.current].contains(&Some(TcbStatus::Revoked));
            let known = is_unreadable(format) || revoked;
            assert!(known, "{what}: {refused}");
        }
    }
}

fn assert_same(theirs: &VerifiedReport, ours: &VerifiedQuote, what: &str) {
    assert_eq!(theirs.status, ours.tcb().status.name(), "{what}");
    let mut advisory_ids = theirs.advisory_ids.clone();
    advisory_ids.sort();
    assert_eq!(advisory_ids, ours.tcb().advisory_ids, "{what}");
}

struct Exceptions {
    named: BTreeSet<(String, String)>,
    met: BTreeSet<(String, String)>,
    unnamed: Vec<String>,
}

impl Exceptions {
    fn read() -> Self {
        let list: Vec<Value> = serde_json::from_str(EXCEPTIONS).unwrap();
        let text = |entry: &Value, member: &str| {
            let text = entry[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "an exception has no `{member}`: {entry}");
            text.to_owned()
        };
        let named = list.iter().flat_map(|entry| {
            text(entry, "reason");
            let cases = entry["cases"].as_array().expect("an exception has `cases`");
            let name = |case: &Value| case.as_str().unwrap_or_default().to_owned();
            cases.iter().map(move |case| (text(entry, "peer"), name(case)))
        });
        Self { named: named.collect(), met: BTreeSet::new(), unnamed: vec![] }
    }

    fn expect(&mut self, peer: &str, case: &str, detail: &str) {
        let exception = (peer.to_owned(), case.to_owned());
        if !self.named.contains(&exception) {
            self.unnamed.push(format!("the peer {peer} {case}: {detail}"));
        }
        self.met.insert(exception);
    }

    fn conclude(self) {
        assert_eq!(self.unnamed, Vec::<String>::new(), "not in vectors/peer-exceptions.json");
        let stale: Vec<_> = self.named.difference(&self.met).collect();
        assert!(
            stale.is_empty(),
            "no longer so, take out of vectors/peer-exceptions.json: {stale:?}"
        );
    }
}

fn verdict(case: &Case) -> Result<VerifiedReport, String> {
    let verifier = QuoteVerifier::new(case.root()).allow_debug(true).allow_service_td(true);
    let collateral = translate(&case.collateral.mint().unwrap());
    verifier
        .verify(&case.quote.mint().unwrap(), &collateral, now().as_secs())
        .map_err(|refused| format!("{refused:#}"))
}

fn translate(ours: &Collateral) -> QuoteCollateralV3 {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    QuoteCollateralV3 {
        pck_crl_issuer_chain: text(&ours.pck_crl_issuer_chain),
        root_ca_crl: ours.root_ca_crl.clone(),
        pck_crl: ours.pck_crl.clone(),
        tcb_info_issuer_chain: text(&ours.tcb_info_issuer_chain),
        tcb_info: text(ours.tcb_info.signed_bytes()),
        tcb_info_signature: ours.tcb_info.signature().0.to_vec(),
        qe_identity_issuer_chain: text(&ours.qe_identity_issuer_chain),
        qe_identity: text(ours.qe_identity.signed_bytes()),
        qe_identity_signature: ours.qe_identity.signature().0.to_vec(),
        pck_certificate_chain: ours.pck_certificate_chain.as_deref().map(text),
    }
}
