//! What each desk has put on bands and accounts, beside the quota of its certificate: a stolen desk mints until its
//! revocation arrives, and this is how it shows.
//! Invariant: every top-up is counted once, in all histories; what was counted is not read again.
//! Not here: whether it counts (`ingest::journals`), deciding about it (`matters`).
use std::collections::BTreeMap;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, device_id},
    journal::{Detail, Effect, Entry, Flags, IntentPurpose, Kind},
    ledger::closes,
    money::Currency,
    trust::CertificateChain,
};
use screens::view::ConflictKind;

use crate::{
    conflicts::KeptConflict,
    hub::{Hub, HubError},
    ingest::journals::{Journal, ReadBody},
    store::{Store, StoreError, StoredRun},
};

/// What one journal of a desk has put on so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct PutOn {
    /// By run, where it began then and the first position that was not looked at.
    next: BTreeMap<u32, (u32, u32)>,
    cents: u64,
    /// Top-ups that it announced to a chip and has not ended, which a later read of the band settles without its word.
    announced: BTreeMap<u32, u64>,
    /// Where the last one stands, and when it was.
    last: Option<(u32, u64)>,
}

/// One desk beyond its quota.
struct Beyond {
    device: DeviceId,
    number: BoxNumber,
    /// Whole quotas that it put on.
    times: u64,
    quota: u64,
    last: (EntryRef, u64),
}

/// Money that an entry puts on a band or account: for cash or a card, as a gift, or moved from a band that it does not name.
fn put_on(entry: &Entry) -> Option<u64> {
    let puts_on = matches!(entry.kind, Kind::TOP_UP | Kind::GIFT | Kind::BAND_TRANSFER);
    let is_new = puts_on && matches!(entry.effect, Effect::Credit | Effect::Owe);
    is_new.then(|| entry.amount.get().into())
}

/// Whether it is about to put money on a chip.
fn announces(entry: &Entry) -> bool {
    let is_top_up = |intent: &Entry| matches!(Detail::of(intent), Ok(Detail::Intent(intent)) if intent.purpose == IntentPurpose::TopUp);
    entry.kind == Kind::INTENT && is_top_up(entry)
}

impl PutOn {
    fn look(&mut self, journal: &Journal, store: &Store, currency: Currency) -> Result<(), StoreError> {
        let moved = |run: &StoredRun| self.next.get(&run.run).is_some_and(|(first, _)| *first != run.first);
        if journal.tree.runs().iter().any(moved) {
            *self = Self::default();
        }
        for run in journal.tree.runs() {
            let next = self.next.get(&run.run).map_or(run.first, |(_, next)| *next);
            store.each_body(journal.id.into(), run.run, (next, run.last), |seq, body| {
                self.add(seq, ReadBody::of(body, currency).entry());
                Ok(())
            })?;
            self.next.insert(run.run, (run.first, run.last.saturating_add(1)));
        }
        Ok(())
    }

    fn add(&mut self, seq: u32, entry: &Entry) {
        if entry.flags.has(Flags::TRAINING) {
            return;
        }
        if let Some(intent) = closes(entry) {
            self.announced.remove(&intent.seq);
        }
        if announces(entry) {
            self.announced.insert(seq, entry.amount.get().into());
        } else if let Some(cents) = put_on(entry) {
            self.cents = self.cents.saturating_add(cents);
        } else {
            return;
        }
        if self.last.is_none_or(|(last, _)| seq >= last) {
            self.last = Some((seq, entry.hlc.unix_ms()));
        }
    }

    /// All of it, with what may yet turn out to be on a chip.
    fn cents(&self) -> u64 {
        self.announced.values().fold(self.cents, |sum, cents| sum.saturating_add(*cents))
    }
}

impl Hub {
    /// Desks that have put on more than their quota. The amount is that of the whole quotas put on, so that whoever
    /// has looked at it is asked again when another one is used up, and not at each top-up.
    pub(crate) fn over_quota(&mut self) -> Result<Vec<KeptConflict>, HubError> {
        let mut beyond = Vec::new();
        for (device, quota) in self.quotas()? {
            beyond.extend(self.beyond_quota(device, quota)?);
        }
        let kept = beyond.into_iter().map(|one: Beyond| {
            let (first, (last, unix_ms)) = (EntryRef { device: one.device, epoch: 0, seq: 0 }, one.last);
            let cents = i64::try_from(one.times.saturating_mul(one.quota)).unwrap_or(i64::MAX);
            let times = u32::try_from(one.times).unwrap_or(u32::MAX);
            KeptConflict::at(ConflictKind::OverQuota, one.device.to_string(), first, one.number, unix_ms)
                .summing(times, cents)
                .until(last, one.number, unix_ms)
        });
        Ok(kept.collect())
    }

    /// Each desk's quota, by its certificate; the highest where it was enrolled again.
    fn quotas(&self) -> Result<BTreeMap<DeviceId, u64>, HubError> {
        let mut quotas: BTreeMap<DeviceId, u64> = BTreeMap::new();
        for chain in self.store.credit_chains()? {
            let read = CertificateChain::from_bytes(&chain).ok();
            let Some(certificate) = read.and_then(|chain| chain.verify(&self.identity.founding).ok()) else { continue };
            let quota = quotas.entry(device_id(&certificate.subject)).or_default();
            *quota = certificate.scope.quota_cents.max(*quota);
        }
        quotas.retain(|_, quota| *quota > 0);
        Ok(quotas)
    }

    fn beyond_quota(&mut self, device: DeviceId, quota: u64) -> Result<Option<Beyond>, HubError> {
        let Self { store, journals, put_on, identity, .. } = self;
        let (mut cents, mut last, mut number) = (0u64, None, BoxNumber(0));
        for journal in journals.of_device(device) {
            let counted = put_on.entry((device, journal.epoch)).or_default();
            counted.look(journal, store, identity.founding.currency)?;
            cents = cents.saturating_add(counted.cents());
            if let Some((seq, unix_ms)) = counted.last {
                (last, number) = (Some((journal.entry_ref(seq), unix_ms)), journal.box_number);
            }
        }
        let times = cents.checked_div(quota).unwrap_or(0);
        let is_beyond = cents > quota;
        Ok(last.filter(|_| is_beyond).map(|last| Beyond { device, number, times, quota, last }))
    }
}
