//! Which path is what.
//!
//! Source: Intel's PCCS as observed: letters of either case, a slash at the end or not; `V4` alone is an error.
//! Beyond it: `fmspcs` and `tcbevaluationdatanumbers`, which Intel's PCS has.

use hyper::Method;
use tdattest_wire::quote::TeeType;

/// A route in a version of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) route: Route,
    pub(super) version: Version,
}

/// The versions of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V3,
    V4,
}

/// What a path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    PckCert,
    PckCrl,
    TcbInfo(TeeType),
    QeIdentity(TeeType),
    QveIdentity,
    RootCaCrl,
    Crl,
    Platforms,
    PlatformCollateral,
    Refresh,
    AppraisalPolicy,
    Fmspcs,
    EvaluationDataNumbers(TeeType),
}

/// Why a path is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoRoute {
    NotThere,
    /// Intel's service fails at `V3` and `V4`.
    CapitalVersion,
}

impl Place {
    pub(super) fn find(path: &str) -> Result<Self, NoRoute> {
        let path = path.strip_prefix('/').ok_or(NoRoute::NotThere)?;
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut segments = path.splitn(4, '/');
        let (Some(product), Some(certification), Some(version), Some(name)) =
            (segments.next(), segments.next(), segments.next(), segments.next())
        else {
            return Err(NoRoute::NotThere);
        };
        if !certification.eq_ignore_ascii_case("certification") {
            return Err(NoRoute::NotThere);
        }
        let tee = match product {
            _ if product.eq_ignore_ascii_case("sgx") => TeeType::Sgx,
            _ if product.eq_ignore_ascii_case("tdx") => TeeType::Tdx,
            _ => return Err(NoRoute::NotThere),
        };
        let (found, capital) = match version {
            "v3" => (Version::V3, false),
            "v4" => (Version::V4, false),
            "V3" => (Version::V3, true),
            "V4" => (Version::V4, true),
            _ => return Err(NoRoute::NotThere),
        };
        let route = Route::find(tee, found, name).ok_or(NoRoute::NotThere)?;
        match capital {
            true => Err(NoRoute::CapitalVersion),
            false => Ok(Self { route, version: found }),
        }
    }
}

impl Route {
    fn find(tee: TeeType, version: Version, name: &str) -> Option<Self> {
        use TeeType::{Sgx, Tdx};
        use Version::{V3, V4};
        Some(match (tee, version, &*name.to_ascii_lowercase()) {
            (Sgx, _, "pckcert") => Self::PckCert,
            (Sgx, _, "pckcrl") => Self::PckCrl,
            (Sgx, _, "tcb") | (Tdx, V4, "tcb") => Self::TcbInfo(tee),
            (Sgx, _, "qe/identity") | (Tdx, V4, "qe/identity") => Self::QeIdentity(tee),
            (Sgx, _, "qve/identity") => Self::QveIdentity,
            (Sgx, _, "rootcacrl") => Self::RootCaCrl,
            (Sgx, _, "crl") => Self::Crl,
            (Sgx, _, "platforms") => Self::Platforms,
            (Sgx, _, "platformcollateral") => Self::PlatformCollateral,
            (Sgx, _, "refresh") => Self::Refresh,
            (Sgx, _, "appraisalpolicy") => Self::AppraisalPolicy,
            (Sgx, V4, "fmspcs") => Self::Fmspcs,
            (_, V4, "tcbevaluationdatanumbers") => Self::EvaluationDataNumbers(tee),
            (Sgx | Tdx, V3 | V4, _) => return None,
        })
    }

    /// For counters.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::PckCert => "pckcert",
            Self::PckCrl => "pckcrl",
            Self::TcbInfo(_) => "tcb",
            Self::QeIdentity(_) => "qe/identity",
            Self::QveIdentity => "qve/identity",
            Self::RootCaCrl => "rootcacrl",
            Self::Crl => "crl",
            Self::Platforms => "platforms",
            Self::PlatformCollateral => "platformcollateral",
            Self::Refresh => "refresh",
            Self::AppraisalPolicy => "appraisalpolicy",
            Self::Fmspcs => "fmspcs",
            Self::EvaluationDataNumbers(_) => "tcbevaluationdatanumbers",
        }
    }

    /// Its methods, as OPTIONS lists them.
    pub(super) fn methods(self) -> &'static str {
        match self {
            // No HEAD: reading the queue of registrations empties it.
            Self::Platforms => "POST,GET",
            Self::Refresh => "POST,GET,HEAD",
            Self::PlatformCollateral => "PUT",
            Self::AppraisalPolicy => "PUT,GET,HEAD",
            _ => "GET,HEAD",
        }
    }

    /// Whether it looks at the body of a request.
    pub(super) fn takes_body(self, method: &Method) -> bool {
        match self {
            Self::Platforms => *method == Method::POST,
            Self::PlatformCollateral | Self::AppraisalPolicy => *method == Method::PUT,
            _ => false,
        }
    }

    pub(super) fn has(self, method: &Method) -> bool {
        self.methods().split(',').any(|has| has == method.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_either_case_and_a_slash_at_the_end_are_let_pass() {
        for path in [
            "/sgx/certification/v4/tcb",
            "/sgx/certification/v4/tcb/",
            "/sgx/certification/v4/TCB",
            "/SGX/Certification/v4/Tcb",
        ] {
            let place = Place { route: Route::TcbInfo(TeeType::Sgx), version: Version::V4 };
            assert_eq!(Place::find(path), Ok(place), "{path}");
        }
        let place = Place { route: Route::QeIdentity(TeeType::Tdx), version: Version::V4 };
        assert_eq!(Place::find("/tdx/certification/v4/QE/identity"), Ok(place));
    }

    #[test]
    fn a_capital_version_is_an_error_where_there_is_a_route() {
        let found = Place::find("/SGX/Certification/V4/TCB");
        assert_eq!(found, Err(NoRoute::CapitalVersion));
        assert_eq!(Place::find("/sgx/certification/V4/other"), Err(NoRoute::NotThere));
    }

    #[test]
    fn other_paths_are_not_there() {
        for path in [
            "",
            "/",
            "tcb",
            "/sgx/certification/v2/tcb",
            "/sgx/certification/v4",
            "/sgx/certification/v4/",
            "/sgx/certification/v4//tcb",
            "/sgx/certification/v4/tcb//",
            "/sgx/certification/v4/qae/identity",
            "/tdx/certification/v3/tcb",
            "/tdx/certification/v4/qve/identity",
            "/tdx/certification/v4/pckcert",
            "/sgx/certification/v3/fmspcs",
            "/sgx/certification/v3/tcbevaluationdatanumbers",
            "/sgx/registration/v4/tcb",
        ] {
            assert_eq!(Place::find(path), Err(NoRoute::NotThere), "{path}");
        }
    }
}
