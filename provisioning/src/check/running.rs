//! A running box: what it says of itself, beside this host's clock.
use std::time::{SystemTime, UNIX_EPOCH};

use screens::view::{BoxView, Reader, TimeSource};
use serde_json::Value;

use super::{Finding, Report, brief};
use crate::https::{Answer, Daemon};

/// Knowledge older than this, in seconds, is worth a word before doors.
const OLD_S: u64 = 3_600;
/// A clock further off than this, in seconds, is worth a word.
const OFF_S: u64 = 120;

/// Asks a running box; without its screen key only for its health.
pub fn running(daemon: &Daemon, screen_key: Option<&str>) -> Report {
    let health = daemon.get("/api/health", None);
    let mut findings = vec![Finding::new("health", summary(&health))];
    let Ok(health) = health else { return Report::of(findings) };
    let ready = daemon.get("/api/health/ready", None);
    findings.push(Finding::new("ready", said_yes(ready, "reason").map(|_| "ok".into())));
    let view = match screen_key {
        Some(key) => {
            let state = said_yes(daemon.get("/api/state", Some(key)), "code");
            let view =
                state.and_then(|body| serde_json::from_value::<BoxView>(body).map_err(|error| error.to_string()));
            findings.push(Finding::new("state", view.as_ref().map(place).map_err(Clone::clone)));
            view.ok()
        }
        None => None,
    };
    if let Some(number) = health.body["bundle_number"].as_u64() {
        let known = if number > 0 { Ok(number.to_string()) } else { Err("0".into()) };
        findings.push(Finding::new("bundle", known));
    }
    // What the health page says without a key has the same shape as the state.
    let view = view.or_else(|| serde_json::from_value(health.body).ok()).unwrap_or_default();
    findings.push(Finding::new("knowledge", knowledge(&view)));
    findings.push(Finding::new("clock", clock(&view, this_host())));
    if screen_key.is_some() {
        findings.push(Finding::new("hub", link(&view)));
        findings.push(Finding::new("reader", reader(&view)));
    }
    Report::of(findings)
}

fn summary(health: &Result<Answer, crate::Failure>) -> Result<String, String> {
    let answer = health.as_ref().map_err(brief)?;
    let text = |name: &str| answer.body[name].as_str().unwrap_or("-").to_string();
    let seen = format!("{} {}, {}", text("status"), answer.status, text("version"));
    if answer.status == 200 && answer.body["status"] == "ok" {
        Ok(seen)
    } else {
        Err(format!("{seen}, {}", text("degraded")))
    }
}

fn said_yes(answer: Result<Answer, crate::Failure>, reason: &str) -> Result<Value, String> {
    let answer = answer.map_err(|failure| brief(&failure))?;
    if answer.status == 200 {
        return Ok(answer.body);
    }
    Err(format!("{} {}", answer.status, answer.body[reason].as_str().unwrap_or("-")))
}

fn place(view: &BoxView) -> String {
    format!("#{} {:?}, epoch {}, unsent {}", view.box_number, view.place, view.epoch, view.unsent)
}

fn knowledge(view: &BoxView) -> Result<String, String> {
    let one = |known: &screens::view::Knowledge| {
        let section = serde_json::to_value(known.section).ok();
        let name = section.as_ref().and_then(Value::as_str).unwrap_or("-").to_string();
        known.age_s.map_or_else(|| format!("{name} -"), |age| format!("{name} {age} s"))
    };
    let seen = view.knowledge.iter().map(one).collect::<Vec<_>>().join(", ");
    // The bundle's age says when it was signed, not when it was last confirmed.
    let of_hub = view.knowledge.iter().filter(|known| known.section != screens::view::Section::Bundle);
    let fresh = !view.knowledge.is_empty() && of_hub.clone().all(|known| known.age_s.is_some_and(|age| age <= OLD_S));
    if fresh { Ok(seen) } else { Err(seen) }
}

fn clock(view: &BoxView, here_s: u64) -> Result<String, String> {
    let time = view.trusted_time;
    let off_s = time.unix_s.abs_diff(here_s);
    let source = match time.source {
        TimeSource::Build => "build",
        TimeSource::OwnEntry => "own entry",
        TimeSource::Hub => "hub",
    };
    let seen = format!("{}, {source}, ± {} s; {off_s} s", crate::inspect::utc(time.unix_s), time.uncertainty_s);
    if time.source == TimeSource::Hub && off_s <= OFF_S { Ok(seen) } else { Err(seen) }
}

fn link(view: &BoxView) -> Result<String, String> {
    if view.hub.connected { Ok("ok".into()) } else { Err("-".into()) }
}

fn reader(view: &BoxView) -> Result<String, String> {
    match view.reader {
        Reader::Ready => Ok("ok".into()),
        Reader::Lost => Err("-".into()),
    }
}

fn this_host() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use screens::view::{HubLink, Knowledge, Section, TrustedTime};

    use super::*;

    fn view() -> BoxView {
        let known = |section, age_s| Knowledge { section, age_s };
        BoxView {
            knowledge: vec![known(Section::Tickets, Some(3)), known(Section::Bundle, Some(90_000))],
            trusted_time: TrustedTime { unix_s: 1_000, source: TimeSource::Hub, uncertainty_s: 2 },
            hub: HubLink { connected: true, last_seen_unix_ms: None },
            reader: Reader::Ready,
            ..BoxView::default()
        }
    }

    #[test]
    fn a_box_that_just_heard_the_hub_is_ready_whenever_its_bundle_was_signed() {
        assert_eq!(knowledge(&view()), Ok("tickets 3 s, bundle 90000 s".into()));
        assert!(clock(&view(), 1_100).is_ok() && link(&view()).is_ok() && reader(&view()).is_ok());
    }

    #[test]
    fn a_running_box_is_asked_and_what_is_wrong_is_named() {
        let (_temp, ca) = crate::https::tests::ca("tls");
        let state = concat!(
            "HTTP/1.1 200 OK\r\n\r\n",
            r#"{"place":"Bar 3","reader":"ready","hub":{"connected":true},"knowledge":[{"section":"wallets","age_s":5}]}"#
        );
        let health = "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"ok\",\"bundle_number\":4}";
        let answers = Box::leak(Box::new([health, "HTTP/1.1 503 -\r\n\r\n{\"reason\":\"store.full\"}", state]));
        let (port, serving) = crate::https::tests::daemon(&ca, answers);
        let daemon = Daemon::new(&format!("https://localhost:{port}"), ca.pem().as_bytes()).unwrap();
        let report = running(&daemon, Some("abc"));
        assert_eq!(serving.join().unwrap().matches("Bearer abc").count(), 1, "only the state needs the key");
        let bad: Vec<_> = report.findings.iter().filter(|finding| !finding.ok).map(|finding| finding.check).collect();
        assert_eq!(bad, ["ready", "clock"]);
        let seen = |check| report.findings.iter().find(|finding| finding.check == check).unwrap().seen.as_str();
        assert_eq!((seen("ready"), seen("bundle"), seen("knowledge")), ("503 store.full", "4", "wallets 5 s"));
        assert!(!report.ok);
    }

    #[test]
    fn old_knowledge_a_lost_reader_and_a_clock_that_is_off_are_found() {
        let mut old = view();
        old.knowledge[0].age_s = Some(OLD_S + 1);
        assert!(knowledge(&old).is_err());
        old.knowledge[0].age_s = None;
        assert!(knowledge(&old).is_err());
        assert!(knowledge(&BoxView::default()).is_err(), "it knows nothing at all");
        assert!(clock(&view(), 1_121).is_err());
        assert!(clock(&view(), 879).is_err());
        let built =
            BoxView { trusted_time: TrustedTime { source: TimeSource::Build, ..view().trusted_time }, ..view() };
        assert!(clock(&built, 1_000).is_err());
        assert!(reader(&BoxView::default()).is_err() && link(&BoxView::default()).is_err());
    }
}
