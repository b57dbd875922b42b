//! Further epochs of the bands' keys: a master of their own in the festival's folder, and a file for the hub in which each
//! box has a copy of the epoch's keys that only it opens.
//! Invariant: a master is made once, written for its owner alone and never shown; it is on the disk before anything is
//! sealed; no box that was left out learns anything.
//! Not here: how a copy is sealed (`domain::secrets::epoch`), the bundle that carries the file (the hub), new bands (`bands`).
use std::path::{Path, PathBuf};

use domain::{
    secrets::{
        BandSecrets, MasterSecret,
        epoch::{FIRST_EPOCH, SealedCopy, SealedEpoch},
    },
    trust::{CertificateChain, Purpose},
    wire::{to_cbor, unhex},
};

use crate::{
    Failure, Festival,
    boxes::{BoxRecord, Standing},
    files, random,
};

/// An epoch as it lies in a file for the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which epoch.
    pub epoch: u8,
    /// To how many boxes.
    pub boxes: usize,
}

/// Makes the next epoch and seals it. `without`: boxes (any of their numbers) that are not to have it.
pub fn new_epoch(festival: &Festival, out: &Path, without: &[u16]) -> Result<Sealed, Failure> {
    if out.exists() {
        return Err(Failure::AlreadyThere(out.into()));
    }
    // whoever is to be left out must exist before a master is made for the others
    recipients(festival, without)?;
    let newest = festival.band_secrets()?.epochs().last().copied().unwrap_or(FIRST_EPOCH);
    let epoch = newest.checked_add(1).ok_or(Failure::BandKeys("there are 256 epochs, and no more"))?;
    let folder = festival.band_keys_dir();
    if !folder.is_dir() {
        files::new_dir(&folder)?;
    }
    files::place_new(&folder.join(file_name(epoch)), random::secret()?.as_slice())?;
    seal(festival, epoch, out, without)
}

/// Seals an epoch that is there to every box that is enrolled now.
pub fn seal(festival: &Festival, epoch: u8, out: &Path, without: &[u16]) -> Result<Sealed, Failure> {
    let master = festival.epoch_master(epoch)?;
    let secrets = master.epoch_secrets(epoch, &festival.id());
    let secrets = secrets.ok_or(Failure::BandKeys("the first epoch's keys come with the enrolment"))?;
    let mut copies: Vec<SealedCopy> = Vec::new();
    for key in recipients(festival, without)? {
        let copy = secrets.seal_to(&key, &festival.id(), random::bytes()?);
        copies.push(copy.ok_or(Failure::BandKeys("a box has a key that nothing can be sealed to"))?);
    }
    copies.sort_by_key(|copy| copy.device);
    copies.dedup_by_key(|copy| copy.device);
    let sealed = SealedEpoch { epoch, copies };
    SealedEpoch::check_all(std::slice::from_ref(&sealed)).map_err(|_| Failure::BandKeys("too many boxes"))?;
    files::replace(out, &to_cbor(&sealed))?;
    Ok(Sealed { epoch, boxes: sealed.copies.len() })
}

/// The keys of every box that is enrolled, but for these.
fn recipients(festival: &Festival, without: &[u16]) -> Result<Vec<[u8; 32]>, Failure> {
    let boxes = festival.boxes()?;
    let has = |record: &BoxRecord, number: &u16| (record.numbers.0..=record.numbers.1).contains(number);
    if without.iter().any(|number| !boxes.iter().any(|record| has(record, number))) {
        return Err(Failure::BandKeys("no box was ever given one of the numbers to be left out"));
    }
    // whatever number a box goes by, it is the same box
    let left_out: Vec<_> =
        boxes.iter().filter(|record| without.iter().any(|number| has(record, number))).map(BoxRecord::device).collect();
    let enrolled = boxes.iter().filter(|record| record.standing == Standing::Enrolled);
    enrolled.filter(|record| !left_out.contains(&record.device())).map(|record| key_of(festival, record)).collect()
}

fn key_of(festival: &Festival, record: &BoxRecord) -> Result<[u8; 32], Failure> {
    let chain = unhex(&record.chain).and_then(|bytes| CertificateChain::from_bytes(&bytes).ok());
    let certificate = chain.and_then(|chain| chain.verify_for(festival.founding(), Purpose::Device).ok());
    Ok(certificate.ok_or(Failure::BandKeys("a box's chain does not lead to the root"))?.subject)
}

fn file_name(epoch: u8) -> String {
    format!("{epoch:03}.secret")
}

impl Festival {
    fn band_keys_dir(&self) -> PathBuf {
        self.dir().join("band-keys")
    }

    /// The master of an epoch.
    fn epoch_master(&self, epoch: u8) -> Result<MasterSecret, Failure> {
        let path = match epoch {
            FIRST_EPOCH => self.dir().join("master.secret"),
            later => self.band_keys_dir().join(file_name(later)),
        };
        Ok(MasterSecret(*files::read_secret(&path)?))
    }

    /// The secrets of its wristbands, of every epoch there is, as every box and hub gets them at its enrolment.
    pub fn band_secrets(&self) -> Result<BandSecrets, Failure> {
        let mut secrets = self.epoch_master(FIRST_EPOCH)?.band_secrets(&self.id());
        let folder = self.band_keys_dir();
        let later = if folder.is_dir() { files::list(&folder, "secret")? } else { Vec::new() };
        for path in later {
            let name = path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let master = MasterSecret(*files::read_secret(&path)?);
            let epoch = name.and_then(|epoch: u8| master.epoch_secrets(epoch, &self.id()));
            secrets = secrets.with(epoch.ok_or_else(|| Failure::damaged(&path, "its name is no epoch's"))?);
        }
        Ok(secrets)
    }
}

#[cfg(test)]
mod tests {
    use domain::{money::Currency, wire::from_canonical_cbor};

    use super::*;

    #[test]
    fn each_epoch_has_a_master_of_its_own_which_the_next_opening_finds() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        assert_eq!(festival.band_secrets().unwrap().epochs(), [0]);
        for epoch in [1, 2] {
            let out = temp.path().join(format!("{epoch}.cbor"));
            assert_eq!(new_epoch(&festival, &out, &[]), Ok(Sealed { epoch, boxes: 0 }));
            let written: SealedEpoch = from_canonical_cbor(&files::read(&out).unwrap()).unwrap();
            assert_eq!((written.epoch, written.copies.len()), (epoch, 0));
            assert_eq!(new_epoch(&festival, &out, &[]), Err(Failure::AlreadyThere(out)));
        }
        let again = Festival::open(festival.dir()).unwrap().band_secrets().unwrap();
        assert_eq!(again.epochs(), [0, 1, 2]);
        assert_ne!(again.masters(1).unwrap().mac, again.masters(2).unwrap().mac);
        assert_eq!(files::mode(&festival.dir().join("band-keys/001.secret")), Ok(0o600));
    }

    #[test]
    fn what_cannot_be_done_leaves_no_master_behind() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = temp.path().join("1.cbor");
        assert!(matches!(new_epoch(&festival, &out, &[7]), Err(Failure::BandKeys(_))), "no such box");
        assert!(matches!(seal(&festival, 0, &out, &[]), Err(Failure::BandKeys(_))));
        assert!(matches!(seal(&festival, 3, &out, &[]), Err(Failure::Missing(_))));
        assert!(!out.exists());
        assert_eq!(festival.band_secrets().unwrap().epochs(), [0]);
    }
}
