//! Fetching a bundle, and the blobs that it names, piece by piece.
//! Invariant: one piece is asked for at a time, and only of what the newest announced bundle names; a bundle is handed
//! over for use when every blob that the shell asked for is whole on disk.
//! Not here: whether bundle and blobs are genuine (the shell verifies both).
use std::collections::VecDeque;

use domain::bundle::BlobRef;

use super::{BUNDLE_MAX, BoxAction, BoxSide};
use crate::frame::{BlobPart, BundlePart, Frame, HaveBundle, RefuseCode, WantBlob, WantBundle};

/// A bundle under way.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    number: u64,
    /// Its length, once the first piece said so.
    total: u32,
    bytes: Vec<u8>,
    /// Blobs to fetch, the first of them now, with the bytes held of each.
    blobs: VecDeque<(BlobRef, u64)>,
}

impl BoxSide {
    /// The bundle was verified and stored, or refused (`None`).
    pub fn bundle_stored(&mut self, stored: Option<(u64, Vec<[u8; 32]>)>) {
        self.fetch = None;
        if let Some((number, keys)) = stored {
            (self.start.bundle, self.start.bundle_keys) = (number, keys);
            if self.is_online() {
                self.send(Frame::HaveBundle(HaveBundle { number }));
                for section in std::mem::take(&mut self.stalled) {
                    self.tell_section(section);
                }
            }
        }
    }

    /// The bundle that was handed over holds, and names these blobs, which the box lacks; beside each the bytes that
    /// it holds already.
    pub fn needs_blobs(&mut self, blobs: Vec<(BlobRef, u64)>) {
        if let Some(fetch) = &mut self.fetch {
            fetch.blobs = blobs.into();
        }
        self.ask_for_blob();
    }

    /// The answer to [`BoxAction::StoreBlobPart`]: how many bytes are held now, or `None` where the blob was wrong or
    /// could not be stored; then the bundle is given up until it is announced again.
    pub fn blob_stored(&mut self, hash: &[u8; 32], held: Option<u64>) {
        let Some(fetch) = &mut self.fetch else { return };
        let Some((blob, at)) = fetch.blobs.front_mut().filter(|(blob, _)| blob.hash == *hash) else { return };
        match held {
            Some(held) if held >= blob.length => {
                fetch.blobs.pop_front();
            }
            Some(held) => *at = held,
            None => {
                self.fetch = None;
                return;
            }
        }
        self.ask_for_blob();
    }

    fn ask_for_blob(&mut self) {
        let Some(fetch) = &mut self.fetch else { return };
        match fetch.blobs.front() {
            Some((blob, held)) => {
                let want = WantBlob { hash: blob.hash, offset: *held };
                if self.is_online() {
                    self.send(Frame::WantBlob(want));
                }
            }
            None => {
                let (number, bytes) = (fetch.number, fetch.bytes.clone());
                self.actions.push_back(BoxAction::StoreBundle { number, bytes });
            }
        }
    }

    pub(super) fn blob_part(&mut self, part: BlobPart) {
        let Some((blob, next)) = self.fetch.as_mut().and_then(|fetch| fetch.blobs.front_mut()) else { return };
        let (blob, held) = (*blob, *next);
        if part.hash != blob.hash || part.offset != held {
            return;
        }
        let end = held.saturating_add(part.bytes.len() as u64);
        if end > blob.length {
            return self.refuse(RefuseCode::Frame, "a blob of another length");
        }
        if part.bytes.is_empty() {
            // The hub has made a newer one meanwhile: that bundle is announced too.
            self.fetch = None;
            return;
        }
        // what was asked for twice is taken once
        *next = end;
        self.actions.push_back(BoxAction::StoreBlobPart { blob, offset: held, bytes: part.bytes });
    }

    pub(super) fn bundle_announced(&mut self, number: u64) {
        if number <= self.start.bundle {
            return;
        }
        match &self.fetch {
            // Whole already: its blobs are under way.
            Some(fetch) if fetch.number == number && fetch.is_whole() => self.ask_for_blob(),
            Some(fetch) if fetch.number == number => {
                let offset = u32::try_from(fetch.bytes.len()).unwrap_or(0);
                self.send(Frame::WantBundle(WantBundle { number, offset }));
            }
            Some(_) | None => {
                self.fetch = Some(Fetch { number, total: 0, bytes: Vec::new(), blobs: VecDeque::new() });
                self.send(Frame::WantBundle(WantBundle { number, offset: 0 }));
            }
        }
    }

    pub(super) fn bundle_part(&mut self, part: BundlePart) {
        let Some(fetch) = &mut self.fetch else { return };
        let at = usize::try_from(part.offset).unwrap_or(usize::MAX);
        let whole = usize::try_from(part.total).unwrap_or(usize::MAX);
        if fetch.number != part.number || at != fetch.bytes.len() || part.bytes.is_empty() || fetch.is_whole() {
            return;
        }
        if whole > BUNDLE_MAX || (fetch.total != 0 && fetch.total != part.total) {
            return self.refuse(RefuseCode::Frame, "a bundle of another length");
        }
        fetch.total = part.total;
        fetch.bytes.extend_from_slice(&part.bytes);
        let number = fetch.number;
        if fetch.is_whole() {
            let bytes = fetch.bytes.clone();
            self.actions.push_back(BoxAction::StoreBundle { number, bytes });
        } else {
            let offset = u32::try_from(fetch.bytes.len()).unwrap_or(u32::MAX);
            self.send(Frame::WantBundle(WantBundle { number, offset }));
        }
    }
}

impl Fetch {
    fn is_whole(&self) -> bool {
        self.total != 0 && self.bytes.len() as u64 >= u64::from(self.total)
    }
}
