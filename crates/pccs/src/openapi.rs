//! What can be asked, as an OpenAPI document: the committed one is the one that is served.

/// Where it is served.
pub(crate) const PATH: &str = "/openapi.json";

/// The document.
pub(crate) const DOCUMENT: &[u8] = include_bytes!("../../../docs/reference/pccs-openapi.json");

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use hyper::body::Bytes;
    use hyper::{HeaderMap, Method};
    use serde_json::Value;
    use tdattest_collateral::Authenticate;
    use tdattest_wire::endorsement::{Endorsement, PckCertificate, Validity};
    use tdattest_wire::time::UnixTime;

    use super::*;
    use crate::request::Request;
    use crate::store::memory::Memory;
    use crate::{FillMode, Pccs, Settings};

    /// The last parts of all paths of the API: its counters name them so.
    const NAMES: [&str; 13] = [
        "pckcert",
        "pckcrl",
        "tcb",
        "qe/identity",
        "qve/identity",
        "rootcacrl",
        "crl",
        "platforms",
        "platformcollateral",
        "refresh",
        "appraisalpolicy",
        "fmspcs",
        "tcbevaluationdatanumbers",
    ];

    /// Trusts nothing.
    struct Nobody;

    impl Authenticate for Nobody {
        fn endorsement(&self, _: &Endorsement) -> Result<Validity, String> {
            Err("nothing is trusted".into())
        }

        fn pck_certificate(&self, _: &[u8]) -> Result<PckCertificate, String> {
            Err("nothing is trusted".into())
        }
    }

    fn pccs() -> Pccs {
        let settings = Settings { mode: FillMode::Offline, ..Settings::default() };
        let clock: crate::Clock = Arc::new(|| UnixTime::EPOCH);
        Pccs::new(settings, Arc::new(Memory::new()), None, Arc::new(Nobody), clock)
    }

    /// The methods of a path, as OPTIONS lists them, save for HEAD, which goes with GET.
    fn methods(pccs: &Pccs, path: &str) -> BTreeSet<String> {
        let request = Request {
            method: Method::OPTIONS,
            path: path.into(),
            query: String::new(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            body_too_large: false,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(pccs.answer(request));
        let allowed = answer.headers.get("allow").map(|value| value.to_str().unwrap().to_owned());
        let allowed = allowed.unwrap_or_default().to_ascii_lowercase();
        let split = allowed.split(',').map(|method| method.trim().to_owned());
        split.filter(|method| !method.is_empty() && method != "head").collect()
    }

    fn documented() -> Value {
        serde_json::from_slice(DOCUMENT).unwrap()
    }

    #[test]
    fn every_route_is_in_the_document_with_its_methods_and_no_other() {
        let pccs = pccs();
        let document = documented();
        let paths = document["paths"].as_object().unwrap();
        let mut found = BTreeSet::new();
        for prefix in ["/sgx/certification/v3", "/sgx/certification/v4", "/tdx/certification/v4"] {
            for name in NAMES {
                let path = format!("{prefix}/{name}");
                let allowed = methods(&pccs, &path);
                let described: BTreeSet<String> = match paths.get(&path) {
                    Some(item) => item.as_object().unwrap().keys().cloned().collect(),
                    None => BTreeSet::new(),
                };
                assert_eq!(described, allowed, "{path}");
                if !allowed.is_empty() {
                    found.insert(path);
                }
            }
        }
        let of_the_service =
            ["/healthz/live", "/healthz/ready", "/healthz/startup", PATH].map(String::from);
        found.extend(of_the_service);
        let described: BTreeSet<String> = paths.keys().cloned().collect();
        assert_eq!(described, found);
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
        let document = documented();
        let mut names = BTreeSet::new();
        let mut waiting = vec![&document];
        while let Some(value) = waiting.pop() {
            if let Some(reference) = value["$ref"].as_str() {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            if let Some(name) = value["operationId"].as_str() {
                assert!(names.insert(name.to_owned()), "{name}");
            }
            match value {
                Value::Array(items) => waiting.extend(items),
                Value::Object(members) => waiting.extend(members.values()),
                _ => {}
            }
        }
        assert!(names.len() >= 30);
    }
}
