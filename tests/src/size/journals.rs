//! Journals of a thousand boxes, written with the product's own chain before any clock starts.
//! Invariant: every segment ends where a signature stands; a box's entries of one stage follow those of the stage before.
//! Not here: sending them (`crowd`).
use std::thread;

use anyhow::{Context, Result, anyhow};
use domain::{
    id::{BoxNumber, FestivalId, TicketUid, WalletId, device_id},
    journal::{
        Admission, ChainCursor, Detail, Effect, Entry, Flags, Genesis, Head, Kind, Marks, Means, Sale, SaleLine,
        Subject,
    },
    money::{Cents, Currency},
    time::Hlc,
    trust::{CertificateChain, Purpose, Roles, Scope},
    wristband::tap::{UidAccount, uid_sale_entry, uid_top_up_entry},
};
use ed25519_dalek::SigningKey;
use provisioning::Festival;
use sync::Segment;

use crate::world::FESTIVAL_TIME;

/// Most entries of a segment.
pub(super) const SEGMENT: u32 = 500;
/// Between two stages every box is away for so long.
pub(super) const AWAY_MS: u64 = 72 * 3_600_000;
/// Between two taps.
const PACE_MS: u64 = 14_400;

/// A box: who it is, and what it has written.
pub(super) struct Journal {
    /// Its key.
    pub key: SigningKey,
    /// Its chain.
    pub chain: CertificateChain,
    /// What it is used for.
    pub roles: Roles,
    /// Its entries, cut at each stage's end and every [`SEGMENT`] entries.
    pub segments: Vec<Segment>,
    /// Its head after each segment.
    pub heads: Vec<Head>,
}

/// How much is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    /// Boxes.
    pub boxes: usize,
    /// Guests with an account.
    pub guests: u64,
    /// Entries of each box in each stage.
    pub entries: u32,
    /// Stages.
    pub stages: u32,
}

impl Journal {
    /// Writes those of all boxes, on all processors.
    pub(super) fn write_all(festival: &Festival, amount: Amount) -> Result<Vec<Self>> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = amount.boxes.div_ceil(threads).max(1);
        thread::scope(|scope| {
            let numbers: Vec<usize> = (0..amount.boxes).collect();
            let written: Vec<_> = numbers
                .chunks(share)
                .map(|numbers| {
                    let numbers = numbers.to_vec();
                    scope.spawn(move || {
                        numbers.into_iter().map(|n| Self::write(festival, n, amount)).collect::<Result<Vec<_>>>()
                    })
                })
                .collect();
            let mut all = Vec::with_capacity(amount.boxes);
            for part in written {
                all.extend(part.join().map_err(|_| anyhow!("a writing thread panicked"))??);
            }
            Ok(all)
        })
    }

    /// Writes that of box `n`: one desk and one gate in five, the rest are bars.
    pub(super) fn write(festival: &Festival, n: usize, amount: Amount) -> Result<Self> {
        let mut writing = Writing::new(festival, n)?;
        let roles = writing.roles;
        for stage in 0..amount.stages {
            for tap in 0..amount.entries {
                if (stage, tap) == (0, 0) {
                    writing.genesis();
                    continue;
                }
                let number = (n as u64) << 32 | u64::from(stage) << 24 | u64::from(tap);
                let at = u64::from(stage) * AWAY_MS + u64::from(tap) * PACE_MS;
                writing.commit(tapped(roles, number, tap, amount.guests), at);
                if writing.bodies.len() == SEGMENT as usize {
                    writing.cut()?;
                }
            }
            writing.cut()?;
        }
        Ok(writing.finish())
    }
}

/// What a box of these roles writes as its `tap`-th entry. A gate admits every fourth time and serves its own small bar
/// otherwise; a desk tops up.
fn tapped(roles: Roles, number: u64, tap: u32, guests: u64) -> Entry {
    let chance = chance(number);
    let account = UidAccount { wallet: wallet(chance % guests), currency: Currency::EUR, operator: 1 };
    let price = Cents::new(450).unwrap_or_default();
    if roles.has(Roles::TOP_UP) {
        let amount = Cents::new(2_000).unwrap_or_default();
        return uid_top_up_entry(&account, amount, Cents::ZERO, Means::Cash);
    }
    if roles.has(Roles::GATE) && tap.is_multiple_of(8) {
        return admission(number);
    }
    let line = SaleLine { product: 1, quantity: 1, unit_price: price };
    uid_sale_entry(&account, Sale { lines: vec![line], ..Sale::default() }, price, 1)
}

fn wallet(n: u64) -> WalletId {
    let mut wallet = [0x33; 16];
    wallet[..8].copy_from_slice(&chance(n ^ 0x5ca1_ab1e).to_le_bytes());
    WalletId(wallet)
}

fn admission(number: u64) -> Entry {
    let mut ticket = [0x44; 16];
    ticket[..8].copy_from_slice(&number.to_le_bytes());
    let (marks, product) = (Marks::default(), [1, 0, 0, 0]);
    let part = Detail::Admission(Admission { scheme: 1, marks, product, reason: String::new() }).to_bytes();
    let blank = Entry::new(Kind::ADMISSION, Effect::In, Currency::EUR, Hlc::default());
    Entry { subject: Subject::from(TicketUid(ticket)), part, ..blank }
}

/// The same numbers in every run (SplitMix64).
fn chance(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A journal that is being written.
pub(super) struct Writing {
    festival: FestivalId,
    key: SigningKey,
    chain: CertificateChain,
    roles: Roles,
    number: BoxNumber,
    cursor: ChainCursor,
    bodies: Vec<Vec<u8>>,
    prev: [u8; 32],
    first: u32,
    segments: Vec<Segment>,
    heads: Vec<Head>,
}

impl Writing {
    /// Box `n`, enrolled by the festival's root.
    pub(super) fn new(festival: &Festival, n: usize) -> Result<Self> {
        let roles = match n % 5 {
            0 => Roles::BAR.and(Roles::TOP_UP),
            1 => Roles::BAR.and(Roles::GATE),
            _ => Roles::BAR,
        };
        let mut seed = [0x51; 32];
        seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
        let key = SigningKey::from_bytes(&seed);
        let public = key.verifying_key().to_bytes();
        let first = u16::try_from(n * 4 + 1)?;
        let scope = Scope {
            place: format!("Place {n}"),
            roles,
            kinds: u64::MAX >> 1,
            box_numbers: (first, first + 3),
            quota_cents: 0,
        };
        let chain = festival.issue_certificate(Purpose::Device, public, scope)?;
        let cursor = ChainCursor::start(festival.id(), device_id(&public), 0);
        let (segments, heads) = (Vec::new(), Vec::new());
        Ok(Self {
            festival: festival.id(),
            key,
            chain,
            roles,
            number: BoxNumber(first),
            prev: cursor.prev,
            cursor,
            bodies: Vec::new(),
            first: 0,
            segments,
            heads,
        })
    }

    /// Writes the first entry.
    pub(super) fn genesis(&mut self) {
        let genesis = Genesis {
            festival: self.festival,
            public_key: self.key.verifying_key().to_bytes(),
            box_number: self.number,
            epoch: 0,
            chain: self.chain.to_bytes(),
            previous: None,
            software: "measure".into(),
        };
        let blank = Entry::new(Kind::GENESIS, Effect::None, Currency::EUR, Hlc::default());
        self.commit(Entry { part: Detail::Genesis(genesis).to_bytes(), ..blank }, 0);
    }

    /// Writes an entry, so many milliseconds into the festival.
    pub(super) fn commit(&mut self, mut entry: Entry, at_ms: u64) {
        entry.hlc = Hlc((FESTIVAL_TIME * 1_000 + at_ms) << 16);
        entry.flags = entry.flags.with(Flags::END_OF_COMMIT);
        let body = entry.to_bytes();
        self.cursor.append(&body);
        self.bodies.push(body);
    }

    /// Signs what was written since the last cut, as one segment; nothing where nothing was.
    pub(super) fn cut(&mut self) -> Result<()> {
        if self.bodies.is_empty() {
            return Ok(());
        }
        let mark = self.cursor.sign(&self.key).context("a head")?;
        let bodies = std::mem::take(&mut self.bodies);
        let (device, first, prev) = (self.cursor.device, self.first, self.prev);
        self.segments.push(Segment { device, epoch: 0, first, prev, bodies, signature: mark.signature });
        self.heads.push(mark.head);
        (self.prev, self.first) = (self.cursor.prev, self.cursor.next_seq);
        Ok(())
    }

    /// Takes the segments that were cut since the last time: for a box that never ends.
    pub(super) fn taken(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.segments)
    }

    /// One more entry of the kind that such a box writes.
    pub(super) fn tap(&mut self, tap: u32, guests: u64) {
        let number = u64::from(self.number.0) << 40 | u64::from(tap);
        self.commit(tapped(self.roles, number, tap, guests), u64::from(tap));
    }

    /// The box with all that it has written.
    pub(super) fn finish(self) -> Journal {
        let Self { key, chain, roles, segments, heads, .. } = self;
        Journal { key, chain, roles, segments, heads }
    }
}
