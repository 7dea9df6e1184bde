//! A recorded request with its answer: a `curl` line as a shell wrote it down, then HTTP.

use std::collections::BTreeSet;
use std::path::Path;

use hyper::Method;
use tdattest_pccs::{Answer, Request};

use super::cases::{request, with_header};

/// Headers that the server adds, or that differ from run to run.
const VOLATILE: [&str; 6] =
    ["request-id", "date", "connection", "keep-alive", "content-length", "transfer-encoding"];

/// Where the recordings cut a command line off.
const CUT_AT: usize = 600;

/// What is compared of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) headers: BTreeSet<String>,
    /// What is said of a failure.
    pub(crate) sentence: Option<String>,
}

impl Seen {
    pub(crate) fn of(answer: &Answer, method: &Method) -> Self {
        let headers = answer.headers.keys().map(|name| name.as_str().to_owned());
        let content_type = answer.headers.get("content-type");
        let status = answer.status.as_u16();
        let body = String::from_utf8_lossy(&answer.body);
        Self {
            status,
            sentence: sentence(status, method, &body),
            content_type: content_type.map(|value| value.to_str().unwrap().to_owned()),
            headers: headers.filter(|name| !VOLATILE.contains(&&**name)).collect(),
        }
    }
}

/// The body of a failure, save for the line at its end. An answer to HEAD has none.
fn sentence(status: u16, method: &Method, body: &str) -> Option<String> {
    (status >= 400 && method != Method::HEAD).then(|| body.trim_end().to_owned())
}

/// How many requests the summary of a folder lists.
pub(crate) fn listed(folder: &Path) -> usize {
    let summary = std::fs::read_to_string(folder.join("SUMMARY.tsv")).unwrap();
    summary.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).count()
}

/// One file of a recording.
pub(crate) struct Transcript {
    pub(crate) name: String,
    pub(crate) request: Request,
    pub(crate) recorded: Seen,
}

/// Every file of a folder, in the order of their numbers.
pub(crate) fn read_all(folder: &Path, bundle: &[u8]) -> Vec<Transcript> {
    let mut found: Vec<(u32, Transcript)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter_map(|path| {
            let name = path.file_stem()?.to_str()?.to_owned();
            let number = name.split('-').next()?.parse().ok()?;
            let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
            Some((number, parse(name, &text, bundle)))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    found.into_iter().map(|(_, transcript)| transcript).collect()
}

fn parse(name: String, text: &str, bundle: &[u8]) -> Transcript {
    let (command, answer) = text.split_once("\n\n").unwrap();
    let command = command.strip_prefix("$ curl ").unwrap();
    let mut words = words(command);
    if command.len() >= CUT_AT {
        complete(&name, &mut words);
    }
    let request = asked(&words, bundle);
    let recorded = answered(answer, &request.method);
    Transcript { name, request, recorded }
}

/// The rest of a command line that was cut off: the recordings keep its first characters alone. What was in the rest is
/// known from the name of the recording.
fn complete(name: &str, words: &mut Vec<String>) {
    let last = words.last_mut().unwrap();
    if last.contains("IntelSGXRootCA.") {
        last.push_str(&"a".repeat(2048));
        return;
    }
    // Cut off within the encrypted PPID, which goes on as it began.
    let (_, ppid) = last.rsplit_once(['=', '"']).unwrap();
    let mut ppid = ppid.as_bytes().to_vec();
    let cut = ppid.len();
    while ppid.len() < 768 {
        ppid.push(ppid[ppid.len() - 2]);
    }
    last.push_str(std::str::from_utf8(&ppid[cut..]).unwrap());
    if last.starts_with("https://") {
        let cpu_svn = "cpusvn=07070202030100030000000000000000";
        last.push_str(&match name {
            _ if name.ends_with("bad-cpusvn") => "&cpusvn=0707&pcesvn=0b00&pceid=0000".into(),
            _ if name.ends_with("no-pcesvn") => format!("&{cpu_svn}&pceid=0000"),
            _ if name.ends_with("bad-pceid") => format!("&{cpu_svn}&pcesvn=0b00&pceid=00"),
            _ => format!("&{cpu_svn}&pcesvn=0b00&pceid=0000"),
        });
        return;
    }
    last.push('"');
    if name.ends_with("post-manifest") {
        last.push_str(",\"platform_manifest\":\"178e874bdead\"");
    }
    last.push('}');
    let query = match name {
        _ if name.ends_with("update-all") => "?update=all",
        _ if name.ends_with("update-bad") => "?update=foo",
        _ => "",
    };
    words.push(format!("https://127.0.0.1/sgx/certification/v4/platforms{query}"));
}

/// The words of a command line in which the shell put a backslash before everything special.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => words.last_mut().unwrap().extend(characters.next()),
            ' ' => words.push(String::new()),
            '\n' => {}
            other => words.last_mut().unwrap().push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn asked(words: &[String], bundle: &[u8]) -> Request {
    let mut found = request(Method::GET, "/");
    let mut named_type = false;
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match &**word {
            "-X" => found.method = words.next().unwrap().parse().unwrap(),
            "-I" => found.method = Method::HEAD,
            "-H" => {
                let (name, value) = words.next().unwrap().split_once(':').unwrap();
                named_type |= name.eq_ignore_ascii_case("content-type");
                // A name without a value takes the header away.
                if !value.trim().is_empty() {
                    found = with_header(found, name, value.trim());
                }
            }
            "-d" => match &**words.next().unwrap() {
                // The recorded body was longer than the limit.
                "@/dev/fd/63" => found.body_too_large = true,
                "@PEER" => found.body = bundle.to_vec().into(),
                text => found.body = text.to_owned().into(),
            },
            "-k" | "-g" | "--http2" => {}
            url => {
                let (_, rest) = url.split_once("://").unwrap();
                let path = request(Method::GET, &rest[rest.find('/').unwrap()..]);
                (found.path, found.query) = (path.path, path.query);
            }
        }
    }
    if !found.body.is_empty() && !named_type {
        found = with_header(found, "content-type", "application/x-www-form-urlencoded");
    }
    found
}

fn answered(text: &str, method: &Method) -> Seen {
    let text = text.replace('\r', "");
    let mut rest = &*text;
    // `100 Continue` comes with a block of its own.
    if let Some((_, behind)) =
        rest.split_once("\n\n").filter(|(head, _)| head.contains("100 Continue"))
    {
        rest = behind;
    }
    let (head, body) = rest.split_once("\n\n").unwrap_or((rest, ""));
    let mut lines = head.trim_start().lines();
    let status: u16 = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let content_type = headers.iter().find(|(name, _)| name == "content-type");
    Seen {
        status,
        sentence: sentence(status, method, body),
        content_type: content_type.map(|(_, value)| value.clone()),
        headers: headers
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| !VOLATILE.contains(&&**name))
            .collect(),
    }
}
