//! Runs of journal entries on the wire.
use domain::{
    journal::{BODY_MAX, ChainCursor, Flags},
    wire::Writer,
};
use sync::{Limits, Segment, segment::SEGMENT_ENTRIES};

use crate::{
    festival::{BOX, DESK, FESTIVAL, key, public},
    memory, one_bit_off, take, taken_as,
};

/// Level of the compression in `sync::segment`; the columns of a segment that is in its one form come back alike.
const LEVEL: i32 = 6;
/// Bytes before the ids.
const HEAD: usize = 1 + 16 + 4 + 4 + 32 + 64;

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 3) else { return };
    match how {
        0 => {
            // its columns may unpack to what the limits say, and are held twice
            memory::within(16 << 20, 16, rest.len(), || {
                if let Ok(segment) = Segment::decode(rest, &Limits::default()) {
                    comes_back(&segment);
                }
            });
        }
        1 => {
            if let Some(bytes) = packed(rest) {
                memory::within(16 << 20, 16, rest.len(), || {
                    if let Ok(segment) = Segment::decode(&bytes, &Limits::default()) {
                        comes_back(&segment);
                        assert_eq!(segment.encode().as_ref(), Ok(&bytes), "two forms of one segment");
                    }
                });
            }
        }
        _ => bodies(rest),
    }
}

fn comes_back(segment: &Segment) {
    let bytes = segment.encode().expect("what was read is within the limits");
    assert_eq!(Segment::decode(&bytes, &Limits::default()).as_ref(), Ok(segment));
    let _ = segment.genesis();
    if let Ok(heads) = segment.verify(*FESTIVAL, &public(BOX)) {
        assert_eq!(heads.len(), segment.bodies.len());
        assert_eq!(heads.last().map(|head| head.seq), Some(segment.last()));
    }
}

/// A segment whose columns are the input's: head · entries u16 · ids u8 and these · bytes apart u8 and these · columns.
fn packed(mut rest: &[u8]) -> Option<Vec<u8>> {
    let head: [u8; HEAD] = take(&mut rest);
    let [entries, ids, apart]: [u8; 3] = take(&mut rest);
    let (ids, rest) = rest.split_at_checked(usize::from(ids) * 16)?;
    let (apart, columns) = rest.split_at_checked(usize::from(apart))?;
    let mut out = Writer::new();
    out.u8(1);
    out.bytes(&head[1..]);
    out.u16(entries.into());
    out.u16((ids.len() / 16) as u16);
    out.bytes(ids);
    out.u16(apart.len() as u16);
    out.bytes(apart);
    out.u32(columns.len() as u32);
    out.bytes(&zstd::bulk::compress(columns, LEVEL).ok()?);
    Some(out.finish())
}

/// Bodies, each with its length before it, as the golden box signs them.
fn bodies(mut rest: &[u8]) {
    let first: [u8; 4] = take(&mut rest);
    let first = u32::from_le_bytes(first);
    let mut all: Vec<Vec<u8>> = Vec::new();
    while !rest.is_empty() && all.len() < SEGMENT_ENTRIES {
        let length: [u8; 2] = take(&mut rest);
        let length = usize::from(u16::from_le_bytes(length)) % (BODY_MAX + 2);
        let (body, after) = rest.split_at(rest.len().min(length));
        rest = after;
        all.push(body.to_vec());
    }
    let Some(last) = all.last_mut() else { return };
    if let Some(flags) = last.get_mut(1) {
        *flags |= Flags::END_OF_COMMIT.0;
    }
    let device = domain::id::device_id(&public(BOX));
    let mut cursor = ChainCursor { festival: *FESTIVAL, device, epoch: 1, next_seq: first, prev: [7; 32] };
    if first.checked_add(all.len() as u32).is_none() {
        return;
    }
    let prev = if first == 0 { [0; 32] } else { cursor.prev };
    cursor.prev = prev;
    all.iter().for_each(|body| {
        cursor.append(body);
    });
    let signature = cursor.sign(key(BOX)).expect("at least one entry").signature;
    let segment = Segment { device, epoch: 1, first, prev, bodies: all, signature };
    let Ok(bytes) = segment.encode() else { return };
    assert_eq!(Segment::decode(&bytes, &Limits::default()).as_ref(), Ok(&segment));
    if segment.verify(*FESTIVAL, &public(BOX)).is_ok() {
        for other in [Segment::decode(&one_bit_off(&bytes), &Limits::default()), Ok(body_off(&segment))] {
            let Ok(other) = other else { continue };
            assert!(other == segment || other.verify(*FESTIVAL, &public(BOX)).is_err(), "a changed bit is believed");
        }
        assert!(segment.verify(*FESTIVAL, &public(DESK)).is_err());
    }
}

fn body_off(segment: &Segment) -> Segment {
    let mut other = segment.clone();
    let at = other.bodies.iter().map(Vec::len).sum::<usize>() % other.bodies.len();
    other.bodies[at] = one_bit_off(&other.bodies[at]);
    if other.bodies[at].is_empty() {
        other.epoch ^= 1;
    }
    other
}
