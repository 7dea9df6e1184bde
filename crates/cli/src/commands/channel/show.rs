//! `tdattest channel show`: what the file says, and what Intel's client would do with it.

use std::path::Path;

use anyhow::Result;
use tdattest_attester::config::{self, VsockPort};

use super::ConfigArgs;
use crate::exit::Exit;
use crate::output;
use crate::table::pairs;

/// Show the configured port, and what Intel's client would do with the file
#[derive(clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let paths = args.config.paths();
    let found = args.config.text()?.map(|text| config::parse(&text));
    let mut rows = vec![("file", file(&paths.config, found.is_some())), ("port", port(&found))];
    rows.push(("Intel's client", consequence(&found).into()));
    if found.is_some_and(|found| found.port().is_some()) {
        let vsock = paths.devices.join("vsock");
        let text = match vsock.exists() {
            true => format!("{} is there", vsock.display()),
            false => format!(
                "{} is not there: without a vsock device this port leads nowhere, and `tdattest channel unset` lets Intel's client use configfs-tsm",
                vsock.display()
            ),
        };
        rows.push(("vsock device", text));
    }
    output::data(pairs(&rows, "").as_bytes())?;
    Ok(Exit::Success)
}

fn file(path: &Path, is_there: bool) -> String {
    let absent = if is_there { "" } else { " (not there)" };
    format!("{}{absent}", path.display())
}

fn port(found: &Option<VsockPort>) -> String {
    match found {
        None | Some(VsockPort::None { nearly: None }) => "none".into(),
        Some(VsockPort::Port { port, line }) => format!("{port} (line {line})"),
        Some(VsockPort::None { nearly: Some(line) }) => format!(
            "none: line {line} is nearly a port; it must be `port=N` in lower case, with nothing behind it"
        ),
        Some(VsockPort::TooLarge { line, value }) => {
            format!(
                "none: line {line} says {value}, and the largest is 65535; no later line counts"
            )
        }
    }
}

fn consequence(found: &Option<VsockPort>) -> &'static str {
    match found {
        Some(VsockPort::Port { port: 0, .. }) => {
            "dials port 0 of the host, where nobody can listen, and fails; it tries nothing else"
        }
        Some(VsockPort::Port { .. }) => {
            "asks the QGS on this port of the host (CID 2); if that fails it tries nothing else"
        }
        None | Some(_) => "uses no vsock; it asks configfs-tsm, then the GET_QUOTE ioctl",
    }
}
