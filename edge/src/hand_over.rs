//! What staff answer about a payment whose green light nobody saw, or whose tap is in doubt.
//! Invariant: "handed over: no" on a paid sale owes the guest its price; on one in doubt it gives the intent up, and
//! the ledger says later what the guest is owed. Nothing is paid back from here.
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
    let Some(_between_taps) = station.desk.between_taps() else { return Err("till.busy") };
    let committed = station.transact(move |view| {
        let unconfirmed = view.unconfirmed().contains(&entry);
        let open = view.all_open_intents().into_iter().find(|open| open.at == entry);
        let in_doubt = open.is_some();
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
            (true, true) if open.is_some_and(|open| open.handed_over) => Vec::new(), // said before
            (true, true) => vec![reply(Kind::HANDED_OVER, Effect::None)],
            // the guest is gone without the goods: this box never writes or serves it again, the ledger settles it
            (true, false) => vec![reply(Kind::GAVE_UP, Effect::None)],
            (false, true) => Vec::new(),
            (false, false) => vec![reply(Kind::PENDING_CREDIT, Effect::Owe)],
        };
        let decision = Decision::write(entries, Ok(()));
        if unconfirmed { decision.confirming([entry]) } else { decision }
    });
    if station.desk.waiting().is_some_and(|waiting| waiting.retry_of == Some(entry)) && !handed_over {
        station.desk.cancel();
    }
    station.changed();
    match committed {
        Ok(committed) => committed.result,
        Err(error) => Err(error.code()),
    }
}
