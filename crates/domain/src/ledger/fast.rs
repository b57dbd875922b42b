//! The quick path: a wallet's state from sums and a tip alone, for wallets without anything unusual.
//! Invariant: where it gives a state at all, it is the one that the full fold gives.
//! Not here: what is unusual about the others (`wallet`).
use alloc::vec::Vec;

use super::{
    accounts::{Accounts, closes},
    settle::{credit_seq, is_none, is_void},
    wallet_state::{WalletFlags, WalletState},
};
use crate::{
    id::WalletId,
    journal::{BandProfile, Detail, Entry, Flags, Kind},
    wire::{Malformed, Reader, Writer},
    wristband::RecordId,
};

/// Newest chip record of a wallet, joined entry by entry in any order.
///
/// `chain` sums a mix of every committed record less that of the record it follows. In one unbroken line everything
/// cancels but its two ends; a fork or a record whose journal is missing leaves a remainder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tip {
    head: (u16, RecordId),
    root: Option<(u16, RecordId)>,
    chain: u64,
    spent: u32,
    credit_seq: u8,
    profile: Option<BandProfile>,
    unknown: bool,
}

impl Tip {
    /// Length in bytes.
    pub const LEN: usize = 30;

    /// Adds an entry of the wallet once; `intent` is the one that it closes (`closes`), if it closes one.
    pub fn add(&mut self, entry: &Entry, intent: Option<&Entry>) {
        if entry.flags.has(Flags::TRAINING) {
            return;
        }
        if entry.kind == Kind::PAIRING
            && let Ok(Detail::Pairing(pairing)) = Detail::of(entry)
        {
            self.profile = self.profile.max(Some(pairing.profile));
        }
        if closes(entry).is_none() || is_void(entry) {
            return;
        }
        let Some((intent, counter)) = intent.and_then(|i| match Detail::of(i) {
            Ok(Detail::Intent(intent)) => Some((intent, i.tap_counter)),
            _ => None,
        }) else {
            self.unknown = true;
            return;
        };
        let written = intent.new_credit.as_ref().map_or(0, credit_seq);
        self.credit_seq = self.credit_seq.max(intent.seen.credit_seq).max(written);
        let base = (counter.saturating_sub(1), intent.seen.base);
        if entry.kind == Kind::TOP_UP && matches!(Detail::of(entry), Ok(Detail::TopUp(top_up)) if top_up.c_only) {
            self.unknown = true;
            return;
        }
        self.spent = self.spent.max(intent.spent_after.get());
        self.head = self.head.max((counter, intent.own));
        self.root = Some(self.root.map_or(base, |root| root.min(base)));
        self.chain = self.chain.wrapping_add(mix(intent.own)).wrapping_sub(mix(intent.seen.base));
    }

    /// Whether all committed records stand in one line without a gap.
    fn is_one_line(&self) -> bool {
        match self.root {
            _ if self.unknown => false,
            None => true,
            // A band begins at tap counter 0: where the line begins later, somebody's journal is missing.
            Some((counter, root)) => {
                counter == 0 && !is_none(root) && self.chain == mix(self.head.1).wrapping_sub(mix(root))
            }
        }
    }

    /// 30 bytes, little-endian: version 1 · head u16 + 4 · flags u8 (1 a root, 2 something unknown) · root u16 + 4 ·
    /// chain u64 · spent u32 · credit sequence, profile, zero u8 each.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (root_counter, root) = self.root.unwrap_or_default();
        let mut out = Writer::new();
        out.u8(1);
        out.u16(self.head.0);
        out.bytes(&self.head.1.0);
        out.u8(u8::from(self.root.is_some()) | u8::from(self.unknown) << 1);
        out.u16(root_counter);
        out.bytes(&root.0);
        out.u64(self.chain);
        out.u32(self.spent);
        out.bytes(&[self.credit_seq, self.profile.map_or(0, BandProfile::byte), 0, 0]);
        out.finish()
    }

    /// Reads [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(bytes);
        if input.u8()? != 1 {
            return Err(Malformed::Value("tip version"));
        }
        let head = (input.u16()?, RecordId(input.array()?));
        let flags = input.u8()?;
        let root = (input.u16()?, RecordId(input.array()?));
        let (chain, spent) = (input.u64()?, input.u32()?);
        let [credit_seq, profile, zero, also_zero] = input.array()?;
        input.end()?;
        if flags > 3 || zero != 0 || also_zero != 0 {
            return Err(Malformed::Value("tip flags"));
        }
        let profile = match profile {
            0 => None,
            byte => Some(BandProfile::from_byte(byte).ok_or(Malformed::Value("band profile"))?),
        };
        let root = (flags & 1 != 0).then_some(root);
        Ok(Self { head, root, chain, spent, credit_seq, profile, unknown: flags & 2 != 0 })
    }
}

/// Spreads a record's name over 64 bits, so that sums of different lines hardly ever meet.
fn mix(record: RecordId) -> u64 {
    let [a, b, c, d, e, f, g, h, ..] = *blake3::hash(&record.0).as_bytes();
    u64::from_le_bytes([a, b, c, d, e, f, g, h])
}

/// A wallet's state without its entries, if sums and tip say all there is.
///
/// `None`: fold it in full. The caller adds entries in force only and calls this for wallets without disputed ones.
pub fn fold_fast(wallet: WalletId, accounts: &Accounts, tip: &Tip) -> Option<WalletState> {
    // what is owed may have been paid out by a desk whose journal is missing
    if accounts.needs_full_fold() || accounts.pending > 0 && tip.root.is_some() || !tip.is_one_line() {
        return None;
    }
    let flags = WalletFlags::default()
        .with_if(WalletFlags::FROZEN, accounts.unknown > 0)
        .with_if(WalletFlags::OVERSPENT, accounts.balance() < 0);
    let state = WalletState {
        spent: tip.spent,
        head_counter: tip.head.0,
        head_record: tip.head.1,
        credit_seq: tip.credit_seq,
        profile: tip.profile,
        flags,
        ..WalletState::empty(wallet)
    };
    Some(state.with_sums(accounts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tip_reads_back_and_has_its_length() {
        let tip = Tip {
            head: (9, RecordId([1; 4])),
            root: Some((1, RecordId([2; 4]))),
            chain: 77,
            spent: 450,
            credit_seq: 3,
            profile: Some(BandProfile::Ntag21x),
            unknown: true,
        };
        for tip in [tip, Tip::default()] {
            let bytes = tip.to_bytes();
            assert_eq!(bytes.len(), Tip::LEN);
            assert_eq!(Tip::from_bytes(&bytes), Ok(tip));
            assert!(Tip::from_bytes(&bytes[1..]).is_err());
        }
    }

    #[test]
    fn a_tip_with_bits_that_nobody_writes_is_refused() {
        let bytes = Tip::default().to_bytes();
        for (at, value) in [(7, 4), (28, 1), (29, 1)] {
            let mut odd = bytes.clone();
            odd[at] = value;
            assert_eq!(Tip::from_bytes(&odd), Err(Malformed::Value("tip flags")), "{at}");
        }
    }

    #[test]
    fn what_is_owed_to_a_purse_is_left_to_the_full_fold() {
        let genesis = Some((0, RecordId([2; 4])));
        let purse = Tip { head: (0, RecordId([2; 4])), root: genesis, ..Tip::default() };
        for (pending, tip, quick) in [(5, purse, false), (0, purse, true), (-5, purse, true), (5, Tip::default(), true)]
        {
            let sums = Accounts { pending, ..Accounts::default() };
            assert_eq!(fold_fast(WalletId([1; 16]), &sums, &tip).is_some(), quick, "{pending}");
        }
    }

    #[test]
    fn a_state_is_not_guessed_where_a_commit_came_without_its_intent() {
        let mut sale = Entry::new(
            crate::journal::Kind::SALE,
            crate::journal::Effect::Debit,
            crate::money::Currency::EUR,
            crate::time::Hlc(1),
        );
        sale.refers_to = Some(crate::id::EntryRef { device: crate::id::DeviceId([1; 16]), epoch: 0, seq: 1 });
        let mut tip = Tip::default();
        tip.add(&sale, None);
        assert_eq!(fold_fast(WalletId([1; 16]), &Accounts::default(), &tip), None);
    }
}
