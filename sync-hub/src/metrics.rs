//! What the hub measures of itself, for Prometheus.
//! Invariant: names as in the operations handbook; nothing personal is ever a label, and nothing that a stranger makes up.
//! Not here: alerts.
use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};
use sync::Section;

use crate::totals::section_name;

/// Methods that are counted by name. HTTP allows any word for one, and each would be kept for ever.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueryLabels {
    query: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SectionLabels {
    section: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    reason: String,
}

type Ms = fn() -> Histogram;

fn ms() -> Histogram {
    Histogram::new(exponential_buckets(0.5, 2.0, 14))
}

struct Inner {
    registry: Registry,
    started: Instant,
    requests: Family<RequestLabels, Counter>,
    request_ms: Family<RequestLabels, Histogram, Ms>,
    queries: Family<QueryLabels, Counter>,
    query_ms: Family<QueryLabels, Histogram, Ms>,
    cache_hits: Counter,
    cache_misses: Counter,
    tickets_sold: Counter,
    top_ups: Counter,
    uptime: Gauge<f64, AtomicU64>,
    memory: Gauge,
    entries: Counter,
    segments: Counter,
    batches: Family<SectionLabels, Counter>,
    sessions: Gauge,
    backlog: Gauge,
    refused: Family<ReasonLabels, Counter>,
    not_taken: Counter,
}

/// All metrics.
#[derive(Clone)]
pub struct Metrics {
    inner: Arc<Inner>,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn millis(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1000.0
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let request_ms: Family<RequestLabels, Histogram, Ms> = Family::new_with_constructor(ms);
        let queries = Family::default();
        let query_ms: Family<QueryLabels, Histogram, Ms> = Family::new_with_constructor(ms);
        let (cache_hits, cache_misses, tickets_sold) = (Counter::default(), Counter::default(), Counter::default());
        let (entries, segments) = (Counter::default(), Counter::default());
        let (top_ups, uptime, memory) = (Counter::default(), Gauge::default(), Gauge::default());
        let (batches, refused, not_taken) = (Family::default(), Family::default(), Counter::default());
        let (sessions, backlog) = (Gauge::default(), Gauge::default());
        registry.register("http_requests", "HTTP requests", Family::clone(&requests));
        registry.register("http_request_duration_ms", "Duration of HTTP requests", request_ms.clone());
        registry.register("db_queries", "Database transactions and reads", Family::clone(&queries));
        registry.register("db_query_duration_ms", "Duration of database transactions and reads", query_ms.clone());
        registry.register("cache_hits", "Batches and snapshots found in memory", cache_hits.clone());
        registry.register("cache_misses", "Snapshots that had to be made", cache_misses.clone());
        registry.register("tickets_sold", "Tickets issued", tickets_sold.clone());
        registry.register("cashless_topups", "Money put on wristbands, in minor units", top_ups.clone());
        registry.register("process_uptime_seconds", "Since the start", uptime.clone());
        registry.register("process_memory_bytes", "Resident memory", memory.clone());
        registry.register("sync_entries", "Journal entries stored", entries.clone());
        registry.register("sync_segments", "Segments stored", segments.clone());
        registry.register("sync_batches", "State deltas published", Family::clone(&batches));
        registry.register("sync_sessions", "Boxes connected", sessions.clone());
        registry.register("sync_backlog_entries", "Entries waiting for the writer", backlog.clone());
        registry.register("sync_refused", "Sessions that ended with a refusal", Family::clone(&refused));
        let help = "Journals of neighbours that boxes brought and that do not hold";
        registry.register("sync_not_taken", help, not_taken.clone());
        let started = Instant::now();
        let inner = Inner {
            registry,
            started,
            requests,
            request_ms,
            queries,
            query_ms,
            cache_hits,
            cache_misses,
            tickets_sold,
            top_ups,
            uptime,
            memory,
            entries,
            segments,
            batches,
            sessions,
            backlog,
            refused,
            not_taken,
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Metrics {
    /// An HTTP request was answered; `route` is one of the router's, never an address as it was asked for.
    pub fn request(&self, method: &str, route: &str, status: u16, elapsed: Duration) {
        let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("other");
        let labels = RequestLabels { method, route: route.into(), status };
        self.inner.requests.get_or_create(&labels).inc();
        self.inner.request_ms.get_or_create(&labels).observe(millis(elapsed));
    }

    /// The database was asked.
    pub fn query(&self, query: &'static str, elapsed: Duration) {
        self.inner.queries.get_or_create(&QueryLabels { query }).inc();
        self.inner.query_ms.get_or_create(&QueryLabels { query }).observe(millis(elapsed));
    }

    /// Segments were stored, or not.
    pub fn ingested(&self, entries: usize, segments: usize, elapsed: Duration, stored: bool) {
        self.query("ingest", elapsed);
        if stored {
            self.inner.entries.inc_by(u64::try_from(entries).unwrap_or(0));
            self.inner.segments.inc_by(u64::try_from(segments).unwrap_or(0));
        }
    }

    /// Batches were published.
    pub fn published(&self, sections: &[Section], elapsed: Duration) {
        self.query("publish", elapsed);
        for section in sections {
            self.inner.batches.get_or_create(&SectionLabels { section: section_name(*section) }).inc();
        }
    }

    /// A batch was found in memory, or a snapshot had to be made.
    pub fn delta_read(&self, hit: bool) {
        if hit {
            self.inner.cache_hits.inc()
        } else {
            self.inner.cache_misses.inc()
        };
    }

    /// Tickets were issued.
    pub fn tickets_sold(&self, count: usize) {
        self.inner.tickets_sold.inc_by(u64::try_from(count).unwrap_or(0));
    }

    /// Money put on wristbands so far.
    pub fn top_ups(&self, cents: i64) {
        self.inner.top_ups.inner().store(u64::try_from(cents).unwrap_or(0), std::sync::atomic::Ordering::Relaxed);
    }

    /// A session began (1) or ended (-1).
    pub fn sessions(&self, change: i64) {
        self.inner.sessions.inc_by(change);
    }

    /// A session ended with a refusal.
    pub fn refused(&self, reason: &str) {
        self.inner.refused.get_or_create(&ReasonLabels { reason: reason.into() }).inc();
    }

    /// A neighbour's journal that a box brought does not hold.
    pub fn not_taken(&self) {
        self.inner.not_taken.inc();
    }

    fn refresh(&self, backlog: usize) {
        self.inner.uptime.set(self.inner.started.elapsed().as_secs_f64());
        self.inner.memory.set(memory_bytes().unwrap_or(0));
        self.inner.backlog.set(i64::try_from(backlog).unwrap_or(i64::MAX));
    }

    /// Prometheus text.
    pub fn text(&self, backlog: usize) -> String {
        self.refresh(backlog);
        let mut out = String::new();
        match encode(&mut out, &self.inner.registry) {
            Ok(()) => out,
            Err(_) => String::new(),
        }
    }

    /// The same as a JSON object: series by name.
    pub fn json(&self, backlog: usize) -> serde_json::Value {
        let text = self.text(backlog);
        let series = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_string(), serde_json::Value::from(value.parse::<f64>().ok()?)))
        });
        serde_json::Value::Object(series.collect())
    }
}

/// Resident memory of this process, from `/proc`.
fn memory_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_the_handbook_are_there() {
        let metrics = Metrics::default();
        metrics.request("GET", "/api/state", 200, Duration::from_millis(3));
        metrics.query("ingest", Duration::from_millis(3));
        metrics.tickets_sold(2);
        let text = metrics.text(7);
        for name in [
            "http_requests_total",
            "http_request_duration_ms",
            "db_queries_total",
            "db_query_duration_ms",
            "cache_hits_total",
            "cache_misses_total",
            "tickets_sold_total 2",
            "cashless_topups_total",
            "process_uptime_seconds",
            "process_memory_bytes",
            "sync_backlog_entries 7",
        ] {
            assert!(text.contains(name), "{name} is missing in\n{text}");
        }
        assert_eq!(metrics.json(7)["sync_backlog_entries"], 7.0);
        assert!(memory_bytes().unwrap() > 0);
    }
}
