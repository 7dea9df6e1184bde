//! The records in the form that Prometheus reads, and health, on a listener of their own.
//!
//! Must stay true: labels come from fixed sets and from documents that are kept, never from a request.

mod http;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tdattest_wire::time::UnixTime;
use tokio::time::timeout;

use crate::api::Clock;
use crate::health::Health;
use crate::records::{Counts, EDGES, Records};
use crate::store::{DocumentState, Store};

pub(crate) use self::http::serve;

/// How long the store may take to say what it has.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the numbers come from.
pub(crate) struct Sources {
    pub(crate) records: Arc<Records>,
    pub(crate) health: Arc<Health>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Clock,
}

impl Sources {
    /// The text.
    pub(crate) async fn text(&self) -> String {
        let documents = timeout(PATIENCE, self.store.documents()).await;
        // Without the store there are the other numbers, and `ready` says why.
        let documents = documents.ok().and_then(Result::ok).unwrap_or_default();
        let ready = self.health.is_ready().await;
        let now = (self.clock)();
        let everything = Everything { counts: self.records.counts(), documents, ready, now };
        let mut registry = Registry::with_prefix("tdattest_pccs");
        registry.register_collector(Box::new(everything));
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &registry);
        text
    }
}

#[derive(Debug)]
struct Everything {
    counts: Counts,
    documents: Vec<DocumentState>,
    ready: bool,
    now: UnixTime,
}

impl Collector for Everything {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.answers(&mut encoder)?;
        self.durations(&mut encoder)?;
        let help = "Answers of the API, by where they came from";
        one_label(&mut encoder, "cache", help, "from", &self.counts.cache)?;
        let help = "Items of refreshes, by what became of them";
        one_label(&mut encoder, "refreshed", help, "result", &self.counts.refreshed)?;
        self.upstream(&mut encoder)?;
        let help = "Calls of the store that failed";
        let errors = encoder.encode_descriptor("store_errors", help, None, MetricType::Counter)?;
        ConstCounter::new(self.counts.store_errors).encode(errors)?;
        let help = "Whether the store answers, and the service does not end";
        let ready = encoder.encode_descriptor("ready", help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(self.ready)).encode(ready)?;
        self.ends(&mut encoder)
    }
}

impl Everything {
    fn answers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Answers, by route and status";
        let mut family = encoder.encode_descriptor("requests", help, None, MetricType::Counter)?;
        for ((route, status), count) in &self.counts.answers {
            let labels = [("route", (*route).to_owned()), ("status", status.to_string())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "How long answers took, from the head of the request to the answer";
        let unit = Some(&Unit::Seconds);
        let mut family =
            encoder.encode_descriptor("duration", help, unit, MetricType::Histogram)?;
        for (route, durations) in &self.counts.durations {
            let edges = EDGES.iter().map(|edge| seconds(*edge)).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = edges.zip(durations.classes).collect();
            let total = durations.classes.iter().sum();
            let labels = [("route", *route)];
            family.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(
                seconds(durations.microseconds),
                total,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn upstream(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Calls to the upstream, by what was asked for and what came of it";
        let mut family = encoder.encode_descriptor("upstream", help, None, MetricType::Counter)?;
        for ((document, result), count) in &self.counts.upstream {
            let labels = [("document", *document), ("result", *result)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn ends(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Until a kept document, or its chain, ends; below zero when it has";
        let unit = Some(&Unit::Seconds);
        let mut family =
            encoder.encode_descriptor("document_expiry", help, unit, MetricType::Gauge)?;
        for document in &self.documents {
            let labels = [("document", document.request.path())];
            let left = left(self.now, document.validity.ends());
            ConstGauge::new(left).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn one_label(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    label: &str,
    counts: &std::collections::BTreeMap<&'static str, u64>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (value, count) in counts {
        let labels = [(label, *value)];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// Seconds from now to an end.
fn left(now: UnixTime, end: UnixTime) -> i64 {
    let signed = |time: UnixTime| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    signed(end).saturating_sub(signed(now))
}

/// Microseconds as seconds.
fn seconds(microseconds: u64) -> f64 {
    Duration::from_micros(microseconds).as_secs_f64()
}
