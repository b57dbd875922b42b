use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use domain::{id::EntryRef, journal::ShareRelease, money::Cents, till::Escrow};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::{
    Identity,
    sample::{self, SampleBox, wallet},
};

const BAR: Roles = Roles::BAR;
const DESK: Roles = Roles::TOP_UP;

fn band() -> WalletId {
    wallet(1)
}

/// What a box does wrong, to see that it would be noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// It says that it gave back, and goes on spending it.
    KeepsWhatItGaveBack,
    /// It spends what other boxes put on.
    SpendsTheBalance,
}

/// A bar or desk as it behaves towards one band.
struct Till {
    journal: SampleBox,
    sent: usize,
    held: Escrow,
    gave: u32,
    grant: Option<EntryRef>,
    told: Option<EntryRef>,
    wrong: Wrong,
}

impl Till {
    fn new(n: u8, roles: Roles) -> Self {
        let journal = SampleBox::new(n, roles);
        let held = Escrow::default();
        Self { journal, sent: 0, held, gave: 0, grant: None, told: None, wrong: Wrong::Nothing }
    }

    fn say(&mut self, of: Option<WalletId>, term: u32, places: u32, needs: u32) {
        let (granted, released) = match of {
            Some(_) => (self.held.share.granted, self.gave + places),
            None => (0, 0),
        };
        let part = ShareRelease { term, granted, released, places, needs };
        let entry = self.journal.entry(Kind::SHARE_RELEASE, Effect::None, 0);
        let other = of.map_or(domain::journal::Subject::NONE, Into::into);
        let subject = self.journal.device.into();
        let refers_to = of.and(self.grant);
        self.journal.commit(Entry { subject, other, refers_to, part: Detail::ShareRelease(part).to_bytes(), ..entry });
        if of.is_some() {
            self.told = self.grant;
            self.gave += places;
            if self.wrong != Wrong::KeepsWhatItGaveBack {
                self.held.share.released += places;
            }
        }
    }

    fn tops_up(&mut self, cents: u32) {
        self.held.topped_up += cents;
        self.journal.top_up(band(), cents);
    }

    fn sells(&mut self, cents: u32, balance: i64) -> bool {
        let covers = self.held.covers(Cents::new(cents).unwrap())
            || self.wrong == Wrong::SpendsTheBalance && i64::from(cents) <= balance;
        if covers {
            self.held.share.inside += i64::from(cents);
            self.journal.sale(band(), cents);
        }
        covers
    }

    fn tell(&mut self, hub: &mut Hub) {
        let to = self.journal.bodies.len();
        if self.sent < to {
            hub.ingest(&[self.journal.segment(self.sent, to)]).unwrap();
            self.sent = to;
        }
        hub.zones_heard(&[(self.journal.device, hub.now_ms())]);
    }

    fn hear(&mut self, hub: &Hub) {
        let key = (band(), self.journal.device, self.journal.epoch);
        let Some(sums) = hub.store.account_share(key).unwrap() else { return };
        let share = hub.share_record(key, &sums);
        self.held.share.granted = self.held.share.granted.max(share.granted);
        self.grant = share.grant;
        let cents = self.held.gives_back(share.asked.max(self.gave) - (self.gave - self.held.share.released));
        if cents > 0 || share.booked > 0 && self.told != self.grant {
            self.say(Some(band()), hub.term(), cents, 0);
        }
    }
}

struct Evening {
    hub: Hub,
    now: Arc<AtomicU64>,
    tills: Vec<Till>,
    put_on: i64,
    spent: i64,
    dir: TempDir,
}

fn toml(accounts: &str) -> String {
    sample::TOML.replace("maximum_balance = 30000", &format!("maximum_balance = 30000\naccounts = \"{accounts}\""))
}

fn open(dir: &TempDir, now: &Arc<AtomicU64>) -> Hub {
    let clock = Arc::clone(now);
    let identity = Arc::new(Identity::read(dir.path()).unwrap());
    Hub::open(dir.path(), identity, Arc::new(move || clock.load(Ordering::Relaxed))).unwrap()
}

impl Evening {
    /// Two bars, a desk that sells too, and one that does not; all of them take part.
    fn new() -> Self {
        let dir = sample::hub_dir();
        std::fs::write(dir.path().join("festival.toml"), toml("escrow")).unwrap();
        let now = Arc::new(AtomicU64::new(1_800_000_000_000));
        let mut hub = open(&dir, &now);
        let mut tills: Vec<Till> =
            [(20, BAR), (21, BAR), (22, BAR.and(DESK)), (23, DESK)].map(|(n, roles)| Till::new(n, roles)).into();
        for till in &mut tills {
            let chain = &till.journal.chain;
            hub.adopt(&chain.verify(&sample::founding()).unwrap(), &chain.to_bytes()).unwrap();
            till.say(None, 1, 0, 0);
        }
        let mut evening = Self { hub, now, tills, put_on: 0, spent: 0, dir };
        evening.meet(&[0, 1, 2, 3], None);
        evening
    }

    fn restarted(self) -> Self {
        let Self { hub, now, tills, put_on, spent, dir } = self;
        drop(hub);
        let hub = open(&dir, &now);
        Self { hub, now, tills, put_on, spent, dir }
    }

    fn tops_up(&mut self, at: usize, cents: u32) {
        self.tills[at].tops_up(cents);
        self.put_on += i64::from(cents);
    }

    fn sells(&mut self, at: usize, cents: u32) -> bool {
        let balance = self.put_on - self.spent;
        let sold = self.tills[at].sells(cents, balance);
        self.spent += if sold { i64::from(cents) } else { 0 };
        sold
    }

    /// These boxes are connected for a while, the others are not heard; `needs`: who has the band at its reader, and for
    /// how much.
    fn meet(&mut self, at: &[usize], needs: Option<(usize, u32)>) {
        self.now.fetch_add(20_000, Ordering::Relaxed);
        if let Some((at, cents)) = needs {
            let term = self.hub.term();
            self.tills[at].say(Some(band()), term, 0, cents);
        }
        for _ in 0..3 {
            at.iter().for_each(|at| self.tills[*at].tell(&mut self.hub));
            self.hub.publish().unwrap();
            at.iter().for_each(|at| self.tills[*at].hear(&self.hub));
        }
        at.iter().for_each(|at| self.tills[*at].tell(&mut self.hub));
        self.hub.publish().unwrap();
    }

    fn view(&mut self) -> crate::wallets::WalletView {
        self.hub.wallet_view(band()).unwrap()
    }
}

struct Chance(u64);

impl Chance {
    fn of(&mut self, out_of: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % out_of
    }
}

/// An evening of chance at a real hub: the first thing that is not as it should be.
fn evening(seed: u64, wrong: Wrong) -> Result<(), String> {
    let mut chance = Chance(seed | 1);
    let mut evening = Evening::new();
    evening.tills.iter_mut().for_each(|till| till.wrong = wrong);
    for step in 0..40 {
        let (at, cents) = (chance.of(4) as usize, 50 + chance.of(450) as u32);
        match chance.of(10) {
            0 | 1 => evening.tops_up(2 + at % 2, cents),
            2..=6 => drop(evening.sells(at % 3, cents)),
            _ => {
                let connected: Vec<usize> = (0..4).filter(|at| *at == 0 || chance.of(2) == 0).collect();
                let needs = (chance.of(2) == 0).then(|| (connected[chance.of(connected.len() as u64) as usize], cents));
                evening.meet(&connected, needs);
            }
        }
        if evening.spent > evening.put_on {
            return Err(format!("step {step}: {} spent of {}", evening.spent, evening.put_on));
        }
    }
    evening.meet(&[0, 1, 2, 3], None);
    let (put_on, spent) = (evening.put_on, evening.spent);
    if put_on == 0 && spent == 0 {
        return Ok(());
    }
    let view = evening.view();
    let held: i64 = view.shares.iter().map(|share| share.held_cents).sum();
    let free = view.free_cents.ok_or("not under escrow")?;
    if view.overspent || view.balance_cents != put_on - spent || free < 0 || free + held != view.balance_cents {
        return Err(format!("{view:?} after {spent} of {put_on}"));
    }
    // folded again from every entry, in one go, it is the same
    let before = evening.hub.store.account_shares(band()).unwrap();
    let mut again = evening.restarted();
    again.hub.store.fold_again(true).unwrap();
    again.hub.is_behind = true;
    again.hub.as_on_disk().unwrap();
    again.hub.project().unwrap();
    if again.hub.store.account_shares(band()).unwrap() != before {
        return Err("folded again it is not the same".into());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]
    #[test]
    fn however_bars_are_apart_a_copied_band_never_spends_more_than_was_put_on(seed in any::<u64>()) {
        prop_assert_eq!(evening(seed, Wrong::Nothing), Ok(()));
    }
}

#[test]
fn a_box_that_breaks_a_rule_is_caught_overspending() {
    for wrong in [Wrong::KeepsWhatItGaveBack, Wrong::SpendsTheBalance] {
        let caught = (1..40).any(|seed: u64| evening(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15), wrong).is_err());
        assert!(caught, "{wrong:?}");
    }
}

#[test]
fn the_bar_that_needs_it_now_is_dealt_to_first_and_others_are_asked_for_what_is_missing() {
    let mut evening = Evening::new();
    evening.tops_up(2, 2_000);
    evening.meet(&[0, 1, 2, 3], None);
    assert!(!evening.sells(0, 400), "it stands at the desk");
    evening.meet(&[0, 2], Some((0, 400)));
    assert!(evening.sells(0, 400));
    // the other bar is apart: what it does not hold it does not sell, whatever the account has
    assert!(!evening.sells(1, 400));
    evening.meet(&[0, 1, 2], Some((1, 400)));
    assert!(evening.sells(1, 400));
    evening.meet(&[0, 1, 2], None);
    let view = evening.view();
    assert_eq!(view.balance_cents, 1_200);
    assert_eq!(view.shares.iter().map(|share| share.held_cents).sum::<i64>() + view.free_cents.unwrap(), 1_200);
}

#[test]
fn what_a_desk_without_a_bar_puts_on_comes_back_at_once_and_is_free_for_whoever_needs_it() {
    let mut evening = Evening::new();
    evening.tops_up(3, 2_000);
    evening.meet(&[0, 3], None);
    let view = evening.view();
    assert_eq!((view.free_cents, view.shares.len()), (Some(2_000), 0), "{view:?}");
    evening.meet(&[0], Some((0, 400)));
    assert!(evening.sells(0, 400), "the desk may be away by now");
}

#[test]
fn the_hub_remembers_who_holds_what_over_a_restart() {
    let mut evening = Evening::new();
    evening.tops_up(3, 2_000);
    evening.meet(&[0, 1, 3], Some((0, 700)));
    let before = evening.view();
    assert_eq!(before.shares.len(), 1, "{before:?}");
    let mut evening = evening.restarted();
    let after = evening.view();
    let held = |view: &crate::wallets::WalletView| (view.free_cents, view.shares[0].held_cents, view.shares[0].number);
    assert_eq!(held(&after), held(&before));
    // all of it is at the first bar, which is apart now
    evening.meet(&[1], Some((1, 400)));
    assert!(!evening.sells(1, 400));
    assert!(evening.sells(0, 400));
}

#[test]
fn what_a_lost_box_holds_is_shown_and_dealt_again_only_at_somebodys_word() {
    let mut evening = Evening::new();
    evening.tops_up(3, 1_000);
    evening.meet(&[0, 1, 3], Some((0, 700)));
    assert!(evening.sells(0, 300));
    assert_eq!(evening.hub.book_shares(20, None, "Ada").unwrap_err().to_string(), "refused: hub.box_is_heard");
    evening.hub.revoke_device(evening.tills[0].journal.device, "stolen").unwrap();
    evening.meet(&[1], Some((1, 400)));
    assert!(!evening.sells(1, 400), "it is held by the lost box");
    let view = evening.view();
    let lost = view.shares.iter().find(|share| share.state == "lost").unwrap();
    assert_eq!((lost.held_cents, lost.number, view.free_cents), (700, 20, Some(0)), "{view:?}");
    assert_eq!(evening.hub.book_shares(20, Some(band()), " ").unwrap_err().to_string(), "refused: hub.ruling_by");
    let booked = evening.hub.book_shares(20, Some(band()), "Ada").unwrap();
    assert_eq!((booked.accounts, booked.booked_cents), (1, 700));
    assert_eq!(evening.hub.book_shares(20, None, "Ada").unwrap().accounts, 0, "once");
    evening.meet(&[1], Some((1, 400)));
    assert!(evening.sells(1, 400));
    assert_eq!(evening.hub.at_risk().unwrap().booked_cents, 0, "what a revoked box still sells counts nothing");
}

#[test]
fn what_a_box_holds_of_an_earlier_run_is_booked_while_it_is_heard_and_what_it_holds_now_is_not() {
    let mut evening = Evening::new();
    evening.tops_up(3, 1_000);
    evening.meet(&[0, 3], Some((0, 700)));
    let held = evening.tills[0].held.left();
    assert!(evening.sells(0, 300));
    evening.meet(&[0], None);
    let bar = &mut evening.tills[0];
    (bar.journal, bar.sent, bar.gave, bar.held) = (bar.journal.in_next_epoch(20), 0, 0, Escrow::default());
    (bar.grant, bar.told) = (None, None);
    bar.say(None, 1, 0, 0);
    evening.meet(&[0], None);
    // the same guest comes back to it with more money
    evening.tops_up(3, 500);
    evening.meet(&[0, 3], Some((0, 400)));
    let view = evening.view();
    let states: Vec<&str> = view.shares.iter().map(|share| share.state.as_str()).collect();
    assert_eq!(states, ["old_run", "here"], "{view:?}");
    let booked = evening.hub.book_shares(20, Some(band()), "Ada").unwrap();
    assert_eq!((booked.accounts, booked.booked_cents), (1, held - 300));
    assert!(evening.sells(0, 400), "what it holds now is its own");
    assert_eq!(evening.hub.book_shares(20, None, "Ada").unwrap_err().to_string(), "refused: hub.box_is_heard");
}

#[test]
fn a_share_that_was_granted_and_told_to_nobody_is_told_when_it_is_asked_for_again() {
    let mut evening = Evening::new();
    evening.tops_up(3, 2_000);
    evening.meet(&[3], None);
    let needs = |evening: &mut Evening| {
        evening.now.fetch_add(20_000, Ordering::Relaxed);
        let Evening { hub, tills, .. } = evening;
        tills[0].say(Some(band()), 1, 0, 400);
        tills[0].tell(hub);
        hub.project().unwrap();
        hub.deal_accounts().unwrap();
    };
    needs(&mut evening);
    evening.hub.deal_accounts().unwrap();
    // the hub ends between the grants and the batch
    let mut evening = evening.restarted();
    let key = (band(), evening.tills[0].journal.device, 0);
    let granted = evening.hub.store.account_share(key).unwrap().unwrap().granted;
    assert!(granted >= 400);
    evening.hub.publish().unwrap();
    evening.hub.shares_to_tell();
    needs(&mut evening);
    assert_eq!(evening.hub.store.account_share(key).unwrap().unwrap().granted, granted, "once");
    assert!(evening.hub.shares_to_tell().contains(&key));
}

#[test]
fn a_band_in_dispute_is_dealt_what_is_surely_on_it() {
    let mut evening = Evening::new();
    evening.tops_up(3, 1_000);
    evening.meet(&[3], None);
    // the desk that also sells is set back: one sale is in one of its histories, one in the other
    evening.tills[2].tops_up(600);
    let kept = evening.tills[2].journal.bodies.len();
    let mut other = evening.tills[2].journal.restored(kept);
    evening.tills[2].journal.sale(band(), 200);
    other.sale(band(), 300);
    evening.tills[2].tell(&mut evening.hub);
    evening.hub.ingest(&[other.segment(kept, kept + 1)]).unwrap();
    evening.meet(&[0, 3], Some((0, 500)));
    let view = evening.view();
    assert!(view.disputed, "{view:?}");
    assert!(evening.sells(0, 500), "{view:?}");
    evening.meet(&[0, 3], Some((0, 500)));
    assert!(!evening.sells(0, 500), "the desk that was set back may hold the rest");
    assert!(evening.view().free_cents.unwrap() >= 0);
}

#[test]
fn whoever_books_what_a_lost_box_holds_is_on_record_before_any_of_it_is_booked() {
    let mut evening = Evening::new();
    let desk = &mut evening.tills[2];
    for n in 0..401_u16 {
        let mut id = [9; 16];
        id[..2].copy_from_slice(&n.to_be_bytes());
        desk.journal.top_up(WalletId(id), 100);
    }
    let device = desk.journal.device;
    desk.tell(&mut evening.hub);
    evening.hub.publish().unwrap();
    evening.hub.revoke_device(device, "stolen").unwrap();
    evening.hub.publish().unwrap();
    let database = rusqlite::Connection::open(evening.dir.path().join("hub.db")).unwrap();
    let segments: i64 = database.query_row("SELECT COUNT(*) FROM segments", [], |row| row.get(0)).unwrap();
    let fails = format!(
        "CREATE TRIGGER fails BEFORE INSERT ON segments WHEN (SELECT COUNT(*) FROM segments) > {segments} \
         BEGIN SELECT RAISE(ABORT, 'no second commit today'); END"
    );
    database.execute_batch(&fails).unwrap();
    evening.hub.book_shares(22, None, "Ada").unwrap_err();
    let own = evening.hub.identity().device();
    let head = evening.hub.journals.get(own, evening.hub.term()).and_then(|journal| journal.tree.head()).unwrap();
    let entries = (0..=head.seq).flat_map(|seq| evening.hub.entry_at(own, evening.hub.term(), seq).unwrap());
    let told: Vec<_> = entries.map(|(body, _, _)| body.entry().clone()).collect();
    assert!(told.iter().filter(|entry| entry.kind == Kind::SHARE && entry.effect == Effect::None).count() > 300);
    let named = |entry: &&Entry| entry.kind == Kind::DECISION && String::from_utf8_lossy(&entry.part).contains("Ada");
    assert!(told.iter().any(|entry| named(&entry)), "the decision is in the first commit");
}

#[test]
fn a_box_that_comes_back_after_its_share_was_booked_says_what_it_holds_and_gives_back_what_is_too_much() {
    let mut evening = Evening::new();
    evening.tops_up(3, 1_000);
    evening.meet(&[0, 3], Some((0, 700)));
    evening.meet(&[1], None);
    evening.hub.book_shares(20, None, "Ada").unwrap();
    assert_eq!(evening.hub.at_risk().unwrap().booked_cents, 700);
    evening.meet(&[1], Some((1, 600)));
    assert!(evening.sells(1, 600));
    // it has sold nothing meanwhile
    evening.meet(&[0, 1], None);
    evening.meet(&[0, 1], None);
    let view = evening.view();
    assert_eq!(evening.hub.at_risk().unwrap().booked_cents, 0);
    assert!(view.free_cents.unwrap() >= 0 && !view.overspent, "{view:?}");
    assert_eq!(evening.tills.iter().map(|till| till.held.left().max(0)).sum::<i64>() + view.free_cents.unwrap(), 400);
}

#[test]
fn a_new_term_deals_nothing_before_every_box_has_said_what_it_holds() {
    let mut evening = Evening::new();
    evening.tops_up(3, 1_000);
    evening.meet(&[0, 1, 3], Some((0, 300)));
    evening.hub.raise_term(1).unwrap();
    let term = evening.hub.term();
    for at in [1, 2, 3] {
        evening.tills[at].say(None, term, 0, 0);
    }
    evening.meet(&[1, 2, 3], Some((1, 400)));
    assert!(!evening.sells(1, 400));
    let waits = evening.hub.at_risk().unwrap().escrow.waits;
    assert_eq!(waits, ["Place 20"]);
    let first = evening.tills[0].journal.bodies.len();
    evening.tills[0].say(Some(band()), term, 0, 0);
    evening.tills[0].say(None, term, 0, 0);
    // a neighbour brings the end of its journal alone
    evening.hub.ingest(&[evening.tills[0].journal.segment(first + 1, first + 2)]).unwrap();
    evening.meet(&[1, 2, 3], Some((1, 400)));
    assert!(!evening.sells(1, 400), "what it holds stands in the gap");
    assert_eq!(evening.hub.at_risk().unwrap().escrow.waits, ["Place 20"]);
    evening.meet(&[0, 1, 2, 3], Some((1, 400)));
    assert!(evening.sells(1, 400));
}

#[test]
fn a_band_that_is_emptied_risks_what_boxes_hold_and_at_those_that_do_not_take_part_up_to_the_limit() {
    let mut evening = Evening::new();
    evening.tops_up(3, 2_000);
    evening.meet(&[0, 1, 2, 3], Some((0, 700)));
    let old = SampleBox::new(30, BAR);
    evening.hub.adopt(&old.chain.verify(&sample::founding()).unwrap(), &old.chain.to_bytes()).unwrap();
    evening.hub.ingest(&old.segments(10)).unwrap();
    let held: i64 = evening.tills.iter().map(|till| till.held.left().max(0)).sum();
    let leaving = evening.hub.leaving(band()).unwrap();
    assert_eq!((leaving.may_sell.len(), leaving.risk_cents), (5, held + 2_000));
    evening.hub.raise_term(1).unwrap();
    let leaving = evening.hub.leaving(band()).unwrap();
    assert_eq!(leaving.risk_cents, 5 * 2_000, "nobody has said yet what it holds");
}

#[test]
fn accounts_risk_nothing_under_escrow_and_who_does_not_take_part_counts_as_before() {
    let mut evening = Evening::new();
    evening.tops_up(3, 2_000);
    evening.meet(&[0, 1, 2, 3], None);
    evening.now.fetch_add(120_000, Ordering::Relaxed);
    let risk = evening.hub.at_risk().unwrap();
    assert_eq!((risk.boxes.len(), risk.at_risk_cents), (4, 0));
    let old = SampleBox::new(30, BAR);
    evening.hub.adopt(&old.chain.verify(&sample::founding()).unwrap(), &old.chain.to_bytes()).unwrap();
    evening.hub.ingest(&old.segments(10)).unwrap();
    evening.now.fetch_add(120_000, Ordering::Relaxed);
    let risk = evening.hub.at_risk().unwrap();
    assert_eq!((risk.boxes.len(), risk.at_risk_cents), (5, 2_000), "one with older software takes up to the limit");
}

#[test]
fn a_festival_that_changes_its_rule_counts_what_went_before() {
    let dir = sample::hub_dir();
    std::fs::write(dir.path().join("festival.toml"), toml("limit")).unwrap();
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let mut hub = open(&dir, &now);
    let mut bar = SampleBox::new(20, BAR.and(DESK));
    bar.top_up(band(), 900);
    bar.sale(band(), 300);
    hub.ingest(&bar.segments(10)).unwrap();
    hub.publish().unwrap();
    assert!(hub.store.account_shares(band()).unwrap().is_empty());
    drop(hub);
    std::fs::write(dir.path().join("festival.toml"), toml("escrow")).unwrap();
    let mut hub = open(&dir, &now);
    let rows = hub.store.account_shares(band()).unwrap();
    assert_eq!((rows.len(), rows[0].1.put_on, rows[0].1.taken), (1, 900, 300));
    assert_eq!(hub.wallet_view(band()).unwrap().balance_cents, 600);
    let body = domain::bundle::Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap().body;
    assert_eq!(body.account_rule(), domain::bundle::AccountRule::Escrow);
    drop(hub);
    std::fs::write(dir.path().join("festival.toml"), toml("limit")).unwrap();
    let hub = open(&dir, &now);
    assert!(hub.store.account_shares(band()).unwrap().is_empty());
}

#[test]
fn projections_of_another_version_of_the_folding_are_folded_again() {
    let dir = sample::hub_dir();
    let now = Arc::new(AtomicU64::new(1_800_000_000_000));
    let mut hub = open(&dir, &now);
    let mut bar = SampleBox::new(20, BAR.and(DESK));
    bar.top_up(band(), 900);
    bar.sale(band(), 300);
    hub.ingest(&bar.segments(10)).unwrap();
    hub.publish().unwrap();
    let stored = hub.store.wallet(band()).unwrap().unwrap().state;
    drop(hub);
    let database = rusqlite::Connection::open(dir.path().join("hub.db")).unwrap();
    let version = || database.query_row("SELECT projection FROM festivals", [], |row| row.get::<_, i64>(0)).unwrap();
    let ours = version();
    database.execute("UPDATE wallets SET state = zeroblob(length(state))", []).unwrap();
    database.execute("UPDATE festivals SET projection = projection - 1", []).unwrap();
    let mut hub = open(&dir, &now);
    hub.publish().unwrap();
    assert_eq!(hub.store.wallet(band()).unwrap().unwrap().state, stored);
    assert_eq!(hub.wallet_view(band()).unwrap().balance_cents, 600);
    assert_eq!(version(), ours, "the next start leaves them as they are");
}
