//! The hash chain over a journal and the signature that ends each commit.
use ed25519_dalek::SigningKey;

use crate::{
    id::{DeviceId, FestivalId},
    trust::{BadSignature, SignatureTag, sign, verify},
};

/// BLAKE3 hash of an entry and all before it.
pub type EntryHash = [u8; 32];
/// What the genesis chains to.
pub const ZERO_HASH: EntryHash = [0; 32];

/// `BLAKE3(prev ‖ length as u32 LE ‖ body)`.
pub fn link(prev: &EntryHash, body: &[u8]) -> EntryHash {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let mut hash = blake3::Hasher::new();
    hash.update(prev).update(&length.to_le_bytes()).update(body);
    *hash.finalize().as_bytes()
}

/// The last entry of a journal or of a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its position, from 0.
    pub seq: u32,
    /// Its hash.
    pub hash: EntryHash,
}

/// The signature that ends a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitMark {
    /// The commit's last entry.
    pub head: Head,
    /// Over `tag ‖ festival ‖ device ‖ epoch u32 LE ‖ seq u32 LE ‖ hash`.
    pub signature: [u8; 64],
}

/// Where the next entry of a journal goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainCursor {
    /// The festival.
    pub festival: FestivalId,
    /// Whose journal.
    pub device: DeviceId,
    /// Which run of it.
    pub epoch: u32,
    /// Position of the next entry.
    pub next_seq: u32,
    /// Hash that it chains to.
    pub prev: EntryHash,
}

impl ChainCursor {
    /// Before the genesis of an epoch.
    pub fn start(festival: FestivalId, device: DeviceId, epoch: u32) -> Self {
        Self { festival, device, epoch, next_seq: 0, prev: ZERO_HASH }
    }

    /// After `head`.
    pub fn after(festival: FestivalId, device: DeviceId, epoch: u32, head: Head) -> Self {
        Self { festival, device, epoch, next_seq: head.seq.saturating_add(1), prev: head.hash }
    }

    /// Takes one body and gives its place in the chain.
    pub fn append(&mut self, body: &[u8]) -> Head {
        let head = Head { seq: self.next_seq, hash: link(&self.prev, body) };
        self.next_seq = self.next_seq.saturating_add(1);
        self.prev = head.hash;
        head
    }

    /// Signs the commit that ends with the entry appended last; `None` before the genesis.
    pub fn sign(&self, key: &SigningKey) -> Option<CommitMark> {
        let head = Head { seq: self.next_seq.checked_sub(1)?, hash: self.prev };
        let signature = sign(
            key,
            SignatureTag::Commit,
            &self.festival,
            &[&self.device.0, &self.epoch.to_le_bytes(), &head.seq.to_le_bytes(), &head.hash],
        );
        Some(CommitMark { head, signature })
    }
}

impl CommitMark {
    /// Whether `key` signed this head at this place.
    pub fn check(
        &self,
        key: &[u8; 32],
        festival: &FestivalId,
        device: DeviceId,
        epoch: u32,
    ) -> Result<(), BadSignature> {
        verify(
            key,
            SignatureTag::Commit,
            festival,
            &[&device.0, &epoch.to_le_bytes(), &self.head.seq.to_le_bytes(), &self.head.hash],
            &self.signature,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::device_id;

    #[test]
    fn a_commit_cannot_be_relabelled() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let public = key.verifying_key().to_bytes();
        let (festival, device) = (FestivalId([1; 16]), device_id(&public));
        let mut cursor = ChainCursor::start(festival, device, 3);
        assert_eq!(cursor.sign(&key), None);
        cursor.append(b"genesis");
        let head = cursor.append(b"sale");
        let mark = cursor.sign(&key).unwrap();
        assert_eq!(mark.head, head);
        assert_eq!(mark.check(&public, &festival, device, 3), Ok(()));
        assert_eq!(mark.check(&public, &festival, device, 4), Err(BadSignature));
        let moved = CommitMark { head: Head { seq: 7, ..head }, ..mark };
        assert_eq!(moved.check(&public, &festival, device, 3), Err(BadSignature));
    }

    #[test]
    fn the_length_is_part_of_the_hash() {
        assert_ne!(link(&ZERO_HASH, b""), link(&ZERO_HASH, &[0]));
    }
}
