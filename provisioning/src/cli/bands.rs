//! `bands`: progress on standard error, what came of it on standard output. Ctrl-C ends it between two chips.
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use provisioning::{
    Failure, Festival, Lang,
    bands::{
        BandList, Event, Happening, IssuingDesk, Kinds, Patience, Plan, ReaderName, Summary, Supplies, Tally, serve,
    },
};
use serde_json::{Value, json};
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

use super::{
    Said,
    args::{BandsIssue, KindName},
    now,
};

pub(super) fn issue(issue: &BandsIssue, lang: Lang) -> Result<Said, Failure> {
    let reader: ReaderName = issue.reader.parse()?;
    let festival = Festival::open(&issue.festival)?;
    let hub = issue.hub.clone().unwrap_or_else(|| issue.festival.join("../hub"));
    let supplies = Supplies::open(&festival, &hub, issue.epoch)?;
    let edge = program(&reader, issue.edge.as_deref())?;
    let kinds = match issue.kind {
        KindName::Any => Kinds::Any,
        KindName::Uid => Kinds::Uid,
        KindName::Ntag21x => Kinds::Ntag21x,
        KindName::UltralightAes => Kinds::UltralightAes,
    };
    let plan = Plan { kinds, again: issue.again, spare: issue.spare, count: issue.count };
    let mut desk = IssuingDesk::new(supplies, plan, BandList::open(&issue.list)?);
    let stop = stopped_by_signals()?;
    let mut progress = Progress::new(lang, desk.list().summary().is_torn);
    let mut watch = |happening: Happening, tally: &Tally| progress.tell(&happening, tally);
    let served = serve(&mut desk, Patience::default(), &stop, &now, &mut || reader.open(&edge), &mut watch);
    progress.bar.finish_and_clear();
    served?;
    let (tally, summary) = (desk.tally(), desk.list().summary());
    let run = lang.pick(
        format!("{} bracelets faits, refusés : {}.", tally.issued, reasons(&tally.refused)),
        format!("{} bands issued, refused: {}.", tally.issued, reasons(&tally.refused)),
    );
    let json = json!({
        "issued": tally.issued,
        "refused": tally.refused,
        "stopped": stop.load(Ordering::Relaxed),
        "list": as_json(&summary),
    });
    Ok(Said::done(json, format!("{run}\n{}", total(&summary, lang))))
}

pub(super) fn check(list: &Path, lang: Lang) -> Result<Said, Failure> {
    let summary = BandList::check(list)?;
    let mut text = total(&summary, lang);
    if summary.is_torn {
        text.push('\n');
        text.push_str(torn(lang));
    }
    Ok(Said::done(as_json(&summary), text))
}

fn as_json(summary: &Summary) -> Value {
    json!({ "issued": summary.issued, "spare": summary.spare, "bad": summary.bad, "torn": summary.is_torn })
}

fn total(summary: &Summary, lang: Lang) -> String {
    let (issued, spare, bad) = (summary.issued, summary.spare, reasons(&summary.bad));
    lang.pick(
        format!("Sur la liste : {issued} bracelets, {spare} de réserve ; puces mauvaises : {bad}."),
        format!("On the list: {issued} bands, {spare} spare ones; bad chips: {bad}."),
    )
}

fn torn(lang: Lang) -> &'static str {
    lang.pick(
        "La dernière ligne est coupée et ne compte pas : la prochaine exécution l'enlève. Reposez la dernière puce.",
        "The last line is torn and does not count: the next run removes it. Lay the last chip on the reader again.",
    )
}

fn reasons(counts: &BTreeMap<&'static str, u32>) -> String {
    let all = counts.values().fold(0_u32, |all, count| all.saturating_add(*count));
    let each: Vec<String> = counts.iter().map(|(code, count)| format!("{code} {count}")).collect();
    if each.is_empty() { all.to_string() } else { format!("{all} ({})", each.join(", ")) }
}

/// The program that drives a real reader: the one that was named, or the one beside this one.
fn program(reader: &ReaderName, named: Option<&Path>) -> Result<PathBuf, Failure> {
    let beside = || std::env::current_exe().map(|own| own.with_file_name("edge")).unwrap_or_else(|_| "edge".into());
    let path = named.map_or_else(beside, Path::to_path_buf);
    let is_needed = !matches!(reader, ReaderName::Virtual(_));
    if is_needed && !path.is_file() { Err(Failure::Missing(path)) } else { Ok(path) }
}

/// Set by Ctrl-C and SIGTERM; a second one ends the program at once.
fn stopped_by_signals() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register_conditional_shutdown(signal, 130, Arc::clone(&stop))
            .and_then(|_| flag::register(signal, Arc::clone(&stop)))
            .map_err(|error| Failure::Internal(error.to_string()))?;
    }
    Ok(stop)
}

/// One line of progress, and a sentence above it for what the technician must act on.
struct Progress {
    lang: Lang,
    bar: ProgressBar,
    begun: Option<Instant>,
}

impl Progress {
    fn new(lang: Lang, was_torn: bool) -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let progress = Self { lang, bar, begun: None };
        if was_torn {
            progress.say(lang.pick(
                "La dernière ligne de la liste était coupée ; elle est enlevée. Reposez la dernière puce.",
                "The list's last line was torn; it is removed. Lay the last chip on the reader again.",
            ));
        }
        progress
    }

    fn say(&self, text: &str) {
        use std::io::Write;
        // nobody may be reading: the list has it all the same
        self.bar.suspend(|| writeln!(std::io::stderr(), "{text}").ok());
    }

    fn tell(&mut self, happening: &Happening, tally: &Tally) {
        match happening {
            Happening::Ready => {
                self.say(self.lang.pick("Lecteur prêt : posez une puce.", "Reader ready: lay a chip on it."));
            }
            Happening::Away(reason) => self.say(&self.lang.pick(
                format!("Le lecteur n'est plus là ({reason}). Rebranchez-le ; Ctrl-C termine."),
                format!("The reader is away ({reason}). Plug it in again; Ctrl-C ends."),
            )),
            Happening::Event(Event::Refused(refused)) => {
                self.say(&format!("{}: {}", refused.code(), refused.message(self.lang)));
            }
            Happening::Event(Event::Issued | Event::Nothing) => {}
        }
        self.count(tally);
    }

    fn count(&mut self, tally: &Tally) {
        let begun = *self.begun.get_or_insert_with(Instant::now);
        let rate = u64::from(tally.issued).saturating_mul(60) / begun.elapsed().as_secs().max(1);
        let (issued, refused) = (tally.issued, tally.refused.values().sum::<u32>());
        self.bar.set_message(self.lang.pick(
            format!("{issued} faits · {rate} par minute · {refused} refusés"),
            format!("{issued} issued · {rate} a minute · {refused} refused"),
        ));
    }
}
