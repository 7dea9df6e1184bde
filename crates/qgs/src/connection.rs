//! One connection, from the first byte to the last: one request, one answer, however slow or strange the peer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{timeout, timeout_at};

use crate::ask::{Answer, Ask};
use crate::failure::{Failure, Hop};
use crate::health::HealthCheck;
use crate::listen::Stream;
use crate::peers::Connected;
use crate::pool::{Pool, Task};
use crate::session::{Session, Step};

/// How long a peer may take, and how long the backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From the connection to the last byte of the request.
    pub request: Duration,
    /// From the request to the answer. Kernel, QEMU and Intel's clients give up after 30 s.
    pub answer: Duration,
    /// For the peer to take the answer.
    pub send: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            request: Duration::from_secs(10),
            answer: Duration::from_secs(28),
            send: Duration::from_secs(10),
        }
    }
}

/// How long a peer that is turned away may take to say what it wants.
const TURNED_AWAY: Duration = Duration::from_secs(1);

/// Bytes taken at once; a request has about 1,100.
const CHUNK: usize = 4 * 1024;

/// What a connection needs of the service.
pub(crate) struct Desk {
    pub(crate) pool: Arc<Pool>,
    pub(crate) deadlines: Deadlines,
    /// It quotes a TDREPORT once more that got a quote here.
    pub(crate) health: Arc<HealthCheck>,
}

/// What became of a request.
pub(crate) struct Ending {
    /// What was asked for; `None` if that was not understood.
    pub(crate) asked: Option<&'static str>,
    /// Bytes that were sent, or why the peer got no answer.
    pub(crate) outcome: Result<usize, Failure>,
    /// Whether the peer could be told of the failure, and was not just left.
    pub(crate) told: bool,
}

/// Takes one request and answers it.
///
/// What became of it is noted once, with what was asked for and the bytes that were sent: a failure before the peer is
/// told of it, so that who asks what went wrong finds it. Not noted is a peer that only looked whether somebody is here.
pub(crate) async fn serve(
    mut stream: Stream,
    connected: &Connected,
    desk: &Desk,
    note: impl FnOnce(Ending),
) {
    let refused = connected.refused.clone();
    let patience = if refused.is_none() { desk.deadlines.request } else { TURNED_AWAY };
    let (asked, form, outcome) = match request(&mut stream, patience, connected).await {
        Some(Step::Whole(ask, form)) => {
            let asked = Some(ask.name());
            let outcome = match refused {
                None => perform(ask, connected, desk).await,
                Some(failure) => Err(failure),
            };
            (asked, Some(form), outcome)
        }
        // Whatever is wrong with its request, it was one too many before.
        Some(Step::Refused(failure, form)) => (None, form, Err(refused.unwrap_or(failure))),
        Some(Step::More) | None => match refused {
            None => return,
            Some(failure) => (None, None, Err(failure)),
        },
    };
    let bytes = form.map_or_else(Vec::new, |form| form.write(&outcome));
    match outcome {
        Ok(_) => {
            let outcome = send(&mut stream, &bytes, desk).await;
            note(Ending { asked, outcome, told: false });
        }
        Err(failure) => {
            note(Ending { asked, outcome: Err(failure), told: !bytes.is_empty() });
            // Whoever has gone needs no reason.
            let _ = send(&mut stream, &bytes, desk).await;
        }
    }
}

async fn perform(ask: Ask, connected: &Connected, desk: &Desk) -> Result<Answer, Failure> {
    let _asking = connected.ask()?;
    let report = HealthCheck::would_learn(&ask);
    let (peer, deadline) = (Some(connected.peer), desk.deadlines.answer);
    let answer = desk.pool.perform(Task::Answer(ask), peer, deadline).await?;
    if let Some(report) = report {
        desk.health.learn(report);
    }
    answer.ok_or_else(|| Failure::new(Hop::Backend, "backend.empty", "the backend gave no answer"))
}

/// Reads until there is a request, or certainly none. `None` for a peer that came and went without a word.
async fn request(stream: &mut Stream, patience: Duration, connected: &Connected) -> Option<Step> {
    let mut session = Session::default();
    let mut room = None;
    let mut chunk = [0; CHUNK];
    let deadline = tokio::time::Instant::now().checked_add(patience)?;
    loop {
        let received = match timeout_at(deadline, stream.receive(&mut chunk)).await {
            Ok(Ok(0)) if session.is_empty() => return None,
            Ok(Ok(0)) => return Some(gone(&session, "went away")),
            Ok(Ok(count)) => chunk.get(..count).unwrap_or_default(),
            Ok(Err(fault)) => return Some(gone(&session, &format!("was lost ({fault})"))),
            Err(_) => {
                let text =
                    format!("was silent for too long ({} s are allowed)", patience.as_secs());
                return Some(gone(&session, &text));
            }
        };
        if session.received().saturating_add(received.len()) > CHUNK && room.is_none() {
            match connected.ask_at_length() {
                Ok(large) => room = Some(large),
                Err(failure) => return Some(Step::Refused(failure, session.form())),
            }
        }
        match session.take(received) {
            Step::More => {}
            step => return Some(step),
        }
    }
}

/// Sends an answer, and that it is all. How many bytes.
async fn send(stream: &mut Stream, bytes: &[u8], desk: &Desk) -> Result<usize, Failure> {
    let patience = desk.deadlines.send;
    match timeout(patience, stream.send(bytes)).await {
        Ok(Ok(())) => {
            stream.finish();
            Ok(bytes.len())
        }
        Ok(Err(fault)) => Err(unsent(&fault)),
        Err(_) => Err(untaken(patience, bytes.len())),
    }
}

fn gone(session: &Session, how: &str) -> Step {
    Step::Refused(session.unfinished(how), None)
}

fn unsent(fault: &io::Error) -> Failure {
    let text = format!("the answer could not be sent: {fault}");
    Failure::new(Hop::Connection, "connection.lost", text).with_remedy(
        "the peer went before its answer came: it may wait for less long than the backend takes",
    )
}

fn untaken(waited: Duration, bytes: usize) -> Failure {
    let text =
        format!("the peer did not take its answer of {bytes} bytes within {} s", waited.as_secs());
    Failure::new(Hop::Connection, "connection.untaken", text)
}
