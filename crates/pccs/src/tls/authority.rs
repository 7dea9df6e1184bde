//! A CA for this service alone, and the certificate that it gives it.
//!
//! Source: RFC 5280, "Name Constraints". Clients that trust the CA trust it for the names that it was made for, no others.
//! Must stay true: the CA is made once, since clients have it; the certificate is replaced long before it ends.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    NameConstraints, PKCS_ECDSA_P256_SHA256, SanType, date_time_ymd,
};
use rustix::fs::FlockOperation;
use tdattest_wire::certificate::Certificate;
use tdattest_wire::pem;
use tdattest_wire::time::UnixTime;

use super::{ServerName, TlsError, file, files};

/// The CA's certificate: what clients are given.
pub const CA_FILE: &str = "ca.pem";

const CA_KEY: &str = "ca-key.pem";
/// The names that the CA was made for, one a line.
const CA_NAMES: &str = "ca-names.txt";
const CERTIFICATE: &str = "certificate.pem";
const KEY: &str = "key.pem";
/// The names that the certificate was made for, one a line.
const NAMES: &str = "certificate-names.txt";
const LOCK: &str = ".lock";

const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;

const DAY: u64 = 24 * 3600;
const CA_DAYS: u64 = 3652;
const DAYS: u64 = 90;
/// The certificate is replaced when less than this is left.
const LEAD_DAYS: u64 = 30;

const CA_NAME: &str = "tdattest PCCS CA";

/// Certificate and key in a folder.
pub(super) fn paths(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join(CERTIFICATE), folder.join(KEY))
}

/// Sees to it that there is a CA and a certificate that lasts and has these names and those of this machine.
pub(super) fn keep(folder: &Path, asked: &[ServerName], now: UnixTime) -> Result<(), TlsError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|fault| file(folder, fault))?;
    let _locked = lock(folder)?;
    let mut names = local_names();
    names.extend(asked.iter().cloned());
    names.sort();
    names.dedup();
    if !folder.join(CA_FILE).exists() {
        make_ca(folder, &names, now)?;
    }
    let known = read_names(&folder.join(CA_NAMES))?;
    // The machine's own name changes with each start of a container; nobody asked for it.
    names.retain(|name| known.contains(name) || asked.contains(name));
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(TlsError::NotForName { folder: folder.into(), name: name.to_string() });
    }
    if !is_good(folder, &names, now) {
        certify(folder, &names, now)?;
    }
    Ok(())
}

/// One process at a time; the lock goes with the file.
fn lock(folder: &Path) -> Result<File, TlsError> {
    let path = folder.join(LOCK);
    let opened = File::create(&path).map_err(|fault| file(&path, fault))?;
    rustix::fs::flock(&opened, FlockOperation::LockExclusive)
        .map_err(|fault| file(&path, fault.into()))?;
    Ok(opened)
}

fn local_names() -> Vec<ServerName> {
    let mut names = vec![
        ServerName::Dns("localhost".into()),
        ServerName::Address(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ServerName::Address(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    // A name that DNS would not know cannot stand in a certificate.
    if let Ok(name @ ServerName::Dns(_)) = host.parse() {
        names.push(name);
    }
    names
}

fn read_names(path: &Path) -> Result<Vec<ServerName>, TlsError> {
    let text = files::read(path)?;
    let text = String::from_utf8_lossy(&text);
    let names = text.lines().map(str::parse).collect::<Result<_, _>>();
    names.map_err(|cause| TlsError::Content { path: path.into(), cause })
}

fn listed(names: &[ServerName]) -> String {
    names.iter().map(|name| format!("{name}\n")).collect()
}

fn make_ca(folder: &Path, names: &[ServerName], now: UnixTime) -> Result<(), TlsError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = ca_params()?;
    set_window(&mut params, now, CA_DAYS);
    let permitted_subtrees = names.iter().map(subtree).collect();
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    let certificate = params.self_signed(&key)?;
    files::write(&folder.join(CA_NAMES), &listed(names), PUBLIC)?;
    files::write(&folder.join(CA_KEY), &key.serialize_pem(), PRIVATE)?;
    // Last: what is there without it is made anew.
    files::write(&folder.join(CA_FILE), &certificate.pem(), PUBLIC)
}

/// What of the CA stands in certificates below it, too.
fn ca_params() -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named(CA_NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn certify(folder: &Path, names: &[ServerName], now: UnixTime) -> Result<(), TlsError> {
    let path = folder.join(CA_KEY);
    let ca_key = KeyPair::from_pem(&String::from_utf8_lossy(&files::read(&path)?))?;
    let issuer = Issuer::new(ca_params()?, ca_key);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = named("tdattest PCCS");
    params.subject_alt_names = names.iter().map(alternative).collect::<Result<_, _>>()?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    set_window(&mut params, now, DAYS);
    let certificate = params.signed_by(&key, &issuer)?;
    let (certificate_path, key_path) = paths(folder);
    // All are written before one is put in its place: where there is no room, what was there stays.
    let beside = [
        files::write_beside(&key_path, &key.serialize_pem(), PRIVATE)?,
        files::write_beside(&certificate_path, &certificate.pem(), PUBLIC)?,
        files::write_beside(&folder.join(NAMES), &listed(names), PUBLIC)?,
    ];
    // A reader in between finds a pair that does not fit, keeps what it has, and looks again.
    beside.into_iter().try_for_each(files::Beside::place)
}

/// Whether the certificate lasts, has these names, and its key is there.
fn is_good(folder: &Path, names: &[ServerName], now: UnixTime) -> bool {
    let (certificate, key) = paths(folder);
    if !read_names(&folder.join(NAMES)).is_ok_and(|found| found == names)
        || files::certified_key(&certificate, &key).is_err()
    {
        return false;
    }
    let needed = now.saturating_add(LEAD_DAYS.saturating_mul(DAY));
    ends(&certificate).is_some_and(|ends| needed < ends)
}

/// Whether there is a certificate with its key that has not ended, whatever its names.
pub(super) fn is_usable(folder: &Path, now: UnixTime) -> bool {
    let (certificate, key) = paths(folder);
    files::certified_key(&certificate, &key).is_ok()
        && ends(&certificate).is_some_and(|ends| now < ends)
}

fn ends(certificate: &Path) -> Option<UnixTime> {
    let chain = pem::certificates(&files::read(certificate).ok()?).ok()?;
    Some(Certificate::parse(chain.first()?).ok()?.not_after)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn subtree(name: &ServerName) -> GeneralSubtree {
    match name {
        ServerName::Dns(name) => GeneralSubtree::DnsName(name.clone()),
        ServerName::Address(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, bits))
        }
    }
}

fn alternative(name: &ServerName) -> Result<SanType, rcgen::Error> {
    Ok(match name {
        ServerName::Dns(name) => SanType::DnsName(name.as_str().try_into()?),
        ServerName::Address(address) => SanType::IpAddress(*address),
    })
}

/// From the day before, for clocks that are behind, for so many days.
fn set_window(params: &mut CertificateParams, now: UnixTime, days: u64) {
    let date = |seconds: u64| {
        // `YYYY-MM-DDT…`
        let text = UnixTime::from_secs(seconds).unwrap_or(UnixTime::MAX).to_string();
        let mut parts = text.split(['-', 'T']);
        let mut part = || parts.next().unwrap_or_default();
        let (year, month, day) = (part(), part(), part());
        let year = year.parse().unwrap_or(9999);
        date_time_ymd(year, month.parse().unwrap_or(12), day.parse().unwrap_or(31))
    };
    params.not_before = date(now.as_secs().saturating_sub(DAY));
    params.not_after = date(now.as_secs().saturating_add(days.saturating_mul(DAY)));
}
