//! Every way in which a document cannot be had: one variant a way, with the facts and a stable code.
//!
//! Must stay true: no API key, no password and no whole identity of a platform in any of them.

use std::path::PathBuf;

use tdattest_wire::pcs::PcsRequest;

/// Why a document could not be fetched.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The service answered, and does not have it or does not give it.
    #[error("{url} answered {status}{}{}", meaning(*.status), details(.error_code.as_deref(), .request_id.as_deref()))]
    Refused {
        /// What was asked, without secrets.
        url: String,
        /// Its HTTP status.
        status: u16,
        /// What it calls the reason, of its header `Error-Code`.
        error_code: Option<String>,
        /// What it calls the request, of its header `Request-ID`: Intel's support asks for it.
        request_id: Option<String>,
    },
    /// The service sends its clients elsewhere. Nobody goes there: what is trusted is the address that was named.
    #[error("{url} answered {status}, a redirect to {to}; redirects are not followed")]
    Redirected {
        /// What was asked.
        url: String,
        /// Its HTTP status.
        status: u16,
        /// Where it points.
        to: String,
    },
    /// No connection, or it broke.
    #[error("{url} cannot be reached: {cause}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong, in words.
        cause: String,
    },
    /// There was no whole answer in time.
    #[error("{url} gave no whole answer within {milliseconds} ms")]
    TooSlow {
        /// What was asked.
        url: String,
        /// The time that it had.
        milliseconds: u128,
    },
    /// An answer came that is none.
    #[error("{url}: {cause}")]
    Malformed {
        /// What was asked.
        url: String,
        /// What is wrong with it.
        cause: String,
    },
    /// What came is not Intel's, or not what was asked for.
    #[error("{url}: {cause}")]
    Untrusted {
        /// Where it came from.
        url: String,
        /// What does not hold.
        cause: String,
    },
    /// It is genuine, and whoever asked does not want it: too old, perhaps.
    #[error("{url}: {cause}")]
    NotAccepted {
        /// Where it came from.
        url: String,
        /// Why it is not wanted.
        cause: String,
    },
    /// What was asked for cannot be, so that nobody was asked.
    #[error("there is no such {what} to ask for: {cause}")]
    BadRequest {
        /// What was to be fetched.
        what: &'static str,
        /// What is wrong with the request.
        cause: String,
    },
    /// A file or folder, or an old version of the API, does not have such a document.
    #[error("{place} has no {document} of this kind")]
    Lacks {
        /// The source.
        place: String,
        /// What was asked for.
        document: &'static str,
    },
    /// It takes a service, and no source is one.
    #[error("only a service has the {0}, and no source is one")]
    NoService(&'static str),
    /// There is no source.
    #[error("no source has the {document}", document = .0.document())]
    NoSource(PcsRequest),
    /// Several sources were asked; what each said, in their order.
    #[error("no source has it: {}", each(.0))]
    EverySource(Vec<FetchError>),
}

impl FetchError {
    /// Its name, which never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } | Self::Lacks { .. } if self.is_not_found() => "fetch.not-found",
            Self::Refused { .. } => "fetch.refused",
            Self::Redirected { .. } => "fetch.redirected",
            Self::Unreachable { .. } => "fetch.unreachable",
            Self::TooSlow { .. } => "fetch.too-slow",
            Self::Malformed { .. } => "fetch.malformed",
            Self::Untrusted { .. } => "fetch.untrusted",
            Self::NotAccepted { .. } => "fetch.not-accepted",
            Self::BadRequest { .. } => "fetch.bad-request",
            Self::Lacks { .. } => "fetch.not-found",
            Self::NoService(_) | Self::NoSource(_) => "fetch.no-source",
            Self::EverySource(failures) => gravest(failures).map_or("fetch.not-found", Self::code),
        }
    }

    /// Whether every source that was asked says that there is no such document.
    pub fn is_not_found(&self) -> bool {
        match self {
            // 410: the set is retired. 461: a PCCS does not know the platform.
            Self::Refused { status, .. } => matches!(status, 404 | 410 | 461),
            Self::Lacks { .. } => true,
            Self::EverySource(failures) => failures.iter().all(Self::is_not_found),
            _ => false,
        }
    }

    /// The HTTP status of a refusal; of several, that of the one that gives [`FetchError::code`], if it has one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Redirected { status, .. } => Some(*status),
            Self::EverySource(failures) => match gravest(failures) {
                Some(failure) => failure.status(),
                None => failures.iter().find_map(Self::status),
            },
            _ => None,
        }
    }

    /// What several sources said, as one: a single source speaks for itself.
    pub(crate) fn of_all(mut failures: Vec<Self>, none: Self) -> Self {
        match (failures.pop(), failures.is_empty()) {
            (None, _) => none,
            (Some(only), true) => only,
            (Some(last), false) => {
                failures.push(last);
                Self::EverySource(failures)
            }
        }
    }
}

/// The first failure that says more than that there is no such document.
fn gravest(failures: &[FetchError]) -> Option<&FetchError> {
    failures.iter().find(|failure| !failure.is_not_found())
}

fn each(failures: &[FetchError]) -> String {
    failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What a service says of its refusal, in words of its own.
fn details(error_code: Option<&str>, request_id: Option<&str>) -> String {
    let code = error_code.map(|code| format!("Error-Code: {code}"));
    let id = request_id.map(|id| format!("Request-ID: {id}"));
    let said: Vec<String> = code.into_iter().chain(id).collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// What a status means where it is not plain, or who can help.
fn meaning(status: u16) -> &'static str {
    match status {
        401 | 403 => ": it does not accept the API key, or wants one",
        404 => ": it does not have it",
        410 => ": this version of the API, or this TCB evaluation data number, is retired",
        429 => ": too many requests",
        461 => ": it does not know the platform",
        500..=599 => ": it is in trouble itself",
        _ => "",
    }
}

/// Why a source cannot be used as it is configured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// Not an address, or one with parts that an address of a service does not have.
    #[error("`{address}` is no address of a service: {cause}")]
    Address {
        /// The text.
        address: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Not encrypted, and not on this machine.
    #[error("{0} is not encrypted; expected https, or plain http allowed by name")]
    PlainHttp(String),
    /// An API key would go over the wire as it is.
    #[error("{0} is not encrypted, and an API key must not be sent there")]
    PlainApiKey(String),
    /// An API key would go to whoever pretends to be the service.
    #[error(
        "the certificate of {0} would not be checked, and an API key must not be sent there; pin it by its SHA-256"
    )]
    UncheckedApiKey(String),
    /// An API key that no header can carry.
    #[error("the API key has characters that an HTTP header cannot carry")]
    ApiKey,
    /// Not the SHA-256 of a certificate.
    #[error("`{0}` is no SHA-256 of a certificate, expected 64 hexadecimal digits")]
    Pin(String),
    /// The file of trusted CAs is no such file.
    #[error("the CA file `{path}` cannot be used: {cause}", path = .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The system has no CAs that could be trusted.
    #[error("the roots of this system cannot be used: {0}")]
    SystemRoots(String),
    /// The proxy is no proxy.
    #[error("the proxy cannot be used: {0}")]
    Proxy(String),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16) -> FetchError {
        let url = "https://one".into();
        FetchError::Refused { url, status, error_code: None, request_id: None }
    }

    fn unreachable() -> FetchError {
        FetchError::Unreachable { url: "https://two".into(), cause: "connection refused".into() }
    }

    #[test]
    fn not_found_is_what_every_source_says() {
        assert!(refused(404).is_not_found() && refused(410).is_not_found());
        assert!(!refused(400).is_not_found() && !unreachable().is_not_found());
        let both = FetchError::EverySource(vec![refused(404), refused(410)]);
        assert_eq!((both.is_not_found(), both.code()), (true, "fetch.not-found"));
        let one = FetchError::EverySource(vec![refused(404), unreachable()]);
        assert_eq!((one.is_not_found(), one.code()), (false, "fetch.unreachable"));
        assert_eq!((one.status(), both.status()), (None, Some(404)));
    }

    #[test]
    fn the_status_is_that_of_the_failure_that_gives_the_code() {
        let of = |failures: &[u16]| {
            let every = FetchError::EverySource(failures.iter().copied().map(refused).collect());
            (every.status(), every.code())
        };
        assert_eq!(of(&[404, 500, 404]), (Some(500), "fetch.refused"));
        assert_eq!(of(&[500, 429]), (Some(500), "fetch.refused"));
        assert_eq!(of(&[410, 404]), (Some(410), "fetch.not-found"));
    }

    #[test]
    fn a_refusal_says_what_the_service_said() {
        let url = "https://one".to_owned();
        let refused = FetchError::Refused {
            url,
            status: 400,
            error_code: Some("InvalidRequestSyntax".into()),
            request_id: Some("4b5a".into()),
        };
        assert_eq!(
            refused.to_string(),
            "https://one answered 400 (Error-Code: InvalidRequestSyntax, Request-ID: 4b5a)"
        );
    }

    #[test]
    fn one_source_speaks_for_itself_and_none_is_said() {
        let none = FetchError::NoSource(PcsRequest::RootCaCrl);
        assert_eq!(FetchError::of_all(vec![], none.clone()), none);
        assert_eq!(FetchError::of_all(vec![refused(500)], none.clone()), refused(500));
        let both = FetchError::of_all(vec![refused(404), unreachable()], none);
        assert_eq!(both, FetchError::EverySource(vec![refused(404), unreachable()]));
    }
}
