//! Confirmed edits of documents as records of a batch.
use domain::wire::{Reader, Writer};
use sync::frame::Edit;

/// Records of these edits, in their order.
pub(super) fn items(edits: &[Edit]) -> Vec<u8> {
    let mut out = Writer::new();
    edits.iter().for_each(|edit| edit.write_item(&mut out));
    out.finish()
}

/// Cuts records into parts of at most `most` bytes, unless one record alone is longer; never within one.
pub(super) fn chunks(items: &[u8], most: usize) -> Vec<&[u8]> {
    let (mut chunks, mut start, mut input) = (Vec::new(), 0, Reader::new(items));
    loop {
        let before = items.len().saturating_sub(input.rest().len());
        let is_item = Edit::read_item(&mut input).is_ok();
        let at = items.len().saturating_sub(input.rest().len());
        if !is_item {
            chunks.extend(items.get(start..).filter(|rest| !rest.is_empty()));
            return chunks;
        }
        if at.saturating_sub(start) > most && before > start {
            chunks.extend(items.get(start..before));
            start = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_whole_records_and_lose_none() {
        let edits: Vec<Edit> =
            (0..50u8).map(|n| Edit { change: [n; 32], envelope: vec![n; usize::from(n) * 7] }).collect();
        let items = items(&edits);
        for most in [1, 100, 500, 100_000] {
            let mut read = Vec::new();
            for chunk in chunks(&items, most) {
                let mut input = Reader::new(chunk);
                while !input.rest().is_empty() {
                    read.push(Edit::read_item(&mut input).unwrap());
                }
                assert!(chunk.len() <= most.max(36 + 49 * 7));
            }
            assert_eq!(read, edits, "{most}");
        }
        assert!(chunks(&[], 10).is_empty());
    }
}
