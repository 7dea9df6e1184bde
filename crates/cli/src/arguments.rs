//! Values on the command line: report data, nonces, times. Nothing is padded or cut.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, anyhow, ensure};
use sha2::{Digest, Sha512};
use tdattest_verifier::wire::bytes::ReportData;
use tdattest_verifier::wire::time::UnixTime;

use crate::input;

/// What the quote's report data must be; at most one of these.
#[derive(clap::Args)]
#[group(multiple = false)]
pub(crate) struct ReportDataArgs {
    /// Demand exactly this report data (64 bytes, hexadecimal)
    #[arg(long, value_name = "HEX", value_parser = parse_report_data)]
    report_data: Option<ReportData>,

    /// Demand the SHA-512 of this nonce (16 to 64 bytes, hexadecimal) as report data
    #[arg(long, value_name = "HEX", value_parser = parse_nonce)]
    nonce: Option<Nonce>,

    /// Demand the SHA-512 of this file's bytes as report data
    #[arg(long, value_name = "FILE")]
    data_file: Option<PathBuf>,
}

impl ReportDataArgs {
    /// The file that stands for the report data.
    pub(crate) fn data_file(&self) -> Option<&PathBuf> {
        self.data_file.as_ref()
    }

    /// The report data that they stand for, if any is given.
    pub(crate) fn report_data(&self) -> Result<Option<ReportData>> {
        let hash = |bytes: &[u8]| ReportData(Sha512::digest(bytes).into());
        Ok(match (self.report_data, &self.nonce, &self.data_file) {
            (Some(report_data), ..) => Some(report_data),
            (_, Some(nonce), _) => Some(hash(&nonce.0)),
            (.., Some(path)) => {
                let bytes =
                    input::read(path, input::FILE_BYTES).map_err(|problem| anyhow!(problem))?;
                // An empty file is a slip far more often than a challenge.
                ensure!(!bytes.is_empty(), "{} is empty", input::shown(path));
                Some(hash(&bytes))
            }
            (None, None, None) => None,
        })
    }

    /// The same demand as words of a command, for whoever verifies; none if nothing is demanded.
    #[cfg(target_os = "linux")]
    pub(crate) fn words(&self) -> Vec<String> {
        let word = |flag: &str, value: String| vec![flag.to_owned(), value];
        match (&self.report_data, &self.nonce, &self.data_file) {
            (Some(report_data), ..) => word("--report-data", report_data.to_string()),
            (_, Some(nonce), _) => word("--nonce", data_encoding::HEXLOWER.encode(&nonce.0)),
            (.., Some(path)) => word("--data-file", crate::shell::quoted(path.as_os_str())),
            (None, None, None) => Vec::new(),
        }
    }

    /// A nonce that nobody has seen before, where nothing is demanded.
    #[cfg(target_os = "linux")]
    pub(crate) fn or_random_nonce(&self) -> Result<Self> {
        let mut chosen = Self {
            report_data: self.report_data,
            nonce: self.nonce.clone(),
            data_file: self.data_file.clone(),
        };
        if self.words().is_empty() {
            let mut nonce = vec![0; 32];
            let filled = getrandom::fill(&mut nonce);
            filled.map_err(|fault| {
                anyhow!("the operating system has no random bytes, so give --nonce: {fault}")
            })?;
            chosen.nonce = Some(Nonce(nonce));
        }
        Ok(chosen)
    }
}

/// 16 to 64 bytes that the verifier chose.
#[derive(Clone, Debug)]
struct Nonce(Vec<u8>);

fn parse_report_data(text: &str) -> Result<ReportData, String> {
    let bytes = parse_hex(text)?;
    let length = bytes.len();
    bytes.try_into().map(ReportData).map_err(|_| format!("has {length} bytes, expected 64"))
}

fn parse_hex(text: &str) -> Result<Vec<u8>, String> {
    let decoded = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes());
    decoded.map_err(|_| "expected hexadecimal digits, two for each byte".into())
}

fn parse_nonce(text: &str) -> Result<Nonce, String> {
    let bytes = parse_hex(text)?;
    match bytes.len() {
        16..=64 => Ok(Nonce(bytes)),
        length => Err(format!("has {length} bytes, expected 16 to 64")),
    }
}

/// RFC 3339, with any offset, or Unix seconds.
pub(crate) fn parse_time(text: &str) -> Result<UnixTime, String> {
    let seconds = match u64::from_str(text) {
        Ok(seconds) => Some(seconds),
        Err(_) => {
            let time = jiff::Timestamp::from_str(text).map_err(|_| expected_time())?;
            u64::try_from(time.as_second()).ok()
        }
    };
    seconds.and_then(UnixTime::from_secs).ok_or_else(expected_time)
}

/// What the clock of this machine says: the default of every `--at`.
pub(crate) fn now() -> Result<UnixTime> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds =
        since.map_err(|_| anyhow!("the clock is before 1970; set it, or give --at"))?.as_secs();
    UnixTime::from_secs(seconds).ok_or_else(|| anyhow!("the clock is after the year 9999"))
}

fn expected_time() -> String {
    "expected RFC 3339 such as 2026-01-31T12:00:00Z, or Unix seconds, from 1970 to 9999".into()
}
