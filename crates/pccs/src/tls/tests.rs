use std::os::unix::fs::PermissionsExt as _;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::CertificateDer;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::time::UnixTime;

use super::*;

const START: u64 = 1_760_000_000;
const DAY: u64 = 24 * 3600;

fn clock(now: &Arc<AtomicU64>) -> Clock {
    let now = Arc::clone(now);
    Arc::new(move || UnixTime::from_secs(now.load(Ordering::Relaxed)).unwrap())
}

fn generated(folder: &Path, names: &[&str]) -> TlsSettings {
    let names = names.iter().map(|name| name.parse().unwrap()).collect();
    TlsSettings::Generated { folder: folder.join("tls"), names }
}

fn leaf(tls: &Tls) -> CertificateDer<'static> {
    tls.current.0.read().unwrap().cert[0].clone()
}

#[test]
fn a_made_certificate_stays_until_it_nears_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    let settings = generated(folder.path(), &["pccs.example.org", "192.0.2.7"]);
    let tls = Tls::start(settings.clone(), clock(&now)).unwrap();
    let first = leaf(&tls);
    let ca = std::fs::read(tls.ca_file().unwrap()).unwrap();
    assert!(!tls.renew(false).unwrap());
    now.store(START + 58 * DAY, Ordering::Relaxed);
    assert!(!tls.renew(false).unwrap());
    now.store(START + 61 * DAY, Ordering::Relaxed);
    assert!(tls.renew(false).unwrap());
    assert_ne!(leaf(&tls), first);
    assert_eq!(std::fs::read(tls.ca_file().unwrap()).unwrap(), ca);
    // A service that starts again takes the same.
    let again = Tls::start(settings, clock(&now)).unwrap();
    assert_eq!(leaf(&again), leaf(&tls));
}

#[test]
fn the_certificate_lasts_90_days_and_its_ca_ten_years() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    let tls = Tls::start(generated(folder.path(), &[]), clock(&now)).unwrap();
    let days = |der: &[u8]| {
        let found = Certificate::parse(der).unwrap();
        (found.not_after.as_secs() - found.not_before.as_secs()) / DAY
    };
    assert_eq!(days(&leaf(&tls)), 91);
    let ca = std::fs::read(tls.ca_file().unwrap()).unwrap();
    let ca = tdattest_wire::pem::certificates(&ca).unwrap();
    assert_eq!(days(&ca[0]), 3653);
}

#[test]
fn keys_are_for_their_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    Tls::start(generated(folder.path(), &[]), clock(&now)).unwrap();
    for name in ["ca-key.pem", "key.pem"] {
        let mode = std::fs::metadata(folder.path().join("tls").join(name)).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn another_name_gets_a_new_certificate_only_if_the_ca_was_made_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    let start = |names: &[&str]| Tls::start(generated(folder.path(), names), clock(&now));
    let both = leaf(&start(&["a.example.org", "b.example.org"]).unwrap());
    let one = leaf(&start(&["a.example.org"]).unwrap());
    assert_ne!(both, one);
    let fault = start(&["a.example.org", "c.example.org"]).unwrap_err();
    assert!(matches!(fault, TlsError::NotForName { name, .. } if name == "c.example.org"));
}

#[test]
fn a_file_that_cannot_be_used_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    Tls::start(generated(folder.path(), &[]), clock(&now)).unwrap();
    let other = tempfile::tempdir().unwrap();
    Tls::start(generated(other.path(), &[]), clock(&now)).unwrap();
    let (certificate, private_key) = authority::paths(&folder.path().join("tls"));
    let settings =
        TlsSettings::Files { certificate: certificate.clone(), private_key: private_key.clone() };
    let tls = Tls::start(settings, clock(&now)).unwrap();
    let first = leaf(&tls);
    let (_, foreign_key) = authority::paths(&other.path().join("tls"));
    std::fs::copy(foreign_key, &private_key).unwrap();
    assert!(matches!(tls.renew(false), Err(TlsError::Mismatch { .. })));
    assert_eq!(leaf(&tls), first);
    // Told once.
    assert!(!tls.renew(false).unwrap());
    std::fs::write(&certificate, "nothing").unwrap();
    assert!(matches!(tls.renew(false), Err(TlsError::Content { .. })));
    std::fs::remove_file(&certificate).unwrap();
    assert!(matches!(tls.renew(true), Err(TlsError::File { .. })));
    assert_eq!(leaf(&tls), first);
}

#[test]
fn a_name_is_one_of_dns_or_an_address() {
    assert_eq!("PCCS.example.org".parse(), Ok(ServerName::Dns("pccs.example.org".into())));
    assert_eq!("::1".parse(), Ok(ServerName::Address("::1".parse().unwrap())));
    for text in ["", "a..b", "-a", "a b", "*.example.org", &"a".repeat(64)] {
        assert!(text.parse::<ServerName>().is_err(), "{text}");
    }
}
