//! What staff answer about a payment whose green light nobody saw, or whose tap is in doubt.
//! Invariant: "handed over: no" on a paid sale owes the guest its price; nothing is paid back from here.
use box_store::Decision;
use domain::{
    id::EntryRef,
    journal::{Effect, Entry, Kind},
    time::Hlc,
};

use crate::station::Station;

/// Records the answer for `entry`: a commit shown as "paid, hand over?" after a reboot, or an intent in doubt.
pub(crate) fn answer(station: &Station, entry: EntryRef, handed_over: bool) -> Result<(), &'static str> {
    let currency = station.bundle().bundle.currency();
    let (operator, device) = (station.operator(), station.device());
    if entry.device != device {
        return Err("till.unknown_entry");
    }
    let committed = station.transact(move |view| {
        let unconfirmed = view.unconfirmed().contains(&entry);
        let in_doubt = view.all_open_intents().iter().any(|open| open.at == entry);
        let Some(asked) = view.entry(entry).filter(|_| unconfirmed || in_doubt) else {
            return Decision::nothing(Err("till.unknown_entry"));
        };
        let reply = |kind, effect| {
            let mut reply = Entry::new(kind, effect, currency, Hlc::default());
            (reply.subject, reply.amount, reply.operator, reply.refers_to) =
                (asked.subject, asked.amount, operator, Some(entry));
            reply
        };
        let entries = match (in_doubt, handed_over) {
            (true, true) => vec![reply(Kind::HANDED_OVER, Effect::None)],
            (true, false) | (false, true) => Vec::new(),
            (false, false) => vec![reply(Kind::PENDING_CREDIT, Effect::Owe)],
        };
        let decision = Decision::write(entries, Ok(()));
        if unconfirmed { decision.confirming([entry]) } else { decision }
    });
    station.changed();
    match committed {
        Ok(committed) => committed.result,
        Err(error) => Err(error.code()),
    }
}
