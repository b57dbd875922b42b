//! Runs a command and prints what came of it: JSON for machines, sentences for people.
//! Invariant: every failure ends in its code or sentence and its exit code; nothing is printed twice.
use std::{
    process::ExitCode,
    time::{SystemTime, UNIX_EPOCH},
};

use provisioning::{Failure, Lang, inspect::Place};
use serde_json::{Value, json};

use args::{
    Arguments, BandsCommand, BoxCommand, Command, EnrolKeyCommand, FestivalCommand, HubCommand, InspectCommand,
    LanCommand, StaffCommand, TicketKeyCommand,
};

pub(crate) mod args;
mod band_keys;
mod bands;
mod boxes;
mod festival;
mod inspect;
mod lan;
mod staff;
mod ticket;
mod ticket_key;
mod verify;

/// What a command has to say.
struct Said {
    json: Value,
    text: String,
    exit: u8,
}

impl Said {
    fn done(json: Value, text: String) -> Self {
        Self { json, text, exit: 0 }
    }
}

/// Runs one command.
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let lang = arguments.lang.map_or_else(of_this_host, Lang::from);
    // On `stdio` the box listens on standard output.
    let on_stdio = matches!(&arguments.command, Command::Box(BoxCommand::Enrol(plan)) if plan.connect == "stdio");
    let said = match arguments.command {
        Command::Festival(FestivalCommand::New(new)) => festival::new(&new, lang),
        Command::Festival(FestivalCommand::Show { dir }) => festival::show(&dir, lang),
        Command::Hub(HubCommand::Enrol(plan)) => festival::enrol_hub(plan, lang),
        Command::EnrolKey(EnrolKeyCommand::New(new)) => festival::new_enrol_key(new, lang),
        Command::Staff(StaffCommand::New(new)) => staff::new(new, lang),
        Command::TicketKey(TicketKeyCommand::New(new)) => ticket_key::new(&new, lang),
        Command::BandKeys(command) => band_keys::run(command, lang),
        Command::Lan(LanCommand::Group(group)) => lan::group(group, lang),
        Command::Box(BoxCommand::Enrol(plan)) => boxes::enrol(*plan, lang),
        Command::Box(BoxCommand::Check(check)) => boxes::check(&check, lang),
        Command::Box(BoxCommand::Revoke(revoke)) => boxes::revoke(&revoke, lang),
        Command::Bands(bands) => match (bands.command, bands.issue) {
            (Some(BandsCommand::Check { list }), _) => bands::check(&list, lang),
            (None, Some(issue)) => bands::issue(&issue, lang),
            (None, None) => Err(Failure::Internal("neither a command nor its arguments".into())),
        },
        Command::Verify(wanted) => verify::file(&wanted, lang),
        Command::Inspect(InspectCommand::Ticket(inspect)) => ticket::inspect(&inspect, lang),
        Command::Inspect(InspectCommand::File(inspect)) => inspect::file(&inspect, lang),
    };
    let failed = said.is_err();
    let said = said.unwrap_or_else(|failure| refused(&failure, lang));
    let text = if arguments.json { format!("{:#}", said.json) } else { said.text };
    say(&text, on_stdio || (failed && !arguments.json));
    ExitCode::from(said.exit)
}

fn refused(failure: &Failure, lang: Lang) -> Said {
    let message = failure.message(lang);
    let mut json = json!({ "error": failure.code(), "message": message });
    if let Failure::Unreadable(unreadable) = failure {
        json["kind"] = json!(unreadable.kind);
        match unreadable.place {
            Place::Offset(offset) => json["offset"] = json!(offset),
            Place::Line(line) => json["line"] = json!(line),
        }
        json["reason"] = json!(unreadable.reason);
    }
    Said { json, text: message, exit: failure.exit_code() }
}

/// A reader that went away is no reason to fail.
fn say(text: &str, to_error: bool) {
    use std::io::Write;
    let _ = if to_error { writeln!(std::io::stderr(), "{text}") } else { writeln!(std::io::stdout(), "{text}") };
}

fn of_this_host() -> Lang {
    let named = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| std::env::var(name).ok());
    named.filter(|value| !value.is_empty()).find_map(|value| Lang::from_tag(&value)).unwrap_or_default()
}

/// Unix seconds, by this host's clock.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
