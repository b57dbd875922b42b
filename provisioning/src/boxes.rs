//! Which box numbers were given out, and to whom: `boxes/NNNN.toml`, named after the first of a box's eight numbers.
//! A box takes the next of its numbers when it opens a further epoch, so it needs no technician for that.
//! Invariant: a number is written down before it is offered and is never given out again, even if the offer failed. Who
//! takes numbers, for a box or for an enrol key, holds the folder's `numbers.lock` meanwhile.
//! Not here: signing (`issuer`), the conversation with the box (`enrolment`).
use std::path::{Path, PathBuf};

use domain::{id::DeviceId, journal::Kind, trust::Roles};
use serde::{Deserialize, Serialize};

use crate::{Failure, Festival, files};

/// How many numbers one box gets.
pub const NUMBERS_PER_BOX: u16 = 8;

/// Held by whoever takes numbers; nothing is in it.
const LOCK: &str = "numbers.lock";

/// What may stand at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Admits people.
    Gate,
    /// Sells.
    Bar,
    /// Tops up and refunds.
    TopUp,
}

impl Role {
    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gate => "gate",
            Self::Bar => "bar",
            Self::TopUp => "top-up",
        }
    }

    /// The role of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Gate, Self::Bar, Self::TopUp].into_iter().find(|role| role.name() == name)
    }

    const fn bit(self) -> Roles {
        match self {
            Self::Gate => Roles::GATE,
            Self::Bar => Roles::BAR,
            Self::TopUp => Roles::TOP_UP,
        }
    }

    /// The entry kinds it writes, beside those that every box writes.
    const fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Gate => &[Kind::ADMISSION, Kind::EXIT, Kind::PAIRING, Kind::SHARE_RELEASE],
            Self::Bar => &[
                Kind::SALE,
                Kind::TOP_UP,
                Kind::DEPOSIT_OUT,
                Kind::DEPOSIT_BACK,
                Kind::VOUCHER,
                Kind::CORRECTION_MINUS,
            ],
            Self::TopUp => &[
                Kind::PAIRING,
                Kind::TOP_UP,
                Kind::REFUND,
                Kind::CORRECTION_MINUS,
                Kind::BAND_TRANSFER,
                Kind::FEE,
                Kind::GIFT,
            ],
        }
    }
}

const EVERY_BOX: [Kind; 9] = [
    Kind::GENESIS,
    Kind::SHIFT_OPEN,
    Kind::SHIFT_CLOSE,
    Kind::CLOSURE,
    Kind::NOTE,
    Kind::SUSPICION,
    Kind::CLOSING_READ,
    Kind::STAFF_SESSION,
    Kind::CASH_MOVE,
];

/// What a box that writes on wristbands writes beside its role's own.
const TAPS: [Kind; 7] = [
    Kind::INTENT,
    Kind::VOID,
    Kind::GAVE_UP,
    Kind::HANDED_OVER,
    Kind::PENDING_CREDIT,
    Kind::CORRECTION_PLUS,
    Kind::SHARE_RELEASE,
];

/// The roles as a certificate states them.
pub fn roles(roles: &[Role]) -> Roles {
    roles.iter().fold(Roles::default(), |all, role| all.and(role.bit()))
}

/// The entry kinds that a box of these roles may write, as a certificate states them.
pub fn kinds(roles: &[Role]) -> u64 {
    let taps = roles.iter().any(|role| *role != Role::Gate);
    let of_roles = roles.iter().flat_map(|role| role.kinds());
    let all = EVERY_BOX.iter().chain(of_roles).chain(TAPS.iter().filter(|_| taps));
    all.filter_map(|kind| kind.bit()).fold(0, |bits, bit| bits | bit)
}

/// How far a number's enrolment went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Given out; no receipt came back (yet).
    Offered,
    /// The box has confirmed it.
    Enrolled,
    /// The same box was enrolled again, under a later number.
    Replaced,
}

/// What is written down of one box. Text form of ids and chains: hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxRecord {
    /// First and last of its numbers.
    pub numbers: (u16, u16),
    /// Where it stands.
    pub place: String,
    /// What it does there.
    pub roles: Vec<Role>,
    /// Zone that its gate opens.
    pub zone: u16,
    /// How far the enrolment went.
    pub standing: Standing,
    /// Who it is.
    pub device: String,
    /// The epoch that the enrolment opens.
    pub epoch: u32,
    /// Unix seconds when the number was given out.
    pub at: u64,
    /// Its device chain, canonical CBOR.
    pub chain: String,
    /// Its credit chain, for a top-up desk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credit_chain: Option<String>,
    /// It was left out of later band keys, and is from then on.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub without_band_keys: bool,
    /// It was revoked with this tool.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

impl BoxRecord {
    /// The device it is about.
    pub fn device(&self) -> Option<DeviceId> {
        DeviceId::from_hex(&self.device)
    }

    /// Whether this number is one of its own.
    pub fn has_number(&self, number: u16) -> bool {
        (self.numbers.0..=self.numbers.1).contains(&number)
    }
}

/// A range of numbers that an enrol key owns: `enrol-keys/NNNN.toml`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolKeyRecord {
    /// First and last of its numbers.
    pub numbers: (u16, u16),
    /// Who keeps it.
    pub name: String,
    /// Its public key.
    pub key: String,
    /// Unix seconds when it was made.
    pub at: u64,
}

fn file_name(first: u16) -> String {
    format!("{first:04}.toml")
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Failure> {
    toml::from_str(&files::read_text(path)?).map_err(|error| Failure::damaged(path, error.message()))
}

fn to_text<T: Serialize>(record: &T) -> Result<String, Failure> {
    toml::to_string(record).map_err(|error| Failure::Internal(error.to_string()))
}

impl Festival {
    fn boxes_dir(&self) -> PathBuf {
        self.dir().join("boxes")
    }

    fn enrol_keys_dir(&self) -> PathBuf {
        self.dir().join("enrol-keys")
    }

    /// Every box number given out, in their order.
    pub fn boxes(&self) -> Result<Vec<BoxRecord>, Failure> {
        files::list(&self.boxes_dir(), "toml")?.iter().map(|path| parse(path)).collect()
    }

    /// Every enrol key made.
    pub fn enrol_keys(&self) -> Result<Vec<EnrolKeyRecord>, Failure> {
        files::list(&self.enrol_keys_dir(), "toml")?.iter().map(|path| parse(path)).collect()
    }

    /// The box that was given this number; the last one, should it have been given out twice.
    pub fn box_of(&self, number: u16) -> Result<BoxRecord, Failure> {
        let mut given = self.boxes()?.into_iter().filter(|record| record.has_number(number));
        given.next_back().ok_or(Failure::NoSuchBox(number))
    }

    /// Writes down something of every record of a device.
    pub(crate) fn mark_box(&self, device: &str, mark: impl Fn(&mut BoxRecord)) -> Result<(), Failure> {
        for mut record in self.boxes()?.into_iter().filter(|record| record.device == device) {
            let before = record.clone();
            mark(&mut record);
            if record != before {
                self.update_box(&record)?;
            }
        }
        Ok(())
    }

    /// Writes down that a box was revoked: whatever number it goes by, it gets no band keys any more.
    pub fn mark_revoked(&self, record: &BoxRecord) -> Result<(), Failure> {
        self.mark_box(&record.device, |record| record.revoked = true)
    }

    /// The record under which this device is enrolled now.
    pub fn enrolled(&self, device: DeviceId) -> Result<Option<BoxRecord>, Failure> {
        let of_device = |record: &BoxRecord| record.standing == Standing::Enrolled && record.device() == Some(device);
        Ok(self.boxes()?.into_iter().rev().find(of_device))
    }

    /// The first `count` numbers that nobody has: within `range`, or above everything ever given out.
    fn next_numbers(&self, range: Option<(u16, u16)>, count: u16) -> Result<(u16, u16), Failure> {
        let boxes = self.boxes()?;
        let used = boxes.iter().map(|record| record.numbers);
        let highest = match range {
            Some((first, last)) => used
                .map(|numbers| numbers.1)
                .filter(|number| (first..=last).contains(number))
                .max()
                .unwrap_or(first.saturating_sub(1)),
            None => {
                let keys = self.enrol_keys()?;
                used.chain(keys.iter().map(|record| record.numbers)).map(|numbers| numbers.1).max().unwrap_or(0)
            }
        };
        let end = range.map_or(u16::MAX, |range| range.1);
        let last = highest.checked_add(count).filter(|last| *last <= end).ok_or(Failure::NumbersUsedUp { end })?;
        Ok((highest + 1, last))
    }

    /// Writes down a box's numbers before they are offered. `record` makes the record of the numbers it is given.
    pub(crate) fn claim_box(
        &self,
        range: Option<(u16, u16)>,
        record: impl Fn((u16, u16)) -> Result<BoxRecord, Failure>,
    ) -> Result<BoxRecord, Failure> {
        self.claim(&self.boxes_dir(), range, NUMBERS_PER_BOX, record)
    }

    /// Takes the next free numbers; whoever takes some at the same moment waits.
    fn claim<T: Serialize>(
        &self,
        folder: &Path,
        range: Option<(u16, u16)>,
        count: u16,
        record: impl Fn((u16, u16)) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let _lock = files::Lock::wait(&self.dir().join(LOCK))?;
        let numbers = self.next_numbers(range, count)?;
        let record = record(numbers)?;
        files::place_new(&folder.join(file_name(numbers.0)), to_text(&record)?.as_bytes())?;
        Ok(record)
    }

    /// Writes down how far an enrolment went.
    pub(crate) fn update_box(&self, record: &BoxRecord) -> Result<(), Failure> {
        files::replace(&self.boxes_dir().join(file_name(record.numbers.0)), to_text(record)?.as_bytes())
    }

    /// Writes down the numbers of a new enrol key, enough for `boxes` boxes.
    pub(crate) fn claim_enrol_key(
        &self,
        boxes: u16,
        name: &str,
        key: &[u8; 32],
        at: u64,
    ) -> Result<(u16, u16), Failure> {
        let count = boxes.max(1).checked_mul(NUMBERS_PER_BOX).ok_or(Failure::NumbersUsedUp { end: u16::MAX })?;
        let record = |numbers| Ok(EnrolKeyRecord { numbers, name: name.into(), key: domain::wire::hex(key), at });
        Ok(self.claim(&self.enrol_keys_dir(), None, count, record)?.numbers)
    }
}

#[cfg(test)]
mod tests {
    use domain::money::Currency;

    use super::*;

    fn festival(temp: &tempfile::TempDir) -> Festival {
        Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap()
    }

    fn claim(festival: &Festival, range: Option<(u16, u16)>) -> Result<(u16, u16), Failure> {
        let record = |numbers| {
            Ok(BoxRecord {
                numbers,
                place: "Bar 1".into(),
                roles: vec![Role::Bar],
                zone: 0,
                standing: Standing::Offered,
                device: DeviceId([1; 16]).to_hex(),
                epoch: 0,
                at: 1,
                chain: String::new(),
                credit_chain: None,
                without_band_keys: false,
                revoked: false,
            })
        };
        festival.claim_box(range, record).map(|record| record.numbers)
    }

    #[test]
    fn numbers_are_never_given_out_twice() {
        let temp = tempfile::tempdir().unwrap();
        let festival = festival(&temp);
        assert_eq!(claim(&festival, None), Ok((1, 8)));
        assert_eq!(claim(&festival, None), Ok((9, 16)));
        assert_eq!(festival.claim_enrol_key(2, "site", &[2; 32], 1), Ok((17, 32)));
        assert_eq!(claim(&festival, None), Ok((33, 40)));
        assert_eq!(claim(&festival, Some((17, 32))), Ok((17, 24)));
        assert_eq!(claim(&festival, Some((17, 32))), Ok((25, 32)));
        assert_eq!(claim(&festival, Some((17, 32))), Err(Failure::NumbersUsedUp { end: 32 }));
        assert_eq!(festival.claim_enrol_key(1, "site", &[2; 32], 1), Ok((41, 48)));
    }

    #[test]
    fn two_technicians_at_the_same_moment_take_different_numbers() {
        let temp = tempfile::tempdir().unwrap();
        let festival = festival(&temp);
        let take = || (0..10).map(|_| claim(&festival, None).unwrap()).collect::<Vec<_>>();
        let mut taken = std::thread::scope(|scope| {
            let others = [scope.spawn(take), scope.spawn(take), scope.spawn(take)];
            others.into_iter().flat_map(|other| other.join().unwrap()).collect::<Vec<_>>()
        });
        taken.sort_unstable();
        taken.dedup();
        assert_eq!((taken.len(), festival.boxes().unwrap().len()), (30, 30));
        assert_eq!(taken.last(), Some(&(233, 240)));
    }

    #[test]
    fn an_enrol_key_made_at_the_same_moment_owns_no_number_of_a_box() {
        let temp = tempfile::tempdir().unwrap();
        let festival = festival(&temp);
        let enrol_key = || festival.claim_enrol_key(2, "site", &[2; 32], 1).unwrap();
        let boxes = || (0..20).map(|_| claim(&festival, None).unwrap()).collect::<Vec<_>>();
        let keys = || (0..20).map(|_| enrol_key()).collect::<Vec<_>>();
        let mut taken = std::thread::scope(|scope| {
            let others = [scope.spawn(boxes), scope.spawn(keys), scope.spawn(boxes)];
            others.into_iter().flat_map(|other| other.join().unwrap()).collect::<Vec<_>>()
        });
        taken.sort_unstable();
        assert_eq!(taken.len(), 60);
        assert!(taken.windows(2).all(|pair| pair[0].1 < pair[1].0), "{taken:?}");
    }

    #[test]
    fn the_last_numbers_are_not_passed() {
        let temp = tempfile::tempdir().unwrap();
        let festival = festival(&temp);
        assert_eq!(festival.claim_enrol_key(8191, "all", &[2; 32], 1), Ok((1, 65528)));
        assert_eq!(claim(&festival, None), Err(Failure::NumbersUsedUp { end: u16::MAX }));
    }

    #[test]
    fn a_bar_cannot_write_top_ups_nor_a_gate_sales() {
        let may = |roles: &[Role], kind: Kind| kinds(roles) & kind.bit().unwrap() != 0;
        assert!(may(&[Role::Bar], Kind::SALE) && may(&[Role::Bar], Kind::INTENT));
        // A bar carries what the hub owes; that it credits nothing of its own follows from its role.
        assert!(may(&[Role::Bar], Kind::TOP_UP) && !may(&[Role::Bar], Kind::ADMISSION));
        assert!(may(&[Role::Gate], Kind::ADMISSION) && may(&[Role::Gate], Kind::PAIRING));
        assert!(!may(&[Role::Gate], Kind::SALE) && !may(&[Role::Gate], Kind::INTENT));
        assert!(may(&[Role::TopUp], Kind::TOP_UP) && may(&[Role::TopUp], Kind::REFUND));
        assert!(!may(&[Role::Gate, Role::Bar, Role::TopUp], Kind::REVOCATION));
    }
}
