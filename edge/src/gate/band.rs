//! A band held to a gate's reader that none waits for: its ticket, or the badge that it is, wants to pass.
//! Invariant: a band passes only for the ticket that it stands for now, as this box or the hub knows it; it passes also
//! while another ticket waits for a band.
//! Not here: pairing (`tapping`), money.
use std::time::Instant;

use domain::{access::GateRefusal, id::WalletId};
use hardware::signal::Signal;
use screens::view::GateVerdict;

use super::{
    judge,
    passage::{Passer, ticket_of},
    refused, show,
    shown::About,
};
use crate::{station::Station, tap_desk::ForTicket};

/// Judges whoever this band stands for.
pub(crate) fn pass(station: &Station, wallet: WalletId) -> Signal {
    let verdict = match look_up(station, wallet) {
        Ok(Some(passer)) => judge(station, passer, Instant::now()),
        Ok(None) => unknown(station, "band.no_ticket"),
        Err(code) => unknown(station, code),
    };
    if verdict.admitted { Signal::Ok } else { Signal::Refuse }
}

/// Whether this band stands for somebody else than the ticket that waits for one: a badge, or another ticket's band.
pub(crate) fn is_anothers(station: &Station, wallet: WalletId, waits: &ForTicket) -> bool {
    let stands_for = look_up(station, wallet).ok().flatten();
    stands_for.is_some_and(|passer| passer.pairing().is_none_or(|of| of.ticket != waits.ticket))
}

/// A band that no gate can read.
pub(crate) fn unreadable(station: &Station, code: &'static str) -> Signal {
    unknown(station, code);
    Signal::Refuse
}

fn unknown(station: &Station, code: &'static str) -> GateVerdict {
    let at_unix_ms = station.name_of_verdict();
    let shown = GateVerdict { scheme: "band".into(), at_unix_ms, ..GateVerdict::default() };
    let verdict = match code {
        "band.no_ticket" => refused(station, shown, &GateRefusal::BandNoTicket),
        code => GateVerdict { code: Some(code.into()), ..shown },
    };
    show(station, verdict, About::default())
}

fn look_up(station: &Station, wallet: WalletId) -> Result<Option<Passer>, &'static str> {
    if let Some(member) = station.rules().staff.holder_of(wallet) {
        return Ok(Some(Passer::staff(member.clone(), wallet)));
    }
    let found = station.store.read(move |view| {
        let uid = view.paired_ticket(&wallet)?;
        // another band may stand for the ticket by now
        Some(view.ticket(&uid)).filter(|state| state.wallet == Some(wallet))
    });
    let state = found.map_err(|error| error.code())?;
    let ticket = state.and_then(|state| ticket_of(state.ticket, &state.terms?));
    Ok(ticket.map(|ticket| Passer::band(ticket, wallet)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{
        access::{Ways, uid_of_badge},
        id::TicketUid,
        journal::{Entry, Kind},
    };
    use screens::{post, view::Pairing};

    use super::*;
    use crate::{
        bench::{Band, Bench, SUPERVISOR, cents},
        gate,
        station::fresh_id,
        tap_desk::{Purpose, TopUpOrder},
    };

    /// A gate that pairs. Guest 2 has come in with this band; guest 1 has come in, and walked on without one.
    fn waits_for_one() -> (Bench, Band) {
        let bench = Bench::pairing_gate(&[(1, "Ada"), (2, "Ida")]);
        let band = bench.uid_band(2);
        assert_eq!(gate::scan(&bench.station, &bench.ticket(2, 1)).pairing, Pairing::Waiting);
        assert_eq!(bench.hold(&band, ""), Some(Signal::Ok));
        assert_eq!(bench.station.gate().last.unwrap().pairing, Pairing::Paired);
        assert_eq!(gate::scan(&bench.station, &bench.ticket(1, 1)).pairing, Pairing::Waiting);
        assert_eq!(waits(&bench), Some(Bench::uid_of_ticket(1)));
        (bench, band)
    }

    /// The ticket that waits for a band.
    fn waits(bench: &Bench) -> Option<TicketUid> {
        let Purpose::Pairing(of) = bench.station.desk.waiting()?.purpose else { return None };
        Some(of.ticket)
    }

    fn tickets(entries: &[Entry]) -> Vec<TicketUid> {
        entries.iter().map(|entry| entry.subject.ticket()).collect()
    }

    #[test]
    fn a_band_of_another_ticket_passes_while_a_ticket_waits_for_one() {
        let (bench, band) = waits_for_one();
        let awaited = bench.station.gate().last.unwrap();
        bench.station.store.set_ways(Ways::Out).unwrap();
        assert_eq!(bench.hold(&band, ""), Some(Signal::Ok));
        assert_eq!(tickets(&bench.entries(Kind::EXIT)), [Bench::uid_of_ticket(2)]);
        assert_eq!(waits(&bench), Some(Bench::uid_of_ticket(1)));
        let shown = bench.station.gate();
        assert_eq!((shown.last.unwrap().out, shown.awaits_band), (true, Some(awaited)));

        assert_eq!(bench.hold(&bench.uid_band(1), ""), Some(Signal::Ok));
        let paired = bench.entries(Kind::PAIRING).iter().map(|entry| entry.other.ticket()).collect::<Vec<_>>();
        assert_eq!(paired, [2, 1].map(Bench::uid_of_ticket));
        let shown = bench.station.gate();
        assert_eq!((shown.last.unwrap().pairing, shown.awaits_band), (Pairing::None, None), "it is not the last one's");
    }

    #[test]
    fn a_badge_passes_while_a_ticket_waits_for_a_band_and_is_never_paired() {
        let (bench, _) = waits_for_one();
        bench.take_on_staff();
        let badge = bench.uid_band(9);
        bench.set_rules(|rules| {
            let member = &mut rules.staff.members[0];
            (member.badge, member.zones) = (Some(badge.wallet), 1);
        });
        let pairings = bench.entries(Kind::PAIRING);
        assert_eq!(bench.hold(&badge, ""), Some(Signal::Ok));
        let (festival, member) =
            (bench.station.bundle().bundle.festival, bench.station.rules().staff.members[0].number);
        assert_eq!(tickets(&bench.entries(Kind::ADMISSION)).pop(), Some(uid_of_badge(&festival, member)));
        assert_eq!(waits(&bench), Some(Bench::uid_of_ticket(1)));

        let at_unix_ms = gate::scan(&bench.station, &bench.ticket(1, 1)).at_unix_ms;
        let (number, pin) = SUPERVISOR;
        let supervisor = Some(post::Pin { number, pin: pin.into() });
        let ask = post::ReplaceBand { text: String::new(), at_unix_ms, supervisor };
        gate::exception::replace_band(&bench.station, &ask).unwrap();
        assert_eq!(bench.hold(&badge, ""), Some(Signal::Refuse));
        let told = bench.station.desk.progress().result.unwrap();
        assert_eq!(told.code.as_deref(), Some("band.is_a_badge"));
        assert_eq!(bench.entries(Kind::PAIRING), pairings);
    }

    #[test]
    fn a_ticket_waits_half_a_minute_for_its_band() {
        let (bench, _) = waits_for_one();
        let now = Instant::now();
        bench.station.end_pairing(now + Duration::from_secs(25));
        assert!(waits(&bench).is_some() && bench.station.gate().awaits_band.is_some());
        bench.station.end_pairing(now + Duration::from_secs(35));
        let shown = bench.station.gate();
        assert_eq!((waits(&bench), shown.awaits_band), (None, None));
        assert_eq!(shown.last.unwrap().pairing, Pairing::None);
    }

    #[test]
    fn who_comes_in_while_a_sale_is_open_is_not_told_to_hold_a_band() {
        let (bench, _) = waits_for_one();
        let order = TopUpOrder { amount: cents(500), fee: cents(0), means: domain::journal::Means::Cash };
        bench.station.desk.ask(fresh_id(), Purpose::TopUp(order)).unwrap();
        let shown = bench.station.gate();
        assert_eq!((shown.last.unwrap().pairing, shown.awaits_band), (Pairing::None, None));
        let verdict = gate::scan(&bench.station, &bench.ticket(3, 1));
        assert_eq!((verdict.admitted, verdict.pairing), (true, Pairing::None));
    }
}
