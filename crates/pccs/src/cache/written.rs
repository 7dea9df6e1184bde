//! A document as an answer, in each of its forms.
//!
//! Source: Intel's PCCS as observed; PCS API v4.
//! Must stay true: a body is byte for byte what Intel sent, or its hexadecimal; a header is as Intel spells it.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use tdattest_wire::pcs::PcsRequest;

use super::Cache;
use super::hot::{Form, Generation, HotKey, Ready};
use crate::answer::{Answer, JSON};
use crate::api::conditional;
use crate::store::Document;

/// DER, as such.
const DER: &str = "application/pkix-crl";

impl Cache {
    /// A document in a form.
    pub(crate) fn written(&self, document: &Document, form: Form) -> Ready {
        Ready {
            answer: answer(document, form),
            window: self.window(document),
            number: document.validity.evaluation_data_number,
        }
    }

    /// Holds a new edition wherever the one before it is held, so that it is there when the store goes.
    pub(super) fn hold_anew(&self, document: &Document, read_at: Generation) {
        for form in Form::ALL {
            let key = HotKey::Document(document.endorsement.request, form);
            if self.hot.holds(&key) {
                self.hot.hold(&key, &Arc::new(self.written(document, form)), read_at);
            }
        }
    }
}

fn answer(document: &Document, form: Form) -> Answer {
    let endorsement = &document.endorsement;
    let body = endorsement.body.clone();
    let answer = match (endorsement.request, form) {
        (PcsRequest::PckCrl(_) | PcsRequest::RootCaCrl, Form::AsItIs | Form::Download) => {
            Answer::ok(DER, body)
        }
        (PcsRequest::PckCrl(_), Form::Hexadecimal) => {
            Answer::ok("application/x-pem-file; charset=utf-8", HEXLOWER.encode(&body))
        }
        (PcsRequest::RootCaCrl, Form::Hexadecimal) => {
            Answer::ok("application/pkix-crl; charset=utf-8", HEXLOWER.encode(&body))
        }
        _ => Answer::ok(JSON, body),
    };
    let mut answer = match (chain_header(&endorsement.request), form) {
        (None, _) | (_, Form::Download) => answer,
        (Some(name), _) => answer.with_chain(name, &endorsement.issuer_chain),
    };
    conditional::tag(&mut answer);
    answer
}

fn chain_header(request: &PcsRequest) -> Option<&'static str> {
    match request {
        PcsRequest::PckCrl(_) => Some("sgx-pck-crl-issuer-chain"),
        PcsRequest::TcbInfo(..) => Some("tcb-info-issuer-chain"),
        PcsRequest::QeIdentity(..) | PcsRequest::QveIdentity(_) => {
            Some("sgx-enclave-identity-issuer-chain")
        }
        PcsRequest::EvaluationDataNumbers(_) => Some("tcb-evaluation-data-numbers-issuer-chain"),
        PcsRequest::RootCaCrl => None,
    }
}
