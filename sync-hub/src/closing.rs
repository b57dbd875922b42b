//! The event's close: doubts that nobody will ever settle, and what is left after the refund deadline.
//! Invariant: nothing is booked without being asked for twice; an intent is written off only after its own box gave it
//! up, closed its journal or was revoked, and a later read of its band still corrects it; nothing expires while doubts are open.
//! Not here: what a written-off intent means (`domain::ledger`).
use std::collections::BTreeMap;

use domain::{
    id::WalletId,
    journal::{Effect, Entry, IntentPurpose, Kind},
    ledger::{Accounts, Settled, Verdict, WalletFlags, WalletState, fold_wallet},
    money::Cents,
};
use serde::Serialize;

use crate::{
    credits::COMMIT_ENTRIES,
    fold,
    hub::{Hub, HubError},
    leaving::left,
};

/// What closing the event would book, or has booked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Closing {
    /// Intents in doubt whose boxes have given them up or are revoked.
    pub write_off: u64,
    /// Their amounts; a carried credit has none of its own: it is owed.
    pub write_off_cents: i64,
    /// Intents in doubt whose boxes may still settle them.
    pub waiting: u64,
    /// Their amounts.
    pub waiting_cents: i64,
    /// Wallets with money on them.
    pub wallets_left: u64,
    /// That money.
    pub left_cents: i64,
    /// Owed and not on a band.
    pub pending_cents: i64,
    /// Boxes whose journal does not end with a closure, or has gaps.
    pub open_boxes: Vec<u16>,
    /// How many entries this request wrote.
    pub booked: u64,
}

struct Open {
    write_off: Vec<(WalletId, domain::id::EntryRef, Cents)>,
    left: BTreeMap<WalletId, (i64, i64)>,
    summary: Closing,
}

/// Whether a wallet has intents in doubt. A carried credit in doubt is in none of its sums.
pub(crate) fn has_doubts(state: &WalletState, sums: &Accounts) -> bool {
    state.in_doubt > 0 || sums.open_intents > 0
}

/// Whether nobody knows what became of an intent that counts.
pub(crate) fn is_in_doubt(settled: &Settled) -> bool {
    settled.counts && settled.verdict == Verdict::Doubt && settled.consequence().in_doubt != 0
}

/// The money that is in doubt with an intent: none with a carried credit, which is owed until it is seen on the chip.
pub(crate) fn doubted_cents(settled: &Settled) -> Option<i64> {
    (settled.purpose != IntentPurpose::Carry).then(|| settled.consequence().in_doubt)
}

impl Hub {
    /// What closing would book now.
    pub fn closing(&mut self) -> Result<Closing, HubError> {
        Ok(self.open_matters()?.summary)
    }

    /// Writes off, in the guests' favour, every doubt that nobody is going to settle.
    pub fn close_event(&mut self) -> Result<Closing, HubError> {
        let open = self.open_matters()?;
        let mut entries = Vec::with_capacity(open.write_off.len());
        for (wallet, intent, amount) in open.write_off {
            let entry = self.entry(Kind::WRITTEN_OFF, Effect::None, wallet.into());
            entries.push(Entry { amount, refers_to: Some(intent), ..entry });
        }
        self.book(entries)
    }

    /// After the refund deadline: what is left belongs to the festival.
    pub fn expire(&mut self) -> Result<Closing, HubError> {
        let open = self.open_matters()?;
        if open.summary.write_off > 0 || open.summary.waiting > 0 {
            return Err(HubError::Refused("hub.still_in_doubt"));
        }
        let mut entries = Vec::new();
        for (wallet, (balance, pending)) in open.left {
            for (effect, amount) in [(Effect::Debit, balance), (Effect::Repay, pending)] {
                let amount = Cents::try_from(amount).map_err(|_| HubError::Invalid("a balance"))?;
                if amount != Cents::ZERO {
                    let entry = self.entry(Kind::EXPIRY, effect, wallet.into());
                    entries.push(Entry { amount, ..entry });
                }
            }
        }
        self.book(entries)
    }

    fn book(&mut self, entries: Vec<Entry>) -> Result<Closing, HubError> {
        let booked = entries.len() as u64;
        for chunk in entries.chunks(COMMIT_ENTRIES) {
            self.act(chunk.to_vec())?;
        }
        self.publish()?;
        Ok(Closing { booked, ..self.closing()? })
    }

    fn open_matters(&mut self) -> Result<Open, HubError> {
        self.publish()?;
        let currency = self.identity.founding.currency;
        let mut states = Vec::new();
        self.reading()?.each_wallet(|wallet, stored| {
            let state = stored.state.as_deref().and_then(|bytes| WalletState::from_bytes(bytes).ok());
            states.extend(state.map(|state| (wallet, state, *stored.sums())));
        })?;
        let mut open = Open { write_off: Vec::new(), left: BTreeMap::new(), summary: Closing::default() };
        let sum = &mut open.summary;
        for (wallet, state, sums) in states {
            let (balance, pending) = left(&state, &sums);
            let held = state.flags.has(WalletFlags::FROZEN) || state.flags.has(WalletFlags::DISPUTED);
            if balance > 0 || pending > 0 {
                sum.wallets_left = sum.wallets_left.saturating_add(1);
                sum.left_cents = sum.left_cents.saturating_add(balance);
                sum.pending_cents = sum.pending_cents.saturating_add(pending);
                if !held {
                    open.left.insert(wallet, (balance, pending));
                }
            }
            if held || !has_doubts(&state, &sums) {
                continue;
            }
            let entries = fold::wallet_entries(wallet, &self.journals, &self.store, currency)?;
            for settled in fold_wallet(wallet, &entries).settled.into_iter().filter(is_in_doubt) {
                let doubt = doubted_cents(&settled).unwrap_or(0);
                if settled.given_up || self.is_revoked(settled.intent.device)? {
                    let amount = Cents::try_from(settled.amount).map_err(|_| HubError::Invalid("an amount"))?;
                    open.write_off.push((wallet, settled.intent, amount));
                    sum.write_off = sum.write_off.saturating_add(1);
                    sum.write_off_cents = sum.write_off_cents.saturating_add(doubt);
                } else {
                    sum.waiting = sum.waiting.saturating_add(1);
                    sum.waiting_cents = sum.waiting_cents.saturating_add(doubt);
                }
            }
        }
        for stored in self.store.boxes()?.into_iter().filter(|stored| !stored.revoked) {
            let journals: Vec<_> = self.journals.of_device(stored.device).collect();
            let whole = journals.iter().all(|journal| journal.tree.gaps().is_empty());
            let newest = journals.iter().max_by_key(|journal| journal.epoch);
            let closed = newest.is_some_and(|journal| {
                let head = journal.tree.head().map(|head| head.seq);
                head.is_some() && journal.closures.iter().map(|place| place.seq).max() == head
            });
            if !(whole && closed) {
                open.summary.open_boxes.push(stored.number.0);
            }
        }
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use domain::{journal::IntentPurpose, trust::Roles};

    use super::*;
    use crate::{
        credits::tests::Purse,
        sample::{self, SampleBox, wallet},
        totals,
    };

    #[test]
    fn doubts_are_written_off_in_the_guest_s_favour_once_their_box_gave_them_up_and_then_what_is_left_expires() {
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let (mut desk, mut bar) = (SampleBox::new(20, Roles(4)), SampleBox::new(21, Roles(2)));
        let mut purse = Purse::new(wallet(1));
        purse.top_up(&mut desk, 1_000);
        let (torn, _) = purse.intent(&mut bar, IntentPurpose::Sale, 300, None);
        hub.ingest(&desk.segments(10)).unwrap();
        hub.ingest(&bar.segments(10)).unwrap();
        let open = hub.closing().unwrap();
        assert_eq!((open.write_off, open.waiting, open.waiting_cents, open.left_cents), (0, 1, 300, 700));
        assert_eq!(hub.close_event().unwrap().booked, 0, "its box may still settle it");
        assert!(matches!(hub.expire(), Err(HubError::Refused("hub.still_in_doubt"))));

        let give_up = bar.entry(Kind::GAVE_UP, Effect::None, 300);
        bar.commit(Entry { subject: wallet(1).into(), refers_to: Some(torn), ..give_up });
        hub.ingest(&[bar.segment(2, 3)]).unwrap();
        assert_eq!(hub.closing().unwrap().write_off_cents, 300);
        let closed = hub.close_event().unwrap();
        assert_eq!((closed.booked, closed.write_off, closed.left_cents), (1, 0, 1_000));
        assert_eq!(hub.close_event().unwrap().booked, 0, "once");
        let expired = hub.expire().unwrap();
        assert_eq!((expired.booked, expired.left_cents), (1, 0));
        let books = totals::books(&hub.reading().unwrap()).unwrap().money;
        assert!(books.balances(), "{books:?}");
        assert_eq!((books.expired, books.balance, books.in_doubt), (1_000, 0, 0));
    }
}
