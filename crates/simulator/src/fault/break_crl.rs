//! Breaks a CRL in one thing.

use tdattest_wire::certificate::oid;

use super::CrlFault;
use super::break_chain::{Context, NOBODY};
use super::break_collateral::past;
use crate::pki::{Algorithm, CrlDraft, Extension};
use crate::time::DAY;

/// Applies a fault.
pub(super) fn break_crl(crl: &mut CrlDraft, fault: CrlFault, context: &Context<'_>) {
    match fault {
        CrlFault::Malformed => crl.next_update = None,
        CrlFault::Issuer => crl.issuer = NOBODY.into(),
        CrlFault::Algorithm => crl.algorithm = Algorithm::EcdsaWithSha384,
        CrlFault::Extension => crl.extensions.remove(oid::CRL_NUMBER),
        CrlFault::KeyIdentifier => {
            crl.extensions.set(Extension::AuthorityKeyId(context.stranger.identifier()));
        }
        CrlFault::Signature => crl.signer = context.stranger.clone(),
        CrlFault::NotYetValid => crl.this_update = context.at.saturating_add(DAY),
        CrlFault::Expired => {
            let (this_update, next_update) = past(context.at);
            (crl.this_update, crl.next_update) = (this_update, Some(next_update));
        }
    }
}
