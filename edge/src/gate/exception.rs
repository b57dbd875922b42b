//! A supervisor's exceptions at the gate: somebody passes whom the rules refuse, or another band stands for a ticket.
//! Invariant: nobody passes without a supervisor's PIN and a reason of the list, and it is recorded with both; another band
//! is taken on a supervisor's word wherever there is a staff list, and its pairing names whose. Both are done for whom the
//! screen showed when they were asked for, whoever is shown meanwhile.
//! Not here: PINs (`staff_session`), the list (`gate::reasons`), who is found by name (`gate::search`).
use domain::access::Direction;
use screens::{post, view::GateVerdict};

use super::{
    passage::{Passer, Wish, Word},
    read, reasons, repeated,
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
    // looked up before the PIN is checked, which takes a while
    let passer = match ask.who {
        post::Overridden::Last => match station.refused_by(ask.at_unix_ms) {
            Ok(passer) => passer,
            // whom this very request let pass is not refused any more: its answer may have got lost
            Err(code) => repeated::passer(station, id)?.ok_or(NotDone::Code(code))?,
        },
        post::Overridden::Nobody => Passer::nobody(),
    };
    let operator = station.confirm_supervisor(ask.operator, &ask.pin)?.number;
    let direction = if ask.out { Direction::Out } else { Direction::In };
    let word = Word::Against(ask.reason.clone());
    let wish = Wish { direction: Some(direction), word: Some((operator, word)), request: Some(id) };
    super::ask(station, passer, wish)
}

/// The next band at the reader stands for this ticket, instead of the one that did. Blocks while the PIN is checked.
pub(crate) fn replace_band(station: &Station, ask: &post::ReplaceBand) -> Result<(), NotDone> {
    let of = || {
        if ask.text.is_empty() {
            return station.ticket_of(ask.at_unix_ms).map_err(NotDone::Code);
        }
        let passer = read(station, &ask.text).map_err(|_| NotDone::Code("gate.not_a_ticket"))?;
        passer.pairing().ok_or(NotDone::Code("gate.not_a_ticket"))
    };
    of()?;
    let operator = station.supervisor(ask.supervisor.as_ref())?;
    // again: the screen tells next to the ticket that it shows that a band is awaited
    let of = of()?;
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
        let at_unix_ms = last(bench).at_unix_ms;
        replace_band(&bench.station, &post::ReplaceBand { text: String::new(), at_unix_ms, supervisor })
    }

    fn last(bench: &Bench) -> GateVerdict {
        bench.station.gate().last.unwrap()
    }

    /// A gate with a supervisor that refuses the tickets 1 and 2.
    fn refuses_two() -> Bench {
        let bench = Bench::gate(&[(1, "Ada"), (2, "Ida")], |_, ticket| ticket.blocked = true);
        bench.take_on_staff();
        bench
    }

    fn refuses(bench: &Bench, number: u8) -> GateVerdict {
        let verdict = gate::scan(&bench.station, &bench.ticket(number, 1));
        assert!(!verdict.admitted && verdict.can_override, "{verdict:?}");
        verdict
    }

    fn override_as(
        bench: &Bench,
        id: RequestId,
        who: post::Overridden,
        shown: &GateVerdict,
    ) -> Result<GateVerdict, NotDone> {
        let ((operator, pin), at_unix_ms) = (SUPERVISOR, shown.at_unix_ms);
        let (pin, reason) = (pin.into(), "guest_list".into());
        let ask = post::Override { id: String::new(), who, at_unix_ms, out: false, operator, pin, reason };
        pass(&bench.station, id, &ask)
    }

    fn admitted(bench: &Bench) -> Vec<domain::id::TicketUid> {
        bench.entries(Kind::ADMISSION).iter().map(|entry| entry.subject.ticket()).collect()
    }

    #[test]
    fn an_override_repeated_is_the_same_passage_and_admits_nobody_else_under_its_id() {
        let (bench, id) = (refuses_two(), fresh_id());
        let refused = refuses(&bench, 1);
        let verdict = override_as(&bench, id, post::Overridden::Last, &refused).unwrap();
        assert!(verdict.admitted && !verdict.entry.is_empty(), "{verdict:?}");
        let again = override_as(&bench, id, post::Overridden::Last, &refused).unwrap();
        assert_eq!((again.admitted, &again.entry), (true, &verdict.entry));
        assert_eq!(last(&bench), verdict, "it was shown when it was done");

        let other = refuses(&bench, 2);
        let not = override_as(&bench, id, post::Overridden::Last, &other);
        assert_eq!(not, Err(NotDone::Code("gate.other_request")));
        assert_eq!(last(&bench), other, "the second one sees no green");
        let nobody = override_as(&bench, id, post::Overridden::Nobody, &other);
        assert_eq!(nobody, Err(NotDone::Code("gate.other_request")));
        assert_eq!(admitted(&bench), [Bench::uid_of_ticket(1)]);
        let again = override_as(&bench, id, post::Overridden::Last, &refused).unwrap();
        assert_eq!((again.admitted, &again.entry), (true, &verdict.entry), "a repeat that comes late gets its answer");
        assert_eq!(last(&bench), other);
    }

    #[test]
    fn a_request_of_the_till_admits_nobody_without_a_ticket_under_its_id() {
        let (bench, id) = (refuses_two(), fresh_id());
        let refused = refuses(&bench, 1);
        let currency = bench.station.bundle().bundle.currency();
        let sale = domain::journal::Entry::new(Kind::SALE, domain::journal::Effect::None, currency, Default::default());
        bench.station.transact(move |_| box_store::Decision::write(vec![sale], ()).answers(id)).unwrap();
        let nobody = override_as(&bench, id, post::Overridden::Nobody, &refused);
        assert_eq!(nobody, Err(NotDone::Code("gate.other_request")));
    }

    #[test]
    fn an_override_is_for_whom_the_screen_showed_and_for_nobody_who_came_since() {
        let bench = refuses_two();
        let (first, second) = (refuses(&bench, 1), refuses(&bench, 2));
        let not = override_as(&bench, fresh_id(), post::Overridden::Last, &first);
        assert_eq!(not, Err(NotDone::Code("gate.another_shown")));
        assert!(admitted(&bench).is_empty());
        assert_eq!(last(&bench), second);
        assert!(override_as(&bench, fresh_id(), post::Overridden::Last, &second).unwrap().admitted);
        assert_eq!(admitted(&bench), [Bench::uid_of_ticket(2)]);
        let not = override_as(&bench, fresh_id(), post::Overridden::Last, &last(&bench));
        assert_eq!(not, Err(NotDone::Code("gate.nothing_refused")));
    }

    #[test]
    fn no_two_verdicts_have_the_same_name() {
        let bench = refuses_two();
        let mut names: Vec<_> = (0..200).map(|_| gate::scan(&bench.station, "nonsense").at_unix_ms).collect();
        names.dedup();
        assert!(names.len() == 200 && names.is_sorted());
    }

    #[test]
    fn another_band_is_taken_for_the_ticket_that_the_screen_showed_and_for_no_other() {
        let (old, _) = two_bands();
        let bench = came_back_without(&old);
        let at_unix_ms = last(&bench).at_unix_ms;
        gate::scan(&bench.station, &bench.ticket(2, 1));
        let ask = post::ReplaceBand { text: String::new(), at_unix_ms, supervisor: None };
        assert_eq!(replace_band(&bench.station, &ask), Err(NotDone::Code("gate.another_shown")));
        assert!(bench.station.desk.waiting().is_none(), "no band is awaited");
    }

    /// A gate whose guest 1 has come in, paired with the band, and shows the ticket again.
    fn came_back_without(band: &Band) -> Bench {
        let bench = Bench::gate(&[(1, "Ada")], |_, _| {});
        assert!(gate::scan(&bench.station, &bench.ticket(1, 1)).admitted);
        let of = bench.station.ticket_of(last(&bench).at_unix_ms).unwrap();
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
