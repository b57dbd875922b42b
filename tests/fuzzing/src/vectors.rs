//! Version vectors.
use domain::wire::Reader;
use sync::VersionVector;

use crate::{memory, take};

pub fn fuzz(input: &[u8]) {
    let mut asked = input;
    let (seq, hash): ([u8; 4], [u8; 16]) = (take(&mut asked), take(&mut asked));
    // a range of one entry takes two bytes and is held in eight
    memory::within(65_536, 96, input.len(), || {
        let Ok(vector) = VersionVector::decode(input) else { return };
        assert_eq!(vector.encode(), input);
        let again = VersionVector::new(vector.journals().to_vec());
        assert_eq!(again, vector, "a vector that was read is tidy");
        let seq = u32::from_le_bytes(seq);
        for journal in vector.journals() {
            assert_eq!(vector.journal(journal.device, journal.epoch), Some(journal));
            vector.covers(journal.device, journal.epoch, seq, hash);
            for branch in &journal.branches {
                assert!(!branch.holds(branch.end()) || branch.end() == u32::MAX);
                if let Some(last) = branch.contiguous.checked_sub(1) {
                    assert!(vector.covers(journal.device, journal.epoch, last, branch.hash));
                }
            }
        }
        let limited = vector.within_limits();
        assert_eq!(VersionVector::decode(&limited.encode()).as_ref(), Ok(&limited));
        // an unfinished reading stays within the bytes
        let _ = Reader::new(input).varint();
    });
}
