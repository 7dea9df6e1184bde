//! Opens the documents that Intel signs with its TCB signing key, each with the key of its own chain.

use tdattest_wire::signed::{Document, OpenError, Signed};

use crate::chain::Link;
use crate::check::{Checks, Sides};
use crate::error::{Artefact, DocumentFault, VerifyError};

/// Checks the signature over the bytes that arrived, then parses them.
pub(crate) fn open<T: Document>(
    artefact: Artefact,
    document: &Signed<T>,
    signer: &Link,
    checks: &mut Checks,
) -> Result<T, VerifyError> {
    let error = |fault| VerifyError::Document { document: artefact, fault };
    let opened = document.open(|body, signature| signer.key.verify_fixed(body, &signature.0));
    let good = !matches!(opened, Err(OpenError::Signature));
    checks.require(good, Sides::signature("signature", good), error(DocumentFault::Signature))?;
    opened.map_err(|fault| match fault {
        OpenError::Signature => error(DocumentFault::Signature),
        OpenError::Malformed(fault) => {
            checks.unreadable("", error(DocumentFault::Malformed(fault)))
        }
    })
}
