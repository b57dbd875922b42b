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

/// An epoch as it lies in a file for the hub. Boxes are named by the first of their numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Which epoch.
    pub epoch: u8,
    /// To how many boxes.
    pub boxes: usize,
    /// Those among them of whose enrolment no receipt came back.
    pub offered: Vec<u16>,
    /// Boxes that have no copy: left out now or before, or revoked with the tool.
    pub left_out: Vec<u16>,
}

/// Makes the next epoch and seals it. `without`: boxes (any of their numbers) that are not to have it, nor any later one.
/// The root must be here: a copy of the folder would make another epoch of the same number.
pub fn new_epoch(festival: &Festival, out: &Path, without: &[u16]) -> Result<Sealed, Failure> {
    festival.root_key()?;
    if out.exists() {
        return Err(Failure::AlreadyThere(out.into()));
    }
    // whoever is to be left out must exist before a master is made for the others
    leave_out(festival, without)?;
    let newest = festival.band_secrets()?.epochs().last().copied().unwrap_or(FIRST_EPOCH);
    let epoch = newest.checked_add(1).ok_or(Failure::BandKeys("there are 256 epochs, and no more"))?;
    let folder = festival.band_keys_dir();
    if !folder.is_dir() {
        files::new_dir(&folder)?;
    }
    files::place_new(&folder.join(file_name(epoch)), random::secret()?.as_slice())?;
    // from here on there is an epoch
    seal_to_all(festival, epoch, out).map_err(|reason| Failure::NotSealed { epoch, reason: Box::new(reason) })
}

/// Seals an epoch that is there to every box that is enrolled now.
pub fn seal(festival: &Festival, epoch: u8, out: &Path, without: &[u16]) -> Result<Sealed, Failure> {
    festival.epoch_master(epoch)?;
    leave_out(festival, without)?;
    seal_to_all(festival, epoch, out)
}

fn seal_to_all(festival: &Festival, epoch: u8, out: &Path) -> Result<Sealed, Failure> {
    let master = festival.epoch_master(epoch)?;
    let secrets = master.epoch_secrets(epoch, &festival.id());
    let secrets = secrets.ok_or(Failure::BandKeys("the first epoch's keys come with the enrolment"))?;
    let boxes = festival.boxes()?;
    let of =
        |device: &str, is: fn(&BoxRecord) -> bool| boxes.iter().any(|record| record.device == device && is(record));
    let mut devices: Vec<&BoxRecord> = Vec::new();
    for record in boxes.iter().rev() {
        if !devices.iter().any(|newer| newer.device == record.device) {
            devices.push(record);
        }
    }
    let (mut copies, mut offered, mut left_out) = (Vec::<SealedCopy>::new(), Vec::new(), Vec::new());
    for record in devices.into_iter().rev() {
        if of(&record.device, |record| record.without_band_keys || record.revoked) {
            left_out.push(record.numbers.0);
            continue;
        }
        // one whose receipt was lost may be at work
        if !of(&record.device, |record| record.standing == Standing::Enrolled) {
            offered.push(record.numbers.0);
        }
        let copy = secrets.seal_to(&key_of(festival, record)?, &festival.id(), random::bytes()?);
        copies.push(copy.ok_or(Failure::BandKeys("a box has a key that nothing can be sealed to"))?);
    }
    copies.sort_by_key(|copy| copy.device);
    let sealed = SealedEpoch { epoch, copies };
    SealedEpoch::check_all(std::slice::from_ref(&sealed)).map_err(|_| Failure::BandKeys("too many boxes"))?;
    files::replace(out, &to_cbor(&sealed))?;
    Ok(Sealed { epoch, boxes: sealed.copies.len(), offered, left_out })
}

/// Writes down which boxes get no band keys from now on, whatever numbers they go by; nothing where one is unknown.
fn leave_out(festival: &Festival, without: &[u16]) -> Result<(), Failure> {
    let records: Result<Vec<BoxRecord>, Failure> = without.iter().map(|number| festival.box_of(*number)).collect();
    records?.iter().try_for_each(|record| festival.mark_box(&record.device, |record| record.without_band_keys = true))
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
            let sealed = Sealed { epoch, boxes: 0, offered: vec![], left_out: vec![] };
            assert_eq!(new_epoch(&festival, &out, &[]), Ok(sealed));
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
        assert_eq!(new_epoch(&festival, &out, &[7]), Err(Failure::NoSuchBox(7)));
        assert!(matches!(seal(&festival, 0, &out, &[]), Err(Failure::BandKeys(_))));
        assert!(matches!(seal(&festival, 3, &out, &[]), Err(Failure::Missing(_))));
        assert!(!out.exists());
        assert_eq!(festival.band_secrets().unwrap().epochs(), [0]);
    }

    /// A box of key `n` and its next numbers; gives the first.
    fn claim(festival: &Festival, n: u8, standing: Standing) -> u16 {
        let key = ed25519_dalek::SigningKey::from_bytes(&[n; 32]).verifying_key().to_bytes();
        let record = |numbers| {
            let scope = domain::trust::Scope { box_numbers: numbers, ..domain::trust::Scope::nothing("Bar") };
            Ok(BoxRecord {
                numbers,
                place: "Bar".into(),
                roles: vec![crate::boxes::Role::Bar],
                zone: 0,
                standing,
                device: domain::id::device_id(&key).to_hex(),
                epoch: 0,
                at: 1,
                chain: domain::wire::hex(&festival.issue_certificate(Purpose::Device, key, scope)?.to_bytes()),
                credit_chain: None,
                without_band_keys: false,
                revoked: false,
            })
        };
        festival.claim_box(None, record).unwrap().numbers.0
    }

    fn devices(path: &Path) -> Vec<domain::id::DeviceId> {
        let written: SealedEpoch = from_canonical_cbor(&files::read(path).unwrap()).unwrap();
        written.copies.iter().map(|copy| copy.device).collect()
    }

    #[test]
    fn who_was_left_out_once_or_revoked_stays_out_and_who_sent_no_receipt_has_a_copy() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = |name: &str| temp.path().join(name);
        for (n, standing) in [(1, Standing::Replaced), (2, Standing::Enrolled), (1, Standing::Enrolled)] {
            claim(&festival, n, standing);
        }
        let (offered, revoked) = (claim(&festival, 3, Standing::Offered), claim(&festival, 4, Standing::Enrolled));
        assert_eq!((offered, revoked), (25, 33));
        // by the number that it had before it was enrolled again
        let first = new_epoch(&festival, &out("1"), &[4]).unwrap();
        let expected = Sealed { epoch: 1, boxes: 3, offered: vec![25], left_out: vec![17] };
        assert_eq!((first, devices(&out("1")).len()), (expected, 3));
        festival.mark_revoked(&festival.box_of(35).unwrap()).unwrap();
        for sealed in [seal(&festival, 1, &out("1"), &[]).unwrap(), new_epoch(&festival, &out("2"), &[]).unwrap()] {
            assert_eq!((sealed.boxes, sealed.offered, sealed.left_out), (2, vec![25], vec![17, 33]));
        }
        let stolen = festival.box_of(4).unwrap().device().unwrap();
        assert!(!devices(&out("1")).contains(&stolen) && !devices(&out("2")).contains(&stolen));
    }

    #[test]
    fn an_epoch_that_could_not_be_sealed_is_told_as_made_and_sealed_later() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let away = temp.path().join("hub/band-keys/1.cbor");
        let refused = new_epoch(&festival, &away, &[]).unwrap_err();
        assert!(matches!(refused, Failure::NotSealed { epoch: 1, .. }), "{refused:?}");
        assert!(refused.to_string().contains("band-keys seal --epoch 1"), "{refused}");
        assert!(!refused.to_string().contains("nothing was changed"), "{refused}");
        assert_eq!(seal(&festival, 1, &temp.path().join("1.cbor"), &[]).map(|sealed| sealed.epoch), Ok(1));
    }

    #[test]
    fn a_copy_of_the_folder_without_the_root_makes_no_epoch_of_a_number_that_the_organiser_gives_too() {
        let temp = tempfile::tempdir().unwrap();
        let dir = temp.path().join("f");
        Festival::create(&dir, "Test", Currency::EUR, 1).unwrap();
        std::fs::remove_file(dir.join("root.key")).unwrap();
        let festival = Festival::open(&dir).unwrap();
        assert!(matches!(new_epoch(&festival, &temp.path().join("1.cbor"), &[]), Err(Failure::NoRoot(_))));
        assert_eq!(festival.band_secrets().unwrap().epochs(), [0]);
    }
}
