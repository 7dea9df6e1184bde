//! The end of the service, as everybody in it learns of it.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use tokio::sync::watch;

/// Turns true when the service ends.
pub(crate) type Ending = watch::Receiver<bool>;

/// Does something until it is done or the service ends; in that case it is left where it is, and nothing comes of it.
pub(crate) async fn until_ending<T>(
    work: impl Future<Output = T>,
    mut ending: Ending,
) -> Option<T> {
    let mut work = pin!(work);
    // It fails when the service is gone, which is an end as well.
    let mut ended = pin!(ending.wait_for(|ends| *ends));
    poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        ended.as_mut().poll(context).map(|_| None)
    })
    .await
}
