//! The records in the form that Prometheus reads.
//!
//! Must stay true: labels come from fixed sets, never from a peer: a metric's series are bounded.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};

use crate::pool::WorkerState;
use crate::records::EDGES;
use crate::service::Shared;

/// The text.
pub(crate) fn text(shared: &Arc<Shared>) -> String {
    let mut registry = Registry::with_prefix("tdattest_qgs");
    registry.register_collector(Box::new(Everything(Arc::clone(shared))));
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = encode(&mut text, &registry);
    text
}

struct Everything(Arc<Shared>);

impl fmt::Debug for Everything {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Everything")
    }
}

impl Collector for Everything {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        requests(&self.0, &mut encoder)?;
        durations(&self.0, &mut encoder)?;
        let (workers, waiting) = self.0.workers();
        states(&workers, &mut encoder)?;
        let ready = usize::from(self.0.is_ready());
        let healthy = self.0.health.last().map(|health| usize::from(health.failure.is_none()));
        let gauges = [
            ("waiting", "Requests that wait for a worker", Some(waiting)),
            ("connections", "Connections that are open", Some(self.0.peers.connections())),
            ("ready", "Whether a quote can be asked for", Some(ready)),
            ("healthy", "Whether the last health check succeeded", healthy),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            gauge.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)?;
        }
        Ok(())
    }
}

fn requests(shared: &Shared, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let help = "Requests, by what was asked for and what became of it";
    let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
    for (class, count) in shared.records.counts() {
        let labels = [("asked", class.asked), ("hop", class.hop), ("outcome", class.outcome)];
        ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

fn durations(shared: &Shared, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let durations = shared.records.durations();
    let help = "How long answered requests took, from connection to answer";
    let seconds = Unit::Seconds;
    let mut histogram =
        encoder.encode_descriptor("duration", help, Some(&seconds), MetricType::Histogram)?;
    let edges = EDGES.iter().map(|edge| seconds_of(*edge)).chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = edges.zip(durations.classes).collect();
    let count = durations.classes.iter().sum();
    histogram.encode_histogram::<NoLabelSet>(
        seconds_of(durations.microseconds),
        count,
        &buckets,
        None,
    )
}

fn states(workers: &[WorkerState], encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut family = encoder.encode_descriptor(
        "workers",
        "Workers, by how they stand",
        None,
        MetricType::Gauge,
    )?;
    for name in ["opening", "ready", "busy", "failing", "hanging"] {
        let count = workers.iter().filter(|state| state.name() == name).count();
        let labels = [("state", name)];
        ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX))
            .encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Microseconds as seconds.
fn seconds_of(microseconds: u64) -> f64 {
    std::time::Duration::from_micros(microseconds).as_secs_f64()
}
