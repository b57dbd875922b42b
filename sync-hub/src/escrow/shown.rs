//! Where accounts' money is held, as people read it, and their word about what a lost box holds.
//! Invariant: what is booked is booked by name, and never of a box that is heard: that one can give it back.
//! Not here: HTML (`screens`), HTTP (`web`).
use std::collections::BTreeMap;

use domain::{
    bundle::AccountRule,
    id::{DeviceId, WalletId},
    journal::{Detail, Effect, Entry, Kind, Ruling, ShareGrant},
    trust::Roles,
};
use screens::view::{EscrowView, HeldByBox, ShareView};
use serde::Serialize;

use crate::{
    credits::COMMIT_ENTRIES,
    hub::{Hub, HubError},
    store::{HeldSums, Reading, ShareKey, ShareSums, StoredBox},
};

/// What was booked as a risk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Booked {
    /// Of how many accounts.
    pub accounts: usize,
    /// How much.
    pub booked_cents: i64,
}

/// What the writer knows of the boxes that may hold shares.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holding {
    escrow: bool,
    waits: Vec<String>,
    boxes: BTreeMap<DeviceId, Holder>,
}

#[derive(Clone, Debug, Default)]
struct Holder {
    place: String,
    number: u16,
    epoch: u32,
    hears: bool,
    revoked: bool,
    takes_part: bool,
    heard_age_s: Option<u64>,
}

impl Holding {
    fn of(&self, device: DeviceId) -> Holder {
        self.boxes.get(&device).cloned().unwrap_or_else(|| Holder { place: device.to_hex(), ..Holder::default() })
    }

    /// Where the money is, in a word: `here`, `away`, `lost`, `old_run`.
    fn word(&self, device: DeviceId, epoch: u32) -> &'static str {
        let holder = self.of(device);
        match holder {
            Holder { revoked: true, .. } => "lost",
            Holder { epoch: newest, .. } if newest != epoch => "old_run",
            Holder { hears: true, .. } => "here",
            Holder { .. } => "away",
        }
    }

    /// Whether a box keeps to its shares, as far as it has said so.
    pub(crate) fn takes_part(&self, number: u16) -> bool {
        self.escrow && self.boxes.values().any(|holder| holder.number == number && holder.takes_part)
    }

    /// Whether accounts are under escrow.
    pub(crate) fn is_escrow(&self) -> bool {
        self.escrow
    }

    /// All that boxes hold, box by box.
    pub(crate) fn view(&self, held: &[HeldSums]) -> EscrowView {
        let by_box = |sums: &HeldSums| {
            let holder = self.of(sums.device);
            HeldByBox {
                place: holder.place,
                number: holder.number,
                epoch: sums.epoch,
                accounts: sums.accounts,
                held_cents: sums.held_cents,
                booked_cents: sums.booked_cents,
                state: self.word(sums.device, sums.epoch).into(),
                heard_age_s: holder.heard_age_s,
            }
        };
        EscrowView { escrow: self.escrow, waits: self.waits.clone(), boxes: held.iter().map(by_box).collect() }
    }

    /// What was booked and may be spent all the same: a revoked box's sales count nothing.
    pub(crate) fn booked_at_risk(&self, held: &[HeldSums]) -> i64 {
        let open = held.iter().filter(|sums| !self.of(sums.device).revoked);
        open.fold(0, |sum: i64, sums| sum.saturating_add(sums.booked_cents))
    }
}

/// What boxes hold, read beside the writer.
pub(crate) fn held(reading: &Reading, holding: &Holding) -> Result<Vec<HeldSums>, crate::store::StoreError> {
    if holding.is_escrow() { reading.held_by_boxes() } else { Ok(Vec::new()) }
}

impl Hub {
    /// What the writer knows of the boxes that may hold shares.
    pub(crate) fn holding(&self) -> Result<Holding, HubError> {
        let escrow = self.rule == AccountRule::Escrow;
        if !escrow {
            return Ok(Holding::default());
        }
        let now = self.now_ms();
        let standings = self.standings()?;
        let told = self.store.account_shares(super::ITSELF)?;
        let mut boxes = BTreeMap::new();
        for stored in self.store.boxes()? {
            let standing = standings.get(&stored.device).copied().unwrap_or_default();
            let holder = Holder {
                number: stored.number.0,
                epoch: standing.epoch,
                hears: standing.hears,
                revoked: self.is_revoked(stored.device)?,
                takes_part: told.iter().any(|((_, device, epoch), sums)| {
                    (*device, *epoch) == (stored.device, standing.epoch) && sums.told_term > 0
                }),
                heard_age_s: Some(now.saturating_sub(stored.last_seen_ms) / 1000),
                place: stored.place,
            };
            boxes.insert(stored.device, holder);
        }
        Ok(Holding { escrow, waits: self.untold()?, boxes })
    }

    /// Where one account's money is held: `balance` is what is on it. `None` under the offline limit.
    pub(crate) fn wallet_shares(
        &self,
        wallet: WalletId,
        balance: i64,
    ) -> Result<Option<(i64, Vec<ShareView>)>, HubError> {
        let holding = self.holding()?;
        if !holding.escrow {
            return Ok(None);
        }
        let rows = self.store.account_shares(wallet)?;
        let standings = self.standings()?;
        let claims = rows.iter().map(|row| self.share_holder(row, &standings).claim()).fold(0, i64::saturating_add);
        let shown = |((_, device, epoch), sums): &(ShareKey, ShareSums)| {
            let holder = holding.of(*device);
            ShareView {
                place: holder.place,
                number: holder.number,
                epoch: *epoch,
                held_cents: sums.escrow().left().max(0),
                booked_cents: sums.booked().into(),
                state: holding.word(*device, *epoch).into(),
                heard_age_s: holder.heard_age_s,
            }
        };
        let shares = rows.iter().map(shown).filter(|share| share.held_cents > 0 || share.booked_cents > 0);
        Ok(Some((balance.saturating_sub(claims), shares.collect())))
    }

    /// What boxes that may still sell to an account can take of it: what they hold of it, where they have said in this
    /// term what that is. Another one takes up to the limit, or holds a grant that a restored hub has forgotten.
    pub(crate) fn takeable(&self, wallet: WalletId, balance: i64, boxes: &[StoredBox]) -> Result<i64, HubError> {
        let (term, told) = (self.term(), self.store.account_shares(super::ITSELF)?);
        let rows = self.store.account_shares(wallet)?;
        let limit = self.policy.offline_limit.as_i64();
        let unknown = if term > 1 { balance } else { balance.min(limit) }.max(0);
        let of_one = |device: DeviceId| {
            let held = rows.iter().filter(|((_, of, _), _)| *of == device);
            let held = held.map(|(_, sums)| sums.escrow().left().max(0)).fold(0, i64::saturating_add);
            let epoch = self.newest_epoch(device);
            let said =
                |((_, of, at), sums): &(ShareKey, ShareSums)| (*of, *at) == (device, epoch) && sums.told_term == term;
            if told.iter().any(said) { held } else { held.max(unknown) }
        };
        Ok(boxes.iter().map(|stored| of_one(stored.device)).fold(0, i64::saturating_add))
    }

    /// Books as a risk what a box holds that nobody hears, of one account or of all: it is dealt again from now on. What
    /// that box sells of it all the same is overspent, and listed.
    pub fn book_shares(&mut self, number: u16, of: Option<WalletId>, by: &str) -> Result<Booked, HubError> {
        if !Ruling::is_text(by, Ruling::MAX_BY) {
            return Err(HubError::Refused("hub.ruling_by"));
        }
        let name = by.trim();
        if self.rule != AccountRule::Escrow {
            return Err(HubError::Refused("hub.no_escrow"));
        }
        self.publish()?;
        let sells = |stored: &StoredBox| stored.roles.0 & (Roles::BAR.0 | Roles::TOP_UP.0) != 0;
        let stored = self.store.boxes()?.into_iter().find(|stored| stored.number.0 == number && sells(stored));
        let stored = stored.ok_or(HubError::NotFound("the box"))?;
        let standing = self.standings()?.get(&stored.device).copied().unwrap_or_default();
        let mut rows = Vec::new();
        self.store.each_held_share(|key, sums| {
            if key.1 == stored.device && of.is_none_or(|wallet| wallet == key.0) && key.0 != super::ITSELF {
                rows.push((key, sums));
            }
        })?;
        // first, so that nothing is booked by nobody where the hub stops between two commits
        let decision = self.entry(Kind::DECISION, Effect::None, stored.device.into());
        let part = format!("escrow: held by box {number} and booked as a risk by {name}").into_bytes();
        let (mut entries, mut booked, mut heard) = (vec![Entry { part, ..decision }], Booked::default(), false);
        for ((wallet, device, epoch), sums) in rows {
            if standing.epoch == epoch && standing.hears {
                heard = true;
                continue;
            }
            let left = sums.escrow().left();
            let Some(cents) = u32::try_from(left).ok().filter(|cents| *cents > sums.booked()) else { continue };
            let share = ShareGrant { epoch, granted: sums.all_granted(), places: 0, booked: cents };
            let entry = self.entry(Kind::SHARE, Effect::None, device.into());
            entries.push(Entry { other: wallet.into(), part: Detail::Share(share).to_bytes(), ..entry });
            self.shares.tell.insert((wallet, device, epoch));
            booked.accounts = booked.accounts.saturating_add(1);
            booked.booked_cents = booked.booked_cents.saturating_add(left);
        }
        if booked.accounts == 0 {
            return if heard { Err(HubError::Refused("hub.box_is_heard")) } else { Ok(booked) };
        }
        for chunk in entries.chunks(COMMIT_ENTRIES) {
            self.act(chunk.to_vec())?;
        }
        self.publish()?;
        Ok(booked)
    }
}
