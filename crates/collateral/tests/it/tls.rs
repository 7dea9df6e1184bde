//! Which servers a client believes, by CA, by pin and by name only; in TLS 1.2 and 1.3.

use std::fs;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
    SigningKey as _,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use tdattest_collateral::{FetchError, Pin, RetryPolicy, SourceError, Trust};
use tdattest_simulator::pcs_server::Answer;
use tdattest_wire::pcs::PcsRequest;

use crate::cases::{answer, builder, source, tcb_info};
use crate::scripted::{Scripted, http, path};

const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

fn pki() -> Pki {
    pki_of("one")
}

/// Shows a certificate, whoever's key it is.
#[derive(Debug)]
struct Shows(Arc<CertifiedKey>);

impl ResolvesServerCert for Shows {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A PCS behind TLS that shows this certificate and signs with this key.
async fn start(
    version: &'static SupportedProtocolVersion,
    certificate: &[u8],
    key: &KeyPair,
) -> Scripted {
    start_as(version, certificate, key, answer).await
}

/// A service behind TLS that answers so.
async fn start_as(
    version: &'static SupportedProtocolVersion,
    certificate: &[u8],
    key: &KeyPair,
    answers: impl Fn(&str) -> Answer + Send + Sync + 'static,
) -> Scripted {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let key = provider.key_provider.load_private_key(key).unwrap();
    let certificate = CertificateDer::from(certificate.to_vec());
    let shown = CertifiedKey::new(vec![certificate], key);
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Shows(Arc::new(shown))));
    Scripted::https(config, move |head| {
        let found = answers(path(head));
        let headers: Vec<(&str, &str)> =
            found.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        http("200 OK", &headers, &found.body)
    })
    .await
}

async fn ask(server: &Scripted, host: &str, trust: Trust) -> Result<(), FetchError> {
    let url = format!("https://{host}:{}", server.port);
    let source = source(&url).with_trust(trust);
    let client = builder().source(source).retry(RetryPolicy::NONE).build().unwrap();
    client.fetch(tcb_info()).await.map(drop)
}

fn cause(outcome: Result<(), FetchError>) -> String {
    match outcome.unwrap_err() {
        FetchError::Unreachable { cause, .. } => cause,
        other => panic!("{other}"),
    }
}

/// A CA in a file, and a certificate for 127.0.0.1 from it.
struct Pki {
    ca_file: tempfile::NamedTempFile,
    leaf: Vec<u8>,
    key: KeyPair,
}

/// A PKI whose CA has this name: one of the same name would be tried with the wrong key.
fn pki_of(name: &str) -> Pki {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.distinguished_name.push(rcgen::DnType::CommonName, name);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_file = tempfile::NamedTempFile::new().unwrap();
    fs::write(ca_file.path(), ca.self_signed(&ca_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap().der().to_vec();
    Pki { ca_file, leaf, key }
}

#[tokio::test]
async fn a_ca_file_is_enough_for_the_name_in_the_certificate_and_no_other() {
    let pki = pki();
    let trust = Trust::CaFile(pki.ca_file.path().into());
    for version in VERSIONS {
        let server = start(version, &pki.leaf, &pki.key).await;
        assert_eq!(ask(&server, "127.0.0.1", trust.clone()).await, Ok(()));
        assert_eq!(
            cause(ask(&server, "localhost", trust.clone()).await),
            "its certificate is for another name"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused() {
    let (one, other) = (pki(), pki_of("other"));
    let server = start(&version::TLS13, &one.leaf, &one.key).await;
    let trust = Trust::CaFile(other.ca_file.path().into());
    assert_eq!(
        cause(ask(&server, "127.0.0.1", trust).await),
        "its certificate is from no CA that is trusted here"
    );
}

/// A self-signed certificate of X.509 version 1, as Intel's PCCS used to make: no names, no extensions.
fn version_1(key: &KeyPair) -> Vec<u8> {
    let is_rsa = key.algorithm() == &PKCS_RSA_SHA256;
    let algorithm: &[u8] = match is_rsa {
        true => b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b\x05\x00",
        false => b"\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
    };
    let algorithm = sequence(&[algorithm]);
    let name = sequence(&[&tagged(0x31, &sequence(&[&[6, 3, 0x55, 4, 3], b"\x0c\x04pccs"]))]);
    let window = sequence(&[b"\x17\x0d200101000000Z", b"\x17\x0d490101000000Z"]);
    let info = rcgen::PublicKeyData::subject_public_key_info(key);
    let signed = sequence(&[&[2, 1, 1], &algorithm, &name, &window, &name, &info]);
    let signature = [&[0][..], &key.sign(&signed).unwrap()].concat();
    sequence(&[&signed, &algorithm, &tagged(0x03, &signature)])
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tagged(0x30, &parts.concat())
}

fn tagged(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap().to_be_bytes();
    let head = match length {
        [0, short @ 0..=0x7f] => vec![tag, short],
        [0, long] => vec![tag, 0x81, long],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [&head, value].concat()
}

#[tokio::test]
async fn a_pin_accepts_certificates_of_version_3_and_1_in_tls_1_2_and_1_3() {
    let pki = pki();
    for certificate in [pki.leaf.clone(), version_1(&pki.key)] {
        for version in VERSIONS {
            let server = start(version, &certificate, &pki.key).await;
            let pins = vec![Pin::of(b"another"), Pin::of(&certificate)];
            assert_eq!(ask(&server, "localhost", Trust::Pins(pins)).await, Ok(()));
        }
    }
}

#[tokio::test]
async fn a_pin_accepts_what_the_installation_of_intels_service_makes() {
    // RSA with 2048 bits, self-signed, version 1: `openssl x509 -req -signkey` without extensions.
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let certificate = version_1(&key);
    let pinned = Trust::Pins(vec![Pin::of(&certificate)]);
    for version in VERSIONS {
        let server = start(version, &certificate, &key).await;
        assert_eq!(ask(&server, "localhost", pinned.clone()).await, Ok(()));
        let other = Trust::Pins(vec![Pin::of(b"another")]);
        let cause = cause(ask(&server, "localhost", other).await);
        assert!(cause.contains(&Pin::of(&certificate).to_string()), "{cause}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_pinned_source_needs_no_roots_of_the_system() {
    const NAME: &str = "tls::a_pinned_source_needs_no_roots_of_the_system";
    const NOWHERE: &str = "/nonexistent/roots";
    // Where roots are is said to a whole process: this test runs once more in one of its own.
    if std::env::var("SSL_CERT_FILE").is_ok_and(|file| file == NOWHERE) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        return runtime.unwrap().block_on(without_roots());
    }
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME])
        .env("SSL_CERT_FILE", NOWHERE)
        .env("SSL_CERT_DIR", NOWHERE)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

#[cfg(target_os = "linux")]
async fn without_roots() {
    let build = |source| builder().source(source).build().map(drop);
    let intels = source("https://api.trustedservices.intel.com");
    let fault = build(intels.clone()).unwrap_err();
    assert!(matches!(fault, SourceError::SystemRoots(_)), "{fault}");
    let pki = pki();
    let pinned = Trust::Pins(vec![Pin::of(&pki.leaf)]);
    assert_eq!(build(intels.with_trust(pinned.clone())), Ok(()));
    let server = start(&version::TLS13, &pki.leaf, &pki.key).await;
    assert_eq!(ask(&server, "localhost", pinned).await, Ok(()));
}

#[tokio::test]
async fn a_version_1_certificate_that_is_not_pinned_is_refused_with_what_to_do() {
    let pki = pki();
    let server = start(&version::TLS13, &version_1(&pki.key), &pki.key).await;
    let trust = Trust::CaFile(pki.ca_file.path().into());
    let cause = cause(ask(&server, "127.0.0.1", trust).await);
    assert!(cause.ends_with("pin it by its SHA-256"), "{cause}");
}

#[tokio::test]
async fn a_certificate_that_is_not_pinned_is_refused_with_its_sha_256() {
    let pki = pki();
    let server = start(&version::TLS13, &pki.leaf, &pki.key).await;
    let cause = cause(ask(&server, "127.0.0.1", Trust::Pins(vec![Pin::of(b"another")])).await);
    let found = Pin::of(&pki.leaf).to_string();
    assert!(cause.contains(&found), "{cause}");
}

#[tokio::test]
async fn a_pinned_certificate_without_its_key_is_refused() {
    let (one, other) = (pki(), pki());
    for certificate in [one.leaf.clone(), version_1(&one.key)] {
        for version in VERSIONS {
            let server = start(version, &certificate, &other.key).await;
            let pins = Trust::Pins(vec![Pin::of(&certificate)]);
            for trust in [pins, Trust::DangerousInsecure] {
                let cause = cause(ask(&server, "127.0.0.1", trust).await);
                assert!(cause.to_lowercase().contains("signature"), "{cause}");
            }
        }
    }
}

#[tokio::test]
async fn who_names_the_danger_gets_any_certificate_and_verified_documents_all_the_same() {
    let pki = pki();
    let server = start(&version::TLS12, &version_1(&pki.key), &pki.key).await;
    assert_eq!(ask(&server, "localhost", Trust::DangerousInsecure).await, Ok(()));
    let liar = start_as(&version::TLS12, &version_1(&pki.key), &pki.key, |path| {
        let mut found = answer(path);
        // The last digit of the signature, before `"}`.
        let at = found.body.len() - 3;
        found.body[at] = if found.body[at] == b'0' { b'1' } else { b'0' };
        found
    })
    .await;
    let fault = ask(&liar, "localhost", Trust::DangerousInsecure).await.unwrap_err();
    assert!(matches!(fault, FetchError::Untrusted { .. }), "{fault}");
}

#[tokio::test]
async fn the_wrong_server_is_not_asked_again() {
    let (one, other) = (pki(), pki_of("other"));
    for trust in
        [Trust::CaFile(other.ca_file.path().into()), Trust::Pins(vec![Pin::of(b"another")])]
    {
        let server = start(&version::TLS13, &one.leaf, &one.key).await;
        let source = source(&format!("https://127.0.0.1:{}", server.port)).with_trust(trust);
        let client = builder().source(source).retry(RetryPolicy::default()).build().unwrap();
        cause(client.fetch(tcb_info()).await.map(drop));
        assert_eq!(server.connections(), 1);
    }
}

#[tokio::test]
async fn a_crl_at_the_service_itself_is_fetched_as_the_service_is_trusted() {
    let pki = pki();
    let server = start(&version::TLS13, &pki.leaf, &pki.key).await;
    let url = format!("https://127.0.0.1:{}", server.port);
    let pinned = source(&url)
        .with_trust(Trust::Pins(vec![Pin::of(&pki.leaf)]))
        .with_root_ca_crl_at(&format!("{url}/IntelSGXRootCA.der"))
        .unwrap();
    let client = builder().source(pinned).build().unwrap();
    client.fetch(PcsRequest::RootCaCrl).await.unwrap();
}
