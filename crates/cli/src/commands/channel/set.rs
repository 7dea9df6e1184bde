//! `tdattest channel set` and `unset`: one line changes, the file is replaced whole, and twice is once.

use anyhow::Result;
use tdattest_attester::config::{self, VsockPort};

use super::ConfigArgs;
use crate::destination::{self, Access};
use crate::exit::Exit;
use crate::input::shown;
use crate::output;

/// Set the vsock port of the host's QGS
///
/// Every other line of the file is kept, and so are its permissions. The file is replaced whole or not at all.
#[derive(clap::Args)]
pub(super) struct SetArgs {
    /// The port: 1 to 65535; Intel's QGS listens on 4050
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    #[command(flatten)]
    config: ConfigArgs,
}

/// Take the port out, so that Intel's client uses configfs-tsm
#[derive(clap::Args)]
pub(super) struct UnsetArgs {
    #[command(flatten)]
    config: ConfigArgs,
}

pub(super) fn run(args: &SetArgs) -> Result<Exit> {
    let port = args.port;
    let before = args.config.text()?.unwrap_or_default();
    let after = config::with_port(&before, Some(port));
    let path = args.config.paths().config;
    let text = match before == after {
        true => format!("port {port} is set already in {}\n", shown(&path)),
        false => {
            destination::write(&path, &after, Access::Kept)?;
            format!("set port {port} in {}\n", shown(&path))
        }
    };
    warn_of_near_ports(&before);
    output::data(text.as_bytes())?;
    Ok(Exit::Success)
}

pub(super) fn run_unset(args: &UnsetArgs) -> Result<Exit> {
    let before = args.config.text()?.unwrap_or_default();
    let after = config::with_port(&before, None);
    let path = args.config.paths().config;
    let text = match before == after {
        true => format!("no port is set in {}\n", shown(&path)),
        false => {
            destination::write(&path, &after, Access::Kept)?;
            format!("took the port out of {}\n", shown(&path))
        }
    };
    warn_of_near_ports(&after);
    output::data(text.as_bytes())?;
    Ok(Exit::Success)
}

/// Says that a line which looks like a port is none, and stays.
fn warn_of_near_ports(text: &[u8]) {
    if let VsockPort::None { nearly: Some(line) } = config::parse(text) {
        let text =
            format!("line {line} looks like a port and is none: it is kept, and nobody reads it");
        output::note(&output::warning(&text));
    }
}
