//! What a purse is owed, and the C′ that may be signed for it.
//!
//! C′ replaces exactly one C, so a chip takes at most one of all that are signed for the same C. What makes it safe to
//! sign again is therefore to know that none of those signed before is on the chip uncounted: a C′ counts as soon as
//! anybody saw it there, or a later C whose ancestry is known to include it; where the ancestry is not known, the hub
//! waits for the journals that are missing.
//! Invariant: all C′ ever seen on the chip never exceed what was owed.
//! Not here: signing (the hub), writing to the chip (`wristband::tap`).
use alloc::{collections::BTreeSet, vec::Vec};

use super::{
    judged::{Extent, judged},
    settle::{Evidence, WalletEntry, credit_id, credit_link, credit_seq, credits_of},
    wallet::{WalletFold, concerns, distinct},
    wallet_state::WalletFlags,
};
use crate::{
    id::{EntryRef, WalletId},
    journal::{Effect, OnlineCredit},
    money::Cents,
    wire::{Malformed, Reader, Writer},
    wristband::{CREDIT_RECORD_LEN, CreditId},
};

/// The newest C that is known to have been on the chip.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditHead {
    /// Which.
    pub id: CreditId,
    /// Its sequence.
    pub seq: u8,
    /// Its credits.
    pub credits: Cents,
}

/// Where a C′ that was signed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrying {
    /// On the chip, or below the C there.
    Carried,
    /// Replaces the newest C known: any box may write it.
    Open,
    /// Another C replaced the one that it names: it can never be written.
    Superseded,
    /// The chip has moved on, and whether over this C′ cannot be told before more journals arrive.
    Unclear,
}

/// A C′ that was signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The hub's entry.
    pub at: EntryRef,
    /// Its bytes.
    pub record: [u8; CREDIT_RECORD_LEN],
    /// How much it adds.
    pub amount: Cents,
    /// Where it stands.
    pub carrying: Carrying,
}

/// A C′ that may be signed now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Due {
    /// The C that it replaces.
    pub head: CreditHead,
    /// Its sequence: above every one that any entry names.
    pub seq: u8,
    /// How much it adds.
    pub amount: Cents,
    /// What that is owed for, oldest first, as far as it fits into the entry.
    pub covers: Vec<EntryRef>,
}

/// Why nothing is to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotDue {
    /// Nothing is owed.
    Nothing,
    /// Newer software wrote about the wallet.
    Frozen,
    /// The band is blocked: no box would write it.
    Blocked,
    /// The chip was copied or tampered with, more was spent than there was, or two histories contradict each other: a
    /// person decides.
    Suspect,
    /// No box has read this chip yet.
    NeverSeen,
    /// An earlier C′ may be on the chip, or a desk may have paid out in cash: journals are missing.
    Unclear,
    /// A C′ over the whole sum is on its way.
    Offered,
    /// The chip takes no further C.
    Exhausted,
}

/// What a state delta tells boxes of one wallet: the C′ to carry, or that there is none any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreditItem {
    /// Whose.
    pub wallet: WalletId,
    /// C′ and how much it adds.
    pub offer: Option<([u8; CREDIT_RECORD_LEN], Cents)>,
}

impl CreditItem {
    /// Length in bytes.
    pub const LEN: usize = 16 + CREDIT_RECORD_LEN + 4;

    /// Wallet 16 · C′ 76 · amount u32; all zero after the wallet where there is none.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (record, amount) = self.offer.unwrap_or(([0; CREDIT_RECORD_LEN], Cents::ZERO));
        let mut out = Writer::new();
        self.wallet.write(&mut out);
        out.bytes(&record);
        out.u32(amount.get());
        out.finish()
    }

    /// Reads the 96 bytes.
    pub fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let wallet = WalletId::read(input)?;
        let record: [u8; CREDIT_RECORD_LEN] = input.array()?;
        let amount = Cents::new(input.u32()?).ok_or(Malformed::Value("amount"))?;
        match (record.iter().all(|byte| *byte == 0), amount == Cents::ZERO) {
            (true, true) => Ok(Self { wallet, offer: None }),
            (false, false) => Ok(Self { wallet, offer: Some((record, amount)) }),
            _ => Err(Malformed::Value("credit on offer")),
        }
    }
}

/// What a purse is owed and how it gets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Owed, in minor units; negative where more was carried than owed, which honest keys never do.
    pub pending: i64,
    /// Every C′ that was signed, oldest first.
    pub offers: Vec<Offer>,
    /// The C′ to sign, or why none is.
    pub due: Result<Due, NotDue>,
}

impl Owed {
    /// The C′ that boxes are to carry.
    pub fn on_offer(&self) -> Option<&Offer> {
        let open = self.offers.iter().filter(|offer| offer.carrying == Carrying::Open);
        open.filter(|offer| offer.amount.as_i64() <= self.pending).max_by_key(|offer| credit_seq(&offer.record))
    }
}

/// What the purse of this fold is owed. `entries` are those that were folded; no C′ goes beyond `maximum`.
pub fn owed(fold: &WalletFold, entries: &[WalletEntry], maximum: Cents) -> Owed {
    let judged = judged(entries, Extent::Whole);
    let set = distinct(&judged);
    let evidence = Evidence::of(set.iter().copied().filter(|e| concerns(fold.state.wallet, e)));
    let head = head(&evidence);
    let signed = evidence.readers().filter_map(|e| Some((e, e.online_credit()?.record?)));
    let mut offers: Vec<Offer> = signed
        .map(|(e, record)| Offer {
            at: e.at,
            record,
            amount: e.entry.amount,
            carrying: carrying(&record, head.as_ref().ok(), &evidence),
        })
        .collect();
    offers.sort_by_key(|offer| offer.at);
    let pending = fold.accounts.pending;
    let mut found = Owed { pending, offers, due: Err(NotDue::Nothing) };
    found.due = due(fold, &found, head, &evidence, maximum);
    found
}

fn due(
    fold: &WalletFold,
    owed: &Owed,
    head: Result<CreditHead, NotDue>,
    evidence: &Evidence<'_>,
    maximum: Cents,
) -> Result<Due, NotDue> {
    let flags = fold.state.flags;
    let pending = Cents::try_from(owed.pending).ok().filter(|pending| *pending > Cents::ZERO).ok_or(NotDue::Nothing)?;
    if flags.has(WalletFlags::FROZEN) {
        return Err(NotDue::Frozen);
    }
    if flags.has(WalletFlags::BLOCKED) {
        return Err(NotDue::Blocked);
    }
    if flags.has(WalletFlags::DISPUTED) || flags.has(WalletFlags::OVERSPENT) || !fold.forks.is_empty() {
        return Err(NotDue::Suspect);
    }
    let head = head?;
    if owed.offers.iter().any(|offer| offer.carrying == Carrying::Unclear) {
        return Err(NotDue::Unclear);
    }
    let amount = pending.min(maximum);
    if !evidence.accounts_for_every_credit(head.id) {
        return Err(NotDue::Unclear);
    }
    if owed.on_offer().is_some_and(|offer| offer.amount == amount) {
        return Err(NotDue::Offered);
    }
    let seq = head.seq.max(fold.state.credit_seq).checked_add(1).ok_or(NotDue::Exhausted)?;
    head.credits.plus(amount).ok_or(NotDue::Exhausted)?;
    Ok(Due { head, seq, amount, covers: covers(fold, owed, evidence) })
}

/// The C with the highest sequence that anybody saw or wrote: a chip only ever takes higher ones.
fn head(evidence: &Evidence<'_>) -> Result<CreditHead, NotDue> {
    let seen = evidence.readers().filter_map(|e| e.seen());
    let seen = seen.map(|seen| CreditHead { id: seen.credit_id, seq: seen.credit_seq, credits: seen.credits });
    let written = evidence.readers().filter_map(|e| evidence.written_credit(e)).filter_map(|record| {
        let credits = Cents::try_from(credits_of(record)).ok()?;
        Some(CreditHead { id: credit_id(record), seq: credit_seq(record), credits })
    });
    let mut newest: Option<CreditHead> = None;
    let mut rival = false;
    for head in seen.chain(written) {
        match newest {
            Some(best) if best.seq > head.seq => {}
            Some(best) if best.seq == head.seq => rival |= best.id != head.id,
            Some(_) | None => (newest, rival) = (Some(head), false),
        }
    }
    if rival { Err(NotDue::Suspect) } else { newest.ok_or(NotDue::NeverSeen) }
}

/// Whether nobody can have paid out or carried anything of what is owed without its being known.
pub(super) fn is_accounted_for(evidence: &Evidence<'_>) -> bool {
    match head(evidence) {
        Ok(head) => evidence.accounts_for_every_credit(head.id),
        Err(not_due) => not_due == NotDue::NeverSeen,
    }
}

fn carrying(record: &[u8; CREDIT_RECORD_LEN], head: Option<&CreditHead>, evidence: &Evidence<'_>) -> Carrying {
    let base = credit_link(record);
    if evidence.credit_is_on_chip(credit_id(record)) {
        return Carrying::Carried;
    }
    let Some(head) = head else { return Carrying::Unclear };
    if head.id == base {
        return Carrying::Open;
    }
    let (mut at, mut walked) = (head.id, BTreeSet::new());
    while walked.insert(at) {
        match evidence.link_of(at) {
            Some(link) if link == base => return Carrying::Superseded,
            Some(link) => at = link,
            None => break,
        }
    }
    Carrying::Unclear
}

/// What is owed and was not carried yet.
fn covers(fold: &WalletFold, owed: &Owed, evidence: &Evidence<'_>) -> Vec<EntryRef> {
    let carried =
        |at: &EntryRef| owed.offers.iter().any(|offer| offer.at == *at && offer.carrying == Carrying::Carried);
    let paid: BTreeSet<EntryRef> = evidence
        .readers()
        .filter(|e| carried(&e.at))
        .filter_map(|e| e.online_credit())
        .flat_map(|credit| credit.covers.iter().copied())
        .collect();
    let owes = evidence.readers().filter(|e| e.entry.effect == Effect::Owe).map(|e| e.at);
    let settled = fold.settled.iter().filter(|settled| settled.consequence().owed > 0).map(|settled| settled.intent);
    let all: BTreeSet<EntryRef> = owes.chain(settled).filter(|at| !paid.contains(at)).collect();
    all.into_iter().take(OnlineCredit::MAX_COVERS).collect()
}
