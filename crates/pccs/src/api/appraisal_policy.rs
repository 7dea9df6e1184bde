//! Appraisal policies: text that is handed on, and read only as far as it must be to know which TEE it is for.
//!
//! Source: Intel's PCCS as observed. The signature of a policy is for whoever uses it.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use hyper::StatusCode;
use serde::Deserialize;
use sha2::{Digest as _, Sha384};
use tdattest_wire::bytes::Fmspc;

use crate::answer::{Answer, HTML, Refusal};
use crate::cache::Cache;
use crate::request::{Parameters, Request};
use crate::store::{AppraisalPolicy, Changed};

/// The classes of environments, and the number by which Intel knows each kind of TEE.
const CLASSES: [(&str, u8); 3] = [
    ("3123ec35-8d38-4ea5-87a5-d6c48b567570", 0),
    ("9eec018b-7481-4b1c-8e1a-9f7c0c8c777f", 1),
    ("f708b97f-0fb2-4e6b-8b03-8a5bcd1221d3", 2),
];

/// The class of the quoting enclave for TDs, whose policy stands beside that of a TD.
const TD_QE_CLASS: &str = "3769258c-75e6-4bc7-8d72-d2b0e224cad2";

#[derive(Deserialize)]
struct Brought {
    policy: String,
    is_default: bool,
    fmspc: Fmspc,
}

#[derive(Deserialize)]
struct Payload {
    policy_payload: String,
}

#[derive(Deserialize)]
struct Policies {
    policy_array: Vec<Policy>,
}

#[derive(Deserialize)]
struct Policy {
    environment: Environment,
}

#[derive(Deserialize)]
struct Environment {
    class_id: String,
}

pub(super) async fn put(cache: &Cache, request: &Request) -> Result<Answer, Refusal> {
    let brought: Brought =
        serde_json::from_slice(request.json()?).map_err(|_| Refusal::InvalidRequest)?;
    let kind = kind(&brought.policy).ok_or(Refusal::InvalidRequest)?;
    let id = HEXLOWER.encode(&Sha384::digest(brought.policy.as_bytes()));
    let policy = AppraisalPolicy {
        id: id.clone(),
        text: brought.policy,
        is_default: brought.is_default,
        fmspc: brought.fmspc,
        kind,
    };
    let put = cache.store.put_policy(&policy).await;
    put.map_err(|fault| cache.store_failed(&fault))?;
    cache.changed(&Changed::Policies);
    Ok(Answer::new(StatusCode::OK, HTML, id))
}

pub(super) async fn get(cache: &Cache, parameters: &Parameters) -> Result<Answer, Refusal> {
    let policies = cache.store.default_policies(parameters.fmspc()?).await;
    let policies = policies.map_err(|fault| cache.store_failed(&fault))?;
    if policies.is_empty() {
        return Err(Refusal::NoCacheData);
    }
    let texts: Vec<String> = policies.into_iter().map(|policy| policy.text).collect();
    Ok(Answer::new(StatusCode::OK, HTML, texts.join(",")))
}

/// Which kind of TEE a policy is for, if it is a policy.
fn kind(text: &str) -> Option<u8> {
    let payload = text.split('.').nth(1)?.trim_end_matches('=');
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    let payload: Payload = serde_json::from_slice(&payload).ok()?;
    let policies: Policies = serde_json::from_str(&payload.policy_payload).ok()?;
    for Policy { environment: Environment { class_id } } in policies.policy_array {
        let class = class_id.to_ascii_lowercase();
        match CLASSES.iter().find(|(known, _)| *known == class) {
            Some((_, kind)) => return Some(*kind),
            None if class == TD_QE_CLASS => {}
            None => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(classes: &[&str]) -> String {
        let environment =
            |class| format!(r#"{{"environment":{{"class_id":"{class}"}},"reference":{{}}}}"#);
        let list: Vec<String> = classes.iter().map(environment).collect();
        let inner = format!(r#"{{"policy_array":[{}]}}"#, list.join(","));
        let payload = serde_json::json!({ "policy_payload": inner }).to_string();
        format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(payload.as_bytes()))
    }

    #[test]
    fn the_first_known_class_says_what_a_policy_is_for() {
        assert_eq!(kind(&policy(&[CLASSES[0].0])), Some(0));
        assert_eq!(kind(&policy(&[TD_QE_CLASS, &CLASSES[1].0.to_ascii_uppercase()])), Some(1));
        assert_eq!(kind(&policy(&[CLASSES[2].0, "unknown"])), Some(2));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for text in [
            "",
            "aaaa",
            "a.b.c",
            "a.e30.c",
            &policy(&[]),
            &policy(&[TD_QE_CLASS]),
            &policy(&["other"]),
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
