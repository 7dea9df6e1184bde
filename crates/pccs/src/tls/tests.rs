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
fn bytes_that_are_no_certificate_replace_none() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    Tls::start(generated(folder.path(), &[]), clock(&now)).unwrap();
    let (certificate, private_key) = authority::paths(&folder.path().join("tls"));
    let settings = TlsSettings::Files { certificate: certificate.clone(), private_key };
    let tls = Tls::start(settings, clock(&now)).unwrap();
    let first = leaf(&tls);
    let text = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    std::fs::write(&certificate, text).unwrap();
    assert!(matches!(tls.renew(false), Err(TlsError::Content { .. })));
    assert_eq!(leaf(&tls), first);
}

#[test]
fn a_change_of_mode_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    std::fs::write(&path, "key").unwrap();
    let before = Stamp::of(&path, &path);
    // The clock of a file system has steps.
    let begun = std::time::Instant::now();
    while Stamp::of(&path, &path) == before && begun.elapsed().as_secs() < 20 {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_ne!(Stamp::of(&path, &path), before);
}

#[test]
fn a_file_that_could_not_be_read_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    Tls::start(generated(folder.path(), &[]), clock(&now)).unwrap();
    let (certificate, private_key) = authority::paths(&folder.path().join("tls"));
    let settings = TlsSettings::Files { certificate, private_key: private_key.clone() };
    let tls = Tls::start(settings, clock(&now)).unwrap();
    let aside = folder.path().join("aside");
    std::fs::rename(&private_key, &aside).unwrap();
    let before = tls.seen.lock().unwrap().stamp.clone();
    assert!(matches!(tls.renew(false), Err(TlsError::File { .. })));
    assert_eq!(tls.seen.lock().unwrap().stamp, before);
    // Told once.
    assert!(!tls.renew(false).unwrap());
    std::fs::copy(&aside, &private_key).unwrap();
    assert!(tls.renew(false).unwrap());
}

#[test]
fn where_no_new_certificate_can_be_written_the_old_one_lasts_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(START));
    let settings = generated(folder.path(), &[]);
    let first = leaf(&Tls::start(settings.clone(), clock(&now)).unwrap());
    // A folder in its way is to the certificate what a full disk is.
    let in_the_way = folder.path().join("tls/certificate.pem.new");
    std::fs::create_dir(&in_the_way).unwrap();
    now.store(START + 61 * DAY, Ordering::Relaxed);
    let tls = Tls::start(settings.clone(), clock(&now)).unwrap();
    assert_eq!(leaf(&tls), first);
    // Told at the start, and when somebody asks.
    assert!(!tls.renew(false).unwrap());
    assert!(matches!(tls.renew(true), Err(TlsError::File { .. })));
    assert_eq!(leaf(&tls), first);
    now.store(START + 91 * DAY, Ordering::Relaxed);
    let fault = Tls::start(settings, clock(&now)).unwrap_err();
    assert!(matches!(fault, TlsError::File { .. }));
    std::fs::remove_dir(&in_the_way).unwrap();
    assert!(tls.renew(false).unwrap());
    assert_ne!(leaf(&tls), first);
}

#[test]
fn a_name_is_one_of_dns_or_an_address() {
    assert_eq!("PCCS.example.org".parse(), Ok(ServerName::Dns("pccs.example.org".into())));
    assert_eq!("::1".parse(), Ok(ServerName::Address("::1".parse().unwrap())));
    for text in ["", "a..b", "-a", "a b", "*.example.org", &"a".repeat(64)] {
        assert!(text.parse::<ServerName>().is_err(), "{text}");
    }
}
