//! The stream between box and hub.
use sync::{Frame, FrameReader, frame::FRAME_MAX, frame::RawFrame};

use crate::{memory, take, taken_as};

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 64) else { return };
    // a segment's columns may unpack to what its limits say
    memory::within(16 << 20, 32, rest.len(), || match how {
        // a stream that comes in pieces of so many bytes
        0..=31 => stream(rest, usize::from(how) * 8 + 1),
        // one frame of this type, its length fitting
        _ => {
            let raw = RawFrame { kind: how - 32, payload: rest.to_vec() };
            if let Ok(frame) = Frame::from_raw(&raw) {
                alike(&frame, &raw);
            }
        }
    });
}

fn stream(bytes: &[u8], piece: usize) {
    let mut reader = FrameReader::new();
    let mut rest = bytes;
    for part in bytes.chunks(piece) {
        reader.push(part);
        loop {
            match reader.next_raw() {
                Ok(Some(raw)) => {
                    let length: [u8; 4] = take(&mut rest);
                    assert_eq!(u32::from_le_bytes(length) as usize, raw.payload.len() + 1);
                    assert!(raw.payload.len() < FRAME_MAX);
                    let [kind] = take(&mut rest);
                    assert_eq!(kind, raw.kind);
                    let (payload, after) = rest.split_at(raw.payload.len());
                    assert_eq!(payload, raw.payload);
                    rest = after;
                    if let Ok(frame) = Frame::from_raw(&raw) {
                        alike(&frame, &raw);
                    }
                }
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
    assert_eq!(reader.is_empty(), rest.is_empty());
}

/// A frame that was read is written as it came. A segment is packed by whoever sends it: what it says is the same.
fn alike(frame: &Frame, raw: &RawFrame) {
    let bytes = frame.encode().expect("a frame that was read can be written");
    let mut reader = FrameReader::new();
    reader.push(&bytes);
    assert_eq!(reader.next_frame().as_ref(), Ok(&Some(frame.clone())));
    if !matches!(frame, Frame::Segment(_)) {
        assert_eq!(raw.encode().as_ref(), Ok(&bytes));
    }
}
