//! A box: its real store, its taps, its power.
//! Invariant: a green light is noted when the store has answered, never before.
//! Not here: its session with the hub (`line`), taps with chips (`tap`: the worlds without QUIC have those).
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use box_store::{Decision, Store, StoreConfig, View};
use domain::{
    id::{EntryRef, TicketUid, WalletId},
    journal::{Admission, Detail, Effect, Entry, Kind, Marks, Means, Sale, SaleLine, Subject},
    money::{Cents, Currency},
    time::Hlc,
    wristband::tap::{UidAccount, uid_sale_entry, uid_top_up_entry},
};
use tokio::{sync::watch, time::Instant};

use super::{
    evening::{Evening, Green, Phase},
    founded::{Enrolled, Trade, wallet},
    hands::Ends,
    line,
    weather::{Gap, moment},
};
use crate::dice::Dice;

/// So long a box takes to start.
const STARTS_FOR: Duration = Duration::from_millis(300);

/// See the module.
pub(crate) struct Place {
    /// Which.
    pub(crate) n: usize,
    /// Who.
    pub(crate) enrolled: Enrolled,
    /// What its store is busy with.
    busy: Mutex<Option<Arc<dyn Ends>>>,
}

impl Place {
    /// Switched off.
    pub(crate) fn new(n: usize, enrolled: Enrolled) -> Self {
        Self { n, enrolled, busy: Mutex::default() }
    }

    /// From now on its store is busy with this.
    pub(crate) fn is_busy(&self, with: Arc<dyn Ends>) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = Some(with);
    }

    /// Waits until its store is busy no more.
    fn is_free(&self) {
        if let Some(with) = self.busy.lock().unwrap_or_else(PoisonError::into_inner).take() {
            with.ends();
        }
    }
}

/// How a time with power ended.
enum End {
    Over,
    PowerCut(Gap),
    Failed(anyhow::Error),
}

/// A box's evening, from its first start to the last.
pub(crate) async fn live(evening: Arc<Evening>, place: Arc<Place>, power: Vec<Gap>, mut dice: Dice) {
    let n = place.n;
    for gap in power.into_iter().map(Some).chain([None]) {
        if gap.is_some_and(|gap| moment(evening.start, gap.at) <= Instant::now()) {
            continue;
        }
        match with_power(&evening, &place, gap, &mut dice).await {
            End::Over => return,
            End::Failed(error) => return evening.breaks(format!("box {n}: {error:#}")),
            End::PowerCut(gap) => {
                let back = moment(evening.start, gap.at.saturating_add(gap.long));
                evening.air.cut(n, back);
                evening.is_offline(n);
                evening.notes().power_cuts += 1;
                if gap.long == u64::MAX {
                    evening.notes().gone[n] = true;
                    return;
                }
                tokio::select! {
                    biased;
                    () = evening.until(Phase::Healing) => {}
                    () = tokio::time::sleep_until(back) => {}
                }
            }
        }
    }
}

/// Switched on until the power fails at `gap`, or the evening is over.
async fn with_power(evening: &Arc<Evening>, place: &Arc<Place>, gap: Option<Gap>, dice: &mut Dice) -> End {
    let opening = {
        let (evening, place) = (Arc::clone(evening), Arc::clone(place));
        let now = evening.unix_ms();
        move || open(&evening, &place, now)
    };
    let store = match evening.hands.begin(STARTS_FOR, opening).done().await.and_then(|opened| opened) {
        Ok(store) => store,
        Err(error) => return End::Failed(error),
    };
    evening.is_switched_on(place.n);
    let (told, commits) = watch::channel(());
    let mut chance = Dice::new(dice.draw());
    let fails = async {
        if let Some(gap) = gap {
            tokio::time::sleep_until(moment(evening.start, gap.at)).await;
            if evening.phase() == Phase::Open {
                return gap;
            }
        }
        std::future::pending().await
    };
    let ended = tokio::select! {
        biased;
        () = evening.until(Phase::Over) => End::Over,
        gap = fails => End::PowerCut(gap),
        error = taps(evening, place, &store, &told, dice) => End::Failed(error),
        error = line::keep(evening, place, &store, commits, &mut chance) => End::Failed(error),
    };
    place.is_free();
    place.is_busy(evening.hands.begin(STARTS_FOR, move || drop(store)).end());
    ended
}

/// Opens a box's store; the paused clock is known to the thread that decides alone, which says what it shows.
fn open(evening: &Evening, place: &Place, unix_ms: u64) -> Result<Store> {
    place.is_free();
    let folder = evening.folder.join(format!("box-{}", place.n));
    std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let config = StoreConfig {
        path: folder.join("box.db"),
        festival: evening.founded.id,
        identity: place.enrolled.key.clone(),
        box_number: place.enrolled.number,
        chain: place.enrolled.chain.to_bytes(),
        software: "simulated".into(),
    };
    let (store, report) = box_store::open(config, unix_ms)?;
    ensure!(report.degraded.is_none(), "its store is damaged: {:?}", report.degraded);
    // a clock that runs on by itself would stamp entries with how fast this machine is
    store.hold_wall_ms(unix_ms);
    Ok(store)
}

/// A box that is opened to be asked, after the evening.
pub(crate) fn look_into(evening: &Evening, place: &Place, unix_ms: u64) -> Result<Store> {
    open(evening, place, unix_ms)
}

/// Taps about once a minute, in a crowd beyond a hundred less often (every box hears of every tap), until the lines are mended. Gives what went wrong.
async fn taps(
    evening: &Evening,
    place: &Place,
    store: &Store,
    told: &watch::Sender<()>,
    dice: &mut Dice,
) -> anyhow::Error {
    loop {
        let rest = (5_000 + dice.draw() % 110_000) * evening.crowds();
        tokio::time::sleep(Duration::from_millis(rest)).await;
        if evening.phase() != Phase::Open {
            return std::future::pending().await;
        }
        match tap(evening, place, store, dice) {
            Ok(()) => drop(told.send(())),
            Err(error) => return error,
        }
    }
}

/// One tap, to its green light or its refusal.
fn tap(evening: &Evening, place: &Place, store: &Store, dice: &mut Dice) -> Result<()> {
    place.is_free();
    store.hold_wall_ms(evening.unix_ms());
    let guest = wallet(dice.below(evening.guests));
    let amount = Cents::new(dice.amount(250, 1_200)).context("an amount")?;
    let (wallet, cents, committed) = match place.enrolled.trade {
        Trade::Desk => {
            let amount = Cents::new(amount.get() * 5).context("an amount")?;
            let entry = uid_top_up_entry(&account(guest), amount, Cents::ZERO, Means::Cash);
            (Some(guest), amount.as_i64(), write(store, move |_| Some(entry))?)
        }
        Trade::Bar => {
            let line = SaleLine { product: 1, quantity: 1, unit_price: amount };
            let sale = Sale { lines: vec![line], ..Sale::default() };
            let entry = uid_sale_entry(&account(guest), sale, amount, 1);
            let covered = move |view: &View<'_>| view.wallet(&guest).balance >= amount.as_i64();
            (Some(guest), -amount.as_i64(), write(store, move |view| covered(view).then_some(entry))?)
        }
        Trade::Gate => (
            None,
            0,
            write(store, {
                let entry = admission(TicketUid(dice.bytes()));
                move |_| Some(entry)
            })?,
        ),
    };
    let mut notes = evening.notes();
    match committed {
        Some((at, hash)) => drop(notes.greens.insert(at, Green { hash, wallet, cents })),
        None => notes.refused += 1,
    }
    Ok(())
}

/// Writes what is decided, as one commit; gives where it stands and its hash.
fn write(
    store: &Store,
    decide: impl FnOnce(&View<'_>) -> Option<Entry> + Send + 'static,
) -> Result<Option<(EntryRef, [u8; 32])>> {
    let committed = store.transact(move |view| match decide(view) {
        Some(entry) => Decision::write(vec![entry], ()),
        None => Decision::nothing(()),
    })?;
    let Some(at) = committed.refs.first().copied() else { return Ok(None) };
    let head = store.read(|view| view.head())?.context("a head")?;
    ensure!(head.at == at, "the commit that was answered is not the last one");
    Ok(Some((at, head.hash)))
}

fn account(wallet: WalletId) -> UidAccount {
    UidAccount { wallet, currency: Currency::EUR, operator: 1 }
}

fn admission(ticket: TicketUid) -> Entry {
    let (marks, product) = (Marks::default(), [1, 0, 0, 0]);
    let part = Detail::Admission(Admission { scheme: 1, marks, product, reason: String::new() }).to_bytes();
    let blank = Entry::new(Kind::ADMISSION, Effect::In, Currency::EUR, Hlc::default());
    Entry { subject: Subject::from(ticket), part, ..blank }
}
