//! Certifies a further ticket key for a hub: `NAME.key` and `NAME.chain`, as they lie in its folder `ticket-keys/`.
//! Invariant: the key is made here, written once for its owner alone and never shown; its chain is there before it.
//! Not here: when it signs tickets (the hub).
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use domain::{
    id::{KeyId, key_id},
    trust::{Purpose, Scope},
};
use ed25519_dalek::SigningKey;

use crate::{Failure, Festival, files, random};

/// The two files of a new ticket key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTicketKey {
    /// Its short name.
    pub id: KeyId,
    /// The private key.
    pub key: PathBuf,
    /// Its chain.
    pub chain: PathBuf,
}

/// Makes a ticket key that counts between these unix seconds (0: open). `out` names both files, with or without
/// `.key`. It needs the root.
pub fn new_ticket_key(festival: &Festival, out: &Path, valid: (u64, u64)) -> Result<NewTicketKey, Failure> {
    festival.root_key()?;
    if valid.1 != 0 && valid.1 < valid.0 {
        return Err(Failure::Dates);
    }
    let stem =
        if out.extension().is_some_and(|extension| extension == "key") { out.with_extension("") } else { out.into() };
    let beside = |ending: &str| {
        let mut path = OsString::from(&stem);
        path.push(ending);
        PathBuf::from(path)
    };
    let (key, chain) = (beside(".key"), beside(".chain"));
    if let Some(there) = [&key, &chain].into_iter().find(|path| path.exists()) {
        return Err(Failure::AlreadyThere(there.clone()));
    }
    let seed = random::secret()?;
    let public = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let signed = festival.issue_dated_certificate(Purpose::Ticket, public, Scope::nothing("hub"), valid)?;
    files::place_new(&chain, &signed.to_bytes())?;
    files::place_new(&key, seed.as_slice())?;
    Ok(NewTicketKey { id: key_id(&public), key, chain })
}

#[cfg(test)]
mod tests {
    use domain::money::Currency;

    use super::*;
    use crate::hub::read_chain;

    #[test]
    fn a_ticket_key_has_its_chain_and_dates_and_takes_the_place_of_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = temp.path().join("2027.b");
        let made = new_ticket_key(&festival, &out, (100, 200)).unwrap();
        assert_eq!(
            (made.key.as_path(), made.chain.as_path()),
            (&*temp.path().join("2027.b.key"), &*temp.path().join("2027.b.chain"))
        );
        let key = files::read_key(&made.key).unwrap();
        assert_eq!(files::mode(&made.key), Ok(0o600));
        let chain = read_chain(&festival, &made.chain, Purpose::Ticket).unwrap();
        let certificate = chain.verify(festival.founding()).unwrap();
        assert_eq!(certificate.subject, key.verifying_key().to_bytes());
        assert_eq!((certificate.valid_from, certificate.valid_until), (100, 200));
        assert_eq!(made.id, key_id(&certificate.subject));
        let again = new_ticket_key(&festival, &temp.path().join("2027.b.key"), (0, 0));
        assert_eq!(again, Err(Failure::AlreadyThere(made.key)));
        assert_eq!(new_ticket_key(&festival, &temp.path().join("c"), (2, 1)), Err(Failure::Dates));
        std::fs::remove_file(festival.dir().join("root.key")).unwrap();
        let without = Festival::open(festival.dir()).unwrap();
        assert!(matches!(new_ticket_key(&without, &temp.path().join("c"), (0, 0)), Err(Failure::NoRoot(_))));
        assert!(!temp.path().join("c.key").exists());
    }
}
