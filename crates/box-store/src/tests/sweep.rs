//! Whatever a disk changes: it is found and said, or it has no effect on any sum. Seeded, offset after offset.
use std::{
    fs,
    io::Write,
    time::{Duration, Instant},
};

use domain::ledger::{TicketFlags, TicketState, WalletState};
use sync::Section;

use super::{hub_state::tell, *};
use crate::Mended;

/// How long a short run takes; `tests/soak corruption` says how long it may otherwise.
const SHORT: Duration = Duration::from_secs(8);

fn wallet(n: u8) -> WalletId {
    WalletId([n; 16])
}

/// A store in use: sales, doubts, admissions, and the hub's word on some of it; half of it still in the WAL.
fn busy(world: &World) {
    let (store, _) = world.open();
    for n in 0..12 {
        write(&store, vec![top_up(wallet(n), 5_000 + u32::from(n)), sale(wallet(n), 10 + u32::from(n))]);
    }
    write(&store, vec![admission(TICKET), pairing(TICKET, wallet(1))]);
    let held = (12 * 2 + 2 + 1) as u32;
    let states = (0..12).flat_map(|n| {
        WalletState { balance: 4_000 + i64::from(n), ..WalletState::empty(wallet(n)) }.to_bytes().to_vec()
    });
    tell(&store, Section::Wallets, held, states.collect());
    let ticket = TicketState {
        flags: TicketFlags(TicketFlags::USED.0 | TicketFlags::INSIDE.0),
        uses: 1,
        used: 1,
        inside: 1,
        wallet: Some(wallet(1)),
        ..TicketState::empty(TICKET)
    };
    tell(&store, Section::Tickets, held, ticket.to_bytes().to_vec());
    drop(store);
    meddle(&world.path(), "");
    let (store, _) = world.open();
    for n in 0..12 {
        one(&store, sale(wallet(n), 100 + u32::from(n)));
    }
    one(&store, intent(wallet(3), 70, 1));
    one(&store, admission(TicketUid([9; 16])));
}

/// All that anybody is told of money and people.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sums {
    entries: Vec<Vec<u8>>,
    balances: Vec<(i64, u32, i64)>,
    tickets: Vec<(u16, bool)>,
    doubts: usize,
    digest: [u8; 32],
}

fn sums(store: &Store) -> Result<Sums, StoreError> {
    let entries = store.reading(|connection| {
        let mut bodies = connection.prepare("SELECT body FROM entry ORDER BY at")?;
        let rows = bodies.query_map([], |row| row.get(0))?;
        Ok(rows.collect::<Result<Vec<Vec<u8>>, _>>()?)
    })?;
    store.read(|view| Sums {
        entries: entries.clone(),
        balances: (0..12)
            .map(|n| {
                let state = view.wallet(&wallet(n));
                (state.balance, state.in_doubt, view.uncovered_debits(&wallet(n)))
            })
            .collect(),
        tickets: [TICKET, TicketUid([9; 16])]
            .iter()
            .map(|ticket| {
                let state = view.ticket(ticket);
                (state.uses, state.flags.has(TicketFlags::INSIDE))
            })
            .collect(),
        doubts: view.all_open_intents().len(),
        digest: view.digest(),
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Flip,
    ZeroSector,
    ZeroPage,
    Rubbish,
    Cut,
}

const ALL: [What; 5] = [What::Flip, What::ZeroSector, What::ZeroPage, What::Rubbish, What::Cut];

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end.max(1) as u64).unwrap()
    }
}

fn damaged(bytes: &[u8], what: What, at: usize, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let end = bytes.len();
    let mut fill = |from: usize, length: usize, with: &mut dyn FnMut() -> u8| {
        bytes[from..(from + length).min(end)].iter_mut().for_each(|byte| *byte = with());
    };
    match what {
        What::Flip => bytes[at] ^= 1 << chance.below(8),
        What::ZeroSector => fill(at / 512 * 512, 512, &mut || 0),
        What::ZeroPage => fill(at / 1024 * 1024, 1024, &mut || 0),
        What::Rubbish => fill(at, 16, &mut || chance.below(256) as u8),
        What::Cut => bytes.truncate(at),
    }
    bytes
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    NotOpened,
    Degraded,
    FetchedAgain,
    FoldedAnew,
    FoundLater,
    NoEffect,
}

/// Opens the damaged store as a daemon does, and everything that it does afterwards.
fn outcome(world: &World, before: &Sums) -> Result<Outcome, String> {
    let (store, report) = match open(world.config(&world.path()), NOON) {
        Ok(opened) => opened,
        Err(_) => return Ok(Outcome::NotOpened),
    };
    if report.degraded.is_some() {
        let writes = store.transact(|_| Decision::write(vec![sale(WALLET, 1)], ()));
        return if writes.is_err() { Ok(Outcome::Degraded) } else { Err("written to though damaged".into()) };
    }
    let seen = sums(&store);
    if !report.mended.is_nothing() {
        let Mended { forgotten, folded } = &report.mended;
        let now = seen.map_err(|error| format!("mended and still: {error}"))?;
        if now.entries != before.entries || folded.is_some() && now != *before {
            return Err(format!("mended ({forgotten:?}, {folded:?}) and still another sum"));
        }
        return Ok(if forgotten.is_empty() { Outcome::FoldedAnew } else { Outcome::FetchedAgain });
    }
    let everything = store.check_everything();
    match (seen, everything) {
        (Ok(seen), _) if seen == *before => Ok(Outcome::NoEffect),
        // a page that no start reads: whoever does is told, and nothing is written any more
        (Err(_), _) if store.degraded().is_some() => Ok(Outcome::FoundLater),
        // an entry before the last checkpoint: no sum is read from it, and the look behind a start finds it
        (Ok(seen), Err(_)) if (Sums { entries: before.entries.clone(), ..seen.clone() }) == *before => {
            if store.degraded().is_some() { Ok(Outcome::FoundLater) } else { Err("found, and written on".into()) }
        }
        (Ok(_), Err(_)) => Err("another sum was told before the damage was found".into()),
        (seen, everything) => Err(format!("another sum and nothing said: {seen:?} {everything:?}")),
    }
}

#[test]
fn whatever_a_disk_changes_is_found_and_said_or_changes_no_sum() {
    let seed = std::env::var("CORRUPTION_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2027);
    let seconds = std::env::var("CORRUPTION_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let within = seconds.map_or(SHORT, Duration::from_secs);
    let world = World::new();
    busy(&world);
    let path = world.path();
    let (file, wal) = (path.clone(), with(&path, "-wal"));
    let index = with(&path, "-shm");
    let before = {
        let (store, report) = world.open();
        assert_eq!((report.degraded, report.mended), (None, Mended::default()));
        sums(&store).unwrap()
    };
    let good = [&file, &wal, &index].map(|path| fs::read(path).unwrap());
    let used = 32 + (24 + 1024) * frames(&good[1]);
    let (began, mut chance) = (Instant::now(), Chance(seed));
    let mut counted = std::collections::BTreeMap::<Outcome, usize>::new();
    let mut tried = 0usize;
    // on a slow machine for as long as it takes to see each way in which it is found
    while began.elapsed() < within || counted.len() < 4 && began.elapsed() < within * 6 {
        let in_wal = chance.below(3) == 0;
        let what = ALL[chance.below(ALL.len())];
        let whole = &good[usize::from(in_wal)];
        let at = chance.below(if in_wal { used.min(whole.len()) } else { whole.len() });
        // as a killed box leaves them
        for (to, bytes) in [&file, &wal, &index].into_iter().zip(&good) {
            fs::write(to, bytes).unwrap();
        }
        fs::write(if in_wal { &wal } else { &file }, damaged(whole, what, at, &mut chance)).unwrap();
        let found = outcome(&world, &before);
        let name = if in_wal { "the WAL" } else { "the store" };
        let found =
            found.unwrap_or_else(|why| panic!("{what:?} at byte {at} of {name}, seed {seed}, try {tried}: {why}"));
        *counted.entry(found).or_default() += 1;
        tried += 1;
    }
    // past the test runner, which shows nothing of a test that passes
    let _ =
        writeln!(std::io::stderr(), "damaged disks: seed {seed}, {tried} tries, {counted:?}, {:?}", began.elapsed());
    assert!(tried > 50 && counted.len() >= 4, "{counted:?}");
}

/// Frames of the WAL that are in use.
fn frames(wal: &[u8]) -> usize {
    let salts = &wal[16..24];
    wal[32..].chunks_exact(24 + 1024).take_while(|frame| &frame[8..16] == salts).count()
}
