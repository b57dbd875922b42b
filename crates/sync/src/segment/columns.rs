//! Entry bodies as columns, so that what is alike stands together and compresses.
//! Invariant: a list of bodies has exactly one list of columns, and `join` refuses every other.
//!
//! A body is split when it has at least 88 bytes, version 1 and a zero reserved byte; any other is kept raw.
//! Columns, each over all split entries in turn: form of every entry (0 split, 1 raw) · flags · kind · effect ·
//! currency · refers-to (back distance) · then in [`order`]: time (ms, zigzag delta) · time (counter) · subject · other
//! (`ids`) · amount · tap counter · zone · operator · price revision · then in turn again: part form · of intents:
//! purpose, credit sequence, credits, spent, spent after (`chips`) · length of the rest, unless foretold · rests
//! (`parts`), byte by byte across entries of equal kind and length · full references · raw lengths · raw bodies. The
//! five numbers are zigzag differences from those of the entry referred to where that lies in this segment; else from
//! what the part's sale comes to (amount), 0 (tap counter) and the entry before (the others).
//! Apart, because it does not compress: the low byte of each time difference whose entry refers to none of this
//! segment, then the names of records on chips that nothing foretells.
use std::collections::{BTreeMap, BTreeSet};

use domain::{
    id::{DeviceId, EntryRef},
    journal::HEADER_LEN,
    wire::{Malformed, Reader, Writer},
};

use super::{
    Limits, SegmentError,
    chips::ToldNumbers,
    difference::{unzigzag, unzigzag_ms, zigzag, zigzag_ms},
    ids::Ids,
    parts::{self, Told, amount_in, hear_parts, tell_parts},
    row::{Id, Row},
};

/// Most bytes that the columns may add to one body.
pub(super) const OVERHEAD: usize = 64;

const NO_REFERENCE: [u8; EntryRef::LEN] = [0; EntryRef::LEN];

/// Whose bodies, and where they stand.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) device: DeviceId,
    pub(super) epoch: u32,
    pub(super) first: u32,
}

/// Bodies taken apart. Only `columns` compresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) ids: Vec<Id>,
    pub(super) apart: Vec<u8>,
    pub(super) columns: Vec<u8>,
}

fn bases(rows: &[Option<Row>], at: usize, before: &[u32; 5], near: Option<usize>) -> [u32; 5] {
    match near.and_then(|row| rows.get(row)).and_then(Option::as_ref) {
        Some(row) => row.numbers,
        None => {
            let amount = rows.get(at).and_then(Option::as_ref).map_or(0, |row| amount_in(row.kind, &row.part));
            let [_, _, zone, operator, revision] = *before;
            [amount, 0, zone, operator, revision]
        }
    }
}

/// Row that the entry at `at` refers to, by the distance it tells, if that is a split one of this segment.
fn near_of(rows: &[Option<Row>], at: usize, told: u64) -> Option<usize> {
    let back = usize::try_from(told.checked_sub(1)?).ok().filter(|back| *back > 0)?;
    at.checked_sub(back).filter(|named| rows.get(*named).is_some_and(Option::is_some))
}

/// Split entries in the order in which the columns from the time on tell them: first those that refer to none of this
/// segment, then those that do; the latter's values are foretold and would only stand between.
fn order(rows: &[Option<Row>], near: &[Option<usize>]) -> Vec<usize> {
    let split: Vec<bool> = rows.iter().zip(near).filter(|(row, _)| row.is_some()).map(|(_, n)| n.is_some()).collect();
    let of = |wanted: bool| split.iter().enumerate().filter(move |(_, near)| **near == wanted).map(|(at, _)| at);
    of(false).chain(of(true)).collect()
}

/// Columns that are told in [`order`]: time, counter, subject, other, the five numbers.
const ORDERED: usize = 9;

/// Splits bodies.
pub(super) fn split(bodies: &[Vec<u8>], place: Place) -> Split {
    let rows: Vec<Option<Row>> = bodies.iter().map(|body| Row::of(body)).collect();
    let mut near = vec![None; rows.len()];
    let (mut ids, mut apart) = (Ids::default(), Writer::new());
    let mut heads: [Writer; 6] = std::array::from_fn(|_| Writer::new());
    let [forms, flags, kinds, effects, currencies, backs] = &mut heads;
    let mut values: Vec<[u64; ORDERED]> = Vec::with_capacity(rows.len());
    let (mut full, mut raw_lengths, mut raw) = (Writer::new(), Writer::new(), Writer::new());
    let (mut before, mut ms) = ([0; 5], 0);
    let mut seq = place.first;
    for (at, (row, body)) in rows.iter().zip(bodies).enumerate() {
        forms.u8(u8::from(row.is_none()));
        if let Some(row) = row {
            flags.u8(row.flags);
            kinds.varint(row.kind.into());
            effects.u8(row.effect);
            currencies.varint(row.currency.into());
            let back = tell_reference(&row.reference, place, seq, &mut full);
            backs.varint(back);
            near[at] = near_of(&rows, at, back);
            let mut passed = zigzag_ms(row.hlc >> 16, ms);
            if near[at].is_none() {
                apart.u8(passed as u8);
                passed >>= 8;
            }
            let (subject, other) = (ids.tell(row.subject), ids.tell(row.other));
            let mut told = [passed, row.hlc & 0xffff, subject, other, 0, 0, 0, 0, 0];
            let base = bases(&rows, at, &before, near[at]);
            for ((told, to), from) in told.iter_mut().skip(4).zip(row.numbers).zip(base) {
                *told = zigzag(to, from);
            }
            values.push(told);
            (before, ms) = (row.numbers, row.hlc >> 16);
        } else {
            raw_lengths.varint(body.len() as u64);
            raw.bytes(body);
        }
        seq = seq.saturating_add(1);
    }
    let mut ordered = Writer::new();
    for column in 0..ORDERED {
        let told = order(&rows, &near).into_iter().filter_map(|at| values.get(at));
        told.for_each(|told| ordered.varint(told[column]));
    }
    write_parts(&rows, &tell_parts(&rows, &near, &mut apart), &mut ordered);
    let columns = heads.into_iter().chain([ordered, full, raw_lengths, raw]).flat_map(Writer::finish).collect();
    Split { ids: ids.all, apart: apart.finish(), columns }
}

fn write_parts(rows: &[Option<Row>], told: &[Told], out: &mut Writer) {
    told.iter().for_each(|part| out.varint(part.form));
    let intents = || told.iter().filter_map(|part| part.numbers.as_ref());
    intents().for_each(|numbers| out.u8(numbers.purpose));
    intents().for_each(|numbers| out.u8(numbers.credit_seq));
    for column in 0..3 {
        intents().for_each(|numbers| out.varint(numbers.differences[column]));
    }
    told.iter().filter(|part| part.form != parts::FORETOLD).for_each(|part| out.varint(part.rest.len() as u64));
    for ((_, length), group) in groups(rows, told) {
        for column in 0..length {
            group.iter().filter_map(|at| told.get(*at)?.rest.get(column)).for_each(|byte| out.u8(*byte));
        }
    }
}

/// Told parts by kind and length of the rest, in that order.
fn groups(rows: &[Option<Row>], told: &[Told]) -> BTreeMap<(u16, usize), Vec<usize>> {
    let mut groups: BTreeMap<(u16, usize), Vec<usize>> = BTreeMap::new();
    for (at, (row, told)) in rows.iter().flatten().zip(told).enumerate() {
        groups.entry((row.kind, told.rest.len())).or_default().push(at);
    }
    groups
}

/// 0 none · 1 written in full · 2 and more: how many entries back in this journal, plus one.
fn tell_reference(reference: &[u8; EntryRef::LEN], place: Place, seq: u32, full: &mut Writer) -> u64 {
    if *reference == NO_REFERENCE {
        return 0;
    }
    match EntryRef::read(&mut Reader::new(reference)) {
        Ok(named) if named.device == place.device && named.epoch == place.epoch && named.seq < seq => {
            u64::from(seq.saturating_sub(named.seq)).saturating_add(1)
        }
        _ => {
            full.bytes(reference);
            1
        }
    }
}

/// Puts bodies together again; refuses what [`split`] would not have made.
pub(super) fn join(split: &Split, entries: usize, place: Place, limits: &Limits) -> Result<Vec<Vec<u8>>, SegmentError> {
    let (mut input, mut apart) = (Reader::new(&split.columns), Reader::new(&split.apart));
    let forms = input.take(entries)?;
    if forms.iter().any(|form| *form > 1) {
        return Err(Malformed::Value("form").into());
    }
    let mut rows: Vec<Option<Row>> = forms.iter().map(|form| (*form == 0).then(Row::default)).collect();
    let (backs, near) = read_heads(&mut input, &mut rows)?;
    let order = order(&rows, &near);
    let mut values = vec![[0; ORDERED]; order.len()];
    for column in 0..ORDERED {
        for at in &order {
            if let Some(value) = values.get_mut(*at).and_then(|of_entry| of_entry.get_mut(column)) {
                *value = input.varint()?;
            }
        }
    }
    read_times_and_ids(&mut rows, &near, &values, &split.ids, &mut apart)?;
    let mut room = Room { body: limits.body, bodies: limits.bodies, left: limits.bodies };
    let told = read_parts(&mut input, &rows, &mut room)?;
    hear_parts(&mut rows, &near, told, &mut apart)?;
    apart.end()?;
    room.left = limits.bodies;
    rows.iter().flatten().try_for_each(|row| room.take(row.part.len().saturating_add(HEADER_LEN)))?;
    read_references(&mut input, &mut rows, &backs, &near, &values, place)?;
    finish(input, rows, &mut room)
}

/// Bytes that bodies may still take.
struct Room {
    body: usize,
    bodies: usize,
    left: usize,
}

impl Room {
    fn take(&mut self, body: usize) -> Result<(), SegmentError> {
        if body > self.body {
            return Err(SegmentError::TooLong { found: body, limit: self.body });
        }
        let too_long = SegmentError::TooLong { found: self.bodies.saturating_add(1), limit: self.bodies };
        self.left = self.left.checked_sub(body).ok_or(too_long)?;
        Ok(())
    }
}

fn varints(input: &mut Reader<'_>, rows: &[Option<Row>]) -> Result<Vec<u64>, SegmentError> {
    rows.iter().flatten().map(|_| Ok(input.varint()?)).collect()
}

fn short(value: u64) -> Result<u16, SegmentError> {
    u16::try_from(value).map_err(|_| Malformed::Value("number").into())
}

/// What each split entry tells of its reference, and which row of the segment each entry refers to.
type References = (Vec<u64>, Vec<Option<usize>>);

fn read_heads(input: &mut Reader<'_>, rows: &mut [Option<Row>]) -> Result<References, SegmentError> {
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
    let backs = varints(input, rows)?;
    let (mut near, mut told) = (vec![None; rows.len()], backs.iter());
    for at in 0..rows.len() {
        if rows[at].is_some() {
            near[at] = near_of(rows, at, told.next().copied().unwrap_or(0));
        }
    }
    Ok((backs, near))
}

fn read_times_and_ids(
    rows: &mut [Option<Row>],
    near: &[Option<usize>],
    values: &[[u64; ORDERED]],
    fresh: &[Id],
    apart: &mut Reader<'_>,
) -> Result<(), SegmentError> {
    let (mut ids, mut known, mut ms) = (Ids::default(), BTreeSet::new(), 0);
    let split = rows.iter_mut().zip(near).filter_map(|(row, near)| Some((row.as_mut()?, near)));
    for ((row, near), [passed, counter, subject, other, ..]) in split.zip(values) {
        let passed = match near {
            Some(_) => *passed,
            None if passed >> 56 == 0 => (passed << 8) | u64::from(apart.u8()?),
            None => return Err(Malformed::Value("difference").into()),
        };
        ms = unzigzag_ms(passed, ms)?;
        row.hlc = (ms << 16) | u64::from(short(*counter)?);
        row.subject = ids.hear(*subject, fresh, &mut known)?;
        row.other = ids.hear(*other, fresh, &mut known)?;
    }
    if ids.all.len() == fresh.len() { Ok(()) } else { Err(Malformed::Value("ids").into()) }
}

fn read_parts(input: &mut Reader<'_>, rows: &[Option<Row>], room: &mut Room) -> Result<Vec<Told>, SegmentError> {
    let mut told = Vec::with_capacity(rows.len());
    for form in varints(input, rows)? {
        let numbers = ToldNumbers { purpose: 0, credit_seq: 0, differences: [0; 3] };
        told.push(Told { form, numbers: (form >= parts::INTENT).then_some(numbers), rest: Vec::new() });
    }
    for numbers in told.iter_mut().filter_map(|part| part.numbers.as_mut()) {
        numbers.purpose = input.u8()?;
    }
    for numbers in told.iter_mut().filter_map(|part| part.numbers.as_mut()) {
        numbers.credit_seq = input.u8()?;
    }
    for column in 0..3 {
        for numbers in told.iter_mut().filter_map(|part| part.numbers.as_mut()) {
            numbers.differences[column] = input.varint()?;
        }
    }
    for part in told.iter_mut().filter(|part| part.form != parts::FORETOLD) {
        let length = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        // The head of an intent comes on top, checked when the bodies are whole.
        room.take(length.saturating_add(HEADER_LEN))?;
        part.rest = vec![0; length];
    }
    for ((_, length), group) in groups(rows, &told) {
        for column in 0..length {
            for at in &group {
                let byte = input.u8()?;
                if let Some(place) = told.get_mut(*at).and_then(|part| part.rest.get_mut(column)) {
                    *place = byte;
                }
            }
        }
    }
    Ok(told)
}

fn read_references(
    input: &mut Reader<'_>,
    rows: &mut [Option<Row>],
    backs: &[u64],
    near: &[Option<usize>],
    values: &[[u64; ORDERED]],
    place: Place,
) -> Result<(), SegmentError> {
    let mut before = [0; 5];
    let mut split = 0;
    for at in 0..rows.len() {
        if rows[at].is_none() {
            continue;
        }
        let seq = u32::try_from(at).ok().and_then(|at| place.first.checked_add(at)).ok_or(SegmentError::Position)?;
        let reference = hear_reference(input, backs.get(split).copied().unwrap_or(0), place, seq)?;
        let base = bases(rows, at, &before, near.get(at).copied().flatten());
        let told = values.get(split).copied().unwrap_or_default();
        let mut numbers = [0; 5];
        for ((number, told), from) in numbers.iter_mut().zip(told.into_iter().skip(4)).zip(base) {
            *number = unzigzag(told, from)?;
        }
        if let Some(row) = rows[at].as_mut() {
            (row.reference, row.numbers) = (reference, numbers);
        }
        before = numbers;
        split = split.saturating_add(1);
    }
    Ok(())
}

fn hear_reference(
    input: &mut Reader<'_>,
    told: u64,
    place: Place,
    seq: u32,
) -> Result<[u8; EntryRef::LEN], SegmentError> {
    match told {
        0 => Ok(NO_REFERENCE),
        1 => {
            let reference: [u8; EntryRef::LEN] = input.array()?;
            // What can be told as a distance must be.
            if tell_reference(&reference, place, seq, &mut Writer::new()) == 1 {
                Ok(reference)
            } else {
                Err(Malformed::Value("reference").into())
            }
        }
        _ => {
            let back = u32::try_from(told.saturating_sub(1)).map_err(|_| Malformed::Value("reference"))?;
            let named = seq.checked_sub(back).ok_or(Malformed::Value("reference"))?;
            let mut out = Writer::new();
            EntryRef { device: place.device, epoch: place.epoch, seq: named }.write(&mut out);
            let reference = Reader::new(&out.finish()).array()?;
            if reference == NO_REFERENCE { Err(Malformed::Value("reference").into()) } else { Ok(reference) }
        }
    }
}

fn finish(mut input: Reader<'_>, rows: Vec<Option<Row>>, room: &mut Room) -> Result<Vec<Vec<u8>>, SegmentError> {
    let mut lengths = Vec::new();
    for _ in rows.iter().filter(|row| row.is_none()) {
        let length = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        room.take(length)?;
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
