//! Where documents come from: a service, as people write its address, or a file or folder.
//!
//! Must stay true: what is risky is named by whoever configures it: plain HTTP, certificates of anybody.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use reqwest::Url;
use reqwest::header::HeaderValue;
use tdattest_wire::pcs::INTEL_PCS;

use crate::error::SourceError;
use crate::trust::Trust;

/// One place to ask, and how.
///
/// ```
/// use tdattest_collateral::{Source, Trust};
///
/// let source: Source = "https://pccs.example:8081/sgx/certification/v4/".parse()?;
/// let source = source.with_trust(Trust::CaFile("/etc/pccs/ca.pem".into()));
/// assert_eq!(source.to_string(), "https://pccs.example:8081");
/// # Ok::<(), tdattest_collateral::SourceError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    pub(crate) place: Place,
    pub(crate) trust: Trust,
    pub(crate) proxy: Proxy,
    pub(crate) api_key: Option<ApiKey>,
    pub(crate) allow_http: bool,
}

/// A service, or files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Service(Address),
    /// A bundle, an archive, or a folder of parts.
    Files(PathBuf),
}

/// The address of a service and what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Up to where `/sgx/certification/` begins, without a slash at its end.
    pub(crate) base: Url,
    pub(crate) kind: ServiceKind,
    pub(crate) version: ApiVersion,
    /// Where the root CA's CRL is, if it is not to be found as usual.
    pub(crate) root_ca_crl: Option<Url>,
}

/// Whose API a service speaks: they differ in where the root CA's CRL is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Intel's PCS: the CRL is where the root certificate says.
    Pcs,
    /// A PCCS: it has the CRL itself.
    Pccs,
}

/// The version of the API that a service is asked by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApiVersion {
    /// Version 3: SGX alone, and only PCCS still speak it.
    V3,
    /// Version 4.
    #[default]
    V4,
}

/// How a service is reached.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum Proxy {
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say; this machine itself without a proxy.
    #[default]
    Environment,
    /// Without one.
    None,
    /// Through the one at this address.
    At(String),
}

impl fmt::Debug for Proxy {
    /// An address of a proxy can have a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "Environment",
            Self::None => "None",
            Self::At(_) => "At(…)",
        })
    }
}

/// A subscription key of Intel's PCS. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(pub(crate) HeaderValue);

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl Source {
    /// Intel's PCS.
    pub fn intel() -> Self {
        // The address is a constant, and a test reads it.
        INTEL_PCS.parse().unwrap_or_else(|_| Self::files(Path::new("/nonexistent")))
    }

    /// A bundle, an archive, or a folder of parts.
    pub fn files(path: impl Into<PathBuf>) -> Self {
        Self::at(Place::Files(path.into()))
    }

    fn at(place: Place) -> Self {
        Self {
            place,
            trust: Trust::System,
            proxy: Proxy::Environment,
            api_key: None,
            allow_http: false,
        }
    }

    /// Which servers are the right ones.
    #[must_use]
    pub fn with_trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// How the service is reached.
    #[must_use]
    pub fn with_proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// With a subscription key. One of whitespace alone is none, and is never sent.
    ///
    /// # Errors
    /// When no header can carry it.
    pub fn with_api_key(mut self, key: &str) -> Result<Self, SourceError> {
        let key = key.trim();
        self.api_key = match key {
            "" => None,
            key => {
                let mut value = HeaderValue::from_str(key).map_err(|_| SourceError::ApiKey)?;
                value.set_sensitive(true);
                Some(ApiKey(value))
            }
        };
        Ok(self)
    }

    /// Plain HTTP to another machine is meant so: whoever is on the way can read and change everything.
    #[must_use]
    pub fn dangerous_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// Whose API the service speaks, where its host does not say it. Says nothing of files.
    #[must_use]
    pub fn with_kind(mut self, kind: ServiceKind) -> Self {
        if let Place::Service(address) = &mut self.place {
            address.kind = kind;
        }
        self
    }

    /// By which version of the API the service is asked. Says nothing of files.
    #[must_use]
    pub fn with_version(mut self, version: ApiVersion) -> Self {
        if let Place::Service(address) = &mut self.place {
            address.version = version;
        }
        self
    }

    /// Where the root CA's CRL is, instead of where the service or the root certificate has it.
    ///
    /// Unencrypted only on this machine, or where [`Source::dangerous_allow_http`] says so.
    ///
    /// # Errors
    /// When it is no address.
    pub fn with_root_ca_crl_at(mut self, url: &str) -> Result<Self, SourceError> {
        let url = web_address(url)?;
        if let Place::Service(address) = &mut self.place {
            address.root_ca_crl = Some(url);
        }
        Ok(self)
    }

    /// Whether it is Intel's PCS, or is said to be one: not a PCCS, and not files.
    pub fn is_pcs(&self) -> bool {
        matches!(&self.place, Place::Service(address) if address.kind == ServiceKind::Pcs)
    }

    /// Whether whoever is on the way to it reads along: plain HTTP to another machine.
    pub fn is_unencrypted(&self) -> bool {
        match &self.place {
            Place::Service(address) => is_unencrypted(&address.base),
            Place::Files(_) => false,
        }
    }

    /// Whether it is a service, and not files.
    pub fn is_service(&self) -> bool {
        matches!(self.place, Place::Service(_))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Service(address) => f.write_str(address.base.as_str().trim_end_matches('/')),
            Place::Files(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl FromStr for Source {
    type Err = SourceError;

    /// `https://…` and `http://…` are services, `file:…` and what could be nothing else are files.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("file:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return Ok(Self::files(path));
        }
        if !text.contains("://") {
            require_path(text)?;
            return Ok(Self::files(text));
        }
        let mut base = web_address(text)?;
        let version = trim_path(&mut base).ok_or_else(|| {
            let cause = "expected version v3 or v4 of the API, or no version".into();
            SourceError::Address { address: shown(text).into(), cause }
        })?;
        let kind = if is_intels(&base) { ServiceKind::Pcs } else { ServiceKind::Pccs };
        let address = Address { base, kind, version, root_ca_crl: None };
        Ok(Self::at(Place::Service(address)))
    }
}

/// That a text without a scheme is meant as a path, and is no address that lacks a part.
fn require_path(text: &str) -> Result<(), SourceError> {
    let first = text.split('/').next().unwrap_or_default();
    let cause = match text {
        "" => "expected https://HOST, file:PATH or a path, found nothing",
        _ if first.contains(':') => {
            "expected https://HOST for a service, or file:PATH for a file that has a colon in its name"
        }
        _ => return Ok(()),
    };
    Err(SourceError::Address { address: shown(text).into(), cause: cause.into() })
}

/// An address as it can be shown: what stands before an `@`, or after a `?`, may be a secret.
pub(crate) fn shown(text: &str) -> &str {
    let (kept, cut) =
        text.find(['?', '#']).and_then(|at| text.split_at_checked(at)).unwrap_or((text, ""));
    match kept.rsplit_once('@') {
        Some((_, host)) => host,
        // The `?` itself may be part of a password.
        None if cut.contains('@') => "…",
        None => kept,
    }
}

/// The parts of an address that one of a service has.
fn web_address(text: &str) -> Result<Url, SourceError> {
    let fault =
        |cause: &str| SourceError::Address { address: shown(text).into(), cause: cause.into() };
    let url = Url::parse(text).map_err(|error| fault(&error.to_string()))?;
    match url.scheme() {
        "https" | "http" if url.has_host() => {}
        _ => return Err(fault("expected https://HOST or http://HOST")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("it has a user name or password, which would end up in logs"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fault("it goes on after its path"));
    }
    Ok(url)
}

/// Cuts the path where the API begins, however much of it was written; the version that it named, if there is such.
fn trim_path(base: &mut Url) -> Option<ApiVersion> {
    let path = base.path().trim_end_matches('/').to_owned();
    let begins = ["/sgx/certification", "/tdx/certification"];
    let api = begins.iter().find_map(|begin| path.find(begin));
    let (kept, cut) = path.split_at_checked(api.unwrap_or(path.len())).unwrap_or((&path, ""));
    // `/sgx/certification/v4/…`: the third name, after the empty one at the start.
    let version = match cut.split('/').nth(3) {
        None | Some("" | "v4") => ApiVersion::V4,
        Some("v3") => ApiVersion::V3,
        Some(_) => return None,
    };
    base.set_path(kept);
    Some(version)
}

/// Whether a host is Intel's.
pub(crate) fn is_intels(url: &Url) -> bool {
    const DOMAIN: &str = "trustedservices.intel.com";
    url.host_str()
        .and_then(|host| host.strip_suffix(DOMAIN))
        .is_some_and(|before| before.is_empty() || before.ends_with('.'))
}

/// Whether what goes to an address goes unencrypted to another machine.
pub(crate) fn is_unencrypted(url: &Url) -> bool {
    url.scheme() != "https" && !is_loopback(url)
}

/// Whether an address is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let address = host.trim_start_matches('[').trim_end_matches(']');
    address.parse::<std::net::IpAddr>().map_or(host == "localhost", |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        match text.parse::<Source>().unwrap().place {
            Place::Service(address) => address,
            Place::Files(path) => panic!("{}", path.display()),
        }
    }

    #[test]
    fn reads_addresses_as_people_write_them() {
        for (text, base, version) in [
            ("https://host", "https://host", ApiVersion::V4),
            ("https://host:8081/", "https://host:8081", ApiVersion::V4),
            ("https://host/sgx/certification/v4/", "https://host", ApiVersion::V4),
            ("https://host/sgx/certification/v3", "https://host", ApiVersion::V3),
            ("https://host/tdx/certification/v4/", "https://host", ApiVersion::V4),
            ("https://host/pccs/sgx/certification/v4/", "https://host/pccs", ApiVersion::V4),
            (" https://HOST/pccs/ ", "https://host/pccs", ApiVersion::V4),
        ] {
            let source: Source = text.parse().unwrap();
            assert_eq!(source.to_string(), base, "{text}");
            assert_eq!(address(text).version, version, "{text}");
        }
    }

    #[test]
    fn everything_else_is_a_file() {
        for (text, path) in [
            ("file:bundle.json", "bundle.json"),
            ("file:///var/lib/bundle.json", "/var/lib/bundle.json"),
            ("file:/var/lib/bundle.json", "/var/lib/bundle.json"),
            ("./collateral", "./collateral"),
            ("/var/lib/collateral", "/var/lib/collateral"),
        ] {
            assert_eq!(text.parse(), Ok(Source::files(path)), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_address_of_a_service_and_shows_no_password() {
        for text in [
            "ftp://host",
            "https://",
            "https://user:secret@host/",
            "https://host/?key=1",
            "https://host/#x",
            "unix://x",
            "https://user:a@secret@host/",
            "https://host/?key=secret",
            "https://host/?key=x@secret",
            "https://host/#secret",
            "https://user:secret?secret@host/",
            "https://user:secret@host:99999/",
            "user:secret@host",
            "",
            " ",
            "pccs.example:8081",
            "pccs.example:8081/sgx/certification/v4/",
            "https:/host",
            "https://host/sgx/certification/v5/",
            "https://host/sgx/certification/v33/",
        ] {
            let fault = text.parse::<Source>().unwrap_err();
            assert!(matches!(fault, SourceError::Address { .. }), "{text}");
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }

    #[test]
    fn shows_no_password_of_a_proxy() {
        let source = Source::intel().with_proxy(Proxy::At("http://user:secret@proxy".into()));
        assert!(!format!("{source:?}").contains("secret"), "{source:?}");
    }

    #[test]
    fn a_path_may_have_a_colon_where_no_address_has_one() {
        for (text, path) in [("./a:b", "./a:b"), ("/a:b", "/a:b"), ("file:a:b", "a:b")] {
            assert_eq!(text.parse(), Ok(Source::files(path)), "{text}");
        }
    }

    #[test]
    fn tells_intels_service_by_its_host() {
        assert_eq!(Source::intel().to_string(), INTEL_PCS);
        for (text, kind) in [
            (INTEL_PCS, ServiceKind::Pcs),
            ("https://sbx.api.trustedservices.intel.com/sgx/certification/v4/", ServiceKind::Pcs),
            ("https://nottrustedservices.intel.com", ServiceKind::Pccs),
            ("https://trustedservices.intel.com.example", ServiceKind::Pccs),
            ("https://localhost:8081", ServiceKind::Pccs),
        ] {
            assert_eq!(address(text).kind, kind, "{text}");
            let source: Source = text.parse().unwrap();
            assert_eq!(source.is_pcs(), kind == ServiceKind::Pcs, "{text}");
        }
    }

    #[test]
    fn knows_this_machine() {
        for (text, here) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("http://localhost.example", false),
            ("http://10.0.0.1", false),
        ] {
            assert_eq!(is_loopback(&Url::parse(text).unwrap()), here, "{text}");
        }
    }

    #[test]
    fn an_empty_api_key_is_none_and_no_key_is_shown() {
        let source = Source::intel().with_api_key(" \n").unwrap();
        assert_eq!(source.api_key, None);
        let source = source.with_api_key("0123456789abcdef\n").unwrap();
        assert!(source.api_key.is_some());
        assert!(!format!("{source:?}{source}").contains("0123"), "{source:?}");
        assert_eq!(Source::intel().with_api_key("a\nb"), Err(SourceError::ApiKey));
    }
}
