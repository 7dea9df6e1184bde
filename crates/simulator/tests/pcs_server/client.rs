//! A client of HTTP/1.1 over a bare socket: it sees what the server sent, and nothing else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use tdattest_simulator::pcs_server::{Address, PcsServer};

/// One connection, kept open from request to request.
pub(crate) struct Client(BufReader<Box<dyn Stream>>);

pub(crate) trait Stream: Read + Write {}

impl<S: Read + Write> Stream for S {}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Bytes of the body that the head promised.
    pub(crate) fn promised(&self) -> usize {
        self.header("content-length").unwrap().parse().unwrap()
    }
}

/// A server that hangs fails the test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(60);

impl Client {
    pub(crate) fn of(server: &PcsServer) -> Self {
        let stream: Box<dyn Stream> = match server.address() {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
            Address::Unix(path) => {
                let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                Box::new(stream)
            }
        };
        Self(BufReader::new(stream))
    }

    pub(crate) fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: pcs\r\n\r\n").as_bytes());
        self.receive().unwrap()
    }

    pub(crate) fn post(&mut self, path: &str, body: &str) -> Response {
        let length = body.len();
        let head = "Host: pcs\r\nContent-Type: application/json";
        let request = format!("POST {path} HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n");
        self.send(format!("{request}{body}").as_bytes());
        self.receive().unwrap()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).unwrap();
    }

    /// A response, its body as far as it came; `None` when the connection ends before one.
    pub(crate) fn receive(&mut self) -> Option<Response> {
        let status_line = self.line()?;
        let status = status_line.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let mut response = Response { status, headers: vec![], body: vec![] };
        while let Some((name, value)) = self.line()?.split_once(": ") {
            response.headers.push((name.to_lowercase(), value.into()));
        }
        let promised = response.promised() as u64;
        (&mut self.0).take(promised).read_to_end(&mut response.body).unwrap();
        Some(response)
    }

    /// Whether the server has closed the connection.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.0.fill_buf().unwrap().is_empty()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.0.read_line(&mut line).unwrap();
        (read > 0).then(|| line.trim_end().to_owned())
    }
}
