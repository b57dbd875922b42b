//! Chip models: dumps that they are made from, and whatever commands a phone may send them.
use hardware::{
    chip::Chip,
    fault::{Fault, Presentation},
};

use crate::{memory, take, taken_as};

/// Most commands in one input.
const COMMANDS: usize = 64;

pub fn fuzz(input: &[u8]) {
    let Some((how, mut rest)) = taken_as(input, 3) else { return };
    match how {
        0 => {
            let [length, more]: [u8; 2] = take(&mut rest);
            let (dump, commands) = rest.split_at(rest.len().min(usize::from(u16::from_be_bytes([more, length]))));
            memory::within(65_536, 8, rest.len(), || {
                let Ok(mut chip) = Chip::from_dump(dump) else { return };
                assert_eq!(chip.dump(), dump);
                used(&mut chip, commands);
                let after = chip.dump();
                assert_eq!(Chip::from_dump(&after).map(|chip| chip.dump()).as_deref(), Ok(after.as_slice()));
            });
        }
        1 => {
            if let Ok(text) = std::str::from_utf8(rest) {
                memory::within(65_536, 64, rest.len(), || {
                    let Ok(faults) = Fault::parse_several(text) else { return };
                    let written: Vec<String> = faults.iter().map(ToString::to_string).collect();
                    assert_eq!(Fault::parse_several(&written.join(", ")).as_ref(), Ok(&faults), "{text}");
                });
            }
        }
        _ => {
            // a whole chip of one kind, and commands with faults in between
            let [kind]: [u8; 1] = take(&mut rest);
            let dump = crate::seeds::DUMPS[usize::from(kind) % crate::seeds::DUMPS.len()];
            let mut chip = Chip::from_dump(&crate::festival::golden(dump)).expect("a golden dump");
            used(&mut chip, rest);
        }
    }
}

fn used(chip: &mut Chip, mut commands: &[u8]) {
    let mut presentation = Presentation::new(Vec::new());
    chip.enter_field();
    chip.select();
    for _ in 0..COMMANDS {
        if commands.is_empty() {
            break;
        }
        let [length] = take(&mut commands);
        let (command, rest) = commands.split_at(commands.len().min(usize::from(length & 0x1f)));
        commands = rest;
        match length >> 5 {
            0..=3 => drop(chip.transmit(command)),
            4 => chip.transmit_torn(command, usize::from(length & 3)),
            5 => drop(presentation.exchange(chip, command)),
            6 => chip.select(),
            _ => {
                chip.leave_field();
                chip.enter_field();
            }
        }
    }
    chip.leave_field();
}
