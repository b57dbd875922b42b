//! Numbers for Prometheus, in OpenMetrics text.
use std::sync::atomic::AtomicU64;

use prometheus_client::{encoding::text::encode, metrics::gauge::Gauge, registry::Registry};

use crate::{station::Station, view};

/// A counter that any thread may raise.
pub(crate) type Counter = prometheus_client::metrics::counter::Counter<u64, AtomicU64>;

/// All numbers of this box, now.
pub(crate) fn render(station: &Station) -> String {
    let view = view::of(station);
    let mut registry = Registry::with_prefix("box");
    let mut counter = |name: &str, help: &str, counter: &Counter| registry.register(name, help, counter.clone());
    counter("scans_refused", "Tickets refused", &station.refused_scans);
    counter("taps_refused", "Taps refused", &station.refused_taps);
    counter("taps_torn", "Taps that did not end in one go", &station.torn_taps);
    counter("device_failures", "Times that a reader, scanner or other device failed", &station.device_failures);
    counter("hub_sessions", "Sessions opened with the hub", &station.hub_sessions);
    let lan = &station.lan.numbers;
    counter("lan_claims_confirmed", "Claims that the group on the LAN confirmed", &lan.confirmed);
    counter("lan_claims_alone", "Claims that too few of the group answered", &lan.alone);
    counter("lan_claims_late", "Of these, claims that a group which was there did not answer in time", &lan.late);
    counter("lan_claims_taken", "Claims that another box had", &lan.taken);
    counter("lan_copied", "Entries that stood on a neighbour's disk before the green light", &lan.copied);
    counter("lan_one_copy", "Entries that stood on one disk although two were asked for", &lan.one_copy);
    counter("lan_forwarded", "Pieces of neighbours' journals sent to the hub", &lan.forwarded);
    counter("lan_suspicious", "Messages on the LAN that were not what they claimed to be", &lan.suspicious);
    counter("lan_dropped", "Messages on the LAN that were dropped for want of room", &lan.dropped);
    let mut gauge = |name: &str, help: &str, value: i64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    gauge("unsent_entries", "Own entries that the hub has not acknowledged", as_gauge(view.unsent));
    gauge("at_risk_cents", "What offline decisions may cost at most", view.at_risk_cents);
    gauge("in_doubt", "Taps whose outcome is not known", as_gauge(view.in_doubt.len() as u64));
    gauge("hub_connected", "1 while a session with the hub is open", i64::from(view.hub.connected));
    if let Some(lan) = &view.lan {
        gauge("lan_connected", "1 while the broker of the LAN answers", i64::from(lan.connected));
        gauge("lan_group", "1 while the box decides with its group", i64::from(lan.is_group));
        gauge("lan_heard", "Boxes of the group that are there, this one included", lan.heard.into());
        let help = "Median time of claims that the group was there to answer, whether it did or not";
        gauge("lan_claim_p50_us", help, as_gauge(lan.claim_p50_us));
        gauge("lan_claim_p99_us", "99th percentile of the same", as_gauge(lan.claim_p99_us));
        let help = "99th percentile of the time of confirmed claims";
        gauge("lan_confirmed_p99_us", help, as_gauge(lan.confirmed_p99_us));
    }
    gauge("reader_ready", "1 while the wristband reader answers", i64::from(station.reader_ready()));
    gauge(
        "trusted_time_uncertainty_seconds",
        "How far trusted time may be off",
        view.trusted_time.uncertainty_s.into(),
    );
    for known in &view.knowledge {
        if let Some(age_s) = known.age_s {
            let name = format!("knowledge_age_{:?}_seconds", known.section).to_lowercase();
            gauge(&name, "Age of this kind of knowledge", as_gauge(age_s));
        }
    }
    if let Some(gate) = &view.gate {
        gauge("admissions", "People admitted here", as_gauge(gate.admitted));
    }
    if let Some(till) = &view.till {
        gauge("sales", "Sales made here", as_gauge(till.sales));
        gauge("sold_cents", "Sold here", till.sold_cents);
    }
    if let Some(top_up) = &view.top_up {
        gauge("cashless_topups_cents", "Topped up here", top_up.today_cents);
    }
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => text,
        Err(error) => format!("# {error}\n"),
    }
}

fn as_gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
