//! The only C record, half written: what it was to be, from an intent of this box or from another signed source.
//! Invariant: a write is completed, never taken back, and only if what stands on the chip is that very write; another
//! desk's record under a key that is not known here is left alone.
//! Not here: two C slots, of which one always stands.
use alloc::vec::Vec;

use super::{KnownCredit, KnownWallet, OpenIntent, TapContext};
use crate::{
    id::EntryRef,
    wristband::{
        BandKeys, PursePages,
        layout::{PageWrite, PurseMap, page_writes},
    },
};

/// The writes that complete a C record.
#[derive(Clone, Debug)]
pub(super) struct Repair {
    pub(super) writes: Vec<PageWrite>,
    /// The band as it is then.
    pub(super) after: PursePages,
    /// This box's own intent that was to write it.
    pub(super) intent: Option<EntryRef>,
}

impl Repair {
    /// The first known record that fits.
    pub(super) fn of<'a>(
        pages: &PursePages,
        open: impl IntoIterator<Item = &'a OpenIntent>,
        known: &KnownWallet,
        band: &BandKeys,
        ctx: &TapContext,
    ) -> Option<Self> {
        let [first] = pages.map().credit_pages else { return None };
        let own = open.into_iter().filter_map(|open| {
            let (record, replaced) = (open.intent.new_credit?, open.intent.old_credit);
            Some((KnownCredit { record, replaced }, Some(open.entry)))
        });
        let offered = known.offer.map(|record| KnownCredit { record, replaced: None });
        let others = known.credits.iter().cloned().chain(offered).map(|known| (known, None));
        own.chain(others).find_map(|(known, intent)| {
            if !pages.is_torn_write_of(&known.record, known.replaced.as_ref()) {
                return None;
            }
            let writes = page_writes(*first, &known.record);
            let after = pages.after(&writes, pages.counter());
            after.judge(band, &ctx.credit_keys).is_ok().then_some(Self { writes, after, intent })
        })
    }

    pub(super) fn map(&self) -> &'static PurseMap {
        self.after.map()
    }

    /// Whether these C slots are as they should be.
    pub(super) fn stands(&self, read_back: &[u8]) -> bool {
        self.after.credit_slots().concat() == read_back
    }
}
