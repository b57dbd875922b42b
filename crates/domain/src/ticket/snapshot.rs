//! The ticket snapshot: what a gate must know of every ticket, in fixed-size records sorted by identity, to be read
//! where it lies (memory-mapped) and never copied. 500,000 tickets are 16 MB.
//! Invariant: a look-up allocates nothing, reads within bounds whatever the bytes are, and looks at a few records only.
//! Not here: whether the bytes are those that the bundle named (their BLAKE3 hash, checked once at load), the map
//! itself (`box-store`), what the flags mean for a guest (`access`).
//!
//! `FTKS` · version u8 = 1 · 3 zeros · festival 16 · number u64 · windows u32 · tickets u32 · 24 zeros = 64 bytes, then
//! the windows (valid from u32 · valid until u32, unix seconds, 0 = open; window 0 is open at both ends), then the
//! records: uid 16 · flags u16 · window u16 · event u16 (0 = ours) · zero u16 · product u32 · zones u32 (0 = those of
//! the product) = 32 bytes, sorted by uid, no uid twice. Flags: 1 revoked, 2 blocked, 4 its window is not held, 8 its
//! product is not held. All numbers little-endian.
use alloc::{collections::BTreeMap, vec::Vec};

use thiserror::Error;

use super::{Product, Scheme, Ticket};
use crate::{
    id::{FestivalId, TicketUid},
    wire::{Malformed, Reader, Writer},
};

const MAGIC: &[u8; 4] = b"FTKS";
const VERSION: u8 = 1;
const WINDOW: usize = 8;
/// Bytes of one record.
pub const RECORD: usize = 32;

const REVOKED: u16 = 1;
const BLOCKED: u16 = 2;
const WINDOW_NOT_HELD: u16 = 4;
const PRODUCT_NOT_HELD: u16 = 8;
const KNOWN_FLAGS: u16 = REVOKED | BLOCKED | WINDOW_NOT_HELD | PRODUCT_NOT_HELD;

/// Guesses by interpolation before the search halves: identities are hashes, so two or three do.
const GUESSES: u32 = 8;

/// What the snapshot says of one ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotTicket {
    /// Which.
    pub uid: TicketUid,
    /// Revoked for ever.
    pub revoked: bool,
    /// Blocked for the time being.
    pub blocked: bool,
    /// What was sold; `None` where whoever made the snapshot did not know.
    pub product: Option<SnapshotProduct>,
    /// Unix seconds from and until which it is valid, 0 = open; `None` where the snapshot does not hold them.
    pub window: Option<(u32, u32)>,
    /// Bit set of the zones it opens; 0: those of its product.
    pub zones: u32,
}

/// What was sold, as far as a gate needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotProduct {
    /// Imported event; 0: ours.
    pub event: u16,
    /// Category of ours, or pretix item.
    pub product: u32,
}

/// Bytes that are not a snapshot of this festival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SnapshotError {
    /// Not of the layout.
    #[error("not a ticket snapshot: {0}")]
    Malformed(#[from] Malformed),
    /// Newer than this software.
    #[error("ticket snapshot of version {0}, this software knows {VERSION}")]
    Version(u8),
    /// Another festival's.
    #[error("ticket snapshot of festival {0}")]
    Festival(FestivalId),
    /// Records out of order, twice, or with fields that they may not hold.
    #[error("record {0} of the ticket snapshot is out of order or malformed")]
    Record(u32),
}

impl SnapshotTicket {
    /// A ticket of which nothing is known but that it is there.
    pub fn bare(uid: TicketUid) -> Self {
        Self { uid, revoked: false, blocked: false, product: None, window: None, zones: 0 }
    }

    /// The ticket itself, to be judged as if its code had been read; `None` where the snapshot does not hold enough
    /// of it for that.
    pub fn ticket(&self) -> Option<Ticket> {
        let bound = |unix_s: u32| Some(u64::from(unix_s)).filter(|unix_s| *unix_s != 0);
        let (from, until) = self.window?;
        let (scheme, product) = match self.product? {
            SnapshotProduct { event: 0, product } => (Scheme::Own, Product::Category(u16::try_from(product).ok()?)),
            SnapshotProduct { event, product } => {
                let item = u64::from(product);
                (Scheme::PretixSig1, Product::Pretix { event, item, variation: 0, subevent: 0 })
            }
        };
        Some(Ticket {
            scheme,
            uid: self.uid,
            display_id: self.uid.to_hex(),
            product,
            valid_from: bound(from),
            valid_until: bound(until),
            zones: Some(self.zones).filter(|zones| *zones != 0),
            holder_check: None,
        })
    }
}

/// Writes a snapshot. Of two records of one ticket the later counts, and what bars it in either.
pub fn write(festival: &FestivalId, number: u64, tickets: impl IntoIterator<Item = SnapshotTicket>) -> Vec<u8> {
    let mut sorted: Vec<SnapshotTicket> = tickets.into_iter().collect();
    sorted.sort_by_key(|ticket| ticket.uid);
    sorted.dedup_by(|later, kept| {
        let same = later.uid == kept.uid;
        if same {
            let (revoked, blocked) = (later.revoked || kept.revoked, later.blocked || kept.blocked);
            let (product, window) = (later.product.or(kept.product), later.window.or(kept.window));
            *kept = SnapshotTicket { revoked, blocked, product, window, zones: later.zones | kept.zones, ..*kept };
        }
        same
    });
    let mut windows = BTreeMap::from([((0, 0), 0u16)]);
    let mut listed = alloc::vec![(0, 0)];
    for window in sorted.iter().filter_map(|ticket| ticket.window) {
        // beyond what an index can name the window is left out, and the record says so
        if let (false, Ok(index)) = (windows.contains_key(&window), u16::try_from(listed.len())) {
            windows.insert(window, index);
            listed.push(window);
        }
    }
    let mut out = Writer::new();
    out.bytes(MAGIC);
    out.u8(VERSION);
    out.bytes(&[0; 3]);
    festival.write(&mut out);
    out.u64(number);
    out.u32(u32::try_from(listed.len()).unwrap_or(u32::MAX));
    out.u32(u32::try_from(sorted.len()).unwrap_or(u32::MAX));
    out.bytes(&[0; 24]);
    for (from, until) in listed {
        out.u32(from);
        out.u32(until);
    }
    for ticket in sorted {
        let window = ticket.window.and_then(|window| windows.get(&window));
        let flag = |is: bool, bit: u16| if is { bit } else { 0 };
        ticket.uid.write(&mut out);
        out.u16(
            flag(ticket.revoked, REVOKED)
                | flag(ticket.blocked, BLOCKED)
                | flag(window.is_none(), WINDOW_NOT_HELD)
                | flag(ticket.product.is_none(), PRODUCT_NOT_HELD),
        );
        out.u16(window.copied().unwrap_or(0));
        out.u16(ticket.product.map_or(0, |product| product.event));
        out.u16(0);
        out.u32(ticket.product.map_or(0, |product| product.product));
        out.u32(ticket.zones);
    }
    out.finish()
}

/// A snapshot where it lies.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot<'a> {
    number: u64,
    windows: &'a [u8],
    records: &'a [u8],
}

impl<'a> Snapshot<'a> {
    /// Reads the header; costs the same whatever the length.
    pub fn open(bytes: &'a [u8], festival: &FestivalId) -> Result<Self, SnapshotError> {
        let mut input = Reader::new(bytes);
        if input.take(4)? != MAGIC {
            return Err(Malformed::Value("magic").into());
        }
        match input.u8()? {
            VERSION => {}
            other => return Err(SnapshotError::Version(other)),
        }
        let zeros = input.array::<3>()? == [0; 3];
        let of = FestivalId::read(&mut input)?;
        if of != *festival {
            return Err(SnapshotError::Festival(of));
        }
        let number = input.u64()?;
        let (windows, tickets) = (input.u32()?, input.u32()?);
        if !zeros || input.array::<24>()? != [0; 24] || windows == 0 {
            return Err(Malformed::Value("header").into());
        }
        let bytes = |count: u32, each: usize| usize::try_from(count).ok().and_then(|count| count.checked_mul(each));
        let windows = input.take(bytes(windows, WINDOW).ok_or(Malformed::Value("windows"))?)?;
        let records = input.take(bytes(tickets, RECORD).ok_or(Malformed::Value("tickets"))?)?;
        input.end()?;
        Ok(Self { number, windows, records })
    }

    /// Looks at every record once: order, flags, windows. For whoever loads it, beside the hash.
    pub fn check(&self) -> Result<(), SnapshotError> {
        let mut before: Option<&[u8]> = None;
        for (at, record) in (0u32..).zip(self.records.chunks_exact(RECORD)) {
            let uid = record.get(..TicketUid::LEN);
            if before >= uid || self.read(record).is_err() {
                return Err(SnapshotError::Record(at));
            }
            before = uid;
        }
        Ok(())
    }

    /// Its number, rising with each one made.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// How many tickets it holds.
    pub fn len(&self) -> usize {
        self.records.len() / RECORD
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Every ticket in order; stops at a record that cannot be read.
    pub fn tickets(&self) -> impl Iterator<Item = SnapshotTicket> + 'a {
        let this = *self;
        self.records.chunks_exact(RECORD).map_while(move |record| this.read(record).ok())
    }

    /// What it says of one ticket.
    pub fn find(&self, uid: &TicketUid) -> Option<SnapshotTicket> {
        let key = key_of(&uid.0);
        let (mut low, mut high) = (0, self.len());
        let mut guesses = 0;
        while low < high {
            let middle = match guesses {
                0..GUESSES => self.guess(key, low, high)?,
                _ => low.midpoint(high),
            };
            guesses = guesses.saturating_add(1);
            let record = self.record(middle)?;
            match record.get(..TicketUid::LEN)?.cmp(&uid.0) {
                core::cmp::Ordering::Equal => return self.read(record).ok(),
                core::cmp::Ordering::Less => low = middle.saturating_add(1),
                core::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Where `key` would stand if identities were spread evenly between the two ends.
    fn guess(&self, key: u64, low: usize, high: usize) -> Option<usize> {
        let last = high.saturating_sub(1);
        let (first, end) = (key_of(self.record(low)?), key_of(self.record(last)?));
        let (span, into) = (end.saturating_sub(first), key.saturating_sub(first).min(end.saturating_sub(first)));
        let steps = u128::from(into).saturating_mul(last.saturating_sub(low) as u128).checked_div(u128::from(span));
        Some(low.saturating_add(usize::try_from(steps.unwrap_or(0)).unwrap_or(0)).min(last))
    }

    fn record(&self, at: usize) -> Option<&'a [u8]> {
        let start = at.checked_mul(RECORD)?;
        self.records.get(start..start.checked_add(RECORD)?)
    }

    fn read(&self, record: &[u8]) -> Result<SnapshotTicket, Malformed> {
        let mut input = Reader::new(record);
        let uid = TicketUid::read(&mut input)?;
        let (flags, window, event, zero) = (input.u16()?, input.u16()?, input.u16()?, input.u16()?);
        let (product, zones) = (input.u32()?, input.u32()?);
        if flags & !KNOWN_FLAGS != 0 || zero != 0 {
            return Err(Malformed::Value("flags"));
        }
        let has = |flag: u16| flags & flag != 0;
        Ok(SnapshotTicket {
            uid,
            revoked: has(REVOKED),
            blocked: has(BLOCKED),
            product: (!has(PRODUCT_NOT_HELD)).then_some(SnapshotProduct { event, product }),
            window: if has(WINDOW_NOT_HELD) { None } else { Some(self.window(window)?) },
            zones,
        })
    }

    fn window(&self, index: u16) -> Result<(u32, u32), Malformed> {
        let window = self.windows.chunks_exact(WINDOW).nth(usize::from(index)).ok_or(Malformed::Value("window"))?;
        let mut input = Reader::new(window);
        Ok((input.u32()?, input.u32()?))
    }
}

/// The first eight bytes of an identity as a number that sorts like it.
fn key_of(uid: &[u8]) -> u64 {
    uid.first_chunk().map_or(0, |first| u64::from_be_bytes(*first))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FESTIVAL: FestivalId = FestivalId([7; 16]);
    const HEADER: usize = 64;

    fn uid(n: u64) -> TicketUid {
        let hash = blake3::hash(&n.to_le_bytes());
        TicketUid(crate::wire::first16(hash.as_bytes()))
    }

    fn ticket(n: u64) -> SnapshotTicket {
        SnapshotTicket {
            revoked: n.is_multiple_of(7),
            blocked: n.is_multiple_of(11),
            product: Some(SnapshotProduct { event: (n % 3) as u16, product: n as u32 }),
            window: Some((0, 1_800_000_000 + (n % 5) as u32)),
            zones: (n % 4) as u32,
            ..SnapshotTicket::bare(uid(n))
        }
    }

    fn snapshot(count: u64) -> Vec<u8> {
        write(&FESTIVAL, 3, (0..count).map(ticket))
    }

    #[test]
    fn every_ticket_is_found_again_and_no_other() {
        let bytes = snapshot(5_000);
        let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
        assert_eq!((read.len(), read.number(), read.check()), (5_000, 3, Ok(())));
        for n in 0..5_000 {
            assert_eq!(read.find(&uid(n)), Some(ticket(n)));
            assert_eq!(read.find(&uid(n + 5_000)), None);
        }
        for edge in [[0; 16], [0xff; 16]] {
            assert_eq!(read.find(&TicketUid(edge)), None);
        }
    }

    #[test]
    fn half_a_million_tickets_are_sixteen_megabytes() {
        let bytes = write(&FESTIVAL, 1, (0..500_000).map(|n| SnapshotTicket::bare(uid(n))));
        assert_eq!(bytes.len(), 16_000_000 + HEADER + WINDOW);
        let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
        assert_eq!(read.find(&uid(499_999)), Some(SnapshotTicket::bare(uid(499_999))));
    }

    #[test]
    fn an_empty_snapshot_holds_nobody() {
        let bytes = snapshot(0);
        let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
        assert!(read.is_empty());
        assert_eq!(read.find(&uid(1)), None);
    }

    #[test]
    fn identities_that_all_begin_alike_are_found_too() {
        let alike = |n: u16| {
            let [a, b] = n.to_be_bytes();
            TicketUid([9, 9, 9, 9, 9, 9, 9, 9, 0, 0, 0, 0, 0, 0, a, b])
        };
        let bytes = write(&FESTIVAL, 1, (0..3_000).map(|n| SnapshotTicket::bare(alike(n))));
        let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
        for n in 0..3_000 {
            assert!(read.find(&alike(n)).is_some(), "{n}");
        }
        assert_eq!(read.find(&alike(3_000)), None);
    }

    #[test]
    fn two_records_of_one_ticket_become_one_that_is_barred_if_either_was() {
        let barred = SnapshotTicket { blocked: true, ..SnapshotTicket::bare(uid(1)) };
        let bytes = write(&FESTIVAL, 1, [barred, ticket(1)]);
        let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
        assert_eq!(read.len(), 1);
        assert_eq!(read.find(&uid(1)), Some(SnapshotTicket { blocked: true, ..ticket(1) }));
        assert!(!read.is_empty());
        let plain = SnapshotTicket { revoked: false, blocked: false, zones: 3, ..ticket(1) };
        let barred = SnapshotTicket { revoked: true, blocked: true, zones: 5, ..SnapshotTicket::bare(uid(1)) };
        for both in [[plain, barred], [barred, plain]] {
            let bytes = write(&FESTIVAL, 1, both);
            let found = Snapshot::open(&bytes, &FESTIVAL).unwrap().find(&uid(1));
            assert_eq!(found, Some(SnapshotTicket { revoked: true, blocked: true, zones: 7, ..plain }));
        }
    }

    #[test]
    fn more_windows_than_an_index_can_name_are_left_out_and_the_record_says_so() {
        let many = (0..70_000u32).map(|n| SnapshotTicket { window: Some((n, 0)), ..ticket(u64::from(n)) });
        let bytes = write(&FESTIVAL, 1, many);
        let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
        assert_eq!(read.check(), Ok(()));
        let lost = read.tickets().filter(|held| held.window.is_none());
        assert_eq!(lost.filter(|held| held.ticket().is_none()).count(), 70_000 - 65_536);
    }

    #[test]
    fn a_record_gives_the_ticket_that_its_code_would_give() {
        let own = SnapshotTicket { product: Some(SnapshotProduct { event: 0, product: 4 }), zones: 3, ..ticket(1) };
        let read = own.ticket().unwrap();
        assert_eq!((read.scheme, read.product, read.zones), (Scheme::Own, Product::Category(4), Some(3)));
        assert_eq!((read.valid_from, read.valid_until), (None, Some(1_800_000_001)));
        let bought = SnapshotTicket { product: Some(SnapshotProduct { event: 2, product: 9 }), ..own };
        let product = Product::Pretix { event: 2, item: 9, variation: 0, subevent: 0 };
        assert_eq!(bought.ticket().unwrap().product, product);
        assert_eq!(SnapshotTicket { product: None, ..own }.ticket(), None);
        assert_eq!(SnapshotTicket { window: None, ..own }.ticket(), None);
    }

    #[test]
    fn another_festivals_snapshot_and_a_newer_version_are_refused() {
        let mut bytes = snapshot(3);
        assert_eq!(Snapshot::open(&bytes, &FestivalId([8; 16])).err(), Some(SnapshotError::Festival(FESTIVAL)));
        bytes[4] = 2;
        assert_eq!(Snapshot::open(&bytes, &FESTIVAL).err(), Some(SnapshotError::Version(2)));
    }

    #[test]
    fn a_header_holds_nothing_that_nobody_writes() {
        let bytes = snapshot(1);
        for at in [5, 6, 7, 40, 63] {
            let mut odd = bytes.clone();
            odd[at] = 1;
            let refused = SnapshotError::Malformed(Malformed::Value("header"));
            assert_eq!(Snapshot::open(&odd, &FESTIVAL).err(), Some(refused), "{at}");
        }
        let mut windowless = bytes;
        windowless[32..36].fill(0);
        assert!(matches!(Snapshot::open(&windowless, &FESTIVAL), Err(SnapshotError::Malformed(Malformed::Value(_)))));
    }

    #[test]
    fn a_snapshot_cut_anywhere_or_longer_is_refused() {
        let bytes = snapshot(5);
        for cut in 0..bytes.len() {
            assert!(Snapshot::open(&bytes[..cut], &FESTIVAL).is_err(), "cut at {cut}");
        }
        assert!(Snapshot::open(&[&bytes[..], &[0]].concat(), &FESTIVAL).is_err());
    }

    #[test]
    fn records_out_of_order_twice_or_with_unknown_flags_are_found_at_load() {
        let bytes = snapshot(4);
        let start = bytes.len() - 4 * RECORD;
        let mut swapped = bytes.clone();
        let (first, second) = swapped[start..].split_at_mut(RECORD);
        first.swap_with_slice(&mut second[..RECORD]);
        let mut twice = bytes.clone();
        twice.copy_within(start..start + RECORD, start + RECORD);
        let mut flagged = bytes.clone();
        flagged[start + 17] = 0x80;
        let mut window = bytes;
        window[start + 18] = 0xff;
        for (bytes, at) in [(swapped, 1), (twice, 1), (flagged, 0), (window, 0)] {
            let read = Snapshot::open(&bytes, &FESTIVAL).unwrap();
            assert_eq!(read.check(), Err(SnapshotError::Record(at)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(
            mut bytes in Just(snapshot(20)),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
            asked in any::<[u8; 16]>(),
        ) {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(read) = Snapshot::open(&bytes, &FESTIVAL) {
                let _ = read.check();
                let _ = read.find(&TicketUid(asked));
                prop_assert!(read.tickets().count() <= 20);
            }
        }
    }
}
