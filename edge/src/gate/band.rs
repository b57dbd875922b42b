//! A band held to a gate's reader while none is waited for: its ticket, or the badge that it is, wants to pass.
//! Invariant: a band passes only for the ticket that it stands for now, as this box or the hub knows it.
//! Not here: pairing (`tapping`), money.
use domain::{access::GateRefusal, id::WalletId};
use hardware::signal::Signal;
use screens::view::GateVerdict;

use super::{
    judge,
    passage::{Passer, ticket_of},
    refused, show,
};
use crate::station::{About, Station};

/// Judges whoever this band stands for.
pub(crate) fn pass(station: &Station, wallet: WalletId) -> Signal {
    let verdict = match look_up(station, wallet) {
        Ok(Some(passer)) => judge(station, passer),
        Ok(None) => unknown(station, "band.no_ticket"),
        Err(code) => unknown(station, code),
    };
    if verdict.admitted { Signal::Ok } else { Signal::Refuse }
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
