//! A wristband of a world: its chip, and what an onlooker sees on it after every command.
//! Invariant: the onlooker goes by the bytes that `docs/formats.md` names and by the records that were ever sealed; no
//! signature is checked twice.
//! Not here: the tap (`tap`).
use std::collections::HashMap;

use domain::{
    id::WalletId,
    money::Cents,
    wristband::{
        CREDIT_RECORD_LEN, CreditId, CreditRecord, PursePages, RecordId, SPENT_RECORD_LEN, SpentRecord,
        layout::{self, PurseMap},
    },
};
use hardware::chip::Chip;

use crate::{
    festival::{Keeping, Stocked},
    reference::BandFacts,
};

/// See the module.
pub(crate) struct Band {
    /// As it was made.
    pub(crate) stocked: Stocked,
    /// Its chip now.
    pub(crate) chip: Chip,
    /// A dump that somebody made.
    pub(crate) dump: Option<Chip>,
    known: HashMap<CreditId, [u8; CREDIT_RECORD_LEN]>,
    last: (Vec<u8>, u32),
}

/// What is in force on a chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InForce {
    /// The S record.
    pub(crate) record: RecordId,
    /// The one before.
    pub(crate) before: RecordId,
    /// What it says was spent.
    pub(crate) spent: u32,
    /// The C record; `None` while the only slot is half written.
    pub(crate) credit: Option<(CreditId, u32)>,
}

impl Band {
    /// Fresh from the stock.
    pub(crate) fn new(stocked: &Stocked) -> Self {
        let mut band = Self {
            chip: stocked.chip.clone(),
            stocked: stocked.clone(),
            dump: None,
            known: HashMap::new(),
            last: (Vec::new(), 0),
        };
        if let Some(pages) = band.pages() {
            for slot in pages.credit_slots() {
                band.sealed(slot);
            }
        }
        band
    }

    /// Its account.
    pub(crate) fn wallet(&self) -> WalletId {
        self.stocked.wallet
    }

    /// Whether its money is on the chip.
    pub(crate) fn has_purse(&self) -> bool {
        self.stocked.keeping != Keeping::Account
    }

    /// A C record was signed for it.
    pub(crate) fn sealed(&mut self, record: [u8; CREDIT_RECORD_LEN]) {
        self.known.insert(CreditId::of(&record), record);
    }

    fn counter(&self) -> u32 {
        match &self.chip {
            Chip::UltralightAes(chip) => chip.counters()[2],
            Chip::Ntag21x(_) | Chip::UidOnly(_) => 0,
        }
    }

    fn purse(&self) -> Option<(&'static PurseMap, &[u8])> {
        let map = match self.stocked.keeping {
            Keeping::Ntag => &layout::NTAG21X,
            Keeping::Aes => &layout::ULTRALIGHT_AES,
            Keeping::Account => return None,
        };
        let from = usize::from(layout::HEADER_PAGE) * 4;
        Some((map, self.chip.memory().get(from..from + map.length())?))
    }

    fn pages(&self) -> Option<PursePages> {
        let (_, bytes) = self.purse()?;
        match self.stocked.keeping {
            Keeping::Aes => PursePages::ultralight_aes(bytes, Cents::new(self.counter())?),
            Keeping::Ntag | Keeping::Account => PursePages::ntag21x(bytes),
        }
    }

    /// Looks at the chip if it changed, and notes what is in force.
    pub(crate) fn watch(&mut self, facts: &mut BandFacts) {
        let counter = self.counter();
        let Some((_, bytes)) = self.purse() else { return };
        if self.last.1 == counter && self.last.0 == bytes {
            return;
        }
        self.last = (bytes.to_vec(), counter);
        if let Some(now) = self.in_force() {
            facts.records.insert(now.record, now.before);
            facts.credits.extend(now.credit.map(|(id, _)| id));
        }
    }

    /// What is in force; `None` where no S record is.
    pub(crate) fn in_force(&self) -> Option<InForce> {
        let (map, bytes) = self.purse()?;
        let slot = |first: u8| {
            let at = usize::from(first - layout::HEADER_PAGE) * 4;
            bytes.get(at..)?.first_chunk::<SPENT_RECORD_LEN>().copied()
        };
        let counts = self.stocked.keeping == Keeping::Aes;
        let records = map.spent_pages.iter().filter_map(|first| slot(*first)).filter_map(|raw| {
            let record = SpentRecord::open(&raw, &self.stocked.keys)?;
            (!counts || record.spent.get() == self.counter()).then_some((record, RecordId::of(&raw)))
        });
        let (record, id) = records.max_by_key(|(record, _)| record.tap_counter)?;
        let pages = map.credit_pages.iter().filter_map(|first| {
            let at = usize::from(first - layout::HEADER_PAGE) * 4;
            bytes.get(at..)?.first_chunk::<CREDIT_RECORD_LEN>().copied()
        });
        let credits = pages.filter_map(|raw| {
            let id = CreditId::of(&raw);
            self.known.get(&id).filter(|known| **known == raw)?;
            let credit = CreditRecord::read(&raw);
            Some((credit.seq, id, credit.credits.get()))
        });
        let credit = credits.max_by_key(|(seq, ..)| *seq).map(|(_, id, credits)| (id, credits));
        Some(InForce { record: id, before: record.link, spent: record.spent.get(), credit })
    }

    /// What is left on the chip; `None` for accounts and half-written credits.
    pub(crate) fn left(&self) -> Option<i64> {
        let now = self.in_force()?;
        Some(i64::from(now.credit?.1).saturating_sub(i64::from(now.spent)))
    }
}
