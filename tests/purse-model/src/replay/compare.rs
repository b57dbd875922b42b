//! Whether the real festival is as the model says.
//! Not here: how it came there (`real`).
use anyhow::{Result, ensure};
use domain::{
    journal::Kind as EntryKind,
    ledger::{self, NotDue, fold_wallet, owed},
    wristband::{CreditId, CreditRecord, RecordId, SpentRecord},
};

use super::real::{Festival, band_keys, cents, credit_keys, wallet};
use crate::purse::{
    Config,
    hub::{Hub, Verdict},
    state::{Chip, GENESIS, State, Status, TORN},
};

/// Chips, journals and what the hub makes of them.
pub(super) fn all(festival: &Festival, state: &State, config: &Config) -> Result<()> {
    for band in 0..config.bands {
        spent_slots(festival, state, band)?;
        credit_slots(festival, state, band)?;
        in_force(festival, state, config, band)?;
        hub(festival, state, config, band)?;
    }
    journals(festival, state)
}

/// Slots are counted from where the first top-up wrote: the model's first is the chip's second.
fn spent_slots(festival: &Festival, state: &State, band: usize) -> Result<()> {
    let pages = festival.pages(band);
    for at in 0..2 {
        let first = usize::from(pages.map().spent_pages[1 - at] - 4) * 4;
        let bytes: [u8; 20] = memory(festival, band)[first..first + 20].try_into()?;
        let real = SpentRecord::open(&bytes, &band_keys(band));
        let modelled = state.slot(band, at);
        // what the maker wrote first was never in force in this world
        let is_old = real.is_some_and(|record| record.tap_counter == 0);
        match modelled {
            TORN => ensure!(real.is_none() || is_old, "S slot {at} holds {real:?}, torn in the model"),
            GENESIS => ensure!(real.is_some_and(|record| record.tap_counter == 1), "S slot {at}: {real:?}"),
            record => {
                let known = festival.records.get(&record);
                ensure!(real.is_some() && known == Some(&RecordId::of(&bytes)), "S slot {at} holds another record");
            }
        }
    }
    Ok(())
}

/// From the header on.
fn memory(festival: &Festival, band: usize) -> Vec<u8> {
    festival.chips[band].memory()[16..].to_vec()
}

fn credit_slots(festival: &Festival, state: &State, band: usize) -> Result<()> {
    let pages = festival.pages(band);
    let slots = pages.credit_slots();
    for (at, bytes) in slots.iter().enumerate() {
        let modelled = state.chips[band].c[if slots.len() == 2 { 1 - at } else { at }];
        let keys = band_keys(band);
        let signed = credit_keys()
            .iter()
            .any(|key| CreditRecord::verify(bytes, &key.public, keys.festival(), keys.wallet()).is_ok());
        if modelled == TORN {
            let is_old = CreditRecord::read(bytes).seq == 0;
            ensure!(!signed || is_old, "C slot {at} holds a record, torn in the model");
        } else {
            let known = festival.credits.get(&modelled).map(CreditId::of);
            ensure!(signed && known == Some(CreditId::of(bytes)), "C slot {at} holds another record");
        }
    }
    Ok(())
}

fn in_force(festival: &Festival, state: &State, config: &Config, band: usize) -> Result<()> {
    let pages = festival.pages(band);
    if config.chip == Chip::Aes {
        let (real, modelled) = (pages.counter(), cents(state.chips[band].count));
        ensure!(real == Some(modelled), "the counter is {real:?}, {modelled} in the model");
    }
    let image = pages.judge(&band_keys(band), &credit_keys());
    let modelled = state.in_force(band, config).ok().zip(state.credit(band));
    match (&image, modelled) {
        (Ok(image), Some((slot, (_, credit)))) => {
            let record = state.slot(band, slot);
            let (spent, credits) = (cents(state.spent(record)), cents(state.credit_of(credit).credits));
            ensure!(image.record().spent == spent, "spent {} on the chip, {spent} in the model", image.record().spent);
            ensure!(image.credit().credits == credits, "{} credits, {credits} in the model", image.credit().credits);
            ensure!(u16::from(state.ctr(record)) + 1 == image.record().tap_counter, "another tap counter");
        }
        (Err(_), None) => {}
        (found, modelled) => anyhow::bail!("the chip is {found:?}, in the model {modelled:?}"),
    }
    Ok(())
}

fn journals(festival: &Festival, state: &State) -> Result<()> {
    for (by, k, _) in state.made() {
        let status = state.books[by].status[k];
        if status == Status::Draft {
            continue;
        }
        let seq = festival.boxes[by].intents.get(&k).copied();
        let endings = seq.map(|seq| festival.boxes[by].endings(seq)).unwrap_or_default();
        let kinds: Vec<EntryKind> = endings.iter().map(|entry| entry.kind).collect();
        let real = match kinds.as_slice() {
            [] => Status::Open,
            [EntryKind::GAVE_UP] => Status::GaveUp,
            [EntryKind::VOID] => Status::Void,
            [_] => Status::Commit,
            several => anyhow::bail!("several endings: {several:?}"),
        };
        ensure!(real == status, "intent {k} of box {by} is {real:?} ({kinds:?}), {status:?} in the model");
    }
    Ok(())
}

fn hub(festival: &Festival, state: &State, config: &Config, band: usize) -> Result<()> {
    let merged = festival.merged(band);
    let fold = fold_wallet(wallet(band), &merged);
    let hub = Hub::new(state, config, &state.heard, band);
    for (by, k, _) in state.made().filter(|(.., intent)| usize::from(intent.band) == band) {
        let Ok(at) = festival.boxes[by].intent_ref(k) else { continue };
        let real = fold.settled.iter().find(|settled| settled.intent == at).map(|settled| settled.verdict);
        let modelled = match hub.verdict(by, k) {
            Verdict::Unknown => None,
            Verdict::Doubt => Some(ledger::Verdict::Doubt),
            Verdict::Void => Some(ledger::Verdict::Void),
            Verdict::NotApplied => Some(ledger::Verdict::NotApplied),
            Verdict::Applied => Some(ledger::Verdict::Applied),
            Verdict::Committed => Some(ledger::Verdict::Committed),
        };
        ensure!(real == modelled, "the hub says {real:?} of intent {k} of box {by}, {modelled:?} in the model");
    }
    let (real, modelled) = (fold.accounts.pending, i64::from(hub.pending()) * 100);
    ensure!(real == modelled, "the hub owes {real}, {modelled} in the model");
    let (real, modelled) = (fold.state.pending, u32::from(hub.payable()) * 100);
    ensure!(real == modelled, "the hub lets pay out {real}, {modelled} in the model");
    if config.hub_credits {
        let real = owed(&fold, &merged, cents(250)).due;
        let modelled = hub.due();
        let same = match (&real, modelled) {
            (Ok(due), Some((_, seq, amount))) => due.seq == seq && due.amount == cents(amount),
            (Err(NotDue::Offered | NotDue::Nothing | NotDue::Unclear | NotDue::Suspect), None) => true,
            _ => false,
        };
        ensure!(same, "the hub's next C′ is {real:?}, {modelled:?} in the model");
    }
    Ok(())
}
