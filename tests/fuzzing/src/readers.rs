//! Everything between the box and its readers: a driver's process, a virtual reader, PC/SC readers, a PN532.
use hardware::virtual_reader::frame::{FromBox, FromWorld};

use crate::{memory, taken_as};

// The product's own sources: private to their crates, or in one whose libraries a fuzz target has no use for.
#[allow(dead_code, reason = "only what decodes is used")]
#[path = "../../../edge/src/drivers/pcsc/dialect.rs"]
mod dialect;
#[allow(dead_code, reason = "only what decodes is used")]
#[path = "../../../crates/hardware/src/pn532_simulator/frame.rs"]
mod pn532;
#[allow(dead_code, reason = "only what decodes is used")]
#[path = "../../../crates/hardware/src/remote_reader/frame.rs"]
mod remote;

use dialect::Dialect;

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 6) else { return };
    memory::within(8_192, 8, rest.len(), || match how {
        0 => {
            if let Some(frame) = FromBox::decode(rest) {
                assert_eq!(frame.encode(), rest);
            }
            if let Some(frame) = FromWorld::decode(rest) {
                assert_eq!(frame.encode(), rest);
            }
        }
        1 => {
            if let Some(question) = remote::Question::decode(rest) {
                assert_eq!(question.encode(), rest);
            }
            if let Some(answer) = remote::Answer::decode(rest) {
                assert_eq!(answer.encode(), rest);
            }
        }
        2 | 3 => {
            let dialect = if how == 2 { Dialect::Acr122u } else { Dialect::Transparent };
            if let Ok(frame) = dialect.unwrap(rest) {
                assert!(frame.len() <= rest.len());
            }
            let _ = dialect.prepared(rest);
            if let Some(wrapped) = dialect.wrap(rest) {
                assert!(wrapped.ends_with(rest) || wrapped.ends_with(&[rest, &[0]].concat()));
            }
        }
        4 => {
            if let Ok(name) = std::str::from_utf8(rest) {
                let _ = Dialect::of(name);
            }
        }
        _ => {
            // the same frames are found however the bytes come in
            let (mut at_once, mut one_by_one) = (pn532::FrameFinder::default(), pn532::FrameFinder::default());
            let bytes = &rest[..rest.len().min(512)];
            at_once.push(bytes);
            let mut whole = Vec::new();
            while let Some(frame) = at_once.next() {
                whole.push(frame);
            }
            let mut single = Vec::new();
            for byte in bytes {
                one_by_one.push(&[*byte]);
                while let Some(frame) = one_by_one.next() {
                    single.push(frame);
                }
            }
            assert_eq!(whole, single);
        }
    });
}
