//! The same verdicts as the `dcap-qvl` crate, which shares no code with this one.
//!
//! It is asked what it says short of its policy: debug TDs and service TDs are let pass.

use dcap_qvl::QuoteCollateralV3;
use dcap_qvl::verify::{QuoteVerifier, VerifiedReport};
use tdattest_verifier::error::NotSupported;
use tdattest_verifier::wire::bytes::EcdsaSignature;
use tdattest_verifier::wire::collateral::{Collateral, Part};
use tdattest_verifier::wire::quote::Quote;
use tdattest_verifier::wire::signed::Signed;
use tdattest_verifier::wire::time::UnixTime;
use tdattest_verifier::{VerifiedQuote, VerifyError};

use crate::flipped_bits::end_of_auth_data;
use crate::samples::{self, Sample, verifier};

/// S51.
#[test]
fn the_samples_have_the_status_and_advisories_that_the_peer_finds() {
    for sample in samples::verifiable() {
        let theirs = peer(&sample.quote, &peer_collateral(&sample), &sample).unwrap();
        let ours = sample.verified();
        assert_eq!(ours.tcb().status.name(), theirs.status, "{}", sample.name);
        let mut advisory_ids = theirs.advisory_ids;
        advisory_ids.sort();
        assert_eq!(ours.tcb().advisory_ids, advisory_ids, "{}", sample.name);
        assert_eq!(ours.tcb().platform.name(), theirs.platform_status.status.to_string());
        assert_eq!(ours.tcb().qe.name(), theirs.qe_status.status.to_string());
        let ppid = ours.facts().pck.as_ref().unwrap().extension.ppid;
        assert_eq!(ppid.as_ref(), theirs.ppid);
    }
}

/// S51.
#[test]
fn a_platform_below_every_level_is_refused_by_both() {
    let sample = samples::tdx_below_every_level();
    assert!(peer(&sample.quote, &peer_collateral(&sample), &sample).is_err());
    let refused = verifier().verify(&sample.parsed(), &sample.collateral(), sample.now);
    let expected = VerifyError::TcbNotSupported(NotSupported::Platform);
    assert_eq!(refused.unwrap_err().error(), &expected);
}

/// S51. In what something signs, both refuse the same; in the heads of the certification data and in its chain, and
/// nowhere else, we are stricter: the peer does not look at the outer type, never reads the root certificate of a chain,
/// prefers the collateral's PCK chain to the quote's, and lets bytes stand after a record inside its declared size.
#[test]
fn both_refuse_the_same_quotes_with_a_changed_byte_but_for_certification_data() {
    let mut random = Random(1);
    for sample in samples::verifiable() {
        let (mine, theirs) = (sample.collateral(), peer_collateral(&sample));
        let certification_data = end_of_auth_data(&sample.parsed());
        let outer_record = sample.parsed().signed_bytes().len() + 132;
        let outer_record = outer_record..outer_record + 6;
        for round in 0..500 {
            let mut quote = sample.quote.clone();
            // Every other one where the parser decides, not a signature.
            let range = if round % 2 == 0 { quote.len() } else { certification_data };
            let (at, byte) = (random.below(range), random.below(256) as u8);
            quote[at] = byte;
            let (ours, peer) = (ours(&quote, &mine, &sample), peer(&quote, &theirs, &sample));
            let what = format!("{} with byte {at} as {byte:#04x}", sample.name);
            assert!(ours.is_err() || peer.is_ok(), "{what}: we accept what the peer refuses");
            let unsigned = at >= certification_data || outer_record.contains(&at);
            assert!(unsigned || ours.is_ok() == peer.is_ok(), "{what}: {ours:?}, {peer:?}");
        }
    }
}

/// S51. Of collateral, the peer reads neither the PCK CRL's issuer chain nor the root of any other; all else is alike.
#[test]
fn both_refuse_the_same_collateral_with_a_changed_byte_but_for_chains() {
    let mut random = Random(2);
    for sample in samples::verifiable() {
        for _ in 0..100 {
            for part in Part::ALL.into_iter().filter(|part| *part != Part::PckCertificateChain) {
                let theirs = with_a_byte_changed(&sample, part, &mut random);
                let ours = ours(&sample.quote, &translate(&theirs), &sample);
                let peer = peer(&sample.quote, &theirs, &sample);
                let what = format!("{}: {}", sample.name, part.name());
                assert!(ours.is_err() || peer.is_ok(), "{what}: we accept what the peer refuses");
                let is_chain = part.name().ends_with("chain");
                assert!(is_chain || ours.is_ok() == peer.is_ok(), "{what}: {ours:?}, {peer:?}");
            }
        }
    }
}

/// S22, S51. But for CRLs: the peer does not look at the beginning of their window, and refuses the very second at which
/// a newer one is due, which Intel's library accepts.
#[test]
fn both_accept_the_same_seconds() {
    for sample in samples::verifiable() {
        let (verifier, theirs) = (verifier().with_clock_skew_s(0), peer_collateral(&sample));
        let prepared = verifier.prepare(&sample.collateral()).unwrap();
        let windows = sample.verified().facts().windows.clone();
        let crls = || windows.iter().filter(|window| window.artefact.name().ends_with("CRL"));
        let edges = windows.iter().flat_map(|window| [window.not_before, window.not_after]);
        for edge in edges {
            for now in edge.as_secs() - 1..=edge.as_secs() + 1 {
                let moment = UnixTime::from_secs(now).unwrap();
                let ours = prepared.verify(&sample.parsed(), moment).is_ok();
                let peer = peer_at(&sample.quote, &theirs, now).is_ok();
                let what = format!("{} at {moment}: we {ours}, the peer {peer}", sample.name);
                if ours {
                    assert!(peer || crls().any(|crl| crl.not_after == moment), "{what}");
                } else {
                    assert!(!peer || crls().any(|crl| moment < crl.not_before), "{what}");
                }
            }
        }
    }
}

/// The sample's collateral with another byte somewhere in one part.
fn with_a_byte_changed(sample: &Sample, part: Part, random: &mut Random) -> QuoteCollateralV3 {
    let mut changed = peer_collateral(sample);
    let in_text = |text: &mut String, random: &mut Random| {
        let mut bytes = std::mem::take(text).into_bytes();
        let at = random.below(bytes.len());
        bytes[at] = random.below(128) as u8;
        *text = String::from_utf8(bytes).unwrap();
    };
    let in_bytes = |bytes: &mut Vec<u8>, random: &mut Random| {
        let at = random.below(bytes.len());
        bytes[at] = random.below(256) as u8;
    };
    match part {
        Part::PckCrlIssuerChain => in_text(&mut changed.pck_crl_issuer_chain, random),
        Part::RootCaCrl => in_bytes(&mut changed.root_ca_crl, random),
        Part::PckCrl => in_bytes(&mut changed.pck_crl, random),
        Part::TcbInfoIssuerChain => in_text(&mut changed.tcb_info_issuer_chain, random),
        Part::TcbInfo if random.below(8) == 0 => in_bytes(&mut changed.tcb_info_signature, random),
        Part::TcbInfo => in_text(&mut changed.tcb_info, random),
        Part::QeIdentityIssuerChain => in_text(&mut changed.qe_identity_issuer_chain, random),
        _ if random.below(8) == 0 => in_bytes(&mut changed.qe_identity_signature, random),
        _ => in_text(&mut changed.qe_identity, random),
    }
    changed
}

/// The peer's collateral as ours, part by part.
fn translate(c: &QuoteCollateralV3) -> Collateral {
    let signature = |bytes: &[u8]| EcdsaSignature(bytes.try_into().unwrap());
    Collateral {
        pck_crl_issuer_chain: c.pck_crl_issuer_chain.clone().into_bytes(),
        root_ca_crl: c.root_ca_crl.clone(),
        pck_crl: c.pck_crl.clone(),
        tcb_info_issuer_chain: c.tcb_info_issuer_chain.clone().into_bytes(),
        tcb_info: Signed::new(c.tcb_info.clone().into_bytes(), signature(&c.tcb_info_signature)),
        qe_identity_issuer_chain: c.qe_identity_issuer_chain.clone().into_bytes(),
        qe_identity: Signed::new(
            c.qe_identity.clone().into_bytes(),
            signature(&c.qe_identity_signature),
        ),
        pck_certificate_chain: c.pck_certificate_chain.clone().map(String::into_bytes),
    }
}

fn ours(quote: &[u8], collateral: &Collateral, sample: &Sample) -> Result<VerifiedQuote, String> {
    let quote = Quote::parse(quote).map_err(|fault| fault.to_string())?;
    let verdict = verifier().verify(&quote, collateral, sample.now);
    verdict.map_err(|failure| failure.error().code().to_owned())
}

fn peer(
    quote: &[u8],
    collateral: &QuoteCollateralV3,
    sample: &Sample,
) -> Result<VerifiedReport, String> {
    peer_at(quote, collateral, sample.now.as_secs())
}

fn peer_at(
    quote: &[u8],
    collateral: &QuoteCollateralV3,
    now: u64,
) -> Result<VerifiedReport, String> {
    let verifier = QuoteVerifier::new_prod().allow_debug(true).allow_service_td(true);
    verifier.verify(quote, collateral, now).map_err(|refused| format!("{refused:#}"))
}

fn peer_collateral(sample: &Sample) -> QuoteCollateralV3 {
    serde_json::from_slice(&sample.bundle).unwrap()
}

/// Numbers that look random and are the same in every run (an LCG of Knuth's).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}
