//! CRLs by the address that Intel publishes them at.
//!
//! Source: Intel's PCCS as observed: https alone, on hosts of Intel's.
//! Must stay true: an address only names a document that this service knows how to verify; nothing is fetched from it.

use std::sync::Arc;

use tdattest_wire::pcs::PcsRequest;

use super::collateral;
use crate::answer::{Answer, Refusal};
use crate::cache::Cache;
use crate::cache::hot::Form;
use crate::request::Parameters;

/// The longest address.
const ADDRESS_CHARACTERS: usize = 2048;

pub(super) async fn get(cache: &Arc<Cache>, parameters: &Parameters) -> Result<Answer, Refusal> {
    let uri = parameters.first("uri").ok_or(Refusal::InvalidRequest)?;
    if uri.chars().count() > ADDRESS_CHARACTERS {
        return Err(Refusal::InvalidRequest);
    }
    let request = named(uri)?;
    collateral::document(cache, request, Form::Download).await
}

/// The CRL that an address names.
fn named(uri: &str) -> Result<PcsRequest, Refusal> {
    let rest = uri.strip_prefix("https://").ok_or(Refusal::InvalidRequest)?;
    let (host, path) = rest.split_once('/').ok_or(Refusal::InvalidRequest)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-';
    if !host.bytes().all(plain) {
        return Err(Refusal::InvalidRequest);
    }
    if is_root_host(host) {
        return root_ca_crl(path);
    }
    if is_api_host(host) {
        return pck_crl(path);
    }
    Err(Refusal::InvalidRequest)
}

fn root_ca_crl(path: &str) -> Result<PcsRequest, Refusal> {
    match path.strip_prefix("IntelSGXRootCA.") {
        Some("der" | "crl") => Ok(PcsRequest::RootCaCrl),
        // Intel publishes the certificate there too; it is no CRL.
        Some(_) => Err(Refusal::NoCacheData),
        None => Err(Refusal::InvalidRequest),
    }
}

fn pck_crl(path: &str) -> Result<PcsRequest, Refusal> {
    let (path, query) = path.split_once('?').ok_or(Refusal::InvalidRequest)?;
    let version = path
        .strip_prefix("sgx/certification/v")
        .and_then(|rest| rest.strip_suffix("/pckcrl"))
        .ok_or(Refusal::InvalidRequest)?;
    if version.is_empty() || !version.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::InvalidRequest);
    }
    let ca = Parameters::parse(query).first("ca").and_then(collateral::ca);
    ca.map(PcsRequest::PckCrl).ok_or(Refusal::NoCacheData)
}

fn is_root_host(host: &str) -> bool {
    ["certificates.trustedservices.intel.com", "certprx.adsdcsp.com"]
        .into_iter()
        .any(|end| host.ends_with(end))
}

fn is_api_host(host: &str) -> bool {
    host.ends_with("api.trustedservices.intel.com")
        || host.ends_with(".az.sgxprod.adsdcsp.com")
        || host.ends_with(".az.sgxnp.adsdcsp.com")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tdattest_wire::pcs::PckCa;

    #[test]
    fn intel_s_addresses_name_documents() {
        for (uri, request) in [
            (
                "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
                PcsRequest::RootCaCrl,
            ),
            (
                "https://sbx-certificates.trustedservices.intel.com/IntelSGXRootCA.crl",
                PcsRequest::RootCaCrl,
            ),
            (
                "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                PcsRequest::PckCrl(PckCa::Platform),
            ),
            (
                "https://sbx.api.trustedservices.intel.com/sgx/certification/v3/pckcrl?ca=processor",
                PcsRequest::PckCrl(PckCa::Processor),
            ),
        ] {
            assert_eq!(named(uri), Ok(request), "{uri}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for uri in [
            "",
            "http://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
            "https://evil.example/IntelSGXRootCA.der",
            "https://evil.example/?certificates.trustedservices.intel.com/IntelSGXRootCA.der",
            "https://evil.example#certificates.trustedservices.intel.com/IntelSGXRootCA.der",
            "https://user@certificates.trustedservices.intel.com/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com:8443/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com/other/IntelSGXRootCA.der",
            "https://api.trustedservices.intel.com/sgx/certification/v4/tcb?fmspc=00806F050000",
            "https://api.trustedservices.intel.com/sgx/certification/v/pckcrl?ca=platform",
            "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl",
        ] {
            assert_eq!(named(uri), Err(Refusal::InvalidRequest), "{uri}");
        }
    }

    #[test]
    fn what_is_no_crl_is_not_there() {
        for uri in [
            "https://certificates.trustedservices.intel.com/IntelSGXRootCA.cer",
            "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=other",
        ] {
            assert_eq!(named(uri), Err(Refusal::NoCacheData), "{uri}");
        }
    }
}
