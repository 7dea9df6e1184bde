//! A simulated PCS whose lists of PCK certificates a test changes on their way.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tdattest_simulator::Platform;
use tdattest_simulator::pcs_server::{Request, api};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::cases::{Time, platform};

type Change = Box<dyn Fn(&mut Vec<Value>) + Send>;

/// The PCS, as long as the test's runtime lives.
#[derive(Clone)]
pub(crate) struct Altered {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

struct State {
    platform: Platform,
    change: Change,
    time: Time,
    lists: usize,
}

impl Altered {
    pub(crate) async fn start(time: &Time) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state =
            State { platform: platform(), change: Box::new(|_| {}), time: time.clone(), lists: 0 };
        let state = Arc::new(Mutex::new(state));
        let of_all = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(answer(stream, Arc::clone(&of_all)));
            }
        });
        Self { url, state }
    }

    /// Changes every list from now on.
    pub(crate) fn change(&self, change: impl Fn(&mut Vec<Value>) + Send + 'static) {
        self.state.lock().unwrap().change = Box::new(change);
    }

    /// Has no certificate for the highest of the TCBs from now on.
    pub(crate) fn without_the_highest(&self) {
        self.change(|entries| entries[0]["cert"] = NOT_AVAILABLE.into());
    }

    /// Has no certificate at all from now on.
    pub(crate) fn without_any(&self) {
        self.change(|entries| {
            entries.iter_mut().for_each(|entry| entry["cert"] = NOT_AVAILABLE.into());
        });
    }

    pub(crate) fn set_platform(&self, platform: Platform) {
        self.state.lock().unwrap().platform = platform;
    }

    /// How many lists of certificates were asked for.
    pub(crate) fn lists(&self) -> usize {
        self.state.lock().unwrap().lists
    }
}

const NOT_AVAILABLE: &str = "Not available";

/// The entries of the list of a platform.
pub(crate) fn entries(platform: &Platform, time: &Time) -> Vec<Value> {
    let ppid = "ab".repeat(384);
    let path = format!("/sgx/certification/v4/pckcerts?encrypted_ppid={ppid}&pceid=0000");
    let answer = api::answer(platform, time.now(), &Request::get(&path));
    serde_json::from_slice(&answer.body).unwrap()
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        // The client may go away.
        if !matches!(stream.read(&mut byte).await, Ok(1)) {
            return;
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let (text, body) = {
        let mut state = state.lock().unwrap();
        let mut answer = api::answer(&state.platform, state.time.now(), &Request::get(path));
        if path.contains("/pckcerts?") && answer.status == 200 {
            state.lists += 1;
            let mut entries: Vec<Value> = serde_json::from_slice(&answer.body).unwrap();
            (state.change)(&mut entries);
            answer.body = serde_json::to_vec(&entries).unwrap();
        }
        let mut text = format!("HTTP/1.1 {} Status\r\nConnection: close\r\n", answer.status);
        for (name, value) in &answer.headers {
            text += &format!("{name}: {value}\r\n");
        }
        text += &format!("Content-Length: {}\r\n\r\n", answer.body.len());
        (text, answer.body)
    };
    if stream.write_all(text.as_bytes()).await.is_ok() {
        let _ = stream.write_all(&body).await;
    }
}
