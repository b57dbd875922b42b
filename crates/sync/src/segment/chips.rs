//! What an intent says of its chip, told from what its wallet's last intent in the segment left there.
//! Invariant: an intent's part has exactly one telling; ids that nothing foretells are kept apart, for they do not
//! compress.
//! Not here: its sale (`parts`).
use std::collections::BTreeMap;

use domain::{
    journal::Kind,
    wire::{Malformed, Reader, Writer},
    wristband::CREDIT_RECORD_LEN,
};

use super::{
    difference::{unzigzag_ms, zigzag_ms},
    row::Id,
};

/// Name of a record on a chip.
type RecordName = [u8; 4];

/// An intent's part in its fields (`domain::journal::Intent`).
pub(super) struct IntentPart {
    purpose: u8,
    base: RecordName,
    before: RecordName,
    before2: Option<RecordName>,
    credit_seq: u8,
    credit: RecordName,
    credits: u32,
    spent: u32,
    own: RecordName,
    spent_after: u32,
    /// Number of C records, these, the sale. Not empty.
    pub(super) rest: Vec<u8>,
}

impl IntentPart {
    /// `None` for another kind, or where the part is not of that layout.
    pub(super) fn of(kind: u16, part: &[u8]) -> Option<Self> {
        let mut input = Reader::new(part);
        let mut read = || -> Result<Option<Self>, Malformed> {
            let (purpose, base, before) = (input.u8()?, input.array()?, input.array()?);
            let before2 = match input.u8()? {
                0 => None,
                1 => Some(input.array()?),
                _ => return Ok(None),
            };
            let (credit_seq, credit) = (input.u8()?, input.array()?);
            let (credits, spent) = (u24(input.array()?), u24(input.array()?));
            let (own, spent_after) = (input.array()?, u24(input.array()?));
            let rest = input.rest().to_vec();
            Ok(Some(Self {
                purpose,
                base,
                before,
                before2,
                credit_seq,
                credit,
                credits,
                spent,
                own,
                spent_after,
                rest,
            }))
        };
        let found = if kind == Kind::INTENT.0 { read().ok().flatten() } else { None };
        found.filter(|part| !part.rest.is_empty())
    }

    /// The part.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.u8(self.purpose);
        out.bytes(&self.base);
        out.bytes(&self.before);
        out.u8(u8::from(self.before2.is_some()));
        self.before2.iter().for_each(|id| out.bytes(id));
        out.u8(self.credit_seq);
        out.bytes(&self.credit);
        out.bytes(&self.credits.to_le_bytes()[..3]);
        out.bytes(&self.spent.to_le_bytes()[..3]);
        out.bytes(&self.own);
        out.bytes(&self.spent_after.to_le_bytes()[..3]);
        out.bytes(&self.rest);
        out.finish()
    }

    /// Where in `rest` the sale begins.
    pub(super) fn sale_at(rest: &[u8]) -> usize {
        rest.first().map_or(0, |records| usize::from(*records).saturating_mul(CREDIT_RECORD_LEN)).saturating_add(1)
    }
}

fn u24([a, b, c]: [u8; 3]) -> u32 {
    u32::from_le_bytes([a, b, c, 0])
}

/// An intent's numbers as they are told: purpose, credit sequence; differences of credits, spent and spent after.
pub(super) struct ToldNumbers {
    pub(super) purpose: u8,
    pub(super) credit_seq: u8,
    pub(super) differences: [u64; 3],
}

/// What a wallet's last intent left on its chip if it was written: records from the newest, credit, spent.
#[derive(Default)]
struct Left {
    records: Vec<RecordName>,
    credit: Vec<RecordName>,
    credits: u32,
    spent: u32,
}

/// The chips of a segment, as its intents so far left them.
#[derive(Default)]
pub(super) struct Chips {
    left: BTreeMap<Id, Left>,
    none: Left,
}

/// Codes of one record name: 0 kept apart, 1 zeros, 2 to 5 one of the records left; 6 where there is no name.
const CODES: u64 = 6;
const ABSENT: u64 = 6;

fn tell_name(name: RecordName, known: &[RecordName], apart: &mut Writer) -> u64 {
    if name == [0; 4] {
        return 1;
    }
    match known.iter().position(|other| *other == name) {
        Some(at) => (at as u64).saturating_add(2),
        None => {
            apart.bytes(&name);
            0
        }
    }
}

fn hear_name(told: u64, known: &[RecordName], apart: &mut Reader<'_>) -> Result<RecordName, Malformed> {
    let bad = Malformed::Value("chip");
    let name = match told {
        0 => apart.array()?,
        1 => [0; 4],
        _ => *usize::try_from(told).ok().and_then(|told| known.get(told.checked_sub(2)?)).ok_or(bad)?,
    };
    // Each name has one telling.
    if tell_name(name, known, &mut Writer::new()) == told { Ok(name) } else { Err(bad) }
}

impl Chips {
    fn of(&self, wallet: &Id) -> &Left {
        self.left.get(wallet).unwrap_or(&self.none)
    }

    fn keep(&mut self, wallet: Id, part: &IntentPart) {
        let mut records = vec![part.own, part.base, part.before];
        records.extend(part.before2);
        let (credit, credits, spent) = (vec![part.credit], part.credits, part.spent_after);
        self.left.insert(wallet, Left { records, credit, credits, spent });
    }

    /// Shape and numbers of an intent; names that nothing foretells go to `apart`. `price`: what its sale comes to.
    pub(super) fn tell(&mut self, wallet: Id, part: &IntentPart, price: u32, apart: &mut Writer) -> (u64, ToldNumbers) {
        let left = self.of(&wallet);
        let base = tell_name(part.base, &left.records, apart);
        let before = tell_name(part.before, &left.records, apart);
        let before2 = part.before2.map_or(ABSENT, |name| tell_name(name, &left.records, apart));
        let credit = tell_name(part.credit, &left.credit, apart);
        apart.bytes(&part.own);
        let shape = [before2, before, base]
            .into_iter()
            .zip([ABSENT + 1, CODES, CODES])
            .fold(credit, |shape, (code, codes)| shape.saturating_mul(codes).saturating_add(code));
        let differences = [
            zigzag_ms(part.credits.into(), left.credits.into()),
            zigzag_ms(part.spent.into(), left.spent.into()),
            zigzag_ms(part.spent_after.into(), spent_with(part.spent, price)),
        ];
        self.keep(wallet, part);
        (shape, ToldNumbers { purpose: part.purpose, credit_seq: part.credit_seq, differences })
    }

    /// The intent again.
    pub(super) fn hear(
        &mut self,
        wallet: Id,
        shape: u64,
        told: &ToldNumbers,
        (rest, price): (Vec<u8>, u32),
        apart: &mut Reader<'_>,
    ) -> Result<IntentPart, Malformed> {
        let (shape, base) = (shape / CODES, shape % CODES);
        let (shape, before) = (shape / CODES, shape % CODES);
        let (credit, before2) = (shape / (ABSENT + 1), shape % (ABSENT + 1));
        if rest.is_empty() {
            return Err(Malformed::Value("chip"));
        }
        let left = self.of(&wallet);
        let base = hear_name(base, &left.records, apart)?;
        let before = hear_name(before, &left.records, apart)?;
        let before2 = match before2 {
            ABSENT => None,
            told => Some(hear_name(told, &left.records, apart)?),
        };
        let credit = hear_name(credit, &left.credit, apart)?;
        let own = apart.array()?;
        let number = |told: u64, from: u64| {
            let value = u32::try_from(unzigzag_ms(told, from)?).ok();
            value.filter(|value| *value >> 24 == 0).ok_or(Malformed::Value("chip"))
        };
        let [credits, spent, after] = told.differences;
        let (credits, spent) = (number(credits, left.credits.into())?, number(spent, left.spent.into())?);
        let spent_after = number(after, spent_with(spent, price))?;
        let (purpose, credit_seq) = (told.purpose, told.credit_seq);
        let part =
            IntentPart { purpose, base, before, before2, credit_seq, credit, credits, spent, own, spent_after, rest };
        self.keep(wallet, &part);
        Ok(part)
    }
}

fn spent_with(spent: u32, price: u32) -> u64 {
    u64::from(spent).saturating_add(price.into())
}
