//! Certificate chains: which orders, lengths and roots are good, and that no byte can be changed.

use std::thread;

use data_encoding::BASE64;
use tdattest_verifier::error::{Artefact, ChainFault, Position};
use tdattest_verifier::wire::collateral::Collateral;
use tdattest_verifier::wire::pem;
use tdattest_verifier::wire::quote::{CertificationData, Quote};
use tdattest_verifier::{TrustAnchor, Verifier, VerifyError, crypto};

use crate::samples::{self, Sample, verifier};
use crate::swapped::pck_chain_of;

/// The PEM text of certificates.
pub(crate) fn pem_of<'d>(ders: impl IntoIterator<Item = &'d Vec<u8>>) -> Vec<u8> {
    let block = |der: &Vec<u8>| {
        let base64 = BASE64.encode(der);
        format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")
    };
    ders.into_iter().map(block).collect::<String>().into_bytes()
}

/// The chains of a verification.
const CHAINS: [Artefact; 4] = [
    Artefact::PckChain,
    Artefact::PckCrlIssuerChain,
    Artefact::TcbInfoIssuerChain,
    Artefact::QeIdentityIssuerChain,
];

/// The places of a chain, leaf first.
fn positions(chain: Artefact) -> &'static [Position] {
    match chain {
        Artefact::PckChain => &[Position::Pck, Position::PckCa, Position::Root],
        Artefact::PckCrlIssuerChain => &[Position::PckCa, Position::Root],
        _ => &[Position::TcbSigning, Position::Root],
    }
}

/// The certificates of a chain, leaf first, as Intel sends them.
pub(crate) fn certificates(sample: &Sample, chain: Artefact) -> Vec<Vec<u8>> {
    let collateral = sample.collateral();
    let text = match chain {
        Artefact::PckChain => pck_chain_of(sample),
        Artefact::PckCrlIssuerChain => collateral.pck_crl_issuer_chain,
        Artefact::TcbInfoIssuerChain => collateral.tcb_info_issuer_chain,
        _ => collateral.qe_identity_issuer_chain,
    };
    pem::certificates(&text).unwrap()
}

/// Verifies the sample with another text in the place of one chain.
fn verdict<'s>(sample: &'s Sample, chain: Artefact, text: &'s [u8]) -> Result<(), VerifyError> {
    let mut collateral = sample.collateral();
    replace(&mut collateral, chain, text);
    let bytes = match chain {
        Artefact::PckChain => {
            sample.with(|data| data.certification_data = CertificationData::PckChain(text))
        }
        _ => sample.quote.clone(),
    };
    let quote = Quote::parse(&bytes).unwrap();
    let verdict = verifier().verify(&quote, &collateral, sample.now);
    verdict.map(|_| ()).map_err(|failure| failure.error().clone())
}

fn replace(collateral: &mut Collateral, chain: Artefact, text: &[u8]) {
    match chain {
        Artefact::PckCrlIssuerChain => collateral.pck_crl_issuer_chain = text.to_vec(),
        Artefact::TcbInfoIssuerChain => collateral.tcb_info_issuer_chain = text.to_vec(),
        Artefact::QeIdentityIssuerChain => collateral.qe_identity_issuer_chain = text.to_vec(),
        _ => {}
    }
}

fn refused(chain: Artefact, fault: ChainFault) -> Result<(), VerifyError> {
    Err(VerifyError::Chain { chain, fault })
}

/// S9. The order in the text is no fact about the chain.
#[test]
fn accepts_the_certificates_of_a_chain_in_any_order() {
    for sample in samples::verifiable() {
        for chain in CHAINS {
            let mut ders = certificates(&sample, chain);
            for _ in 0..ders.len() {
                ders.rotate_left(1);
                assert_eq!(verdict(&sample, chain, &pem_of(&ders)), Ok(()), "{chain}");
                let reversed = pem_of(ders.iter().rev());
                assert_eq!(verdict(&sample, chain, &reversed), Ok(()), "{chain}");
            }
        }
    }
}

/// S9.
#[test]
fn refuses_chains_that_are_too_short_or_too_long() {
    let sample = samples::tdx();
    for chain in CHAINS {
        let (ders, expected) = (certificates(&sample, chain), positions(chain).len());
        for count in (1..=4).filter(|count| *count != expected) {
            let ders: Vec<_> = ders.iter().cycle().take(count).collect();
            let fault = ChainFault::Length { expected, found: count };
            assert_eq!(verdict(&sample, chain, &pem_of(ders)), refused(chain, fault));
        }
    }
}

/// S9, S33: certificates that stand twice, or issue each other, lead nowhere.
#[test]
fn refuses_chains_with_a_certificate_twice() {
    let sample = samples::tdx();
    for chain in CHAINS {
        let ders = certificates(&sample, chain);
        let (leaf, root) = (ders.first().unwrap(), ders.last().unwrap());
        let below_root = positions(chain)[ders.len() - 2];
        let mut only_roots = ders.clone();
        only_roots.fill(root.clone());
        let fault = ChainFault::Issuer(below_root);
        assert_eq!(verdict(&sample, chain, &pem_of(&only_roots)), refused(chain, fault));
        let mut no_root = ders.clone();
        no_root.fill(leaf.clone());
        let fault = ChainFault::Issuer(Position::Root);
        assert_eq!(verdict(&sample, chain, &pem_of(&no_root)), refused(chain, fault));
    }
    let chain = Artefact::PckChain;
    let [leaf, ca, root] = &certificates(&sample, chain)[..] else { panic!() };
    for (ders, missing) in [([ca, ca, root], Position::Pck), ([leaf, leaf, root], Position::PckCa)]
    {
        let fault = ChainFault::Issuer(missing);
        assert_eq!(verdict(&sample, chain, &pem_of(ders)), refused(chain, fault));
    }
}

/// S36.
#[test]
fn refuses_a_chain_without_any_certificate() {
    let sample = samples::tdx();
    for chain in CHAINS {
        for text in [&b""[..], b"\0", b"-----BEGIN CERTIFICATE-----\n", b"\xff\xfe"] {
            let verdict = verdict(&sample, chain, text);
            let Err(VerifyError::Chain { chain: found, fault: ChainFault::Malformed(_) }) = verdict
            else {
                panic!("{chain}: {verdict:?}");
            };
            assert_eq!(found, chain);
        }
    }
}

/// S11. The root a quote or collateral brings is worth nothing by itself.
#[test]
fn refuses_intels_root_under_another_anchor() {
    let sample = samples::tdx();
    let [ca, root] = &certificates(&sample, Artefact::PckCrlIssuerChain)[..] else { panic!() };
    let verdict = |anchor: &Vec<u8>| {
        let anchor = TrustAnchor::from_der(anchor).unwrap();
        let verifier = Verifier::new(anchor, crypto::aws_lc());
        let verdict = verifier.verify(&sample.parsed(), &sample.collateral(), sample.now);
        verdict.map(|_| ()).map_err(|failure| failure.error().clone())
    };
    assert_eq!(verdict(root), Ok(()), "Intel's root, handed in by name");
    let fault = ChainFault::Untrusted {
        expected: "Intel SGX PCK Platform CA".into(),
        found: "Intel SGX Root CA".into(),
    };
    assert_eq!(verdict(ca), refused(Artefact::PckCrlIssuerChain, fault));
}

/// S11. The name makes no root: this one says everything that Intel's says, with another key.
#[test]
fn refuses_a_root_of_intels_name_with_another_key() {
    let sample = samples::tdx();
    let other_key = sample.parsed().signature().attestation_key;
    for chain in CHAINS {
        let mut ders = certificates(&sample, chain);
        let root = ders.last_mut().unwrap();
        let key = tdattest_verifier::wire::certificate::Certificate::parse(root).unwrap();
        let (at, point) = (position_of(root, key.public_key.key), key.public_key.key.len());
        root[at + 1..at + point].copy_from_slice(other_key.as_ref());
        let fault = ChainFault::Untrusted {
            expected: "Intel SGX Root CA".into(),
            found: "Intel SGX Root CA".into(),
        };
        assert_eq!(verdict(&sample, chain, &pem_of(&ders)), refused(chain, fault));
    }
}

fn position_of(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).unwrap()
}

/// S9, S36. Every byte of every certificate of every chain.
#[test]
fn refuses_every_certificate_with_a_flipped_bit() {
    let sample = samples::tdx();
    thread::scope(|scope| {
        for chains in CHAINS.chunks(2) {
            let sample = &sample;
            scope.spawn(move || {
                for chain in chains {
                    flip_each_byte(sample, *chain);
                }
            });
        }
    });
}

fn flip_each_byte(sample: &Sample, chain: Artefact) {
    let ders = certificates(sample, chain);
    for (which, der) in ders.iter().enumerate() {
        for at in 0..der.len() {
            let mut flipped = ders.clone();
            flipped[which][at] ^= 1 << (at % 8);
            let verdict = verdict(sample, chain, &pem_of(&flipped));
            let of_chain = matches!(&verdict, Err(VerifyError::Chain { chain: found, .. })
                if *found == chain);
            assert!(of_chain, "{chain}, certificate {which}, byte {at}: {verdict:?}");
        }
    }
}
