//! Whatever a disk changes in the hub's database is found and said, or changes no sum. Seeded, offset after offset.
use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use domain::trust::Roles;

use super::*;
use crate::{
    sample::{self, SampleBox, ticket, wallet},
    totals,
};

/// How long a short run takes; `tests/soak corruption` says how long it may otherwise.
const SHORT: Duration = Duration::from_secs(6);
const WALLETS: u8 = 12;

/// A hub with two boxes' journals, published.
fn busy(dir: &Path) {
    let mut hub = sample::open(dir);
    let (mut desk, mut gate) = (SampleBox::new(20, Roles(6)), SampleBox::new(21, Roles(1)));
    for one in [&desk, &gate] {
        let certificate = one.chain.verify(&sample::founding()).unwrap();
        hub.adopt(&certificate, &one.chain.to_bytes()).unwrap();
    }
    for n in 1..=WALLETS {
        desk.top_up(wallet(n), 1_000 + u32::from(n));
        desk.sale(wallet(n), 10 + u32::from(n));
        gate.admit(ticket(n));
    }
    hub.ingest(&desk.segments(7)).unwrap();
    hub.ingest(&gate.segments(5)).unwrap();
    hub.block_wallet(wallet(3)).unwrap();
    hub.publish().unwrap();
}

/// Everything that boxes and people are told.
fn told(hub: &Hub) -> Result<String, HubError> {
    let reading = hub.reading()?;
    let books = totals::books(&reading)?;
    let mut states = Vec::new();
    reading.wallet_states(|state| states.extend_from_slice(state))?;
    reading.ticket_states(|state| states.extend_from_slice(state))?;
    let heads = hub.journals().vector();
    Ok(format!("{:?} {} {:?}", books.view(), blake3::hash(&states), heads))
}

/// The first thing that is found, as the running hub looks.
fn found(hub: &mut Hub) -> Result<Option<String>, HubError> {
    let reading = hub.reading()?;
    if let Some(what) = reading.at_once(|reading| reading.first_damage(sample::festival()))? {
        return Ok(Some(what));
    }
    let (wallets, tickets) = reading.subjects()?;
    hub.first_wrong(&wallets, &tickets)
}

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

#[test]
fn whatever_a_disk_changes_in_the_hub_s_database_is_found_and_said_or_changes_no_sum() {
    let seed = std::env::var("CORRUPTION_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(2027);
    let seconds = std::env::var("CORRUPTION_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let within = seconds.map_or(SHORT, Duration::from_secs);
    let dir = sample::hub_dir();
    busy(dir.path());
    let (file, term) = (dir.path().join("hub.db"), dir.path().join("term"));
    let before = {
        let mut hub = sample::open(dir.path());
        assert_eq!(found(&mut hub).unwrap(), None, "nothing is wrong with a sound one");
        told(&hub).unwrap()
    };
    let (good, good_term) = (fs::read(&file).unwrap(), fs::read(&term).unwrap());
    let open = || {
        let identity = crate::identity::Identity::read(dir.path()).unwrap();
        Hub::open(dir.path(), identity.into(), crate::hub::wall_clock())
    };
    let (began, mut chance) = (Instant::now(), Chance(seed));
    let mut counted = BTreeMap::<&'static str, usize>::new();
    let mut tried = 0usize;
    while began.elapsed() < within {
        for ending in ["-wal", "-shm"] {
            fs::remove_file(dir.path().join(format!("hub.db{ending}"))).ok();
        }
        let mut bytes = good.clone();
        let at = chance.below(bytes.len());
        let what = ["flip", "sector", "page", "cut"][chance.below(4)];
        match what {
            "flip" => bytes[at] ^= 1 << chance.below(8),
            "sector" => bytes[at / 512 * 512..][..512].fill(0),
            "page" => bytes[at / 4096 * 4096..][..4096].fill(0),
            _ => bytes.truncate(at),
        }
        fs::write(&file, &bytes).unwrap();
        fs::write(&term, &good_term).unwrap();
        let outcome = match open() {
            Err(_) => "does not start",
            Ok(mut hub) => match (found(&mut hub), told(&hub)) {
                (Ok(None), Ok(now)) if now == before => "no effect",
                // a term that is raised has every box send everything again
                (Ok(None), _) if hub.term() > 1 => "a new term",
                (Ok(None), now) => panic!("{what} at byte {at}, seed {seed}, try {tried}: {before}\n{now:?}"),
                (Ok(Some(_)) | Err(_), _) => "found",
            },
        };
        *counted.entry(outcome).or_default() += 1;
        tried += 1;
    }
    // past the test runner, which shows nothing of a test that passes
    let _ = writeln!(
        std::io::stderr(),
        "damaged databases: seed {seed}, {tried} tries, {counted:?}, {:?}",
        began.elapsed()
    );
    assert!(tried > 30 && counted.contains_key("found"), "{counted:?}");
}

#[test]
fn a_database_that_was_found_damaged_is_written_to_no_more_and_says_so() {
    let dir = sample::hub_dir();
    busy(dir.path());
    let mut hub = sample::open(dir.path());
    assert_eq!(hub.store().trouble(), None);
    hub.store.is_damaged();
    assert_eq!(hub.store().trouble(), Some("hub.database_damaged"));
    let refused = hub.block_wallet(wallet(5)).unwrap_err();
    assert_eq!(crate::store::Failure::disk_code(&refused), Some("hub.database_damaged"));
    assert!(hub.ingest(&SampleBox::new(20, Roles(6)).segments(7)).is_err());
}

#[test]
fn a_genesis_that_comes_behind_other_entries_leaves_nothing_that_looks_like_damage() {
    let dir = sample::hub_dir();
    let mut hub = sample::open(dir.path());
    let mut gate = SampleBox::new(21, Roles(1));
    let certificate = gate.chain.verify(&sample::founding()).unwrap();
    hub.adopt(&certificate, &gate.chain.to_bytes()).unwrap();
    (1..=3).for_each(|n| {
        gate.admit(ticket(n));
    });
    hub.ingest(&[gate.segment(2, 4)]).unwrap();
    hub.publish().unwrap();
    hub.ingest(&[gate.segment(0, 2)]).unwrap();
    hub.publish().unwrap();
    let state = |hub: &Hub, n| {
        let bytes = hub.reading().unwrap().ticket_state(ticket(n)).unwrap().unwrap();
        domain::ledger::TicketState::from_bytes(&bytes).unwrap()
    };
    assert_eq!(state(&hub, 3).first_box, state(&hub, 1).first_box);
    assert_eq!(found(&mut hub).unwrap(), None);
    drop(hub);
    assert_eq!(found(&mut sample::open(dir.path())).unwrap(), None);
}
