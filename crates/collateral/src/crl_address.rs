//! Which CRL an address is of: those that Intel publishes, as certificates name them and clients of a PCCS ask for them.
//!
//! Source: Intel's PCCS as observed, `crl?uri=`.
//! Must stay true: the address is only ever read, so that nobody can have a service fetch from wherever they like.

use percent_encoding::percent_decode_str;
use reqwest::Url;
use tdattest_wire::pcs::{PckCa, PcsRequest};

/// Longest address. Intel's have about 100 characters; a PCCS takes 2,048.
const CHARACTERS: usize = 2_048;

/// Hosts of root CRLs and of the API, and how their names may end.
const ROOT_HOSTS: [&str; 2] = ["certificates.trustedservices.intel.com", "certprx.adsdcsp.com"];
const API_HOSTS: [&str; 3] =
    ["api.trustedservices.intel.com", "az.sgxprod.adsdcsp.com", "az.sgxnp.adsdcsp.com"];

/// The request for the CRL at an address of Intel's; `None` for any other.
pub fn crl_request(address: &str) -> Option<PcsRequest> {
    if address.len() > CHARACTERS {
        return None;
    }
    let decoded = percent_decode_str(address).decode_utf8().ok()?;
    let url = Url::parse(&decoded).ok().filter(|url| url.scheme() == "https")?;
    let host = url.host_str()?;
    let ends = |hosts: &[&str]| hosts.iter().any(|known| host.ends_with(known));
    if ends(&ROOT_HOSTS) && url.path().starts_with("/IntelSGXRootCA.") {
        return Some(PcsRequest::RootCaCrl);
    }
    let rest = url.path().strip_prefix("/sgx/certification/v")?;
    let is_crl = rest.split_once('/').is_some_and(|(version, name)| {
        !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit()) && name == "pckcrl"
    });
    if !is_crl || !ends(&API_HOSTS) {
        return None;
    }
    let (_, name) = url.query_pairs().find(|(name, _)| name == "ca")?;
    [PckCa::Processor, PckCa::Platform]
        .into_iter()
        .find(|ca| ca.name().eq_ignore_ascii_case(&name))
        .map(PcsRequest::PckCrl)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_addresses_of_intels_certificates_raw_and_encoded() {
        let platform = PcsRequest::PckCrl(PckCa::Platform);
        for (address, request) in [
            (
                "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
                PcsRequest::RootCaCrl,
            ),
            (
                "https%3A%2F%2Fcertificates.trustedservices.intel.com%2FIntelSGXRootCA.crl",
                PcsRequest::RootCaCrl,
            ),
            (
                "https://sbx.certificates.trustedservices.intel.com/IntelSGXRootCA.der",
                PcsRequest::RootCaCrl,
            ),
            (
                "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=platform&encoding=der",
                platform,
            ),
            (
                "https://api.trustedservices.intel.com/sgx/certification/v3/pckcrl?ca=platform",
                platform,
            ),
        ] {
            assert_eq!(crl_request(address), Some(request), "{address}");
        }
    }

    #[test]
    fn knows_no_other_address() {
        let long = format!(
            "https://certificates.trustedservices.intel.com/IntelSGXRootCA.{}",
            "x".repeat(CHARACTERS)
        );
        for address in [
            "http://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com.example/IntelSGXRootCA.der",
            "https://certificates.trustedservices.intel.com/other.der",
            "https://api.trustedservices.intel.com/sgx/certification/v4/pckcrl?ca=root",
            "https://api.trustedservices.intel.com/sgx/certification/v/pckcrl?ca=platform",
            "https://api.trustedservices.intel.com/sgx/certification/v4/tcb?ca=platform",
            "https://169.254.169.254/IntelSGXRootCA.der",
            "file:///IntelSGXRootCA.der",
            "",
            &long,
        ] {
            assert_eq!(crl_request(address), None, "{address}");
        }
    }
}
