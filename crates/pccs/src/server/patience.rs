//! How long a connection waits for its client: between requests, for a request's head, and for an answer to be taken.
//!
//! Must stay true: a connection on which nothing moves ends, and so does one of whose answers nothing moves, whatever
//! else does; one whose request is being answered is not hurried.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a client is waited for that has all its answers, once the service ends. HTTP/2 asks it for a last word.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long each thing may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waits {
    /// Between two requests.
    pub(super) idle: Duration,
    /// From the first byte of a request's head to its last.
    pub(super) head: Duration,
    /// Until some bytes of an answer are taken.
    pub(super) send: Duration,
}

/// Where a connection is; shared by its stream and its requests.
#[derive(Debug)]
pub(super) struct Pace(Mutex<State>);

#[derive(Debug)]
struct State {
    /// Requests that are being answered.
    answering: usize,
    /// Whether some of a head has come.
    begun: bool,
    /// When that was, or when the connection came to rest.
    since: Instant,
    /// Whether the service ends.
    ends: bool,
    /// Answers that are made and not taken, by their numbers, and since when nothing was taken of each.
    untaken: BTreeMap<u64, Instant>,
    /// The number of the next one.
    next: u64,
    /// Who reads, if there was nothing to read while an answer was made or not taken: looks again once that is over.
    reader: Option<Waker>,
}

/// A request that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct Answering(Arc<Pace>);

/// An answer that is made, until it is dropped: then it was taken, or nobody wants it any more.
#[derive(Debug)]
pub(super) struct Untaken {
    pace: Arc<Pace>,
    number: u64,
}

impl Pace {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            answering: 0,
            begun: false,
            since: Instant::now(),
            ends: false,
            untaken: BTreeMap::new(),
            next: 0,
            reader: None,
        })))
    }

    /// An answer is there, of which the client is to take some now and then.
    pub(super) fn untaken(self: &Arc<Self>) -> Untaken {
        let mut state = self.lock();
        let number = state.next;
        state.next = number.wrapping_add(1);
        state.untaken.insert(number, Instant::now());
        drop(state);
        Untaken { pace: Arc::clone(self), number }
    }

    /// The service ends: a client that has its answers is waited for no longer than to say farewell. To be said before the
    /// connection goes on.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ends = true;
        if !state.begun {
            state.since = Instant::now();
        }
    }

    /// The head of a request is there.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        let mut state = self.lock();
        state.answering = state.answering.saturating_add(1);
        state.begun = false;
        drop(state);
        Answering(Arc::clone(self))
    }

    /// Rest begins now, if nothing is being answered; who reads looks again.
    fn rest(&self) {
        let mut state = self.lock();
        if !state.begun {
            state.since = Instant::now();
        }
        if state.answering == 0
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// An answer that is made and still goes out is no rest: how long that may take is for the other alarm.
    fn is_busy(&self, is_writing: bool) -> bool {
        self.answering > 0 || is_writing
    }

    /// When the client will have taken too long over what it is waited for; nothing, while it waits for us.
    fn until(&self, waits: Waits, is_writing: bool) -> Option<Instant> {
        match self.untaken.values().min() {
            Some(since) => since.checked_add(waits.send),
            None if self.is_busy(is_writing) => None,
            None if self.begun => self.since.checked_add(waits.head),
            None if self.ends => self.since.checked_add(waits.idle.min(FAREWELL)),
            None => self.since.checked_add(waits.idle),
        }
    }
}

impl Untaken {
    /// Some of it is taken.
    pub(super) fn moves(&self) {
        if let Some(since) = self.pace.lock().untaken.get_mut(&self.number) {
            *since = Instant::now();
        }
    }
}

impl Drop for Untaken {
    fn drop(&mut self) {
        let mut state = self.pace.lock();
        state.untaken.remove(&self.number);
        let was_last = state.untaken.is_empty();
        drop(state);
        if was_last {
            self.pace.rest();
        }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.answering = state.answering.saturating_sub(1);
        state.begun = false;
        drop(state);
        self.0.rest();
    }
}

/// A stream that fails when its client takes too long.
pub(super) struct Patient<S> {
    stream: S,
    pace: Arc<Pace>,
    waits: Waits,
    /// Whether a byte that arrives begins a request. In HTTP/2 other things arrive, too.
    bytes_are_heads: bool,
    reading: Alarm,
    writing: Alarm,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>, waits: Waits, bytes_are_heads: bool) -> Self {
        let (reading, writing) = (Alarm::default(), Alarm::default());
        Self { stream, pace, waits, bytes_are_heads, reading, writing }
    }

    /// What there is to read has been read: has it taken too long?
    fn tired_of_reading(&mut self, context: &mut Context<'_>) -> bool {
        let mut state = self.pace.lock();
        let is_writing = self.writing.until.is_some();
        if state.is_busy(is_writing) || !state.untaken.is_empty() {
            state.reader = Some(context.waker().clone());
        }
        let until = state.until(self.waits, is_writing);
        drop(state);
        until.is_some_and(|until| self.reading.rings(until, context))
    }

    fn has_read(&mut self) {
        let mut state = self.pace.lock();
        if self.bytes_are_heads && state.answering == 0 && !state.begun {
            state.begun = true;
            state.since = Instant::now();
        }
    }

    /// What can be written has been written: has it taken too long?
    fn while_sending<T>(
        &mut self,
        outcome: Poll<io::Result<T>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            if self.writing.until.is_some() {
                self.writing.stop();
                self.pace.rest();
            }
            return outcome;
        }
        let until = self.writing.until.or_else(|| Instant::now().checked_add(self.waits.send));
        match until.is_some_and(|until| self.writing.rings(until, context)) {
            true => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            false => Poll::Pending,
        }
    }
}

/// A time at which the task is woken.
#[derive(Default)]
struct Alarm {
    until: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether it is that late; if not, the task is woken when it is.
    fn rings(&mut self, until: Instant, context: &mut Context<'_>) -> bool {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if self.until != Some(until) {
            sleep.as_mut().reset(until);
            self.until = Some(until);
        }
        sleep.as_mut().poll(context).is_ready()
    }

    fn stop(&mut self) {
        self.until = None;
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(context, buffer) {
            Poll::Pending if self.tired_of_reading(context) => {
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
            Poll::Ready(outcome) => {
                if buffer.filled().len() > before {
                    self.has_read();
                }
                Poll::Ready(outcome)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.while_sending(outcome, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.while_sending(outcome, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        self.while_sending(outcome, context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.while_sending(outcome, context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;
    use tokio::time::sleep;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_out_is_no_rest() {
        let (near, mut far) = tokio::io::duplex(16);
        let waits = Waits { idle: SECOND, head: SECOND, send: SECOND.checked_mul(10).unwrap() };
        let patient = Patient::new(near, Pace::new(), waits, true);
        let (mut reader, mut writer) = tokio::io::split(patient);
        let writing = tokio::spawn(async move { writer.write_all(&[7; 64]).await });
        let reading = tokio::spawn(async move { reader.read(&mut [0; 1]).await });
        let begun = Instant::now();
        // All but what fits is written once some of it was taken: slowly, but in time.
        for _ in 0..3 {
            sleep(SECOND.checked_mul(5).unwrap()).await;
            far.read_exact(&mut [0; 16]).await.unwrap();
        }
        writing.await.unwrap().unwrap();
        // From then on it rests.
        let fault = reading.await.unwrap().unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
        let took = begun.elapsed();
        assert!(
            took >= SECOND.checked_mul(16).unwrap() && took < SECOND.checked_mul(17).unwrap(),
            "{took:?}"
        );
    }

    /// How long a connection lasts, in seconds, on which nothing comes.
    fn lasts(waits: Waits, pace: &Arc<Pace>) -> JoinHandle<u64> {
        let (near, far) = tokio::io::duplex(16);
        let mut patient = Patient::new(near, Arc::clone(pace), waits, false);
        let begun = Instant::now();
        tokio::spawn(async move {
            let fault = patient.read(&mut [0; 1]).await.unwrap_err();
            assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
            drop(far);
            begun.elapsed().as_secs()
        })
    }

    /// Idle for a hundred seconds, sending for ten.
    fn long() -> Waits {
        Waits { idle: SECOND * 100, head: SECOND, send: SECOND * 10 }
    }

    #[tokio::test(start_paused = true)]
    async fn one_answer_that_is_not_taken_ends_the_connection_whatever_else_is() {
        let pace = Pace::new();
        // Another request is being answered all the time, and other answers are taken.
        let (_answering, untaken) = (pace.answering(), pace.untaken());
        let lasts = lasts(long(), &pace);
        for _ in 0..5 {
            drop((pace.answering(), pace.untaken()));
            sleep(SECOND).await;
        }
        untaken.moves();
        assert_eq!(lasts.await.unwrap(), 15);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_rests_once_its_answer_is_taken() {
        let pace = Pace::new();
        let (answering, untaken) = (pace.answering(), pace.untaken());
        let lasts = lasts(Waits { idle: SECOND, ..long() }, &pace);
        tokio::task::yield_now().await;
        drop(answering);
        sleep(SECOND * 5).await;
        drop(untaken);
        assert_eq!(lasts.await.unwrap(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_end_a_client_that_has_its_answers_is_not_waited_for_long() {
        let pace = Pace::new();
        let answering = pace.answering();
        let lasts = lasts(long(), &pace);
        tokio::task::yield_now().await;
        pace.end();
        sleep(SECOND * 20).await;
        drop(answering);
        assert_eq!(lasts.await.unwrap(), 22);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_the_connection() {
        let (near, _far) = tokio::io::duplex(16);
        let waits = Waits { idle: SECOND, head: SECOND, send: SECOND };
        let mut patient = Patient::new(near, Pace::new(), waits, true);
        let fault = patient.write_all(&[7; 64]).await.unwrap_err();
        assert_eq!(fault.kind(), io::ErrorKind::TimedOut);
    }
}
