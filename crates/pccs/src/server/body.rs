//! Bodies of requests, read whole and bounded, and of answers, sent whole.
//!
//! Must stay true: all bodies that are being read at one time have a bound together; none is waited for longer than its
//! request may take.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::Semaphore;

/// How many bytes one permit of the [`Room`] stands for.
const PERMIT_BYTES: usize = 1024;

/// How much of a body that is too large is thrown away, so that its sender comes to read the answer.
const DISCARDED_TIMES: usize = 4;

/// The room that bodies share while they are read.
#[derive(Clone, Debug)]
pub(super) struct Room {
    permits: Arc<Semaphore>,
    most: usize,
}

/// A body that was read.
#[derive(Debug)]
pub(super) enum Received {
    /// All of it.
    Whole(Bytes),
    /// It goes past the limit.
    TooLarge,
    /// It broke off.
    Broken,
}

impl Room {
    /// Room for bodies of at most `most` bytes each, `at_once` of the largest at one time.
    pub(super) fn new(most: usize, at_once: usize) -> Self {
        let permits = most.div_ceil(PERMIT_BYTES).max(1).saturating_mul(at_once);
        Self { permits: Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS))), most }
    }

    /// Reads a body.
    pub(super) async fn read(&self, mut body: Incoming) -> Received {
        if body.is_end_stream() {
            return Received::Whole(Bytes::new());
        }
        let announced = body.size_hint().upper().and_then(|size| usize::try_from(size).ok());
        if announced.is_some_and(|size| size > self.most) {
            return discard(body, self.most.saturating_mul(DISCARDED_TIMES)).await;
        }
        let size = announced.unwrap_or(self.most).min(self.most);
        let permits = u32::try_from(size.div_ceil(PERMIT_BYTES).max(1)).unwrap_or(u32::MAX);
        let Ok(_room) = self.permits.acquire_many(permits).await else { return Received::Broken };
        let mut whole = Vec::new();
        loop {
            match next(&mut body).await {
                None => return Received::Whole(whole.into()),
                Some(Err(_)) => return Received::Broken,
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if whole.len().saturating_add(data.len()) > self.most {
                        return discard(body, self.most.saturating_mul(DISCARDED_TIMES)).await;
                    }
                    whole.extend_from_slice(&data);
                }
            }
        }
    }
}

/// Reads on for a while: an answer that comes while the peer still sends is often lost.
async fn discard(mut body: Incoming, most: usize) -> Received {
    let mut left = most;
    while let Some(Ok(frame)) = next(&mut body).await {
        let size = frame.data_ref().map_or(0, Bytes::len);
        left = match left.checked_sub(size) {
            Some(left) => left,
            None => break,
        };
    }
    Received::TooLarge
}

async fn next(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// A body that is there.
#[derive(Debug)]
pub(crate) struct Whole(Bytes);

impl Whole {
    /// These bytes.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Body for Whole {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.0.len()).unwrap_or(u64::MAX))
    }
}
