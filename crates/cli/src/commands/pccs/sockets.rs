//! Everything that the service listens at, opened while it may still open it.

use std::net::TcpListener;

use anyhow::{Context as _, Result};
use tdattest_pccs::config::Config;
use tdattest_pccs::{ListenAt, ListenError, Listener};

use crate::output::Hinted;

/// Everything that is listened at.
pub(super) struct Sockets {
    pub(super) listeners: Vec<Listener>,
    pub(super) metrics: Option<TcpListener>,
}

impl Sockets {
    /// Those that systemd has opened, else those of the configuration.
    pub(super) fn open(config: &Config) -> Result<Self> {
        let mut listeners = Listener::inherited().map_err(unusable)?;
        if listeners.is_empty() {
            let opened = config.listen.iter().map(Listener::open).collect::<Result<_, _>>();
            listeners = opened.map_err(unusable)?;
        }
        let metrics = config.metrics.map(TcpListener::bind).transpose();
        let metrics = metrics.context("cannot serve metrics")?;
        Ok(Self { listeners, metrics })
    }

    /// Whether one of them speaks TLS, and so needs a certificate.
    pub(super) fn has_https(&self) -> bool {
        self.listeners.iter().any(|open| matches!(open.at(), ListenAt::Https(_)))
    }
}

fn unusable(fault: ListenError) -> anyhow::Error {
    let hint = match &fault {
        ListenError::InUse(_) => "end what listens there, or listen elsewhere with --listen",
        ListenError::Inherited(_) => {
            "in the .socket unit, ListenStream= takes a port, HOST:PORT or a path"
        }
        _ => "listen elsewhere with --listen; ports below 1024 are for root",
    };
    Hinted::error(fault, hint)
}
