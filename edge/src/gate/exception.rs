//! A supervisor's exceptions at the gate: somebody passes whom the rules refuse, or another band stands for a ticket.
//! Invariant: never without a supervisor's PIN and a reason of the list; recorded with both.
//! Not here: PINs (`supervisor`), the list (`gate::reasons`).
use domain::access::Direction;
use screens::{post, view::GateVerdict};

use super::{
    judge,
    passage::{Passer, Wish},
    read, reasons,
};
use crate::{
    station::{Station, fresh_id},
    supervisor,
    tap_desk::{ForTicket, Purpose, RequestId},
};

/// Why it was not done.
pub(crate) struct NotAllowed {
    /// Reason code.
    pub code: &'static str,
    /// Arguments of its text.
    pub args: Vec<(&'static str, String)>,
}

impl From<&'static str> for NotAllowed {
    fn from(code: &'static str) -> Self {
        Self { code, args: Vec::new() }
    }
}

/// Lets somebody pass. Blocks while the PIN is checked.
pub(crate) fn pass(station: &Station, id: RequestId, ask: &post::Override) -> Result<GateVerdict, NotAllowed> {
    if !reasons::list(&station.rules()).iter().any(|reason| reason.code == ask.reason) {
        return Err("gate.reason_unknown".into());
    }
    let operator = supervisor::confirm(station, ask.operator, &ask.pin)?;
    let passer = match ask.who {
        post::Overridden::Last => station.last_refused().ok_or("gate.nothing_refused")?,
        post::Overridden::Nobody => Passer::nobody(),
    };
    let direction = if ask.out { Direction::Out } else { Direction::In };
    let wish = Wish { direction: Some(direction), supervisor: Some((operator, ask.reason.clone())), request: Some(id) };
    Ok(judge(station, passer, wish))
}

/// The next band at the reader stands for this ticket, instead of the one that did. Blocks while the PIN is checked.
pub(crate) fn replace_band(station: &Station, ask: &post::ReplaceBand) -> Result<(), NotAllowed> {
    let operator = supervisor::confirm(station, ask.operator, &ask.pin)?;
    let passer = read(station, &ask.text).map_err(|_| "gate.not_a_ticket")?;
    let of = passer.pairing().ok_or("gate.not_a_ticket")?;
    station.desk.cancel_pairing();
    let of = ForTicket { replaced_by: Some(operator), ..of };
    station.desk.ask(fresh_id(), Purpose::Pairing(of)).map_err(|_| "till.busy")?;
    station.changed();
    Ok(())
}
