//! Entry bodies as columns, so that what is alike stands together and compresses.
//! Invariant: a list of bodies has exactly one list of columns, and `join` refuses every other.
//!
//! A body is split when it has at least 88 bytes, version 1 and a zero reserved byte; any other is kept raw.
//! Columns, each over all split entries in turn: form of every entry (0 split, 1 raw) · flags · kind · effect ·
//! currency · time (ms, zigzag delta) · time (counter) · subject · other (`Ids`) · refers-to (back distance) · amount ·
//! tap counter · zone · operator · price revision · part length · parts (`parts`), byte by byte across entries of equal
//! kind and length · full references · raw lengths · raw bodies. The five numbers are zigzag differences from those of
//! the entry referred to where that lies in this segment; else from what the part's sale comes to (amount), 0 (tap
//! counter) and the entry before (the others).
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    id::{DeviceId, EntryRef},
    journal::HEADER_LEN,
    wire::{Malformed, Reader, Writer},
};

use super::{
    Limits, SegmentError,
    parts::{amount_in, tell_parts},
};

/// Most bytes that the columns may add to one body.
pub(super) const OVERHEAD: usize = 64;

pub(super) type Id = [u8; 16];
const NO_REFERENCE: [u8; EntryRef::LEN] = [0; EntryRef::LEN];

/// The fields of one split body.
#[derive(Clone, Default)]
pub(super) struct Row {
    flags: u8,
    pub(super) kind: u16,
    effect: u8,
    currency: u16,
    hlc: u64,
    pub(super) subject: Id,
    other: Id,
    /// Amount, tap counter, zone, operator, price revision.
    numbers: [u32; 5],
    reference: [u8; EntryRef::LEN],
    pub(super) part: Vec<u8>,
}

impl Row {
    fn of(body: &[u8]) -> Option<Self> {
        let mut input = Reader::new(body);
        let mut read = || -> Result<Option<Self>, Malformed> {
            if input.u8()? != 1 {
                return Ok(None);
            }
            let (flags, kind, effect) = (input.u8()?, input.u16()?, input.u8()?);
            if input.u8()? != 0 {
                return Ok(None);
            }
            let (currency, hlc, subject, other) = (input.u16()?, input.u64()?, input.array()?, input.array()?);
            let numbers = [input.u32()?, input.u16()?.into(), input.u16()?.into(), input.u32()?, input.u32()?];
            let reference = input.array()?;
            Ok(Some(Self {
                flags,
                kind,
                effect,
                currency,
                hlc,
                subject,
                other,
                numbers,
                reference,
                part: input.rest().to_vec(),
            }))
        };
        read().ok().flatten()
    }

    fn body(&self) -> Result<Vec<u8>, Malformed> {
        let short = |n: u32| u16::try_from(n).map_err(|_| Malformed::Value("number"));
        let [amount, tap_counter, zone, operator, revision] = self.numbers;
        let mut out = Writer::new();
        out.u8(1);
        out.u8(self.flags);
        out.u16(self.kind);
        out.u8(self.effect);
        out.u8(0);
        out.u16(self.currency);
        out.u64(self.hlc);
        out.bytes(&self.subject);
        out.bytes(&self.other);
        out.u32(amount);
        out.u16(short(tap_counter)?);
        out.u16(short(zone)?);
        out.u32(operator);
        out.u32(revision);
        out.bytes(&self.reference);
        out.bytes(&self.part);
        Ok(out.finish())
    }
}

/// Ids in the order of their first use; each is told by how many other ids were used since it was.
#[derive(Default)]
struct Ids {
    all: Vec<Id>,
    recent: Vec<Id>,
}

impl Ids {
    /// 0 the zero id · 1 a new one · 2 and more: place among the recent, from the newest.
    fn tell(&mut self, id: Id) -> u64 {
        if id == [0; 16] {
            return 0;
        }
        match self.recent.iter().rposition(|other| *other == id) {
            Some(at) => {
                let told = self.recent.len().saturating_sub(at).saturating_add(1);
                let id = self.recent.remove(at);
                self.recent.push(id);
                told as u64
            }
            None => {
                self.all.push(id);
                self.recent.push(id);
                1
            }
        }
    }

    /// The id that was told, with the new ones taken from `fresh` in turn.
    fn hear(&mut self, told: u64, fresh: &[Id], known: &mut BTreeSet<Id>) -> Result<Id, Malformed> {
        let bad = Malformed::Value("id");
        match told {
            0 => Ok([0; 16]),
            1 => {
                let id = *fresh.get(self.all.len()).ok_or(bad)?;
                if id == [0; 16] || !known.insert(id) {
                    return Err(bad);
                }
                self.all.push(id);
                self.recent.push(id);
                Ok(id)
            }
            _ => {
                let back = usize::try_from(told).ok().and_then(|n| n.checked_sub(1)).ok_or(bad)?;
                let at = self.recent.len().checked_sub(back).ok_or(bad)?;
                let id = self.recent.remove(at);
                self.recent.push(id);
                Ok(id)
            }
        }
    }
}

fn zigzag(to: u32, from: u32) -> u64 {
    zigzag_ms(to.into(), from.into())
}

fn unzigzag(told: u64, from: u32) -> Result<u32, Malformed> {
    u32::try_from(unzigzag_ms(told, from.into())?).map_err(|_| Malformed::Value("number"))
}

/// The difference of two numbers below 2^48, small for small ones of either sign.
fn zigzag_ms(to: u64, from: u64) -> u64 {
    if to >= from { to.saturating_sub(from) << 1 } else { (from.saturating_sub(to) << 1).saturating_sub(1) }
}

fn unzigzag_ms(told: u64, from: u64) -> Result<u64, Malformed> {
    let value =
        if told & 1 == 0 { from.checked_add(told >> 1) } else { from.checked_sub((told >> 1).saturating_add(1)) };
    value.filter(|ms| *ms <= u64::MAX >> 16).ok_or(Malformed::Value("difference"))
}

/// Row that `reference` names, if it lies in this segment before position `seq`.
fn row_of(reference: &[u8; EntryRef::LEN], device: DeviceId, epoch: u32, first: u32, seq: u32) -> Option<usize> {
    let named = EntryRef::read(&mut Reader::new(reference)).ok()?;
    let here = named.device == device && named.epoch == epoch && named.seq >= first && named.seq < seq;
    here.then(|| usize::try_from(named.seq.saturating_sub(first)).ok()).flatten()
}

fn bases(rows: &[Option<Row>], at: usize, before: &[u32; 5], reference: Option<usize>) -> [u32; 5] {
    match reference.and_then(|row| rows.get(row)).and_then(Option::as_ref).filter(|_| reference != Some(at)) {
        Some(row) => row.numbers,
        None => {
            let amount = rows.get(at).and_then(Option::as_ref).map_or(0, |row| amount_in(row.kind, &row.part));
            let [_, _, zone, operator, revision] = *before;
            [amount, 0, zone, operator, revision]
        }
    }
}

/// Splits bodies into ids (kept apart: they do not compress) and columns.
pub(super) fn split(bodies: &[Vec<u8>], device: DeviceId, epoch: u32, first: u32) -> (Vec<Id>, Vec<u8>) {
    let rows: Vec<Option<Row>> = bodies.iter().map(|body| Row::of(body)).collect();
    let mut ids = Ids::default();
    let mut columns: [Writer; 17] = std::array::from_fn(|_| Writer::new());
    let [
        forms,
        flags,
        kinds,
        effects,
        currencies,
        millis,
        counters,
        subjects,
        others,
        backs,
        n0,
        n1,
        n2,
        n3,
        n4,
        lengths,
        tail,
    ] = &mut columns;
    let mut numbers = [n0, n1, n2, n3, n4];
    let mut full = Writer::new();
    let (mut raw_lengths, mut raw) = (Writer::new(), Writer::new());
    let (mut before, mut ms) = ([0; 5], 0);
    let mut seq = first;
    for (at, (row, body)) in rows.iter().zip(bodies).enumerate() {
        forms.u8(u8::from(row.is_none()));
        let Some(row) = row else {
            raw_lengths.varint(body.len() as u64);
            raw.bytes(body);
            seq = seq.saturating_add(1);
            continue;
        };
        flags.u8(row.flags);
        kinds.varint(row.kind.into());
        effects.u8(row.effect);
        currencies.varint(row.currency.into());
        millis.varint(zigzag_ms(row.hlc >> 16, ms));
        counters.varint(row.hlc & 0xffff);
        subjects.varint(ids.tell(row.subject));
        others.varint(ids.tell(row.other));
        backs.varint(tell_reference(&row.reference, device, epoch, seq, &mut full));
        let base = bases(&rows, at, &before, row_of(&row.reference, device, epoch, first, seq));
        for ((out, to), from) in numbers.iter_mut().zip(row.numbers).zip(base) {
            out.varint(zigzag(to, from));
        }
        lengths.varint(row.part.len() as u64);
        (before, ms) = (row.numbers, row.hlc >> 16);
        seq = seq.saturating_add(1);
    }
    let mut rows = rows;
    tell_parts(&mut rows, true);
    for group in groups(&rows).values() {
        let length =
            group.first().and_then(|at| rows.get(*at)).and_then(Option::as_ref).map_or(0, |row| row.part.len());
        for column in 0..length {
            group.iter().filter_map(|at| rows.get(*at)?.as_ref()?.part.get(column)).for_each(|byte| tail.u8(*byte));
        }
    }
    [full, raw_lengths, raw].into_iter().for_each(|rest| tail.bytes(&rest.finish()));
    let mut out = Vec::new();
    for column in columns {
        out.extend_from_slice(&column.finish());
    }
    (ids.all, out)
}

/// Split entries by kind and part length, in that order.
fn groups(rows: &[Option<Row>]) -> BTreeMap<(u16, usize), Vec<usize>> {
    let mut groups: BTreeMap<(u16, usize), Vec<usize>> = BTreeMap::new();
    for (at, row) in rows.iter().enumerate() {
        if let Some(row) = row {
            groups.entry((row.kind, row.part.len())).or_default().push(at);
        }
    }
    groups
}

/// 0 none · 1 written in full · 2 and more: how many entries back in this journal, plus one.
fn tell_reference(reference: &[u8; EntryRef::LEN], device: DeviceId, epoch: u32, seq: u32, full: &mut Writer) -> u64 {
    if *reference == NO_REFERENCE {
        return 0;
    }
    match EntryRef::read(&mut Reader::new(reference)) {
        Ok(named) if named.device == device && named.epoch == epoch && named.seq < seq => {
            u64::from(seq.saturating_sub(named.seq)).saturating_add(1)
        }
        _ => {
            full.bytes(reference);
            1
        }
    }
}

/// Puts bodies together again; refuses columns that [`split`] would not have made.
pub(super) fn join(
    columns: &[u8],
    fresh: &[Id],
    entries: usize,
    device: DeviceId,
    epoch: u32,
    first: u32,
    limits: &Limits,
) -> Result<Vec<Vec<u8>>, SegmentError> {
    let mut input = Reader::new(columns);
    let forms = input.take(entries)?;
    if forms.iter().any(|form| *form > 1) {
        return Err(Malformed::Value("form").into());
    }
    let mut rows: Vec<Option<Row>> = forms.iter().map(|form| (*form == 0).then(Row::default)).collect();
    read_heads(&mut input, &mut rows, fresh)?;
    let backs = each(&mut input, &rows, |input| Ok(input.varint()?))?;
    let mut numbers: Vec<Vec<u64>> = Vec::with_capacity(5);
    for _ in 0..5 {
        numbers.push(each(&mut input, &rows, |input| Ok(input.varint()?))?);
    }
    let lengths = each(&mut input, &rows, |input| Ok(input.varint()?))?;
    let mut room = limits.bodies;
    for (row, length) in rows.iter_mut().flatten().zip(lengths) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let body = length.saturating_add(HEADER_LEN);
        if body > limits.body {
            return Err(SegmentError::TooLong { found: body, limit: limits.body });
        }
        room = room
            .checked_sub(body)
            .ok_or(SegmentError::TooLong { found: limits.bodies.saturating_add(1), limit: limits.bodies })?;
        row.part = vec![0; length];
    }
    for ((_, length), group) in groups(&rows) {
        for column in 0..length {
            for at in &group {
                let byte = input.u8()?;
                if let Some(place) = rows.get_mut(*at).and_then(Option::as_mut).and_then(|row| row.part.get_mut(column))
                {
                    *place = byte;
                }
            }
        }
    }
    tell_parts(&mut rows, false);
    read_references(&mut input, &mut rows, &backs, &numbers, device, epoch, first)?;
    finish(input, rows, limits, room)
}

fn each<T>(
    input: &mut Reader<'_>,
    rows: &[Option<Row>],
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, SegmentError>,
) -> Result<Vec<T>, SegmentError> {
    rows.iter().flatten().map(|_| read(input)).collect()
}

fn short(value: u64) -> Result<u16, SegmentError> {
    u16::try_from(value).map_err(|_| Malformed::Value("number").into())
}

fn read_heads(input: &mut Reader<'_>, rows: &mut [Option<Row>], fresh: &[Id]) -> Result<(), SegmentError> {
    for row in rows.iter_mut().flatten() {
        row.flags = input.u8()?;
    }
    for row in rows.iter_mut().flatten() {
        row.kind = short(input.varint()?)?;
    }
    for row in rows.iter_mut().flatten() {
        row.effect = input.u8()?;
    }
    for row in rows.iter_mut().flatten() {
        row.currency = short(input.varint()?)?;
    }
    let mut ms = 0;
    for row in rows.iter_mut().flatten() {
        ms = unzigzag_ms(input.varint()?, ms)?;
        row.hlc = ms << 16;
    }
    for row in rows.iter_mut().flatten() {
        row.hlc |= u64::from(short(input.varint()?)?);
    }
    let subjects = each(input, rows, |input| Ok(input.varint()?))?;
    let others = each(input, rows, |input| Ok(input.varint()?))?;
    let (mut ids, mut known) = (Ids::default(), BTreeSet::new());
    for ((row, subject), other) in rows.iter_mut().flatten().zip(subjects).zip(others) {
        row.subject = ids.hear(subject, fresh, &mut known)?;
        row.other = ids.hear(other, fresh, &mut known)?;
    }
    if ids.all.len() == fresh.len() { Ok(()) } else { Err(Malformed::Value("ids").into()) }
}

fn read_references(
    input: &mut Reader<'_>,
    rows: &mut [Option<Row>],
    backs: &[u64],
    numbers: &[Vec<u64>],
    device: DeviceId,
    epoch: u32,
    first: u32,
) -> Result<(), SegmentError> {
    let mut before = [0; 5];
    let mut split = 0;
    for at in 0..rows.len() {
        if rows[at].is_none() {
            continue;
        }
        let seq = u32::try_from(at).ok().and_then(|at| first.checked_add(at)).ok_or(SegmentError::Position)?;
        let reference = hear_reference(input, backs.get(split).copied().unwrap_or(0), device, epoch, seq)?;
        let base = bases(rows, at, &before, row_of(&reference, device, epoch, first, seq));
        let mut values = [0; 5];
        for ((value, told), from) in values.iter_mut().zip(numbers).zip(base) {
            *value = unzigzag(told.get(split).copied().unwrap_or(0), from)?;
        }
        if let Some(row) = rows[at].as_mut() {
            (row.reference, row.numbers) = (reference, values);
        }
        before = values;
        split = split.saturating_add(1);
    }
    Ok(())
}

fn hear_reference(
    input: &mut Reader<'_>,
    told: u64,
    device: DeviceId,
    epoch: u32,
    seq: u32,
) -> Result<[u8; EntryRef::LEN], SegmentError> {
    match told {
        0 => Ok(NO_REFERENCE),
        1 => {
            let reference: [u8; EntryRef::LEN] = input.array()?;
            // What can be told as a distance must be.
            if tell_reference(&reference, device, epoch, seq, &mut Writer::new()) == 1 {
                Ok(reference)
            } else {
                Err(Malformed::Value("reference").into())
            }
        }
        _ => {
            let back = u32::try_from(told.saturating_sub(1)).map_err(|_| Malformed::Value("reference"))?;
            let named = seq.checked_sub(back).ok_or(Malformed::Value("reference"))?;
            let mut out = Writer::new();
            EntryRef { device, epoch, seq: named }.write(&mut out);
            let reference = Reader::new(&out.finish()).array()?;
            if reference == NO_REFERENCE { Err(Malformed::Value("reference").into()) } else { Ok(reference) }
        }
    }
}

fn finish(
    mut input: Reader<'_>,
    rows: Vec<Option<Row>>,
    limits: &Limits,
    mut room: usize,
) -> Result<Vec<Vec<u8>>, SegmentError> {
    let mut lengths = Vec::new();
    for _ in rows.iter().filter(|row| row.is_none()) {
        let length = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        if length > limits.body {
            return Err(SegmentError::TooLong { found: length, limit: limits.body });
        }
        room = room
            .checked_sub(length)
            .ok_or(SegmentError::TooLong { found: limits.bodies.saturating_add(1), limit: limits.bodies })?;
        lengths.push(length);
    }
    let mut lengths = lengths.into_iter();
    let mut bodies = Vec::with_capacity(rows.len());
    for row in rows {
        bodies.push(match row {
            Some(row) => row.body()?,
            None => {
                let body = input.take(lengths.next().unwrap_or(0))?.to_vec();
                if Row::of(&body).is_some() {
                    return Err(Malformed::Value("raw body").into());
                }
                body
            }
        });
    }
    input.end()?;
    Ok(bodies)
}
