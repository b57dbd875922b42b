//! Later epochs of the bands' keys: sealed to the boxes, as the technician laid them into `band-keys/`; and which epochs
//! the festival refuses.
//! Invariant: what does not read, or does not go together, is passed over and named; the bundle is made all the same. The
//! hub opens none of it.
//! Not here: sealing (`provision band-keys`), opening (`edge`).
use domain::{
    bundle::{BundleBody, BundleSection},
    secrets::epoch::SealedEpoch,
    wire::from_canonical_cbor,
};

use crate::hub::Hub;

/// Longest file: every box of the largest festival.
const FILE_MAX: u64 = 2 << 20;

impl Hub {
    /// The bundle's section of sealed keys; nothing where there are none.
    pub(crate) fn band_keys_section(&self) -> Option<BundleSection> {
        Some(self.sealed_epochs()).filter(|all| !all.is_empty()).map(|all| BundleBody::band_keys_section(&all))
    }

    /// The bundle's section of refused epochs; nothing where none is.
    pub(crate) fn retired_epochs_section(&self) -> Option<BundleSection> {
        let mut retired = self.retired_epochs.clone();
        retired.sort_unstable();
        retired.dedup();
        (!retired.is_empty()).then(|| BundleBody::retired_epochs_section(&retired))
    }

    /// The epochs that lie in `band-keys/`, each once, in their order.
    fn sealed_epochs(&self) -> Vec<SealedEpoch> {
        let Ok(files) = std::fs::read_dir(self.dir.join("band-keys")) else { return Vec::new() };
        let mut paths: Vec<_> = files.flatten().map(|file| file.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "cbor"));
        paths.sort();
        let mut epochs: Vec<SealedEpoch> = Vec::new();
        for path in paths {
            let short = std::fs::metadata(&path).is_ok_and(|file| file.len() <= FILE_MAX);
            let read = if short { std::fs::read(&path).ok() } else { None };
            let epoch = read.and_then(|bytes| from_canonical_cbor::<SealedEpoch>(&bytes).ok());
            let mut with = epochs.clone();
            with.extend(epoch.iter().cloned());
            with.sort_by_key(|one| one.epoch);
            if epoch.is_some() && SealedEpoch::check_all(&with).is_ok() {
                epochs = with;
            } else {
                tracing::warn!(file = %path.display(), "no band keys that go with the others; passed over");
            }
        }
        epochs
    }
}

#[cfg(test)]
mod tests {
    use domain::{bundle::Bundle, secrets::MasterSecret, wire::to_cbor};
    use ed25519_dalek::SigningKey;

    use crate::sample;

    use super::*;

    #[test]
    fn sealed_keys_and_refused_epochs_go_out_with_the_bundle_and_what_does_not_read_does_not() {
        let dir = sample::hub_dir();
        let toml = std::fs::read_to_string(dir.path().join("festival.toml")).unwrap();
        let retires = toml.replacen("[policy]\n", "[policy]\nretired_band_epochs = [4, 0, 4]\n", 1);
        assert_ne!(retires, toml);
        std::fs::write(dir.path().join("festival.toml"), retires).unwrap();
        let mut hub = sample::open(dir.path());
        let bundle = |hub: &mut Hub| Bundle::verify(&hub.current_bundle().unwrap().bytes, None).unwrap();
        let before = bundle(&mut hub);
        assert_eq!((before.band_keys(), before.retired_epochs()), (Vec::new(), vec![0, 4]));

        let folder = dir.path().join("band-keys");
        std::fs::create_dir(&folder).unwrap();
        let identity = SigningKey::from_bytes(&[77; 32]);
        let write = |name: &str, epoch: u8| {
            let secrets = MasterSecret([epoch; 32]).epoch_secrets(epoch, &sample::festival()).unwrap();
            let public = identity.verifying_key().to_bytes();
            let copies = vec![secrets.seal_to(&public, &sample::festival(), [epoch; 32]).unwrap()];
            std::fs::write(folder.join(name), to_cbor(&SealedEpoch { epoch, copies })).unwrap();
            secrets
        };
        let (two, one) = (write("a.cbor", 2), write("b.cbor", 1));
        write("c.cbor", 1);
        std::fs::write(folder.join("d.cbor"), b"a letter").unwrap();
        let after = bundle(&mut hub);
        assert!(after.body.number > before.body.number);
        let opened: Vec<_> =
            after.band_keys().iter().map(|epoch| epoch.open(&identity, &sample::festival()).unwrap()).collect();
        assert_eq!(opened, [one, two]);
        assert_eq!(bundle(&mut hub), after, "the same again is no new bundle");
    }
}
