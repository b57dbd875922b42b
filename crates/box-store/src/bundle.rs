//! The newest bundle that this box ever verified: its number in the database, its bytes in a file beside it.
//! Invariant: the number never goes back, and bytes are handed out only if they are those that were stored.
//! Not here: whether a bundle is genuine (`domain::bundle`); that comes before it is stored.
use std::{fs, io::Write, path::PathBuf};

use rusqlite::{OptionalExtension, params};

use crate::{database, error::StoreError, store::Store};

impl Store {
    /// Keeps a verified bundle. An older one than the one held is refused; the same again is fine.
    pub fn store_bundle(&self, number: u64, bytes: &[u8]) -> Result<(), StoreError> {
        let held = self.read(|view| view.bundle_number())?;
        if let Some(held) = held.filter(|held| *held > number) {
            return Err(StoreError::OlderBundle { found: number, held });
        }
        let hash = *blake3::hash(bytes).as_bytes();
        let file = self.bundle_file(number);
        let new = database::beside(&file, ".new");
        fs::File::create(&new)?.write_all(bytes)?;
        database::put_in_place(&new, &file)?;
        self.work(move |writing| {
            writing.whole(|writing| {
                let changed = writing.connection.execute(
                    "INSERT INTO bundle (one, number, hash) VALUES (1, ?1, ?2)
                     ON CONFLICT (one) DO UPDATE SET number = excluded.number, hash = excluded.hash
                     WHERE bundle.number <= excluded.number",
                    params![number.cast_signed(), &hash[..]],
                )?;
                match changed {
                    0 => {
                        let held: i64 =
                            writing.connection.query_row("SELECT number FROM bundle", [], |row| row.get(0))?;
                        Err(StoreError::OlderBundle { found: number, held: held.cast_unsigned() })
                    }
                    _ => Ok(()),
                }
            })
        })?;
        if let Some(old) = held.filter(|held| *held < number)
            && let Err(error) = fs::remove_file(self.bundle_file(old))
        {
            tracing::warn!(%error, bundle = old, "an old bundle stays on disk");
        }
        Ok(())
    }

    /// The newest bundle; `None` before the first. A file that is gone or changed is an error with the number, so
    /// that the box fetches it again and takes no older one.
    pub fn bundle(&self) -> Result<Option<(u64, Vec<u8>)>, StoreError> {
        let held = self.reading(|connection| {
            let held = connection
                .prepare_cached("SELECT number, hash FROM bundle")?
                .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, [u8; 32]>(1)?)))
                .optional()?;
            Ok(held)
        })?;
        let Some((number, hash)) = held else { return Ok(None) };
        let number = number.cast_unsigned();
        let bytes = fs::read(self.bundle_file(number)).map_err(|_| StoreError::BundleDamaged(number))?;
        if *blake3::hash(&bytes).as_bytes() == hash {
            Ok(Some((number, bytes)))
        } else {
            Err(StoreError::BundleDamaged(number))
        }
    }

    fn bundle_file(&self, number: u64) -> PathBuf {
        database::beside(&self.0.path, &format!(".bundle-{number}"))
    }
}
