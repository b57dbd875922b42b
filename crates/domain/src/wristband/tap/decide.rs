//! What a tap decides once the purse is read: how an intent in doubt stands, and what a request would write.
//! Invariant: pure functions of what was read; a decision to write names every byte.
//! Not here: the order of commands (`machine`).
use alloc::vec::Vec;

use ed25519_dalek::SigningKey;

use super::{KnownWallet, OpenIntent, TapContext, TapRefusal, TapRequest};
use crate::{
    journal::{Intent, IntentPurpose, Means},
    money::Cents,
    wristband::{
        BandKeys, CREDIT_RECORD_LEN, CreditId, CreditRecord, PurseImage, RecordId, SpentRecord,
        layout::{PageWrite, page_writes},
    },
};

/// How an intent in doubt stands, by what the chip shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its records are there. `c_only`: its C is, its S is left out.
    Applied { c_only: bool },
    /// What it was built on is still in force: write again.
    Again { plan: Plan, c_only: bool },
    /// Another record stands in its place.
    NotApplied,
    /// Cannot be told.
    Unclear,
}

pub(super) fn standing(open: &OpenIntent, image: &PurseImage, ctx: &TapContext, band: &BandKeys) -> Standing {
    match &open.intent.new_credit {
        Some(new_credit) => credit_standing(open, new_credit, image, ctx, band),
        None if image.base() == open.intent.seen.base => match record_writes(open, image, ctx, band) {
            Some(writes) => Standing::Again { plan: plan(writes, 0, open.intent.spent_after, image), c_only: false },
            None => Standing::Unclear,
        },
        None => match image.has_in_chain(open.intent.own, open.tap_counter) {
            Some(true) => Standing::Applied { c_only: false },
            Some(false) => Standing::NotApplied,
            None => Standing::Unclear,
        },
    }
}

/// A top-up or carried C′ is never cancelled: its C counts, and is completed where it still can be.
fn credit_standing(
    open: &OpenIntent,
    new_credit: &[u8; CREDIT_RECORD_LEN],
    image: &PurseImage,
    ctx: &TapContext,
    band: &BandKeys,
) -> Standing {
    let base = image.base();
    let moved = base != open.intent.seen.base;
    let c_only = moved && base != open.intent.own;
    if image.includes_credit(CreditId::of(new_credit)) {
        if moved {
            return Standing::Applied { c_only };
        }
        return match record_writes(open, image, ctx, band) {
            Some(writes) => Standing::Again { plan: plan(writes, 0, open.intent.spent_after, image), c_only: false },
            None => Standing::Applied { c_only: true },
        };
    }
    if CreditRecord::read(new_credit).link != image.credit_id() {
        return Standing::Unclear;
    }
    let mut writes = page_writes(image.free_credit_page(), new_credit);
    let c_writes = writes.len();
    let record = if moved { None } else { record_writes(open, image, ctx, band) };
    let c_only = record.is_none();
    writes.extend(record.unwrap_or_default());
    let spent_after = if c_only { image.record().spent } else { open.intent.spent_after };
    Standing::Again { plan: plan(writes, c_writes, spent_after, image), c_only }
}

/// The very same S record again; `None` when this box cannot make its bytes any more (its number has changed).
fn record_writes(open: &OpenIntent, image: &PurseImage, ctx: &TapContext, band: &BandKeys) -> Option<Vec<PageWrite>> {
    let intent = &open.intent;
    let credit_seq = intent.new_credit.as_ref().map_or(intent.seen.credit_seq, |c| CreditRecord::read(c).seq);
    let record = SpentRecord {
        tap_counter: open.tap_counter,
        spent: intent.spent_after,
        credit_seq,
        box_number: ctx.box_number,
        link: intent.seen.base,
    };
    let bytes = record.seal(band);
    (RecordId::of(&bytes) == intent.own).then(|| page_writes(image.free_spent_page(), &bytes))
}

/// The command from which on an intent can no longer be voided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deciding {
    /// This write.
    Write(usize),
    /// The first one: it destroys the C record that it replaces.
    FirstWrite,
    /// The increment, after all writes.
    Increment,
}

/// What is sent to the chip for an intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) writes: Vec<PageWrite>,
    /// By how much the chip's counter is raised then.
    pub(super) increment: Option<Cents>,
    pub(super) deciding: Deciding,
}

impl Plan {
    /// Nothing is sent.
    pub(super) const fn nothing() -> Self {
        Self { writes: Vec::new(), increment: None, deciding: Deciding::FirstWrite }
    }
}

/// `c_writes`: how many of the writes are of a C record, in front of those of the S record.
fn plan(writes: Vec<PageWrite>, c_writes: usize, spent_after: Cents, image: &PurseImage) -> Plan {
    let increment = image.increment_to(spent_after);
    let deciding = match (c_writes, increment) {
        (0, Some(_)) => Deciding::Increment,
        (0, None) => Deciding::Write(writes.len().saturating_sub(1)),
        (1.., _) if image.map().has_one_credit_slot() => Deciding::FirstWrite,
        (1.., _) => Deciding::Write(c_writes.saturating_sub(1)),
    };
    Plan { writes, increment, deciding }
}

/// A new intent and what carries it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) intent: Intent,
    pub(super) amount: Cents,
    pub(super) tap_counter: u16,
    pub(super) price_revision: u32,
    pub(super) plan: Plan,
    /// How much less the chip said was spent than the ledger knows.
    pub(super) written_forward: Cents,
}

struct Change {
    purpose: IntentPurpose,
    amount: Cents,
    spent_after: Cents,
    new_credit: Option<[u8; CREDIT_RECORD_LEN]>,
}

pub(super) fn draft(
    request: &TapRequest,
    known: &KnownWallet,
    image: &PurseImage,
    ctx: &TapContext,
    band: &BandKeys,
) -> Result<Draft, TapRefusal> {
    if ctx.box_number.0 == 0 {
        return Err(TapRefusal::NoBoxNumber);
    }
    let tap_counter = image.record().tap_counter.checked_add(1).ok_or(TapRefusal::CounterExhausted)?;
    let change = change(request, known, image, ctx, band)?;
    let credit_seq = change.new_credit.as_ref().map_or(image.credit().seq, |c| CreditRecord::read(c).seq);
    let record = SpentRecord {
        tap_counter,
        spent: change.spent_after,
        credit_seq,
        box_number: ctx.box_number,
        link: image.base(),
    }
    .seal(band);
    let mut writes: Vec<PageWrite> =
        change.new_credit.iter().flat_map(|credit| page_writes(image.free_credit_page(), credit)).collect();
    let c_writes = writes.len();
    writes.extend(page_writes(image.free_spent_page(), &record));
    let (sale, price_revision) = match request {
        TapRequest::Sale { sale, price_revision, .. } => (Some(sale.clone()), *price_revision),
        TapRequest::TopUp { .. }
        | TapRequest::Carry { .. }
        | TapRequest::Refund
        | TapRequest::Supersede { .. }
        | TapRequest::ClosingRead
        | TapRequest::Balance => (None, 0),
    };
    let (fee, means) = match request {
        TapRequest::TopUp { fee, means, .. } => (*fee, *means),
        TapRequest::Sale { .. }
        | TapRequest::Carry { .. }
        | TapRequest::Refund
        | TapRequest::Supersede { .. }
        | TapRequest::ClosingRead
        | TapRequest::Balance => (Cents::ZERO, Means::None),
    };
    let spent = image.record().spent;
    let moved = if change.new_credit.is_some() { Cents::ZERO } else { change.amount };
    let forward = change.spent_after.minus(moved).and_then(|before| before.minus(spent));
    Ok(Draft {
        intent: Intent {
            purpose: change.purpose,
            seen: image.seen(),
            own: RecordId::of(&record),
            spent_after: change.spent_after,
            new_credit: change.new_credit,
            old_credit: change.new_credit.filter(|_| image.map().has_one_credit_slot()).map(|_| image.credit_bytes()),
            sale,
            fee,
            means,
        },
        amount: change.amount,
        tap_counter,
        price_revision,
        plan: plan(writes, c_writes, change.spent_after, image),
        written_forward: forward.unwrap_or(Cents::ZERO),
    })
}

fn change(
    request: &TapRequest,
    known: &KnownWallet,
    image: &PurseImage,
    ctx: &TapContext,
    band: &BandKeys,
) -> Result<Change, TapRefusal> {
    let credits = image.credit().credits;
    let balance = image.balance(known.ledger_spent);
    // Never more than the credits: a ledger that knows of more spends than the chip can hold is for the hub to name.
    let spent = image.effective_spent(known.ledger_spent).min(credits);
    match request {
        TapRequest::Sale { amount, .. } => {
            let short = TapRefusal::NotEnough { balance, price: *amount };
            let spent_after = spent.plus(*amount).filter(|after| *after <= credits).ok_or(short)?;
            within_offline_limit(*amount, known, image)?;
            Ok(Change { purpose: IntentPurpose::Sale, amount: *amount, spent_after, new_credit: None })
        }
        TapRequest::TopUp { amount, key, .. } => {
            if *amount == Cents::ZERO {
                return Err(TapRefusal::NothingToMove);
            }
            let new_credit = Some(next_credit(*amount, key, balance, known, image, ctx, band)?);
            Ok(Change { purpose: IntentPurpose::TopUp, amount: *amount, spent_after: spent, new_credit })
        }
        TapRequest::Carry { record } => {
            let new = CreditRecord::read(record);
            let outdated = TapRefusal::CreditOutdated;
            let amount = new.credits.minus(credits).ok_or(outdated)?;
            if amount == Cents::ZERO || new.link != image.credit_id() || new.seq <= image.credit().seq {
                return Err(outdated);
            }
            checked_credit(record, balance, amount, ctx, |known| {
                CreditRecord::verify(record, &known.public, band.festival(), band.wallet()).is_ok()
            })?;
            Ok(Change { purpose: IntentPurpose::Carry, amount, spent_after: spent, new_credit: Some(*record) })
        }
        TapRequest::Supersede { key, head } => {
            let record = image.record();
            let untouched = record.tap_counter == 0 && head.0 == 0;
            // a C beyond the S in force was written by somebody who did not come to its S
            if image.credit().seq != record.credit_seq || !untouched && *head != (record.tap_counter, image.base()) {
                return Err(TapRefusal::Unheard);
            }
            let new_credit = Some(next_credit(Cents::ZERO, key, balance, known, image, ctx, band)?);
            Ok(Change { purpose: IntentPurpose::TopUp, amount: Cents::ZERO, spent_after: spent, new_credit })
        }
        TapRequest::Refund if balance == Cents::ZERO => Err(TapRefusal::NothingToMove),
        TapRequest::Refund => {
            within_offline_limit(balance, known, image)?;
            Ok(Change { purpose: IntentPurpose::Refund, amount: balance, spent_after: credits, new_credit: None })
        }
        TapRequest::ClosingRead | TapRequest::Balance => Ok(Change {
            purpose: IntentPurpose::ClosingRead,
            amount: Cents::ZERO,
            spent_after: spent,
            new_credit: None,
        }),
    }
}

/// A chip whose counter cannot be set back is not bounded: what it says was spent holds for every copy of its memory.
fn within_offline_limit(price: Cents, known: &KnownWallet, image: &PurseImage) -> Result<(), TapRefusal> {
    match &known.offline {
        Some(offline) if price > Cents::ZERO && image.can_be_copied() => offline.allows(price),
        Some(_) | None => Ok(()),
    }
}

/// The C that a desk puts in the place of the one on the chip, with `amount` more.
fn next_credit(
    amount: Cents,
    key: &SigningKey,
    balance: Cents,
    known: &KnownWallet,
    image: &PurseImage,
    ctx: &TapContext,
    band: &BandKeys,
) -> Result<[u8; CREDIT_RECORD_LEN], TapRefusal> {
    let over = TapRefusal::OverMaximum { maximum: ctx.maximum_balance };
    let seq = image.credit().seq.max(known.credit_seq).checked_add(1).ok_or(TapRefusal::CreditsExhausted)?;
    let credits = image.credit().credits.plus(amount).ok_or(over)?;
    let record = CreditRecord::sign(credits, seq, image.credit_id(), key, band.festival(), band.wallet());
    let public = key.verifying_key().to_bytes();
    checked_credit(&record, balance, amount, ctx, |known| known.public == public)?;
    Ok(record)
}

/// A C that every box will take, and a balance within the festival's maximum.
fn checked_credit(
    record: &[u8; CREDIT_RECORD_LEN],
    balance: Cents,
    amount: Cents,
    ctx: &TapContext,
    signed: impl Fn(&super::CreditKey) -> bool,
) -> Result<(), TapRefusal> {
    let id = CreditRecord::read(record).key;
    if !ctx.credit_keys.iter().any(|key| key.id == id && !key.revoked && signed(key)) {
        return Err(TapRefusal::UnknownCreditKey);
    }
    match balance.plus(amount) {
        Some(after) if after <= ctx.maximum_balance => Ok(()),
        _ => Err(TapRefusal::OverMaximum { maximum: ctx.maximum_balance }),
    }
}
