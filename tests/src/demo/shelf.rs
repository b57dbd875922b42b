//! What a visitor can take into their hands: tickets of every sort, wristbands, and copies of them.
//! Invariant: every ticket comes from the hub, from pretix or from somebody who forged it, every band from the supplier;
//! a copy has the content of its original at the moment of copying.
//! Not here: what is done with them (`hands`).
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use screens::view::{BandKind, Shown, TicketKind};
use serde_json::json;

use crate::{
    band::Band,
    guest::Guest,
    ticket::{Interop, Paper},
    world::{CAMPING, FESTIVAL_TIME, GATE_A, World},
};

/// Bands of the shelf have numbers from here on at the supplier's.
const FIRST_BAND: u32 = 20_000;
/// The band of whoever used the used ticket.
const EARLIER_GUEST: u32 = 19_999;
/// Most tickets and most bands that lie on the shelf.
pub(super) const MOST: usize = 24;
/// Verdicts remembered for each ticket.
const VERDICTS: usize = 6;

/// A ticket on the shelf.
#[derive(Clone)]
pub(super) struct Ticket {
    pub(super) number: u32,
    pub(super) kind: TicketKind,
    pub(super) paper: Paper,
    pub(super) shown: Vec<Shown>,
}

/// A band on the shelf.
#[derive(Clone)]
pub(super) struct Worn {
    pub(super) number: u32,
    pub(super) kind: BandKind,
    pub(super) band: Band,
    pub(super) copy_of: Option<u32>,
    /// Where a tap of it was torn, by the place's name, and whether it was settled there later.
    pub(super) torn_at: Option<&'static str>,
    pub(super) mended: bool,
}

#[derive(Default)]
struct Things {
    tickets: Vec<Ticket>,
    bands: Vec<Worn>,
}

/// Everything that lies there.
pub(super) struct Shelf(Mutex<Things>);

impl Shelf {
    /// The first things of a visitor. The used ticket is used at gate A, by somebody else's hand.
    pub(super) async fn lay_out(world: &World) -> Result<Self> {
        let shelf = Self(Mutex::default());
        for kind in [TicketKind::Valid, TicketKind::Valid, TicketKind::Valid] {
            shelf.add_ticket(world, kind).await?;
        }
        shelf.add_ticket(world, TicketKind::Used).await?;
        for kind in [TicketKind::Revoked, TicketKind::Forged, TicketKind::OtherZone, TicketKind::Pretix] {
            shelf.add_ticket(world, kind).await?;
        }
        for _ in 0..2 {
            shelf.add_band(world, BandKind::Purse)?;
        }
        let plain = shelf.add_band(world, BandKind::UidOnly)?;
        shelf.copy_band(plain)?;
        shelf.add_band(world, BandKind::AesPurse)?;
        Ok(shelf)
    }

    fn things(&self) -> MutexGuard<'_, Things> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A further ticket; gives its number.
    pub(super) async fn add_ticket(&self, world: &World, kind: TicketKind) -> Result<u32> {
        ensure!(self.things().tickets.len() < MOST, "the shelf is full");
        let (paper, shown) = match kind {
            TicketKind::Valid => (issue(world, 1).await?, Vec::new()),
            TicketKind::OtherZone => (issue(world, CAMPING.0).await?, Vec::new()),
            TicketKind::Revoked => {
                let paper = issue(world, 1).await?;
                world.hub.revoke_ticket(paper.id.as_deref().context("an own ticket")?).await?;
                (paper, Vec::new())
            }
            TicketKind::Used => {
                let paper = issue(world, 1).await?;
                let shown = use_it(world, &paper).await?;
                (paper, vec![shown])
            }
            TicketKind::Forged => (foreign(Interop::read()?.tampered("signature_last_bit")?), Vec::new()),
            TicketKind::Pretix => {
                let papers = Interop::read()?.papers(FESTIVAL_TIME, &[4, 8]);
                let had: Vec<String> = self.things().tickets.iter().map(|ticket| ticket.paper.text.clone()).collect();
                let good = |paper: &Paper| paper.refused_with.is_none() && !had.contains(&paper.text);
                (papers.into_iter().find(good).context("no further ticket of pretix")?, Vec::new())
            }
        };
        let mut things = self.things();
        let number = next(things.tickets.iter().map(|ticket| ticket.number));
        things.tickets.push(Ticket { number, kind, paper, shown });
        Ok(number)
    }

    /// A further band; gives its number.
    pub(super) fn add_band(&self, world: &World, kind: BandKind) -> Result<u32> {
        let mut things = self.things();
        ensure!(things.bands.len() < MOST, "the shelf is full");
        let number = next(things.bands.iter().map(|worn| worn.number));
        let at_supplier = FIRST_BAND.saturating_add(number);
        let supplier = &world.supplier;
        let band = match kind {
            BandKind::Purse => supplier.purse(at_supplier)?,
            BandKind::AesPurse => supplier.aes_purse(at_supplier)?,
            BandKind::Pointer => supplier.pointer(at_supplier)?,
            BandKind::UidOnly => supplier.uid_only(at_supplier),
        };
        things.bands.push(Worn { number, kind, band, copy_of: None, torn_at: None, mended: false });
        Ok(number)
    }

    /// A copy of a band as it is now; gives the copy's number.
    pub(super) fn copy_band(&self, original: u32) -> Result<u32> {
        let original_band = self.band(original)?;
        let (kind, copied) = (original_band.kind, original_band.band.copied());
        let mut things = self.things();
        ensure!(things.bands.len() < MOST, "the shelf is full");
        let number = next(things.bands.iter().map(|worn| worn.number));
        things.bands.push(Worn { number, kind, band: copied, copy_of: Some(original), torn_at: None, mended: false });
        Ok(number)
    }

    pub(super) fn ticket(&self, number: u32) -> Result<Ticket> {
        let things = self.things();
        let found = things.tickets.iter().find(|ticket| ticket.number == number);
        found.cloned().with_context(|| format!("no ticket {number}"))
    }

    pub(super) fn band(&self, number: u32) -> Result<Worn> {
        let things = self.things();
        let found = things.bands.iter().find(|worn| worn.number == number);
        found.cloned().with_context(|| format!("no band {number}"))
    }

    /// A gate has said this to the ticket.
    pub(super) fn was_shown(&self, number: u32, shown: Shown) {
        let mut things = self.things();
        if let Some(ticket) = things.tickets.iter_mut().find(|ticket| ticket.number == number) {
            ticket.shown.push(shown);
            if ticket.shown.len() > VERDICTS {
                ticket.shown.remove(0);
            }
        }
    }

    /// A tap of the band was torn at this place.
    pub(super) fn was_torn(&self, number: u32, place: &'static str) {
        self.change_band(number, |worn| worn.torn_at = Some(place));
    }

    /// The light was green for the band at this place.
    pub(super) fn was_green(&self, number: u32, place: &'static str) {
        self.change_band(number, |worn| worn.mended |= worn.torn_at == Some(place));
    }

    fn change_band(&self, number: u32, change: impl FnOnce(&mut Worn)) {
        if let Some(worn) = self.things().bands.iter_mut().find(|worn| worn.number == number) {
            change(worn);
        }
    }

    pub(super) fn tickets(&self) -> Vec<Ticket> {
        self.things().tickets.clone()
    }

    pub(super) fn bands(&self) -> Vec<Worn> {
        self.things().bands.clone()
    }
}

fn next(numbers: impl Iterator<Item = u32>) -> u32 {
    numbers.max().unwrap_or(0).saturating_add(1)
}

async fn issue(world: &World, category: u16) -> Result<Paper> {
    let issued = world.hub.issue(&json!({ "category": category, "holder": "" })).await?;
    Ok(Paper { text: issued.text, refused_with: None, id: Some(issued.id) })
}

fn foreign(text: &str) -> Paper {
    Paper { text: text.to_owned(), refused_with: None, id: None }
}

async fn use_it(world: &World, paper: &Paper) -> Result<Shown> {
    let gate = world.place(GATE_A.name)?;
    let mut guest = Guest::new(0, paper.clone(), world.supplier.purse(EARLIER_GUEST)?);
    ensure!(gate.admit(&mut guest).await?, "the earlier guest is not admitted: {:?}", guest.refusals);
    gate.pair(&mut guest).await?;
    Ok(Shown { place: GATE_A.name.to_owned(), admitted: true, code: String::new() })
}
