//! A supervisor's exceptions at the gate: somebody passes whom the rules refuse, or another band stands for a ticket.
//! Invariant: never without a supervisor's PIN and a reason of the list; recorded with both.
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
    let operator = station.confirm_supervisor(ask.operator, &ask.pin)?.number;
    let passer = read(station, &ask.text).map_err(|_| NotDone::Code("gate.not_a_ticket"))?;
    let of = passer.pairing().ok_or(NotDone::Code("gate.not_a_ticket"))?;
    station.desk.cancel_pairing();
    let of = ForTicket { replaced_by: Some(operator), ..of };
    station.desk.ask(fresh_id(), Purpose::Pairing(of)).map_err(|_| NotDone::Code("till.busy"))?;
    station.changed();
    Ok(())
}
