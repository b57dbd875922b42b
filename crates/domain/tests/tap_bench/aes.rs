//! An Ultralight AES as the chip model has it, made a band as a supplier does it.
use domain::{
    money::Cents,
    wristband::{
        BandKeys, ChipKind, IssueRefusal, IssueStep, Issuing, PursePages,
        tap::{ChipFault, PurseChip},
    },
};
use hardware::chip::{Chip, INCR_CNT, Reply, UltralightAes, WRITE};

use super::{Card, Memory, Moment, UID, band, credit_key};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AesChip(pub UltralightAes);

/// A chip's answer as a driver gives it.
pub fn answer(reply: Reply) -> Result<Vec<u8>, ChipFault> {
    match reply {
        Reply::Data(bytes) => Ok(bytes),
        Reply::Ack => Ok(Vec::new()),
        Reply::Nak(_) => Err(ChipFault::Nak),
        Reply::Silent => Err(ChipFault::Gone),
    }
}

/// Makes any chip a band; gone from command `leaves` on.
pub fn issue(chip: &mut Chip, kind: ChipKind, leaves: usize) -> Result<Vec<u8>, IssueRefusal> {
    issue_as(chip, kind, band(), leaves)
}

/// The same under these keys.
pub fn issue_as(chip: &mut Chip, kind: ChipKind, band: BandKeys, leaves: usize) -> Result<Vec<u8>, IssueRefusal> {
    let random = [[1; 16], [2; 16]];
    let mut issuing = Issuing::new(kind, band, &credit_key(), random);
    chip.enter_field();
    let mut commands = 0;
    loop {
        match issuing.step().clone() {
            IssueStep::Finished(end) => {
                chip.leave_field();
                return end;
            }
            IssueStep::Reselect => {
                chip.leave_field();
                chip.enter_field();
                issuing.reselected();
            }
            IssueStep::Chip(command) => {
                let answered = if commands < leaves { answer(chip.transmit(&command)) } else { Err(ChipFault::Gone) };
                commands += 1;
                assert!(commands < 200, "the issue does not end");
                issuing.reply(answered.as_deref().map_err(|fault| *fault));
            }
        }
    }
}

impl AesChip {
    pub fn counter(&self) -> Cents {
        Cents::new(self.0.counters()[2]).unwrap()
    }

    pub fn blank() -> Self {
        Self(UltralightAes::new(UID, [3; 16]))
    }
}

impl Card for AesChip {
    fn issued() -> Self {
        let mut chip = Chip::from(Self::blank().0);
        issue(&mut chip, ChipKind::UltralightAes, usize::MAX).unwrap();
        let Chip::UltralightAes(chip) = chip else { panic!("it is the same chip") };
        Self(*chip)
    }

    fn purse(random: u8, epoch: Option<u8>) -> PurseChip {
        PurseChip::UltralightAes { random: [random; 16], epoch }
    }

    fn enters(&mut self) {
        self.0.leave_field();
        self.0.enter_field();
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, ChipFault> {
        answer(self.0.transmit(command))
    }

    fn transmit_broken(&mut self, command: &[u8], moment: Moment) {
        match moment {
            Moment::Before => {}
            Moment::After => drop(self.0.transmit(command)),
            Moment::Torn(bytes) if matches!(command[0], WRITE | INCR_CNT) => self.0.transmit_torn(command, bytes),
            Moment::Torn(_) => {}
        }
    }

    fn memory(&self) -> Memory {
        (self.0.memory()[16..144].to_vec(), Some(self.counter()))
    }

    fn pages(&self) -> PursePages {
        PursePages::ultralight_aes(&Card::memory(self).0, self.counter()).unwrap()
    }
}
