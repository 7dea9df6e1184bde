//! What a provider's collateral may be, and why there is none.
//!
//! Must stay true: whatever fails here says nothing about the enclave, so that no context is given up for it.

use tdattest_wire::limits::QGS_MESSAGE_BYTES;

use super::{GET_COLLATERAL, Status, codes, quoting};
use crate::ask::Collateral;
use crate::failure::{Failure, Hop};

/// Why there are no documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CollateralFault {
    /// The provider does not have this function.
    Lacks(&'static str),
    /// It says this.
    Status(Status),
    /// It says success, and gives nothing.
    Nothing,
    /// It gives a document that would be this large.
    Size(&'static str, u32),
}

/// The documents, if an answer can hold them.
pub(super) fn bounded(set: Collateral) -> Result<Collateral, Failure> {
    let documents = [
        &set.pck_crl_issuer_chain,
        &set.root_ca_crl,
        &set.pck_crl,
        &set.tcb_info_issuer_chain,
        &set.tcb_info,
        &set.qe_identity_issuer_chain,
        &set.qe_identity,
    ];
    let total = documents.iter().map(|bytes| bytes.len()).fold(0, usize::saturating_add);
    match total <= LARGEST_COLLATERAL {
        true => Ok(set),
        false => Err(large(format!(
            "collateral of {total} bytes, expected at most {LARGEST_COLLATERAL}"
        ))),
    }
}

/// Why there is no collateral, in words.
pub(super) fn explain(fault: CollateralFault, heard: &[String]) -> Failure {
    let failure = match fault {
        CollateralFault::Lacks(function) => {
            let text = format!("the quote provider has no function {function}");
            Failure::new(Hop::Provider, "provider.library", text)
                .with_remedy("install a quote provider for TDX: the newest libsgx-dcap-default-qpl")
        }
        CollateralFault::Status(status) => codes::explain(GET_COLLATERAL, status, heard),
        CollateralFault::Nothing => quoting::nothing(GET_COLLATERAL),
        CollateralFault::Size(name, size) => {
            large(format!("a {name} of {size} bytes, expected at most {QGS_MESSAGE_BYTES}"))
        }
    };
    without_spoiling(failure)
}

/// The provider has failed, which says nothing about the enclave.
pub(super) fn without_spoiling(failure: Failure) -> Failure {
    Failure { spoils_context: false, ..failure }
}

fn large(what: String) -> Failure {
    Failure::new(Hop::Provider, "provider.size", format!("the quote provider gives {what}"))
        .with_remedy("see what the PCCS of /etc/sgx_default_qcnl.conf returns")
}

/// An answer is at most 1 MiB, with a header and sizes of 48 bytes and a tail of 4 for old clients.
const LARGEST_COLLATERAL: usize = QGS_MESSAGE_BYTES - 52;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_that_fill_an_answer_pass_and_one_byte_more_does_not() {
        let set = |length| Collateral { tcb_info: vec![0; length], ..Collateral::default() };
        assert!(bounded(set(LARGEST_COLLATERAL)).is_ok());
        let code = bounded(set(LARGEST_COLLATERAL + 1)).map_err(|failure| failure.code);
        assert_eq!(code, Err("provider.size"));
    }
}
