//! Per-wallet sums, kept up entry by entry.
//! Invariant: `add` commutes and `remove` undoes it, so any order of arrival gives the same sums;
//! the effect alone decides what the balance gains or loses, the kind only names the account beside it.
//! Not here: what becomes of an intent without a commit (`settle`), standings (`wallet`).
use alloc::vec::Vec;

use crate::{
    id::EntryRef,
    journal::{Detail, Effect, Entry, Flags, Intent, IntentPurpose, Kind, Sale},
    wire::{Malformed, Reader, Writer},
};

macro_rules! accounts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Sums of one wallet, in minor units (`open_intents`, `marks` and `unknown` are counts). All saturate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
        pub struct Accounts {
            $($(#[$doc])* pub $name: i64,)*
        }

        impl Accounts {
            /// Sum, account by account.
            #[must_use]
            pub const fn plus(&self, other: &Self) -> Self {
                Self { $($name: self.$name.saturating_add(other.$name),)* }
            }

            /// Difference, account by account.
            #[must_use]
            pub const fn minus(&self, other: &Self) -> Self {
                Self { $($name: self.$name.saturating_sub(other.$name),)* }
            }

            /// Version byte 2, then every account as i64 little-endian, in the order of the fields.
            pub fn to_bytes(&self) -> Vec<u8> {
                let mut out = Writer::new();
                out.u8(2);
                $(out.bytes(&self.$name.to_le_bytes());)*
                out.finish()
            }

            /// Reads [`Self::to_bytes`]; anything else, also an older version, is an error: the projection is rebuilt.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
                let mut input = Reader::new(bytes);
                if input.u8()? != 2 {
                    return Err(Malformed::Value("accounts version"));
                }
                let accounts = Self { $($name: i64::from_le_bytes(input.array()?),)* };
                input.end()?;
                Ok(accounts)
            }
        }
    };
}

accounts! {
    /// Money taken for this wallet, fees included.
    top_ups,
    /// Gifts credited.
    gifts,
    /// Everything ever owed to the guest without new money (pending credits issued).
    pending_issued,
    /// Corrections plus less minus.
    corrections,
    /// Credits of kinds that this software does not know.
    other_credit,
    /// Credits that the chip proves and whose entries have not arrived: their desk is cut off. Full fold only.
    unreported,
    /// Moved in from other wallets less moved out.
    transferred,
    /// Goods.
    spent,
    /// Deposits out less deposits back.
    deposits,
    /// Paid back in cash.
    refunded,
    /// Fees taken.
    fees,
    /// Kept by the festival after its deadline.
    expired,
    /// Debits of kinds that this software does not know.
    other_debit,
    /// Owed less repaid.
    pending,
    /// Credits on forked ground or beyond a revocation: claimed, not in the balance.
    disputed,
    /// Goods handed over without payment: named, outside the identity.
    losses,
    /// Intents that may have taken money, less those committed.
    hold_debit,
    /// Intents that took cash and may have credited it, less those committed.
    hold_credit,
    /// Released holds of either side (the full fold looks the side up and leaves this at 0).
    released,
    /// Intents less what closes them.
    open_intents,
    /// Entries that only the full fold understands: voids, bare reads, blocks, suspicions, what gives money back.
    marks,
    /// Entries with an unknown effect.
    unknown,
}

impl Accounts {
    /// Adds `entry` to its subject's sums; commits of an intent should go through [`Self::add_closing`].
    pub fn add(&mut self, entry: &Entry) {
        self.add_closing(entry, None);
    }

    /// Undoes [`Self::add`].
    pub fn remove(&mut self, entry: &Entry) {
        self.remove_closing(entry, None);
    }

    /// As [`Self::add`], with the intent that `entry` closes, whose sale says how much of the amount is deposit.
    pub fn add_closing(&mut self, entry: &Entry, intent: Option<&Entry>) {
        *self = self.plus(&Self::of(entry, intent));
    }

    /// Undoes [`Self::add_closing`] with the same intent.
    pub fn remove_closing(&mut self, entry: &Entry, intent: Option<&Entry>) {
        *self = self.minus(&Self::of(entry, intent));
    }

    /// Adds a transfer to the wallet that receives it (`entry.other`), which an unknown effect freezes as well;
    /// other effects do nothing there.
    pub fn add_received(&mut self, entry: &Entry) {
        *self = self.plus(&Self::received(entry));
    }

    /// Undoes [`Self::add_received`].
    pub fn remove_received(&mut self, entry: &Entry) {
        *self = self.minus(&Self::received(entry));
    }

    /// Credits less debits, disputed credits left out; may be negative. Holds are not taken off.
    pub fn balance(&self) -> i64 {
        let sources = [
            self.top_ups,
            self.gifts,
            self.pending_issued,
            self.corrections,
            self.other_credit,
            self.transferred,
            self.unreported,
        ];
        let uses = [
            self.spent,
            self.deposits,
            self.refunded,
            self.fees,
            self.expired,
            self.other_debit,
            self.pending,
            self.disputed,
        ];
        sum(&sources).saturating_sub(sum(&uses))
    }

    /// What is in doubt, both sides together.
    pub fn in_doubt(&self) -> i64 {
        self.hold_debit.saturating_add(self.hold_credit).saturating_sub(self.released)
    }

    /// Whether these sums alone do not tell the wallet's state.
    pub fn needs_full_fold(&self) -> bool {
        self.open_intents != 0 || self.marks != 0 || self.in_doubt() != 0
    }

    fn of(entry: &Entry, intent: Option<&Entry>) -> Self {
        if intent.is_some_and(|hold| differs(entry, hold)) && !entry.flags.has(Flags::TRAINING) {
            return Self { marks: 1, ..Self::default() }; // the full fold sets it aside
        }
        let mut sums = Self::moved(entry, intent);
        if !entry.flags.has(Flags::TRAINING) {
            sums.note_holds(entry, intent);
        }
        sums
    }

    fn received(entry: &Entry) -> Self {
        let mut sums = Self::default();
        if entry.flags.has(Flags::TRAINING) {
            return sums;
        }
        if entry.effect == Effect::Transfer {
            sums.transferred = entry.amount.as_i64();
        }
        if matches!(entry.effect, Effect::Unknown(_)) {
            sums.unknown = 1;
        }
        sums
    }

    /// What the entry moves, holds left out.
    pub(super) fn moved(entry: &Entry, intent: Option<&Entry>) -> Self {
        let mut sums = Self::default();
        if entry.flags.has(Flags::TRAINING) || delivers(entry) && entry.refers_to.is_none() {
            return sums;
        }
        let amount = entry.amount.as_i64();
        match entry.effect {
            Effect::Credit => sums.credit(entry, intent, amount),
            Effect::Debit => sums.debit(entry, intent, amount),
            Effect::Transfer => sums.transferred = amount.saturating_neg(),
            Effect::Owe => sums.owe(entry, intent, amount),
            Effect::Repay => {
                sums.pending = amount.saturating_neg();
                match entry.kind {
                    Kind::REFUND => sums.refunded = amount,
                    Kind::EXPIRY => sums.expired = amount,
                    Kind::BAND_TRANSFER => sums.transferred = amount.saturating_neg(),
                    _ => {}
                }
            }
            Effect::Unknown(_) => sums.unknown = 1,
            Effect::None
            | Effect::Hold
            | Effect::HoldCredit
            | Effect::Release
            | Effect::In
            | Effect::Out
            | Effect::Block
            | Effect::Unblock => {}
        }
        sums
    }

    fn credit(&mut self, entry: &Entry, intent: Option<&Entry>, amount: i64) {
        match entry.kind {
            Kind::TOP_UP if intent.is_some_and(carries_credit) => self.pending = amount.saturating_neg(),
            Kind::TOP_UP | Kind::ONLINE_TOP_UP => self.top_up(entry, amount),
            Kind::BAND_TRANSFER => self.transferred = amount,
            Kind::GIFT => self.gifts = amount,
            Kind::CORRECTION_PLUS | Kind::CORRECTION_MINUS => self.corrections = amount,
            Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK => self.sale(entry, intent, amount.saturating_neg()),
            Kind::PENDING_CREDIT | Kind::ONLINE_CREDIT => self.pending = amount.saturating_neg(),
            Kind::REFUND => self.refunded = amount.saturating_neg(),
            Kind::FEE => self.fees = amount.saturating_neg(),
            Kind::EXPIRY => self.expired = amount.saturating_neg(),
            _ => self.other_credit = amount,
        }
    }

    fn debit(&mut self, entry: &Entry, intent: Option<&Entry>, amount: i64) {
        match entry.kind {
            Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK => self.sale(entry, intent, amount),
            Kind::REFUND => self.refunded = amount,
            Kind::FEE => self.fees = amount,
            Kind::EXPIRY => self.expired = amount,
            Kind::CORRECTION_PLUS | Kind::CORRECTION_MINUS => self.corrections = amount.saturating_neg(),
            Kind::TOP_UP => self.top_ups = amount.saturating_neg(),
            Kind::GIFT => self.gifts = amount.saturating_neg(),
            Kind::BAND_TRANSFER => self.transferred = amount.saturating_neg(),
            _ => self.other_debit = amount,
        }
    }

    fn owe(&mut self, entry: &Entry, intent: Option<&Entry>, amount: i64) {
        self.pending = amount;
        match entry.kind {
            Kind::TOP_UP | Kind::ONLINE_TOP_UP => self.top_up(entry, amount),
            Kind::BAND_TRANSFER => self.transferred = amount,
            Kind::GIFT => self.gifts = amount,
            Kind::SALE | Kind::DEPOSIT_BACK => self.sale(entry, intent, amount.saturating_neg()),
            _ => self.pending_issued = amount,
        }
    }

    fn top_up(&mut self, entry: &Entry, amount: i64) {
        let fee = match Detail::of(entry) {
            Ok(Detail::TopUp(top_up)) => top_up.fee.as_i64(),
            _ => 0,
        };
        self.top_ups = amount.saturating_add(fee);
        self.fees = fee;
    }

    /// `signed`: what the sale costs the wallet, negative when more cups came back than goods went out.
    fn sale(&mut self, entry: &Entry, intent: Option<&Entry>, signed: i64) {
        match sale_of(entry).or_else(|| intent.and_then(sale_of)) {
            Some(sale) => {
                self.deposits = sale.net_deposit();
                self.spent = signed.saturating_sub(sale.net_deposit());
            }
            None if entry.kind == Kind::SALE => self.spent = signed,
            None => self.deposits = signed,
        }
    }

    /// What an intent moves that was applied without a commit of its own.
    pub(super) fn applied(entry: &Entry, intent: &Intent) -> Self {
        let mut sums = Self::default();
        let amount = entry.amount.as_i64();
        match intent.purpose {
            IntentPurpose::Sale | IntentPurpose::ClosingRead => {
                let net = intent.sale.as_ref().map_or(0, Sale::net_deposit);
                sums.deposits = net;
                sums.spent = amount.saturating_sub(net);
            }
            IntentPurpose::TopUp => {
                sums.top_ups = amount.saturating_add(intent.fee.as_i64());
                sums.fees = intent.fee.as_i64();
            }
            IntentPurpose::Carry => sums.pending = amount.saturating_neg(),
            IntentPurpose::Refund => sums.refunded = amount,
        }
        sums
    }

    fn note_holds(&mut self, entry: &Entry, closed: Option<&Entry>) {
        let amount = entry.amount.as_i64();
        if entry.effect == Effect::Hold {
            self.hold_debit = amount;
        }
        if entry.effect == Effect::HoldCredit && !carries_credit(entry) {
            self.hold_credit = amount;
        }
        if opens(entry) {
            self.open_intents = 1;
        }
        let closes = closes(entry).is_some();
        if closes {
            self.open_intents = -1;
            let less = amount.saturating_neg();
            match (entry.effect, closed.map(|hold| hold.effect)) {
                (Effect::Debit, _) | (Effect::Release, Some(Effect::Hold)) => self.hold_debit = less,
                _ if carries_credit(entry) || closed.is_some_and(carries_credit) => {}
                (Effect::Credit, _) | (Effect::Release, Some(Effect::HoldCredit)) => self.hold_credit = less,
                (Effect::Release, _) => self.released = amount,
                _ => {}
            }
        }
        // A commit read what its intent says already; any other reading is for the full fold.
        let may_read = matches!(entry.kind, Kind::VOID | Kind::GAVE_UP | Kind::CLOSING_READ | Kind::REFUND);
        let reads = !closes && may_read && matches!(Detail::of(entry), Ok(Detail::Seen(Some(_))));
        // A C′ counts once, whoever carried it: only the full fold can tell.
        let carries =
            entry.kind == Kind::ONLINE_CREDIT && entry.effect == Effect::None || closed.is_some_and(carries_credit);
        let kinds = matches!(
            entry.kind,
            Kind::WRITTEN_OFF
                | Kind::RULING
                | Kind::VOID
                | Kind::GAVE_UP
                | Kind::SUSPICION
                | Kind::BLOCK
                | Kind::UNBLOCK
        );
        // what gives money back, or says that it did, must name what it goes back to
        let judged = (gives_back(entry) || delivers(entry)) && entry.refers_to.is_some();
        if kinds
            || reads
            || carries
            || judged
            || matches!(entry.effect, Effect::Block | Effect::Unblock | Effect::Release)
        {
            self.marks = 1;
        }
    }
}

/// A balance and what is owed beside it, with what one lacks taken off the other; what both lack stays with the balance.
/// A verdict that comes after a wallet's money was given out may leave them on opposite sides of 0: what was given out is
/// one sum then, and neither alone says what is left.
pub const fn netted(balance: i64, pending: i64) -> (i64, i64) {
    let both = balance.saturating_add(pending);
    if pending < 0 || both < 0 {
        (both, 0)
    } else if balance < 0 {
        (0, both)
    } else {
        (balance, pending)
    }
}

fn sum(amounts: &[i64]) -> i64 {
    amounts.iter().fold(0, |sum: i64, amount| sum.saturating_add(*amount))
}

fn sale_of(entry: &Entry) -> Option<Sale> {
    match Detail::of(entry) {
        Ok(Detail::Sale(sale)) => sale,
        Ok(Detail::Intent(intent)) => intent.sale,
        _ => None,
    }
}

/// A pending credit on its way to the chip takes no cash: it stays pending until it is settled.
fn carries_credit(entry: &Entry) -> bool {
    match entry.kind {
        Kind::PENDING_CREDIT | Kind::ONLINE_CREDIT => true,
        Kind::INTENT => matches!(Detail::of(entry), Ok(Detail::Intent(i)) if i.purpose == IntentPurpose::Carry),
        _ => false,
    }
}

/// Whether the entry is an intent or any other hold.
pub fn opens(entry: &Entry) -> bool {
    entry.kind == Kind::INTENT || matches!(entry.effect, Effect::Hold | Effect::HoldCredit)
}

/// The intent or hold that the entry ends, by commit or as void. A correction refers to what it corrects and ends nothing.
pub fn closes(entry: &Entry) -> Option<EntryRef> {
    let at = entry.refers_to?;
    let ends = match entry.kind {
        Kind::VOID | Kind::CLOSING_READ => true,
        Kind::REFUND if entry.effect == Effect::Repay => false,
        Kind::INTENT
        | Kind::GAVE_UP
        | Kind::HANDED_OVER
        | Kind::CORRECTION_PLUS
        | Kind::CORRECTION_MINUS
        | Kind::FEE
        | Kind::EXPIRY
        | Kind::DECISION => false,
        _ => matches!(entry.effect, Effect::Credit | Effect::Debit | Effect::Release | Effect::Repay),
    };
    ends.then_some(at)
}

/// Whether the entry gives a guest money back for which nothing new was paid: it corrects an entry of its journal, or says
/// that something paid was not handed over.
pub(super) fn gives_back(entry: &Entry) -> bool {
    match entry.kind {
        Kind::CORRECTION_PLUS => matches!(entry.effect, Effect::Credit | Effect::Owe),
        Kind::PENDING_CREDIT => entry.effect == Effect::Owe,
        _ => false,
    }
}

/// Whether the entry says that what was owed reached the band: it takes that off what is owed, and no cash was paid.
pub(super) fn delivers(entry: &Entry) -> bool {
    match entry.kind {
        Kind::TOP_UP => entry.effect == Effect::Repay,
        Kind::PENDING_CREDIT => matches!(entry.effect, Effect::Repay | Effect::Credit),
        _ => false,
    }
}

/// Whether the entry, where it ends the carrying of a C′, takes that off what is owed: each C′ does so once.
pub(super) fn ends_carrying(entry: &Entry) -> bool {
    let credits = entry.effect == Effect::Credit && matches!(entry.kind, Kind::TOP_UP | Kind::ONLINE_CREDIT);
    credits || delivers(entry) && entry.refers_to.is_some()
}

/// Whether the entry moved money that may be given back: something sold or paid out, or a top-up that was booked too low.
pub(super) fn may_be_given_back(entry: &Entry) -> bool {
    match entry.kind {
        Kind::SALE | Kind::DEPOSIT_OUT => entry.effect == Effect::Debit,
        Kind::REFUND => matches!(entry.effect, Effect::Debit | Effect::Repay),
        Kind::TOP_UP => entry.effect == Effect::Credit,
        _ => false,
    }
}

/// Whether `entry` moves or releases another amount than the hold of its wallet that it closes (`closes`): an invalid
/// entry, which is set aside.
pub fn differs(entry: &Entry, hold: &Entry) -> bool {
    let moves = matches!(entry.effect, Effect::Credit | Effect::Debit | Effect::Release | Effect::Repay);
    moves && opens(hold) && entry.subject == hold.subject && entry.amount != hold.amount
}
