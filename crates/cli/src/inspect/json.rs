//! Which of the JSON documents is it? Told by its members.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use tdattest_verifier::result::SCHEMA as VERIFICATION;
use tdattest_verifier::wire::bytes::EcdsaSignature;
use tdattest_verifier::wire::collateral::Part;
use tdattest_verifier::wire::error::ParseError;
use tdattest_verifier::wire::signed::{Document, Signed};

use super::collateral::CollateralView;
use super::evaluation_data::EvaluationDataView;
use super::qe_identity::QeIdentityView;
use super::tcb_info::TcbInfoView;
use super::unknown::NearMiss;
use super::{Content, SCHEMA};

/// The members of the outermost object, each as it stands.
type Members<'a> = BTreeMap<String, &'a RawValue>;

/// The content of a JSON text.
pub(super) fn detect(text: &[u8]) -> Result<Content, Vec<NearMiss>> {
    let members: Members<'_> =
        serde_json::from_slice(text).map_err(|fault| not_an_object(text, &fault))?;
    let has = |name: &str| members.contains_key(name);
    let miss = |what: &str, fault: ParseError| vec![NearMiss::fault(what, &fault)];
    if has("tcbInfo") || (has("tcbLevels") && has("fmspc")) {
        let (document, form) =
            open(text, has("tcbInfo")).map_err(|fault| miss("TCB info", fault))?;
        return Ok(Content::TcbInfo(TcbInfoView::new(document, form)));
    }
    if has("enclaveIdentity") || (has("tcbLevels") && has("mrsigner")) {
        let (document, form) =
            open(text, has("enclaveIdentity")).map_err(|fault| miss("a QE identity", fault))?;
        return Ok(Content::QeIdentity(QeIdentityView::new(document, form)));
    }
    if has("tcbEvaluationDataNumbers") || has("tcbEvalNumbers") || has("tcbNumbers") {
        let (document, form) = open(text, has("tcbEvaluationDataNumbers"))
            .map_err(|fault| miss("TCB evaluation data numbers", fault))?;
        return Ok(Content::TcbEvaluationDataNumbers(EvaluationDataView::new(document, form)));
    }
    if Part::ALL.iter().any(|part| has(part.name())) {
        return Ok(Content::Collateral(CollateralView::of_bundle(text, &members)));
    }
    Err(vec![stranger(&members)])
}

/// How a signed document was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// As a PCS answers it, with a signature.
    Answer,
    /// The inner object alone.
    Inner,
}

impl Form {
    /// What it is called, in a row.
    pub(super) fn row(self) -> (&'static str, String) {
        let text = match self {
            Self::Answer => "whole answer of a PCS; its signature is not checked here",
            Self::Inner => "inner object alone, without its signature",
        };
        ("form", text.into())
    }
}

/// Opens a document without a look at its signature.
fn open<T: Document>(text: &[u8], is_answer: bool) -> Result<(T, Form), ParseError> {
    if is_answer {
        return Signed::<T>::from_outer(text)?
            .open_untrusted()
            .map(|document| (document, Form::Answer));
    }
    // There is no signature, and none is needed to show what the text says.
    let signed = Signed::<T>::new(text.trim_ascii().to_vec(), EcdsaSignature::default());
    signed.open_untrusted().map(|document| (document, Form::Inner))
}

/// An object that is none of those looked for.
fn stranger(members: &Members<'_>) -> NearMiss {
    let schema =
        members.get("schema").and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
    if let Some(schema) = schema.filter(|name| name == VERIFICATION || name == SCHEMA) {
        return NearMiss::new(format!("is `{schema}`, which tdattest itself printed"))
            .hint("read it as JSON; its schema is in the folder `schema`");
    }
    let names: Vec<String> = members.keys().take(8).map(|name| format!("`{name}`")).collect();
    if names.is_empty() {
        return NearMiss::new("is JSON, but an object without members");
    }
    let names = names.join(", ");
    NearMiss::new(format!(
        "is JSON, but neither collateral nor a document of Intel's has members like {names}"
    ))
}

/// A text that begins like JSON.
fn not_an_object(text: &[u8], fault: &serde_json::Error) -> Vec<NearMiss> {
    let predicate = match text.trim_ascii() {
        [b'[', ..] => {
            "is a JSON list, and neither collateral nor a document of Intel's is one".into()
        }
        _ => format!("looks like JSON, but {fault}"),
    };
    vec![NearMiss::new(predicate)]
}
