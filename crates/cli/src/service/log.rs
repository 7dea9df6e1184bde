//! Where the log of a service goes, and in which form.

use std::io;
use std::os::fd::AsFd;

use anyhow::{Context as _, Result};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The form.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// A line for people, on standard error
    Text,
    /// A JSON object a line, on standard error
    Json,
    /// To systemd's journal, with its fields
    Journal,
}

/// How much is told.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

/// Starts the log of the service with this name. Without a form it goes where systemd wants it, if systemd started this, and else to standard error.
pub(crate) fn start(form: Option<Form>, level: Level, name: &str) -> Result<()> {
    let level = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
    };
    let form = form.unwrap_or(if is_journals(io::stderr()) { Form::Journal } else { Form::Text });
    let registry = tracing_subscriber::registry().with(level);
    match form {
        Form::Text => registry
            .with(tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false))
            .try_init(),
        Form::Json => registry
            .with(
                tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(io::stderr),
            )
            .try_init(),
        Form::Journal => {
            let journal = tracing_journald::layer().context("cannot reach systemd's journal")?;
            registry.with(journal.with_syslog_identifier(name.into())).try_init()
        }
    }
    .context("cannot start the log")
}

/// Whether a stream goes to the journal. The variable alone does not say so: every terminal of a desktop inherits one.
///
/// Source: systemd.exec(5), `$JOURNAL_STREAM`.
fn is_journals(stream: impl AsFd) -> bool {
    let (Ok(named), Ok(found)) = (std::env::var("JOURNAL_STREAM"), rustix::fs::fstat(stream))
    else {
        return false;
    };
    named == format!("{}:{}", found.st_dev, found.st_ino)
}
