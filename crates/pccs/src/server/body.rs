//! Bodies of requests, read whole and bounded, and of answers, sent whole.
//!
//! Must stay true: all bodies that are being read at one time have a bound together; what has not arrived takes no room;
//! none is waited for longer than its request may take.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hyper::body::{Body, Buf, Bytes, Frame, SizeHint};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::patience::Untaken;

/// How many bytes one permit of the [`Room`] stands for.
const PERMIT_BYTES: usize = 1024;

/// How much of a body that is not wanted is thrown away, so that its sender comes to read the answer.
const DISCARDED_TIMES: usize = 4;

/// The room that bodies share while they are read.
#[derive(Debug)]
pub(super) struct Room {
    /// For what has arrived of bodies.
    shared: Semaphore,
    /// For all of one body, when many that have begun leave no room for each other's rest: it comes to its end, and so
    /// does the next.
    last: Semaphore,
    most: usize,
}

/// What a body has of the room.
#[derive(Default)]
struct Held<'r> {
    shared: Option<SemaphorePermit<'r>>,
    /// What that stands for.
    bytes: usize,
    last: Option<SemaphorePermit<'r>>,
}

/// A body that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// All of it.
    Whole(Bytes),
    /// It goes past the limit.
    TooLarge,
    /// It broke off.
    Broken,
    /// It did not come in time.
    Late,
    /// It came, and there was no room for it in time.
    NoRoom,
}

impl Room {
    /// Room for bodies of at most `most` bytes each, `at_once` of the largest at one time.
    pub(super) fn new(most: usize, at_once: usize) -> Self {
        let shared = at_once.saturating_sub(1).saturating_mul(most.div_ceil(PERMIT_BYTES));
        let shared = Semaphore::new(shared.min(Semaphore::MAX_PERMITS));
        Self { shared, last: Semaphore::new(1), most }
    }

    /// Reads a body, until then.
    pub(super) async fn read<B>(&self, mut body: B, until: Instant) -> Received
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let announced = body.size_hint().upper().and_then(|size| usize::try_from(size).ok());
        let mut fits = announced.is_none_or(|size| size <= self.most);
        let (mut whole, mut held) = (Vec::new(), Held::default());
        while fits {
            let data = match timeout_at(until, next(&mut body)).await {
                Err(_) => return Received::Late,
                Ok(None) => return Received::Whole(whole.into()),
                Ok(Some(Err(_))) => return Received::Broken,
                Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            };
            let size = whole.len().saturating_add(data.len());
            fits = size <= self.most;
            if fits && timeout_at(until, self.hold(&mut held, size)).await.is_err() {
                return Received::NoRoom;
            }
            whole.extend_from_slice(&data);
        }
        drop((whole, held));
        self.discard(body, until).await;
        Received::TooLarge
    }

    /// Throws away what arrives of a body that is not wanted, for a while: an answer that comes while the peer still
    /// sends is often lost. Whether that was all of it.
    pub(super) async fn discard<B>(&self, mut body: B, until: Instant) -> bool
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut left = self.most.saturating_mul(DISCARDED_TIMES);
        loop {
            let size = match timeout_at(until, next(&mut body)).await {
                Ok(None) => return true,
                Err(_) | Ok(Some(Err(_))) => return false,
                Ok(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            };
            left = match left.checked_sub(size) {
                Some(left) => left,
                None => return false,
            };
        }
    }

    /// Waits for room for a body that has come to this size.
    async fn hold<'r>(&'r self, held: &mut Held<'r>, size: usize) {
        if held.last.is_some() || size <= held.bytes {
            return;
        }
        let more = size.saturating_sub(held.bytes).div_ceil(PERMIT_BYTES);
        let permits = u32::try_from(more).unwrap_or(u32::MAX);
        let mut shared = pin!(self.shared.acquire_many(permits));
        let mut last = pin!(self.last.acquire());
        let got = poll_fn(|context| match shared.as_mut().poll(context) {
            Poll::Ready(permit) => Poll::Ready((permit.ok(), None)),
            Poll::Pending => last.as_mut().poll(context).map(|permit| (None, permit.ok())),
        });
        // Neither is ever closed.
        let (shared, last) = got.await;
        held.last = last;
        if let Some(permit) = shared {
            held.bytes = held.bytes.saturating_add(more.saturating_mul(PERMIT_BYTES));
            match &mut held.shared {
                Some(before) => before.merge(permit),
                none => *none = Some(permit),
            }
        }
    }
}

async fn next<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// A body that is there.
#[derive(Debug)]
pub(crate) struct Whole(Sent);

/// What is sent of a body, until all of it has gone out.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    bytes: Bytes,
    untaken: Option<Untaken>,
}

impl Whole {
    /// These bytes.
    pub(crate) fn new(bytes: Bytes) -> Self {
        Self(Sent { bytes, untaken: None })
    }

    /// These bytes, and who is to know when they are taken: over HTTP/2 they may wait for that unseen.
    pub(super) fn watched(bytes: Bytes, untaken: Untaken) -> Self {
        Self(Sent { bytes, untaken: Some(untaken) })
    }
}

impl Body for Whole {
    type Data = Sent;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Sent>, Infallible>>> {
        let sent = std::mem::take(&mut self.0);
        Poll::Ready((!sent.bytes.is_empty()).then(|| Ok(Frame::data(sent))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.bytes.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(u64::try_from(self.0.bytes.len()).unwrap_or(u64::MAX))
    }
}

impl Buf for Sent {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(untaken) = &self.untaken {
            untaken.moves();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    /// A body that arrives as its sender says.
    struct Arriving(mpsc::UnboundedReceiver<Bytes>);

    impl Body for Arriving {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.poll_recv(context).map(|data| data.map(|data| Ok(Frame::data(data))))
        }
    }

    fn body() -> (mpsc::UnboundedSender<Bytes>, Arriving) {
        let (sender, arriving) = mpsc::unbounded_channel();
        (sender, Arriving(arriving))
    }

    fn some(bytes: usize) -> Bytes {
        vec![b'a'; bytes].into()
    }

    fn soon() -> Instant {
        Instant::now().checked_add(Duration::from_secs(15)).unwrap()
    }

    const MOST: usize = 4 * PERMIT_BYTES;

    #[tokio::test(start_paused = true)]
    async fn what_has_not_arrived_takes_no_room() {
        let room = Room::new(MOST, 2);
        let bodies: Vec<_> = (0..9).map(|_| body()).collect();
        let (senders, slow): (Vec<_>, Vec<_>) = bodies.into_iter().unzip();
        let mut reading = tokio::task::JoinSet::new();
        let room = std::sync::Arc::new(room);
        for body in slow {
            let room = std::sync::Arc::clone(&room);
            reading.spawn(async move { room.read(body, soon()).await });
        }
        tokio::task::yield_now().await;
        let (sender, body) = body();
        sender.send(some(MOST)).unwrap();
        drop(sender);
        assert_eq!(room.read(body, soon()).await, Received::Whole(some(MOST)));
        drop(senders);
        assert!(reading.join_all().await.iter().all(|read| *read == Received::Whole(some(0))));
    }

    #[tokio::test(start_paused = true)]
    async fn bodies_that_leave_each_other_no_room_come_to_their_end_all_the_same() {
        let room = std::sync::Arc::new(Room::new(MOST, 2));
        let mut reading = tokio::task::JoinSet::new();
        let mut senders = Vec::new();
        for _ in 0..4 {
            let (sender, body) = body();
            // A quarter of each, and all of what they share is taken.
            sender.send(some(PERMIT_BYTES)).unwrap();
            let room = std::sync::Arc::clone(&room);
            reading.spawn(async move { room.read(body, soon()).await });
            senders.push(sender);
        }
        while room.shared.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        for sender in senders {
            sender.send(some(MOST - PERMIT_BYTES)).unwrap();
        }
        assert!(reading.join_all().await.iter().all(|read| *read == Received::Whole(some(MOST))));
        assert_eq!((room.shared.available_permits(), room.last.available_permits()), (4, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn no_room_is_told_from_a_body_that_does_not_come() {
        let room = Room::new(MOST, 2);
        let (sender, arriving) = body();
        sender.send(some(1)).unwrap();
        assert_eq!(room.read(arriving, soon()).await, Received::Late);
        let _taken = (room.shared.acquire_many(4).await, room.last.acquire().await);
        let (sender, arriving) = body();
        sender.send(some(1)).unwrap();
        assert_eq!(room.read(arriving, soon()).await, Received::NoRoom);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_is_not_wanted_is_thrown_away_within_bounds() {
        let room = Room::new(MOST, 2);
        for (bytes, is_all) in [(DISCARDED_TIMES * MOST, true), (DISCARDED_TIMES * MOST + 1, false)]
        {
            let (sender, arriving) = body();
            sender.send(some(bytes)).unwrap();
            drop(sender);
            assert_eq!(room.discard(arriving, soon()).await, is_all);
        }
        let (_sender, arriving) = body();
        assert!(!room.discard(arriving, soon()).await);
    }
}
