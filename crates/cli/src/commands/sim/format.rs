//! The format of a simulated quote: version and body, one of which may imply the other.

use anyhow::{Result, bail};
use clap::ValueEnum;
use tdattest_simulator::Format;
use tdattest_verifier::wire::quote::{BodyType, Version};

/// The format that is asked for.
#[derive(clap::Args)]
pub(super) struct FormatArgs {
    /// Version of the quote [default: what the quoting enclave chooses for the TD, or what --body needs]
    #[arg(long)]
    format: Option<QuoteVersion>,

    /// Body: 1 SGX enclave report, 2 TD report 1.0, 3 TD report 1.5, 4 the same extended [default: 1 for v3, 2 for v4,
    /// 3 for v5]
    #[arg(long, value_name = "TYPE", value_parser = clap::value_parser!(u16).range(1..=4))]
    body: Option<u16>,
}

#[derive(Clone, Copy, ValueEnum)]
enum QuoteVersion {
    V3,
    V4,
    V5,
}

impl FormatArgs {
    /// The format asked for; `None` leaves it to the quoting enclave.
    pub(super) fn format(&self) -> Result<Option<Format>> {
        let version = self.format.map(|version| match version {
            QuoteVersion::V3 => Version::V3,
            QuoteVersion::V4 => Version::V4,
            QuoteVersion::V5 => Version::V5,
        });
        let body = self.body.map(|number| match number {
            1 => BodyType::Sgx,
            2 => BodyType::Td10,
            3 => BodyType::Td15,
            _ => BodyType::Td15Ex,
        });
        let (version, body) = match (version, body) {
            (None, None) => return Ok(None),
            (Some(version), Some(body)) => (version, body),
            (Some(Version::V3), None) => (Version::V3, BodyType::Sgx),
            (Some(Version::V4), None) => (Version::V4, BodyType::Td10),
            (Some(Version::V5), None) => (Version::V5, BodyType::Td15),
            (None, Some(BodyType::Sgx)) => (Version::V3, BodyType::Sgx),
            (None, Some(BodyType::Td10)) => (Version::V4, BodyType::Td10),
            (None, Some(body)) => (Version::V5, body),
        };
        match Format::new(version, body) {
            Some(format) => Ok(Some(format)),
            None => bail!(
                "a version {} quote cannot have body {}, {}",
                version.number(),
                body.number(),
                body.name()
            ),
        }
    }
}
