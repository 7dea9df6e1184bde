//! Breaks a chain in one thing, at its leaf where nothing else is said.

use tdattest_wire::certificate::oid;
use tdattest_wire::time::UnixTime;

use super::ChainFault;
use crate::pki::{Algorithm, ChainDraft, Extension, Key};
use crate::time::{DAY, earlier};

/// What breaking a chain takes besides the chain.
pub(super) struct Context<'c> {
    pub(super) at: UnixTime,
    pub(super) stranger: &'c Key,
}

/// Applies a fault. `Revoked` is the matter of a CRL, and not done here.
pub(super) fn break_chain(chain: &mut ChainDraft, fault: ChainFault, context: &Context<'_>) {
    match fault {
        ChainFault::Malformed => chain.cut_at = Some(IN_THE_LEAF),
        ChainFault::Length => drop(chain.certificates.pop()),
        ChainFault::Untrusted => root_of_a_stranger(chain, context.stranger),
        ChainFault::Issuer
        | ChainFault::Role
        | ChainFault::Algorithm
        | ChainFault::Extension
        | ChainFault::KeyIdentifier
        | ChainFault::Signature
        | ChainFault::Revoked
        | ChainFault::NotYetValid
        | ChainFault::Expired => break_leaf(chain, fault, context),
    }
}

fn break_leaf(chain: &mut ChainDraft, fault: ChainFault, context: &Context<'_>) {
    let Some(leaf) = chain.leaf() else { return };
    match fault {
        ChainFault::Issuer => leaf.issuer = NOBODY.into(),
        ChainFault::Role => leaf.subject = NOBODY.into(),
        ChainFault::Algorithm => leaf.algorithm = Algorithm::EcdsaWithSha384,
        ChainFault::Extension if leaf.is_ca() => {
            leaf.extensions.remove(oid::CRL_DISTRIBUTION_POINTS);
        }
        ChainFault::Extension => {
            leaf.extensions.set(Extension::BasicConstraints { ca: true, path_length: Some(0) });
        }
        ChainFault::KeyIdentifier => {
            leaf.extensions.set(Extension::AuthorityKeyId(context.stranger.identifier()));
        }
        ChainFault::Signature => leaf.signer = context.stranger.clone(),
        ChainFault::NotYetValid => leaf.window.from = context.at.saturating_add(DAY),
        ChainFault::Expired => leaf.window.to = earlier(context.at, DAY),
        // Another certificate for the same key, for the CRL to revoke alone.
        ChainFault::Revoked => leaf.serial = REISSUED.to_vec(),
        ChainFault::Malformed | ChainFault::Length | ChainFault::Untrusted => {}
    }
}

/// The common name of somebody without a role.
pub(super) const NOBODY: &str = "Intel SGX Nobody";

/// Bytes of a chain's text that end within its first certificate.
const IN_THE_LEAF: usize = 400;

/// The serial number of a certificate that was issued a second time.
pub(super) const REISSUED: [u8; 4] = [0x52, 0xe1, 0x55, 0xed];

/// The root has its name and another key, with which everything under it is signed.
fn root_of_a_stranger(chain: &mut ChainDraft, stranger: &Key) {
    if let Some(root) = chain.certificates.pop() {
        chain.certificates.push(root.with_key(stranger));
    }
    // The one right below it; what is further down hangs from that one's key.
    let below = chain.certificates.len().checked_sub(2);
    if let Some(below) = below.and_then(|at| chain.certificates.get_mut(at)) {
        below.issued_by(stranger);
    }
}
