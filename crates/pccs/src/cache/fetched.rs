//! A document from the upstream: fetched once for all who want it, verified, and kept.
//!
//! Must stay true: what has ended is not kept, unless stale is allowed by name; nothing takes the place of a newer
//! edition, also when the store fails; what was not kept is not said to be.

use std::sync::Arc;
use std::time::Duration;

use tdattest_wire::pcs::PcsRequest;
use tdattest_wire::time::UnixTime;

use super::{Cache, Leased, ended};
use crate::answer::Refusal;
use crate::store::edition::is_older;
use crate::store::{Changed, Document, Put};

/// Which document is wanted, and what would not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Wanted {
    pub(crate) request: PcsRequest,
    /// When what is kept was fetched: it is to be fetched later than that.
    pub(crate) after: Option<UnixTime>,
}

/// A document that came, and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    pub(crate) document: Arc<Document>,
    pub(crate) became: Became,
}

/// What became of a document that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// It is kept.
    Kept,
    /// It is good, but the store did not keep it.
    NotKept,
    /// It is older than what is kept, which was taken in its place.
    Older,
}

impl Wanted {
    /// A document other than the one that is kept.
    pub(crate) fn other_than(request: PcsRequest, kept: Option<&Document>) -> Self {
        Self { request, after: kept.map(|kept| kept.fetched_at) }
    }
}

impl Cache {
    /// Fetches a document and keeps it, unless somebody does so meanwhile. Once, however many ask.
    pub(crate) async fn fetched(
        self: &Arc<Self>,
        wanted: Wanted,
        patience: Option<Duration>,
    ) -> Result<Fetched, Refusal> {
        let cache = Arc::clone(self);
        let work = || async move { cache.fetch_by_one_replica(wanted).await };
        self.documents.share_within(patience, wanted, work).await
    }

    async fn fetch_by_one_replica(&self, wanted: Wanted) -> Result<Fetched, Refusal> {
        let Wanted { request, after } = wanted;
        let fetched_by_another = || async {
            let is_newer = |kept: &Arc<Document>| after.is_none_or(|after| kept.fetched_at > after);
            let kept = self.kept(request).await?;
            Ok(kept.filter(|kept| is_newer(kept) && self.is_current(kept)))
        };
        match self.lease(&request.path(), fetched_by_another).await? {
            Leased::Found(document) => Ok(Fetched { document, became: Became::Kept }),
            Leased::Ours(lease) => {
                let fetched = self.fetch(request).await;
                drop(lease);
                fetched
            }
        }
    }

    async fn fetch(&self, request: PcsRequest) -> Result<Fetched, Refusal> {
        let client = self.upstream().ok_or(Refusal::NoCacheData)?;
        let endorsement = {
            let _permit = self.permit().await?;
            let fetched = client.fetch(request).await;
            self.asked(request.document(), fetched)?
        };
        let document = self.verified(endorsement).map_err(|cause| {
            tracing::warn!(document = %request, %cause, "the upstream sent what is not Intel's");
            Refusal::Upstream(cause)
        })?;
        let has_ended = !self.is_current(&document);
        if has_ended && !self.settings.allow_stale {
            return Err(sent_when_ended(&document));
        }
        let fetched = self.keep(document).await?;
        match has_ended {
            true => Err(sent_when_ended(&fetched.document)),
            false => Ok(fetched),
        }
    }

    /// Keeps a verified document. When the store cannot, the document is good all the same.
    async fn keep(&self, document: Document) -> Result<Fetched, Refusal> {
        let request = document.endorsement.request;
        let read_at = self.hot.generation();
        let put = self.store.put_document(&document, false).await;
        match put {
            Ok(Put::Stored) => {
                self.changed(&Changed::Document(request));
                self.hold_anew(&document, read_at);
                Ok(Fetched { document: Arc::new(document), became: Became::Kept })
            }
            Ok(Put::OlderThanKept { .. }) => {
                let kept = self.kept(request).await?.ok_or(Refusal::Internal)?;
                self.in_place_of_older(kept, &document)
            }
            Err(fault) => {
                self.store_failed(&fault);
                // A store that is away altogether cannot say whether this one is older than it should be.
                match self.kept(request).await? {
                    Some(kept) if is_older(&document.validity, &kept.validity) => {
                        self.in_place_of_older(kept, &document)
                    }
                    _ => {
                        self.hold_anew(&document, read_at);
                        Ok(Fetched { document: Arc::new(document), became: Became::NotKept })
                    }
                }
            }
        }
    }

    fn in_place_of_older(&self, kept: Arc<Document>, came: &Document) -> Result<Fetched, Refusal> {
        let (issued, older) = (kept.validity.issued, came.validity.issued);
        tracing::warn!(document = %kept.endorsement.request, kept = %issued, came = %older,
            "an older edition than is kept came, and is not taken");
        if !self.is_current(&kept) {
            let cause = "an older edition came than is kept".into();
            return Err(ended(&kept, &Refusal::Upstream(cause)));
        }
        Ok(Fetched { document: kept, became: Became::Older })
    }
}

fn sent_when_ended(document: &Document) -> Refusal {
    let request = document.endorsement.request;
    let ends = document.validity.ends();
    tracing::warn!(document = %request, %ends, "the upstream sent a document that has ended");
    ended(document, &Refusal::Upstream("the upstream sends one that has ended".into()))
}
