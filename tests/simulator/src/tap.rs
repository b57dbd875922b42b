//! One tap in a world: the real state machine between a chip and a keeper, with at most one thing going wrong.
//! Not here: which tap, and what people do after it (`world`).
use std::sync::Arc;

use domain::{
    id::WalletId,
    journal::{Detail, Entry, IntentPurpose, Kind},
    wristband::{
        CreditId,
        tap::{
            ChipFault, KnownWallet, PurseChip, SettledIntent, StoreFailed, Tap, TapContext, TapOutcome, TapRequest,
            TapStep,
        },
    },
};
use hardware::chip::Reply;

use crate::{
    chip::Band,
    dice::Dice,
    festival::Keeping,
    keeper::Keeper,
    reference::{BandFacts, Planned},
};

/// More commands than any tap sends.
const ENDLESS: usize = 400;

/// When something happens in one command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    /// The chip never hears it.
    Before,
    /// It stores this many bytes of the page.
    Torn(usize),
    /// It does it, the answer is lost.
    After,
}

/// What goes wrong; commands and stores are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The band leaves in this command.
    Leaves(usize, Moment),
    /// The chip refuses this command.
    Refuses(usize),
    /// The box loses power in this command.
    PowerCut(usize, Moment),
    /// The box loses power in this store, before or after it is durable.
    PowerCutStoring(usize, bool),
    /// This store fails: the disk is full.
    DiskFull(usize),
}

impl Fault {
    /// One at random.
    pub(crate) fn any(dice: &mut Dice) -> Self {
        let moment = match dice.below(5) {
            0 => Moment::Before,
            1 => Moment::After,
            bytes => Moment::Torn(bytes - 1),
        };
        // the writes are in the middle of a tap, and what they meet matters most
        let at = if dice.one_in(2) { dice.below(34) } else { 3 + dice.below(9) };
        match dice.below(10) {
            0 => Self::PowerCutStoring(dice.below(3), dice.one_in(2)),
            1 => Self::DiskFull(dice.below(3)),
            2 => Self::Refuses(at),
            3 | 4 => Self::PowerCut(at, moment),
            _ => Self::Leaves(at, moment),
        }
    }
}

/// How a tap ended.
pub(crate) enum End {
    /// As the machine says, with what it settled of earlier taps.
    Outcome(TapOutcome, Vec<SettledIntent>),
    /// The box has no power.
    PowerCut,
}

/// What a tap needs beside chip and keeper.
pub(crate) struct Given<'a> {
    /// Of this box.
    pub(crate) context: Arc<TapContext>,
    /// What for.
    pub(crate) request: TapRequest,
    /// What the box knows.
    pub(crate) known: KnownWallet,
    /// What goes wrong.
    pub(crate) fault: Fault,
    /// Random bytes for the chip's handshake.
    pub(crate) random: [u8; 16],
    /// A lying box writes another amount into its commits.
    pub(crate) lies: Option<u32>,
    /// Whether the fault struck.
    pub(crate) struck: &'a mut bool,
}

/// Runs it.
pub(crate) fn run(given: Given<'_>, band: &mut Band, facts: &mut BandFacts, keeper: &mut dyn Keeper) -> End {
    let chip = match band.stocked.keeping {
        Keeping::Aes => PurseChip::UltralightAes { random: given.random, epoch: None },
        Keeping::Ntag | Keeping::Account => PurseChip::Ntag21x,
    };
    let uid = band.stocked.uid.clone();
    if let Some(offer) = given.known.offer {
        band.sealed(offer);
    }
    band.chip.enter_field();
    let asked = if let TapRequest::TopUp { amount, .. } = &given.request { amount.as_i64() } else { 0 };
    let mut tap = Tap::new(given.context, given.known, &uid, chip, given.request);
    let (mut commands, mut stores, mut away) = (0, 0, false);
    let end = loop {
        match tap.step().clone() {
            TapStep::Finished(outcome) => break End::Outcome(outcome, tap.settled().to_vec()),
            TapStep::Chip(command) => {
                let at = commands;
                commands += 1;
                assert!(at < ENDLESS, "the tap does not end");
                match given.fault {
                    Fault::PowerCut(n, moment) if n == at => {
                        *given.struck = true;
                        broken(band, &command, moment);
                        band.watch(facts);
                        break End::PowerCut;
                    }
                    Fault::Leaves(n, moment) if n == at => {
                        *given.struck = true;
                        broken(band, &command, moment);
                        away = true;
                    }
                    Fault::Refuses(n) if n == at => {
                        *given.struck = true;
                        tap.reply(Err(ChipFault::Nak));
                        continue;
                    }
                    _ => {}
                }
                let answer = if away { Reply::Silent } else { band.chip.transmit(&command) };
                band.watch(facts);
                match answer {
                    Reply::Data(bytes) => tap.reply(Ok(&bytes)),
                    Reply::Ack => tap.reply(Ok(&[])),
                    Reply::Nak(_) => tap.reply(Err(ChipFault::Nak)),
                    Reply::Silent => tap.reply(Err(ChipFault::Gone)),
                }
            }
            TapStep::Store(entries) => {
                let at = stores;
                stores += 1;
                if given.fault == Fault::PowerCutStoring(at, false) {
                    *given.struck = true;
                    break End::PowerCut;
                }
                if given.fault == Fault::DiskFull(at) {
                    *given.struck = true;
                    tap.stored(Err(StoreFailed));
                    continue;
                }
                let entries = match given.lies {
                    Some(by) => entries.into_iter().map(|entry| lie(entry, by)).collect(),
                    None => entries,
                };
                // also what was not answered may be on disk
                entries.iter().for_each(|entry| note(entry, asked, band, facts));
                let stored = keeper.append(entries, &[]);
                if given.fault == Fault::PowerCutStoring(at, true) {
                    *given.struck = true;
                    break End::PowerCut;
                }
                match stored {
                    Ok(refs) => tap.stored(Ok(&refs)),
                    // the box died under the tap
                    Err(_) => break End::PowerCut,
                }
            }
        }
    };
    band.chip.leave_field();
    end
}

fn broken(band: &mut Band, command: &[u8], moment: Moment) {
    match moment {
        Moment::Before => {}
        Moment::After => drop(band.chip.transmit(command)),
        Moment::Torn(bytes) => band.chip.transmit_torn(command, bytes),
    }
}

fn lie(mut entry: Entry, by: u32) -> Entry {
    if entry.refers_to.is_some() && entry.kind == Kind::SALE {
        entry.amount = domain::money::Cents::new(entry.amount.get() / by.max(2)).unwrap_or(entry.amount);
    }
    entry
}

/// The reference hears what is planned for the chip. How much cash that is the guest knows: what was `asked`.
fn note(entry: &Entry, asked: i64, band: &mut Band, facts: &mut BandFacts) {
    if entry.kind != Kind::INTENT {
        return;
    }
    let Ok(Detail::Intent(intent)) = Detail::of(entry) else { return };
    let Some(record) = intent.new_credit else { return };
    band.sealed(record);
    let what = if intent.purpose == IntentPurpose::TopUp { Planned::TopUp(asked) } else { Planned::Carry };
    facts.planned(CreditId::of(&record), what);
}

/// A wallet's id, for messages.
pub(crate) fn short(wallet: &WalletId) -> String {
    wallet.to_hex().get(..6).unwrap_or_default().to_owned()
}
