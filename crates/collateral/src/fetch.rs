//! Whoever has documents: a seam, so that what keeps them does not know where they come from.

use std::future::Future;
use std::pin::Pin;

use tdattest_wire::endorsement::Endorsement;
use tdattest_wire::pcs::PcsRequest;

use crate::client::Client;
use crate::error::FetchError;

/// A document on its way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Endorsement, FetchError>> + Send + 'a>>;

/// Brings a document that was asked for. What it brings is verified by whoever keeps it.
pub trait Fetch: Send + Sync {
    /// Fetches one document; dropping the future cancels it.
    fn fetch(&self, request: PcsRequest) -> Fetching<'_>;
}

impl Fetch for Client {
    fn fetch(&self, request: PcsRequest) -> Fetching<'_> {
        Box::pin(self.fetch(request))
    }
}
