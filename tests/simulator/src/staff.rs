//! Staff who take sales back: with the goods, or for a friend who keeps them.
//! Invariant: no more of a sale is taken back than it took; what staff were told is noted for the reference.
//! Not here: orders in doubt (`people`), boxes that lie (`frauds`).
use domain::{
    id::EntryRef,
    journal::{Correction, Detail, Effect, Entry, Kind},
    money::Cents,
    till::left_to_correct,
    time::Hlc,
};

use crate::world::World;

/// Newest entries that the dialog offers to correct.
const OFFERED: u32 = 30;

impl World<'_> {
    /// One of the last sales of this till is corrected in the guest's favour, whole or in part.
    pub(crate) fn takes_back(&mut self, at: usize) {
        let place = &self.places[at];
        if place.twin.is_some() || place.revoked || place.withheld.is_some() {
            return; // nobody knows which of its histories counts
        }
        let Some((sold, band, left)) = self.corrigible(at) else { return };
        let amount = if self.dice.one_in(2) { left } else { self.dice.amount(1, left) };
        let Some(cents) = Cents::new(amount) else { return };
        let purse = self.bands[band].has_purse();
        let effect = if purse { Effect::Owe } else { Effect::Credit };
        let mut entry = Entry::new(Kind::CORRECTION_PLUS, effect, self.festival.currency, Hlc::default());
        (entry.subject, entry.amount, entry.refers_to) = (self.bands[band].wallet().into(), cents, Some(sold));
        entry.part = Detail::Correction(Correction { supervisor: 0, reason: "spilled".into() }).to_bytes();
        let (known, there) = (self.reference.knows(band, at), self.next_place(at, false));
        let told = self.places[at].keeper.append(vec![entry], &[]).is_ok();
        if !told {
            self.power_failed(at);
            let stands = self.places[at].keeper.entry(there);
            if stands.is_none_or(|stands| stands.kind != Kind::CORRECTION_PLUS || stands.refers_to != Some(sold)) {
                return;
            }
        }
        let amount = i64::from(amount);
        let facts = &mut self.reference.bands[band];
        facts.corrected += amount;
        let keeps = self.dice.one_in(2);
        if keeps {
            facts.given += amount;
        } else {
            facts.goods -= amount;
        }
        if !purse {
            self.moved(at, band, amount, there, known);
        }
        if told {
            self.acknowledged(at, false, there);
        }
        self.tally.corrections += 1;
        self.trace(&[10, at as u64, band as u64, amount.unsigned_abs()]);
        let name = self.name(at);
        let goods = if keeps { "who keeps the goods" } else { "who brings the goods back" };
        self.note(|| format!("{name}: {amount} of a sale is taken back for guest {band}, {goods}"));
    }

    /// The newest sale of which something is left to correct, whose it was, and how much.
    fn corrigible(&self, at: usize) -> Option<(EntryRef, usize, u32)> {
        let keeper = &self.places[at].keeper;
        let (epoch, _) = keeper.epoch();
        let entries = keeper.sent_from(epoch, keeper.length().saturating_sub(OFFERED));
        let unseen = keeper.unconfirmed();
        let corrected = |of: EntryRef| {
            let is_correction = |entry: &Entry| matches!(entry.kind, Kind::CORRECTION_PLUS | Kind::PENDING_CREDIT);
            let of_it = entries.iter().filter(|sent| sent.entry.refers_to == Some(of) && is_correction(&sent.entry));
            of_it.fold(0i64, |sum, sent| sum.saturating_add(sent.entry.amount.as_i64()))
        };
        let sales = entries.iter().rev().filter(|sent| sent.entry.kind == Kind::SALE && !unseen.contains(&sent.at));
        let mut offered = sales.filter_map(|sent| {
            let left = left_to_correct(&sent.entry, corrected(sent.at)).ok().filter(|left| *left > Cents::ZERO)?;
            let band = self.bands.iter().position(|band| sent.entry.subject == band.wallet().into())?;
            Some((sent.at, band, left.get()))
        });
        offered.next()
    }
}
