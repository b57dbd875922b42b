//! Accounts under escrow: their money dealt to the boxes that sell, so that boxes that are apart never take more from a
//! copied band than there is.
//! Invariant: shares are dealt by entries of the hub's journal, and never more of them than is on the account; what a box
//! holds that nobody hears is never dealt again, unless people booked the risk; in a new term nothing is dealt before
//! every box that may hold old shares has said what it holds.
//! Not here: how shares are dealt (`domain::till::deal_escrow`), counting (`ingest`), what a box may take (boxes).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    access::Deal,
    id::{DeviceId, WalletId},
    journal::{Detail, Effect, Entry, Kind, ShareGrant},
    ledger::{AccountShare, WalletFlags},
    till::{EscrowHolder, account_moves, deal_escrow},
    trust::Roles,
    wire::Writer,
};

use crate::{
    credits::{COMMIT_ENTRIES, Keeper},
    fold,
    hub::{Hub, HubError},
    ingest::journals::Journal,
    store::{ShareKey, ShareSums, StoreError},
};

mod shown;

pub use shown::Booked;
pub(crate) use shown::{Holding, held};

/// Most accounts dealt in one publication; the rest wait for the next one.
const DEALT: usize = 2_000;
/// A band held to a reader is waited for so long, in milliseconds: the till gives up before.
const NEEDED_MS: u64 = 5_000;
/// The row that is about a box itself.
pub(crate) const ITSELF: WalletId = WalletId([0; 16]);

/// What the hub keeps in mind of shares; after a restart it begins anew.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// What each box is asked to have given back in all.
    asked: BTreeMap<ShareKey, u32>,
    /// What each box is short of, with the band at its reader, and since when.
    needs: BTreeMap<ShareKey, (u32, u64)>,
    /// Accounts to look at.
    due: BTreeSet<WalletId>,
    /// What boxes are told with the next batch.
    tell: BTreeSet<ShareKey>,
}

/// What new entries said of shares, and is not looked at yet.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) changed: BTreeSet<ShareKey>,
    pub(crate) needs: BTreeMap<ShareKey, u32>,
    /// Somebody waits for it.
    pub(crate) urgent: bool,
}

impl News {
    pub(crate) fn extend(&mut self, other: Self) {
        self.changed.extend(other.changed);
        self.needs.extend(other.needs);
        self.urgent |= other.urgent;
    }
}

/// What one entry in force adds to the rows of shares.
pub(crate) fn counted(entry: &Entry, journal: &Journal, seq: u32) -> Vec<(ShareKey, ShareSums)> {
    let (device, epoch) = (journal.device, journal.epoch);
    match entry.kind {
        Kind::SHARE if !entry.other.is_none() => match Detail::of(entry) {
            Ok(Detail::Share(dealt)) => {
                let (granted, grant) = (dealt.granted, (epoch, seq));
                let sums = ShareSums { granted, grant, ..ShareSums::default() };
                let booking = ShareSums { booked: dealt.booked, booking: grant, ..sums };
                let key = (entry.other.wallet(), entry.subject.device(), dealt.epoch);
                vec![(key, if dealt.booked > 0 { booking } else { sums })]
            }
            Ok(_) | Err(_) => Vec::new(),
        },
        Kind::SHARE_RELEASE if entry.subject == device.into() => match Detail::of(entry) {
            Ok(Detail::ShareRelease(said)) => {
                let told = entry.refers_to.map_or((0, 0), |grant| (grant.epoch, grant.seq));
                let (granted_told, released, told_term) = (said.granted, said.released, said.term);
                let sums = ShareSums { granted_told, released, told_term, told, ..ShareSums::default() };
                vec![((entry.other.wallet(), device, epoch), sums)]
            }
            Ok(_) | Err(_) => Vec::new(),
        },
        // what a hub puts on an account or takes from it is nobody's share
        _ if journal.rights.is_none_or(|rights| rights.is_hub()) => Vec::new(),
        _ => {
            let moved = |(wallet, cents): (WalletId, i64)| {
                let (put_on, taken) = (cents.max(0), cents.min(0).saturating_neg());
                ((wallet, device, epoch), ShareSums { put_on, taken, ..ShareSums::default() })
            };
            account_moves(entry).map(moved).collect()
        }
    }
}

/// What a box is short of, as its entry says.
pub(crate) fn needed(entry: &Entry) -> Option<u32> {
    match (entry.kind, Detail::of(entry)) {
        (Kind::SHARE_RELEASE, Ok(Detail::ShareRelease(said))) if !entry.other.is_none() => {
            Some(said.needs).filter(|needs| *needs > 0)
        }
        _ => None,
    }
}

/// How a box stands that may hold shares.
#[derive(Clone, Copy, Debug, Default)]
struct Standing {
    /// The run of its journal that it writes now; only that one can be dealt to.
    epoch: u32,
    hears: bool,
    sells: bool,
}

type Standings = BTreeMap<DeviceId, Standing>;

impl Hub {
    /// Whether somebody waits with a band at a reader, so that the next publication should not wait.
    pub(crate) fn is_urgent(&self) -> bool {
        self.pending.news.urgent || self.dirty.shares.urgent
    }

    /// Deals accounts that something was heard of: first to the box that needs it now.
    pub(crate) fn deal_accounts(&mut self) -> Result<(), HubError> {
        self.take_news();
        if self.shares.due.is_empty() || !self.untold()?.is_empty() {
            return Ok(());
        }
        let now = self.now_ms();
        self.shares.needs.retain(|_, (_, since)| now.saturating_sub(*since) <= NEEDED_MS);
        let standings = self.standings()?;
        let due: Vec<WalletId> = self.shares.due.iter().copied().take(DEALT).collect();
        let mut grants = Vec::new();
        for wallet in due {
            self.shares.due.remove(&wallet);
            grants.extend(self.deal_account(wallet, &standings)?);
        }
        if !grants.is_empty() {
            for chunk in grants.chunks(COMMIT_ENTRIES) {
                self.act(chunk.to_vec())?;
            }
            self.project()?;
            // what is left over after the needs is dealt the next time
            self.take_news();
        }
        Ok(())
    }

    fn take_news(&mut self) {
        let now = self.now_ms();
        let News { changed, needs, urgent: _ } = std::mem::take(&mut self.dirty.shares);
        self.shares.due.extend(changed.into_iter().map(|(wallet, ..)| wallet).filter(|wallet| *wallet != ITSELF));
        self.shares.due.extend(needs.keys().map(|(wallet, ..)| *wallet));
        self.shares.needs.extend(needs.into_iter().map(|(key, needs)| (key, (needs, now))));
    }

    fn deal_account(&mut self, wallet: WalletId, standings: &Standings) -> Result<Vec<Entry>, HubError> {
        let folded = fold::wallet(wallet, &self.journals, &self.store, self.identity.founding.currency)?;
        let sums = match folded.folded {
            Some(sums) => sums,
            None => self.store.sums(wallet)?.map(|stored| stored.accounts).unwrap_or_default(),
        };
        // one in dispute goes on: spends of every history are off its balance, disputed credits never on it
        let closed = [WalletFlags::BLOCKED, WalletFlags::FROZEN, WalletFlags::EMPTIED];
        let rows = self.store.account_shares(wallet)?;
        if Keeper::of(&folded.state, &sums) == Keeper::Purse
            || closed.into_iter().any(|flag| folded.state.flags.has(flag))
        {
            for (key, _) in &rows {
                self.shares.needs.remove(key);
            }
            return Ok(Vec::new());
        }
        let holders: Vec<EscrowHolder> = rows.iter().map(|row| self.share_holder(row, standings)).collect();
        let mut grants = Vec::new();
        for ((row, holder), deal) in rows.iter().zip(&holders).zip(deal_escrow(folded.state.balance, &holders)) {
            grants.extend(self.carry_out_share(row, holder, deal));
        }
        Ok(grants)
    }

    /// One deal: what is asked is kept in mind, what is granted becomes an entry.
    fn carry_out_share(
        &mut self,
        (key, sums): &(ShareKey, ShareSums),
        holder: &EscrowHolder,
        deal: Deal,
    ) -> Option<Entry> {
        if i64::from(deal.grant) >= holder.missing() {
            self.shares.needs.remove(key);
        }
        let before = self.shares.asked.insert(*key, deal.asked);
        let outstanding = deal.asked > sums.released;
        // what was granted before and asked for again all the same was told to nobody
        let unheard = holder.needs > 0 && sums.all_granted() > sums.granted_told;
        if unheard || outstanding || before.is_some_and(|before| before > sums.released) {
            self.shares.tell.insert(*key);
        }
        if !outstanding {
            self.shares.asked.remove(key);
        }
        if deal.grant == 0 {
            return None;
        }
        self.shares.tell.insert(*key);
        let (wallet, device, epoch) = *key;
        let granted = sums.all_granted().saturating_add(deal.grant);
        let share = ShareGrant { epoch, granted, places: deal.grant, booked: 0 };
        let entry = self.entry(Kind::SHARE, Effect::None, device.into());
        Some(Entry { other: wallet.into(), part: Detail::Share(share).to_bytes(), ..entry })
    }

    fn share_holder(&self, (key, sums): &(ShareKey, ShareSums), standings: &Standings) -> EscrowHolder {
        let (_, device, epoch) = key;
        let standing = standings.get(device).copied().unwrap_or_default();
        EscrowHolder {
            escrow: sums.escrow(),
            // in whole units, so that a few cents more here or there do not move shares
            busy: sums.taken.max(0).unsigned_abs() / 100,
            // a box that was given up is to say first what it holds
            hears: standing.hears && standing.epoch == *epoch && sums.booked() == 0,
            sells: standing.sells,
            needs: self.shares.needs.get(key).map_or(0, |(needs, _)| *needs),
            asked: self.shares.asked.get(key).copied().unwrap_or(0).max(sums.released),
            booked: sums.booked(),
        }
    }

    /// Boxes that may hold shares, and whether they can be dealt to: heard of late, under escrow, in this term.
    fn standings(&self) -> Result<Standings, HubError> {
        let told: BTreeMap<(DeviceId, u32), u32> = self
            .store
            .account_shares(ITSELF)?
            .into_iter()
            .map(|((_, device, epoch), sums)| ((device, epoch), sums.told_term))
            .collect();
        let mut standings = Standings::new();
        for stored in self.store.boxes()? {
            let epoch = self.newest_epoch(stored.device);
            let tells = told.get(&(stored.device, epoch)).is_some_and(|term| *term == self.term());
            let hears = tells && self.hears(stored.device) && !self.is_revoked(stored.device)?;
            standings.insert(stored.device, Standing { epoch, hears, sells: stored.roles.has(Roles::BAR) });
        }
        Ok(standings)
    }

    fn newest_epoch(&self, device: DeviceId) -> u32 {
        self.journals.of_device(device).map(|journal| journal.epoch).max().unwrap_or(0)
    }

    /// In a restored database grants may be missing: boxes that may hold some and have not said yet what.
    fn untold(&self) -> Result<Vec<String>, HubError> {
        let term = self.term();
        if term <= 1 {
            return Ok(Vec::new());
        }
        let told = self.store.account_shares(ITSELF)?;
        let mut silent = Vec::new();
        for stored in self.store.boxes()?.into_iter().filter(crate::risk::sells) {
            // whole: what it said before that this is all may lie in a gap
            let has_told = told.iter().any(|((_, device, epoch), sums)| {
                let journal = self.journals.get(*device, *epoch).filter(|journal| journal.tree.gaps().is_empty());
                *device == stored.device && sums.told_term >= term && journal.is_some()
            });
            if !has_told && !self.is_revoked(stored.device)? {
                silent.push(stored.place);
            }
        }
        Ok(silent)
    }

    /// Which shares boxes are told of with the next batch.
    pub(crate) fn shares_to_tell(&mut self) -> BTreeSet<ShareKey> {
        std::mem::take(&mut self.shares.tell)
    }

    /// The batch was not published: told with the next one.
    pub(crate) fn tell_shares_again(&mut self, keys: BTreeSet<ShareKey>) {
        self.shares.tell.extend(keys);
    }

    /// Records of these shares.
    pub(crate) fn share_items(&self, keys: &BTreeSet<ShareKey>) -> Result<Vec<u8>, StoreError> {
        let mut out = Writer::new();
        for key in keys {
            let sums = self.store.account_share(*key)?.unwrap_or_default();
            self.share_record(*key, &sums).write(&mut out);
        }
        Ok(out.finish())
    }

    /// Records of all shares of which something is left.
    pub(crate) fn all_share_items(&self) -> Result<Vec<u8>, StoreError> {
        let mut out = Writer::new();
        self.store.each_held_share(|key, sums| {
            if key.0 != ITSELF {
                self.share_record(key, &sums).write(&mut out);
            }
        })?;
        Ok(out.finish())
    }

    fn share_record(&self, key: ShareKey, sums: &ShareSums) -> AccountShare {
        let (wallet, device, epoch) = key;
        AccountShare {
            wallet,
            device,
            epoch,
            granted: sums.all_granted(),
            asked: self.shares.asked.get(&key).copied().unwrap_or(0).max(sums.released),
            booked: sums.booked(),
            grant: sums.grant_of(self.identity.device()),
        }
    }
}

#[cfg(test)]
mod tests;
