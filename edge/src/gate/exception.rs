//! A supervisor's exceptions at the gate: somebody passes whom the rules refuse, or another band stands for a ticket.
//! Invariant: nobody passes without a supervisor's PIN and a reason of the list, and it is recorded with both; another band
//! is taken on a supervisor's word wherever there is a staff list, and its pairing names whose.
//! Not here: PINs (`staff_session`), the list (`gate::reasons`), who is found by name (`gate::search`).
use domain::access::Direction;
use screens::{post, view::GateVerdict};

use super::{
    judge,
    passage::{Passer, Wish, Word},
    read, reasons,
};
use crate::{
    refusal::NotDone,
    station::{Station, fresh_id},
    tap_desk::{ForTicket, Purpose, RequestId},
};

/// Lets somebody pass. Blocks while the PIN is checked.
pub(crate) fn pass(station: &Station, id: RequestId, ask: &post::Override) -> Result<GateVerdict, NotDone> {
    if !reasons::list(&station.rules()).iter().any(|reason| reason.code == ask.reason) {
        return Err(NotDone::Code("gate.reason_unknown"));
    }
    let operator = station.confirm_supervisor(ask.operator, &ask.pin)?.number;
    let passer = match ask.who {
        post::Overridden::Last => station.last_refused().ok_or(NotDone::Code("gate.nothing_refused"))?,
        post::Overridden::Nobody => Passer::nobody(),
    };
    let direction = if ask.out { Direction::Out } else { Direction::In };
    let word = Word::Against(ask.reason.clone());
    let wish = Wish { direction: Some(direction), word: Some((operator, word)), request: Some(id) };
    Ok(judge(station, passer, wish))
}

/// The next band at the reader stands for this ticket, instead of the one that did. Blocks while the PIN is checked.
pub(crate) fn replace_band(station: &Station, ask: &post::ReplaceBand) -> Result<(), NotDone> {
    let operator = station.supervisor(ask.supervisor.as_ref())?;
    let of = if ask.text.is_empty() {
        station.last_ticket().ok_or(NotDone::Code("gate.no_ticket_shown"))?
    } else {
        let passer = read(station, &ask.text).map_err(|_| NotDone::Code("gate.not_a_ticket"))?;
        passer.pairing().ok_or(NotDone::Code("gate.not_a_ticket"))?
    };
    station.desk.cancel_pairing();
    let of = ForTicket { replaced_by: Some(operator), ..of };
    station.desk.ask(fresh_id(), Purpose::Pairing(of)).map_err(|_| NotDone::Code("till.busy"))?;
    station.pairing();
    Ok(())
}

#[cfg(test)]
mod tests {
    use domain::{
        journal::{Detail, Kind},
        staff::StaffRefusal,
    };
    use hardware::signal::Signal;
    use screens::view::Pairing;

    use super::*;
    use crate::{
        bench::{Band, Bench, SUPERVISOR, WAITER},
        gate,
    };

    fn replace(bench: &Bench, by: Option<(u32, &str)>) -> Result<(), NotDone> {
        let supervisor = by.map(|(number, pin)| post::Pin { number, pin: pin.into() });
        replace_band(&bench.station, &post::ReplaceBand { text: String::new(), supervisor })
    }

    /// A gate whose guest 1 has come in, paired with the band, and shows the ticket again.
    fn came_back_without(band: &Band) -> Bench {
        let bench = Bench::gate(&[(1, "Ada")], |_, _| {});
        assert!(gate::scan(&bench.station, &bench.ticket(1, 1)).admitted);
        let of = bench.station.last_ticket().unwrap();
        assert_eq!(bench.tap(Purpose::Pairing(of), band).0, Some(Signal::Ok));
        let again = gate::scan(&bench.station, &bench.ticket(1, 1));
        assert_eq!((again.can_replace, again.code.as_deref()), (true, Some("ticket.already_used")));
        bench
    }

    fn said_to(bench: &Bench, band: &Band) -> Option<String> {
        gate::band::pass(&bench.station, band.wallet);
        bench.station.gate().last.and_then(|last| last.code)
    }

    fn two_bands() -> (Band, Band) {
        let bench = Bench::new();
        (bench.uid_band(1), bench.uid_band(2))
    }

    #[test]
    fn another_band_stands_for_the_ticket_that_was_shown_last_and_the_old_one_opens_no_gate_any_more() {
        let (old, new) = two_bands();
        let bench = came_back_without(&old);
        replace(&bench, None).unwrap();
        let waits = bench.station.gate().last.unwrap();
        assert_eq!(waits.pairing, Pairing::Waiting);
        assert_eq!(bench.hold(&new, ""), Some(Signal::Ok));
        assert_eq!(bench.station.gate().last.unwrap().pairing, Pairing::Paired);
        let pairings = bench.entries(Kind::PAIRING);
        let replaced: Vec<_> = pairings.iter().map(|entry| Detail::of(entry).unwrap()).collect();
        assert!(matches!(&replaced[1], Detail::Pairing(pairing) if pairing.replaces == Some(old.wallet.0)));
        assert_eq!(said_to(&bench, &old).as_deref(), Some("band.no_ticket"));
        assert_eq!(said_to(&bench, &new).as_deref(), Some("ticket.already_used"), "it stands for the ticket");
    }

    #[test]
    fn with_a_staff_list_a_supervisor_replaces_a_band_and_the_pairing_names_whose_word_it_was() {
        let (old, new) = two_bands();
        let bench = came_back_without(&old);
        bench.take_on_staff();
        for by in [None, Some(WAITER)] {
            assert_eq!(replace(&bench, by), Err(StaffRefusal::NotSupervisor.into()), "{by:?}");
        }
        assert!(bench.station.desk.waiting().is_none(), "no band is awaited");
        replace(&bench, Some(SUPERVISOR)).unwrap();
        assert_eq!(bench.hold(&new, ""), Some(Signal::Ok));
        assert_eq!(bench.entries(Kind::PAIRING).pop().map(|entry| entry.operator), Some(SUPERVISOR.0));
    }

    #[test]
    fn without_a_ticket_on_the_screen_no_band_is_replaced() {
        let (old, _) = two_bands();
        let bench = came_back_without(&old);
        gate::scan(&bench.station, "nonsense");
        assert_eq!(replace(&bench, None), Err(NotDone::Code("gate.no_ticket_shown")));
    }
}
