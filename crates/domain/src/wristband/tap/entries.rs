//! The entries that a tap stores.
//! Invariant: each names its wallet; every entry that closes an intent refers to it and carries its amount.
//! In an entry whose part holds a `ChipSeen`, the record in force stood at the entry's tap counter less one.
//! Not here: stamps and the end-of-commit flag (the store sets both).
use alloc::vec::Vec;

use super::{OpenIntent, TapContext, decide::Draft};
use crate::{
    id::{EntryRef, WalletId},
    journal::{Detail, Effect, Entry, IntentPurpose, Kind, Means, Sale, SaleMarks, TopUp},
    money::{Cents, Currency},
    time::Hlc,
    wristband::PurseImage,
};

fn entry(kind: Kind, effect: Effect, ctx: &TapContext, wallet: WalletId) -> Entry {
    Entry { subject: wallet.into(), operator: ctx.operator, ..Entry::new(kind, effect, ctx.currency, Hlc::default()) }
}

/// Before anything is written.
pub(super) fn intent(draft: &Draft, ctx: &TapContext, wallet: WalletId) -> Entry {
    let effect = match draft.intent.purpose {
        IntentPurpose::Sale | IntentPurpose::Refund => Effect::Hold,
        IntentPurpose::TopUp | IntentPurpose::Carry => Effect::HoldCredit,
        IntentPurpose::ClosingRead => Effect::None,
    };
    Entry {
        amount: draft.amount,
        tap_counter: draft.tap_counter,
        price_revision: draft.price_revision,
        part: Detail::Intent(draft.intent.clone()).to_bytes(),
        ..entry(Kind::INTENT, effect, ctx, wallet)
    }
}

/// The chip shows what the intent was to write.
pub(super) fn commit(open: &OpenIntent, c_only: bool, ctx: &TapContext, wallet: WalletId) -> Entry {
    let (fee, means) = (open.intent.fee, open.intent.means);
    let seen = Detail::Seen(Some(open.intent.seen));
    let (kind, effect, part) = match open.intent.purpose {
        IntentPurpose::Sale => {
            let sale = open.intent.sale.clone().unwrap_or_default();
            (
                Kind::SALE,
                Effect::Debit,
                Detail::Sale(Some(Sale { lines: Vec::new(), marks: SaleMarks::default(), ..sale })),
            )
        }
        IntentPurpose::Refund => (Kind::REFUND, Effect::Debit, seen),
        IntentPurpose::TopUp => (Kind::TOP_UP, Effect::Credit, Detail::TopUp(TopUp { c_only, fee, means })),
        // what the hub signed was owed before; the box that carries it takes no cash
        IntentPurpose::Carry => (Kind::TOP_UP, Effect::Repay, Detail::TopUp(TopUp { c_only, fee, means })),
        IntentPurpose::ClosingRead => (Kind::CLOSING_READ, Effect::None, seen),
    };
    Entry {
        amount: open.amount,
        tap_counter: open.tap_counter,
        price_revision: open.price_revision,
        operator: open.operator,
        refers_to: Some(open.entry),
        part: part.to_bytes(),
        ..entry(kind, effect, ctx, wallet)
    }
}

/// The intent did not come to be. `image` is what the chip showed, if it was read after.
pub(super) fn void(open: &OpenIntent, image: Option<&PurseImage>, ctx: &TapContext, wallet: WalletId) -> Entry {
    let effect = match open.intent.purpose {
        IntentPurpose::ClosingRead => Effect::None,
        IntentPurpose::Sale | IntentPurpose::Refund | IntentPurpose::TopUp | IntentPurpose::Carry => Effect::Release,
    };
    Entry { amount: open.amount, ..closing(Kind::VOID, effect, open, image, ctx, wallet) }
}

/// This box will never write, commit or serve the intent again.
pub(super) fn gave_up(open: &OpenIntent, image: &PurseImage, ctx: &TapContext, wallet: WalletId) -> Entry {
    closing(Kind::GAVE_UP, Effect::None, open, Some(image), ctx, wallet)
}

fn closing(
    kind: Kind,
    effect: Effect,
    open: &OpenIntent,
    image: Option<&PurseImage>,
    ctx: &TapContext,
    wallet: WalletId,
) -> Entry {
    Entry {
        tap_counter: image.map_or(open.tap_counter, |image| image.record().tap_counter.saturating_add(1)),
        refers_to: Some(open.entry),
        part: Detail::Seen(image.map(PurseImage::seen)).to_bytes(),
        ..entry(kind, effect, ctx, wallet)
    }
}

/// Something on the chip that does not fit: the part is the code, in ASCII.
pub(super) fn suspicion(
    code: &str,
    amount: Cents,
    refers_to: Option<EntryRef>,
    ctx: &TapContext,
    wallet: WalletId,
) -> Entry {
    Entry { amount, refers_to, part: code.as_bytes().to_vec(), ..entry(Kind::SUSPICION, Effect::None, ctx, wallet) }
}

/// A band whose money is in the ledger (profiles `uid` and pointer), and who serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UidAccount {
    /// Its wallet.
    pub wallet: WalletId,
    /// The festival's currency.
    pub currency: Currency,
    /// Who is at the till.
    pub operator: u32,
}

/// The one entry of a sale without a purse: no intent, all lines in the part.
pub fn uid_sale_entry(account: &UidAccount, sale: Sale, amount: Cents, price_revision: u32) -> Entry {
    Entry {
        subject: account.wallet.into(),
        operator: account.operator,
        amount,
        price_revision,
        part: Detail::Sale(Some(sale)).to_bytes(),
        ..Entry::new(Kind::SALE, Effect::Debit, account.currency, Hlc::default())
    }
}

/// The one entry of a top-up without a purse.
pub fn uid_top_up_entry(account: &UidAccount, amount: Cents, fee: Cents, means: Means) -> Entry {
    Entry {
        subject: account.wallet.into(),
        operator: account.operator,
        amount,
        part: Detail::TopUp(TopUp { c_only: false, fee, means }).to_bytes(),
        ..Entry::new(Kind::TOP_UP, Effect::Credit, account.currency, Hlc::default())
    }
}

/// The one entry of a refund without a purse.
pub fn uid_refund_entry(account: &UidAccount, amount: Cents) -> Entry {
    Entry {
        subject: account.wallet.into(),
        operator: account.operator,
        amount,
        ..Entry::new(Kind::REFUND, Effect::Debit, account.currency, Hlc::default())
    }
}
