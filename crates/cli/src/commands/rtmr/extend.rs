//! `tdattest rtmr extend`: measures something and logs it, both or none.

use std::path::PathBuf;

use anyhow::{Result, anyhow, ensure};
use sha2::{Digest as _, Sha384};
use tdattest_attester::wire::bytes::Measurement;
use tdattest_attester::{Deadline, Measuring, extend_and_log};

use super::LogArgs;
use super::event::{EV_ACTION, EV_IPL};
use crate::exit::Exit;
use crate::guest;
use crate::input::{self, shown};
use crate::output;

/// Extend a register, and log what with
///
/// Entry and extension happen under one lock. If the register cannot be extended, nothing is logged; if nothing can be
/// logged, the register is left as it is.
#[derive(clap::Args)]
pub(super) struct Args {
    /// The register: 0 to 3; applications use 3
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=3))]
    index: u8,

    #[command(flatten)]
    what: What,

    #[command(flatten)]
    log: LogArgs,
}

/// What is measured; exactly one of these.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Extend with this digest (48 bytes, hexadecimal)
    #[arg(long, value_name = "HEX", value_parser = parse_digest)]
    digest: Option<Measurement>,

    /// Extend with the SHA-384 of this file's bytes; the log has its name
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,

    /// Extend with the SHA-384 of this text; the log has the text
    #[arg(long, value_name = "TEXT")]
    event: Option<String>,
}

impl What {
    /// The digest, the type of the event, and what the log says of it.
    fn measured(&self) -> Result<(Measurement, u32, Vec<u8>)> {
        let hash = |bytes: &[u8]| Measurement(Sha384::digest(bytes).into());
        match (&self.digest, &self.data_file, &self.event) {
            (_, Some(path), _) => {
                let bytes =
                    input::read(path, input::FILE_BYTES).map_err(|problem| anyhow!(problem))?;
                // An empty file is a slip far more often than something to measure.
                ensure!(!bytes.is_empty(), "{} is empty", shown(path));
                Ok((hash(&bytes), EV_IPL, path.to_string_lossy().into_owned().into_bytes()))
            }
            (.., Some(text)) => Ok((hash(text.as_bytes()), EV_ACTION, text.clone().into_bytes())),
            (digest, ..) => Ok((digest.unwrap_or_default(), EV_IPL, Vec::new())),
        }
    }
}

pub(super) fn run(args: &Args) -> Result<Exit> {
    let (index, paths) = (args.index, args.log.paths());
    let (digest, kind, data) = args.what.measured()?;
    let measuring = Measuring { index, digest, kind, data: &data };
    let deadline = Deadline::after(Deadline::DEFAULT);
    if let Err(fault) = extend_and_log(&paths, &measuring, &deadline) {
        return Ok(guest::no_register(&format!("RTMR{index} cannot be extended"), &fault));
    }
    let log = shown(&paths.event_log);
    output::data(format!("extended RTMR{index} with {digest}\nlogged in {log}\n").as_bytes())?;
    Ok(Exit::Success)
}

fn parse_digest(text: &str) -> Result<Measurement, String> {
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    let bytes = decoded.map_err(|_| "expected hexadecimal digits, two for each byte".to_owned())?;
    let length = bytes.len();
    bytes.try_into().map(Measurement).map_err(|_| format!("has {length} bytes, expected 48"))
}
