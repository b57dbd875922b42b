//! One band of each kind after a short evening, as `Chip::dump` has it: made by the supplier; those with a purse topped
//! up with 60.00 at box 9, sold 4.50 at box 1, and left in the middle of a sale of 3.00.
//! Invariant: the same bytes every time; whatever is random elsewhere is fixed here.
use std::sync::Arc;

use domain::{
    id::{BoxNumber, DeviceId, EntryRef, key_id},
    journal::{Means, Sale},
    money::{Cents, Currency},
    wristband::{
        CreditKey,
        tap::{ChipFault, KnownWallet, PurseChip, Tap, TapContext, TapOutcome, TapRequest, TapStep},
    },
};
use evening::band::{Band, Supplier};
use hardware::chip::{Chip, Reply, SharedBand, WRITE};

use crate::sample::{DESK, cents, epoch, festival, key, new_secrets, public};

fn context(number: u16) -> Arc<TapContext> {
    Arc::new(TapContext {
        festival: festival(),
        currency: Currency::EUR,
        box_number: BoxNumber(number),
        secrets: new_secrets(),
        retired_epochs: Vec::new(),
        credit_keys: vec![CreditKey { id: key_id(&public(DESK)), public: public(DESK), revoked: false }],
        maximum_balance: cents(25_000),
        operator: 7,
        own_device: DeviceId([9; 16]),
    })
}

/// One tap at box `number` that ends after so many writes.
fn tap(band: &SharedBand, number: u16, request: TapRequest, writes: usize) -> TapOutcome {
    let mut chip = band.chip();
    chip.leave_field();
    chip.enter_field();
    let purse = match chip {
        Chip::UltralightAes(_) => PurseChip::UltralightAes { random: [number as u8; 16], epoch: None },
        Chip::Ntag21x(_) | Chip::UidOnly(_) => PurseChip::Ntag21x,
    };
    let mut tap = Tap::new(context(number), KnownWallet::default(), chip.uid().as_bytes(), purse, request);
    let (mut stored, mut written) = (0, 0);
    let outcome = loop {
        match tap.step().clone() {
            TapStep::Chip(command) => {
                written += usize::from(command[0] == WRITE);
                match chip.transmit(&command) {
                    _ if written > writes => tap.reply(Err(ChipFault::Gone)),
                    Reply::Data(answer) => tap.reply(Ok(&answer)),
                    Reply::Ack => tap.reply(Ok(&[])),
                    Reply::Nak(_) => tap.reply(Err(ChipFault::Nak)),
                    Reply::Silent => tap.reply(Err(ChipFault::Gone)),
                }
            }
            TapStep::Store(entries) => {
                let refs: Vec<_> =
                    (0..entries.len()).map(|_| EntryRef { device: DeviceId([9; 16]), epoch: 1, seq: 0 }).collect();
                stored += refs.len();
                assert!(stored < 10, "the tap ends");
                tap.stored(Ok(&refs));
            }
            TapStep::Finished(outcome) => break outcome,
        }
    };
    chip.leave_field();
    band.replace(chip);
    outcome
}

fn used(band: Band) -> Vec<u8> {
    let top_up = TapRequest::TopUp {
        amount: cents(6_000),
        key: key(DESK),
        fee: Cents::ZERO,
        means: Means::Cash,
        retry_of: None,
    };
    let sale = |amount| TapRequest::Sale { sale: Sale::default(), amount, price_revision: 4, retry_of: None };
    for (number, request) in [(9, top_up), (1, sale(cents(450)))] {
        let done = tap(&band.chip, number, request, usize::MAX);
        assert!(matches!(done, TapOutcome::Done { .. }), "{done:?}");
    }
    let torn = tap(&band.chip, 1, sale(cents(300)), 2);
    assert!(matches!(torn, TapOutcome::NothingHappened { .. }), "{torn:?}");
    band.chip.chip().dump()
}

/// Name of the golden file, and the dump. `dump_ntag213.hex` and `dump_ntag215.hex` are of before lock bits were frozen.
pub(crate) fn dumps() -> [(&'static str, Vec<u8>); 5] {
    let supplier = Supplier::new(festival(), new_secrets(), key(DESK));
    let later = Supplier::new(festival(), new_secrets().with(epoch()), key(DESK)).in_epoch(1);
    [
        ("dump_ntag215_epoch.hex", later.purse(17).unwrap().chip.chip().dump()),
        ("dump_uid.hex", supplier.uid_only(17).chip.chip().dump()),
        ("dump_ntag213_frozen.hex", supplier.pointer(17).unwrap().chip.chip().dump()),
        ("dump_ntag215_frozen.hex", used(supplier.purse(17).unwrap())),
        ("dump_ultralight_aes.hex", used(supplier.aes_purse(17).unwrap())),
    ]
}
