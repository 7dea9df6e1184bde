//! Whoever has documents: a seam, so that what keeps them does not know where they come from.

use std::future::Future;
use std::pin::Pin;

use tdattest_wire::endorsement::{Endorsement, Validity};
use tdattest_wire::pcs::PcsRequest;

use crate::client::Client;
use crate::error::FetchError;

/// A document on its way.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Endorsement, FetchError>> + Send + 'a>>;

/// Says of a verified document, in words, why it is not wanted.
pub type Accepts<'a> = dyn Fn(&Endorsement, &Validity) -> Result<(), String> + Send + Sync + 'a;

/// Brings a document that was asked for. What it brings is verified by whoever keeps it.
pub trait Fetch: Send + Sync {
    /// Fetches one document; dropping the future cancels it.
    fn fetch(&self, request: PcsRequest) -> Fetching<'_>;

    /// Fetches one document that is wanted, from wherever there is one.
    ///
    /// Whoever has only one to choose from brings that: who keeps it judges it once more.
    fn fetch_accepting<'a>(
        &'a self,
        request: PcsRequest,
        _accepts: &'a Accepts<'a>,
    ) -> Fetching<'a> {
        self.fetch(request)
    }
}

impl Fetch for Client {
    fn fetch(&self, request: PcsRequest) -> Fetching<'_> {
        Box::pin(self.fetch(request))
    }

    fn fetch_accepting<'a>(
        &'a self,
        request: PcsRequest,
        accepts: &'a Accepts<'a>,
    ) -> Fetching<'a> {
        Box::pin(async move {
            let (endorsement, _) = self.fetch_accepting(request, accepts).await?;
            Ok(endorsement)
        })
    }
}
