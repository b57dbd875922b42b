//! What a device may write, judged by the certificate that its own journal names.
//! Invariant: an entry that is not allowed is set aside and named; it never stops the journal.
//! Not here: whether the certificate leads to the root (`trust`).
use thiserror::Error;

use super::accounts::{closes, delivers, gives_back};
use crate::{
    id::DeviceId,
    journal::{Detail, Effect, Entry, IntentPurpose, Kind, Sale},
    money::Currency,
    trust::{Certificate, Purpose, Roles, Scope},
};

/// Why an entry is forbidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Error)]
pub enum Forbidden {
    /// The certificate is not one of a box or hub node.
    #[error("a key of this purpose writes no journal")]
    Purpose,
    /// The certificate's kinds do not include it.
    #[error("kind {0} is not among those that the certificate allows")]
    Kind(u16),
    /// Only hub nodes write it.
    #[error("only a hub node may write kind {0}")]
    HubOnly(u16),
    /// The kind does not go with that effect.
    #[error("kind {kind} may not have effect {effect}")]
    Effect {
        /// The kind.
        kind: u16,
        /// The effect's byte.
        effect: u8,
    },
    /// The certificate's roles do not include one that may do it.
    #[error("none of the box's roles may write kind {0} with that effect")]
    Role(u16),
    /// Not the festival's currency.
    #[error("currency {0} is not the festival's")]
    Currency(u16),
    /// It ends, gives up or serves an intent of another box.
    #[error("kind {0} refers to an intent of another box")]
    NotItsIntent(u16),
    /// It gives money back, or says that it reached a band, and names no entry of its own journal that took or wrote it, or
    /// no cups that are worth as much.
    #[error("kind {0} gives back what no entry of its own journal took or wrote")]
    Unfounded(u16),
    /// Its part is not of its kind's layout.
    #[error("the part is not of the layout of kind {0}")]
    Part(u16),
}

/// What one journal's certificate allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    purpose: Purpose,
    roles: Roles,
    kinds: u64,
}

const MONEY: Roles = Roles::BAR.and(Roles::TOP_UP);

impl Rights {
    /// From the certificate's purpose and scope.
    pub fn new(purpose: Purpose, scope: &Scope) -> Self {
        Self { purpose, roles: scope.roles, kinds: scope.kinds }
    }

    /// From the certificate.
    pub fn of(certificate: &Certificate) -> Self {
        Self::new(certificate.purpose, &certificate.scope)
    }

    /// Whether the journal is a hub node's.
    pub fn is_hub(&self) -> bool {
        self.purpose == Purpose::Hub
    }

    /// Whether an entry of this kind and effect may stand in the journal.
    pub fn allows(&self, kind: Kind, effect: Effect) -> Result<(), Forbidden> {
        let hub = match self.purpose {
            Purpose::Hub => true,
            Purpose::Device => false,
            Purpose::Enrol
            | Purpose::Ticket
            | Purpose::Credit
            | Purpose::CreditOnline
            | Purpose::Bundle
            | Purpose::Manager => return Err(Forbidden::Purpose),
        };
        if kind != Kind::GENESIS && kind.bit().is_none_or(|bit| self.kinds & bit == 0) {
            return Err(Forbidden::Kind(kind.0));
        }
        let hub_kind = (Kind::COUNTERSIGNATURE.0..48).contains(&kind.0);
        if !hub && (hub_kind || matches!(effect, Effect::Block | Effect::Unblock)) {
            return Err(Forbidden::HubOnly(kind.0));
        }
        if !goes_with(kind, effect) {
            return Err(Forbidden::Effect { kind: kind.0, effect: effect.byte() });
        }
        let needed = roles_for(kind, effect);
        if hub || needed == Roles::default() || needed.0 & self.roles.0 != 0 {
            Ok(())
        } else {
            Err(Forbidden::Role(kind.0))
        }
    }

    /// As [`Self::allows`], with the entry's currency, its part, whose intent it ends and what an intent is for.
    /// `device` is the journal's.
    pub fn judge(&self, entry: &Entry, device: DeviceId, currency: Currency) -> Result<(), Forbidden> {
        self.allows(entry.kind, entry.effect)?;
        let ends = closes(entry).is_some() || matches!(entry.kind, Kind::GAVE_UP | Kind::HANDED_OVER);
        if ends && entry.refers_to.is_some_and(|intent| intent.device != device) {
            return Err(Forbidden::NotItsIntent(entry.kind.0));
        }
        let is_own = entry.refers_to.is_some_and(|of| of.device == device);
        if self.purpose == Purpose::Device && (gives_back(entry) || delivers(entry)) && !is_own {
            return Err(Forbidden::Unfounded(entry.kind.0));
        }
        if entry.amount.get() != 0 && entry.currency != currency {
            return Err(Forbidden::Currency(entry.currency.0));
        }
        let detail = Detail::of(entry).map_err(|_| Forbidden::Part(entry.kind.0))?;
        if self.purpose == Purpose::Device && takes_cups_back(entry) && !names_cups(entry, &detail) {
            return Err(Forbidden::Unfounded(entry.kind.0));
        }
        if let (Detail::Intent(intent), Purpose::Device) = (detail, self.purpose) {
            let desk_only = matches!(intent.purpose, IntentPurpose::TopUp | IntentPurpose::Refund);
            if desk_only && !self.roles.has(Roles::TOP_UP) {
                return Err(Forbidden::Role(entry.kind.0));
            }
        }
        Ok(())
    }
}

/// Whether the guest gets something in a sale: more deposit came back than was bought.
fn takes_cups_back(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::SALE | Kind::DEPOSIT_BACK) && matches!(entry.effect, Effect::Credit | Effect::Owe)
}

/// Whether its part names cups that are worth as much: they stand in the books as deposits, where counting finds them.
fn names_cups(entry: &Entry, detail: &Detail) -> bool {
    let worth = |sale: &Sale| sale.net_deposit().saturating_neg();
    matches!(detail, Detail::Sale(Some(sale)) if entry.amount.as_i64() <= worth(sale))
}

/// Which effects a kind may have. Kinds that this software does not know are judged by role alone.
fn goes_with(kind: Kind, effect: Effect) -> bool {
    use Effect as E;
    if matches!(effect, E::None | E::Unknown(_)) {
        return true;
    }
    match kind {
        Kind::ADMISSION | Kind::VOUCHER => effect == E::In,
        Kind::EXIT => effect == E::Out,
        Kind::TOP_UP => matches!(effect, E::Credit | E::Owe | E::Debit | E::Repay),
        Kind::GIFT => matches!(effect, E::Credit | E::Owe),
        Kind::SALE => matches!(effect, E::Debit | E::Credit | E::Owe),
        Kind::DEPOSIT_OUT => effect == E::Debit,
        Kind::DEPOSIT_BACK => matches!(effect, E::Credit | E::Owe),
        Kind::CORRECTION_PLUS => matches!(effect, E::Credit | E::Owe),
        Kind::CORRECTION_MINUS | Kind::FEE => effect == E::Debit,
        Kind::EXPIRY => matches!(effect, E::Debit | E::Repay),
        Kind::REFUND => matches!(effect, E::Debit | E::Repay),
        Kind::BAND_TRANSFER => matches!(effect, E::Transfer | E::Debit | E::Repay | E::Credit | E::Owe),
        Kind::INTENT => matches!(effect, E::Hold | E::HoldCredit),
        Kind::VOID => effect == E::Release,
        Kind::CLOSING_READ => matches!(effect, E::Debit | E::Release),
        Kind::PENDING_CREDIT => matches!(effect, E::Owe | E::Repay | E::Credit),
        Kind::ONLINE_CREDIT => effect == E::Credit,
        Kind::ONLINE_TOP_UP => matches!(effect, E::Credit | E::Owe),
        Kind::BLOCK | Kind::REVOCATION => effect == E::Block,
        Kind::UNBLOCK => effect == E::Unblock,
        Kind::GENESIS
        | Kind::PAIRING
        | Kind::GAVE_UP
        | Kind::HANDED_OVER
        | Kind::SHIFT_OPEN
        | Kind::SHIFT_CLOSE
        | Kind::CLOSURE
        | Kind::NOTE
        | Kind::SUSPICION
        | Kind::SHARE_RELEASE
        | Kind::STAFF_SESSION
        | Kind::CASH_MOVE
        | Kind::COUNTERSIGNATURE
        | Kind::WRITTEN_OFF
        | Kind::RULING
        | Kind::SHARE => false,
        _ => true,
    }
}

/// The roles of which one is needed; none for entries that move nothing.
fn roles_for(kind: Kind, effect: Effect) -> Roles {
    match effect {
        Effect::In if kind == Kind::VOUCHER => Roles::BAR,
        Effect::In | Effect::Out => Roles::GATE,
        Effect::Credit | Effect::Owe => match kind {
            Kind::SALE | Kind::DEPOSIT_BACK | Kind::PENDING_CREDIT | Kind::CORRECTION_PLUS => MONEY,
            _ => Roles::TOP_UP,
        },
        Effect::Repay => match kind {
            Kind::TOP_UP | Kind::PENDING_CREDIT | Kind::EXPIRY | Kind::BAND_TRANSFER => MONEY,
            // cash, or what this software does not know and could not hold against anything
            _ => Roles::TOP_UP,
        },
        Effect::Debit if kind == Kind::REFUND => Roles::TOP_UP,
        Effect::Transfer => Roles::TOP_UP,
        Effect::Debit | Effect::Hold | Effect::HoldCredit | Effect::Release => MONEY,
        Effect::None | Effect::Block | Effect::Unblock | Effect::Unknown(_) => Roles::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Hlc;

    fn rights(purpose: Purpose, roles: Roles, kinds: u64) -> Rights {
        Rights::new(purpose, &Scope { roles, kinds, ..Scope::nothing("here") })
    }

    #[test]
    fn a_gate_may_admit_and_may_not_credit() {
        let gate = rights(Purpose::Device, Roles::GATE, u64::MAX);
        assert_eq!(gate.allows(Kind::ADMISSION, Effect::In), Ok(()));
        assert_eq!(gate.allows(Kind::PAIRING, Effect::None), Ok(()));
        for kind in [Kind::TOP_UP, Kind::SALE, Kind::GIFT, Kind(50)] {
            assert_eq!(gate.allows(kind, Effect::Credit), Err(Forbidden::Role(kind.0)));
        }
        assert_eq!(gate.allows(Kind::SALE, Effect::Debit), Err(Forbidden::Role(Kind::SALE.0)));
    }

    #[test]
    fn a_bar_may_sell_and_may_not_top_up() {
        let bar = rights(Purpose::Device, Roles::BAR, u64::MAX);
        assert_eq!(bar.allows(Kind::SALE, Effect::Debit), Ok(()));
        assert_eq!(bar.allows(Kind::DEPOSIT_BACK, Effect::Credit), Ok(()));
        assert_eq!(bar.allows(Kind::TOP_UP, Effect::Credit), Err(Forbidden::Role(Kind::TOP_UP.0)));
        assert_eq!(bar.allows(Kind(50), Effect::Credit), Err(Forbidden::Role(50)));
        assert_eq!(bar.allows(Kind::ADMISSION, Effect::In), Err(Forbidden::Role(Kind::ADMISSION.0)));
        assert_eq!(bar.allows(Kind::SALE, Effect::Transfer), Err(Forbidden::Effect { kind: 4, effect: 3 }));
    }

    #[test]
    fn only_a_hub_blocks_and_countersigns() {
        let all = Roles::GATE.and(MONEY);
        let device = rights(Purpose::Device, all, u64::MAX);
        let hub = rights(Purpose::Hub, Roles::default(), u64::MAX);
        for (kind, effect) in [(Kind::BLOCK, Effect::Block), (Kind::COUNTERSIGNATURE, Effect::None)] {
            assert_eq!(device.allows(kind, effect), Err(Forbidden::HubOnly(kind.0)));
            assert_eq!(hub.allows(kind, effect), Ok(()));
        }
        assert!(hub.is_hub() && !device.is_hub());
        assert_eq!(device.allows(Kind(50), Effect::Block), Err(Forbidden::HubOnly(50)));
        assert_eq!(rights(Purpose::Bundle, all, u64::MAX).allows(Kind::NOTE, Effect::None), Err(Forbidden::Purpose));
    }

    #[test]
    fn what_gives_money_back_names_an_entry_of_its_own_journal() {
        let own = DeviceId([1; 16]);
        let bar = rights(Purpose::Device, Roles::BAR, u64::MAX);
        let of = |device| Some(crate::id::EntryRef { device, epoch: 0, seq: 4 });
        for (kind, effect) in [
            (Kind::CORRECTION_PLUS, Effect::Credit),
            (Kind::CORRECTION_PLUS, Effect::Owe),
            (Kind::PENDING_CREDIT, Effect::Owe),
            (Kind::PENDING_CREDIT, Effect::Repay),
            (Kind::PENDING_CREDIT, Effect::Credit),
            (Kind::TOP_UP, Effect::Repay),
        ] {
            let top_up = crate::journal::TopUp {
                c_only: true,
                fee: crate::money::Cents::ZERO,
                means: crate::journal::Means::None,
            };
            let part = if kind == Kind::TOP_UP { Detail::TopUp(top_up).to_bytes() } else { Vec::new() };
            let entry = Entry { part, ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) };
            let judge = |refers_to| bar.judge(&Entry { refers_to, ..entry.clone() }, own, Currency::EUR);
            assert_eq!(judge(None), Err(Forbidden::Unfounded(kind.0)), "{kind:?} {effect:?}");
            assert!(judge(of(DeviceId([2; 16]))).is_err(), "{kind:?} {effect:?}");
            assert_eq!(judge(of(own)), Ok(()), "{kind:?} {effect:?}");
        }
    }

    #[test]
    fn a_sale_gives_a_guest_no_more_than_its_cups_are_worth() {
        let bar = rights(Purpose::Device, Roles::BAR, u64::MAX);
        let cents = |amount| crate::money::Cents::new(amount).unwrap();
        let cups = |out, back| {
            let sale = Sale { deposit_out: cents(out), deposit_back: cents(back), ..Sale::default() };
            Detail::Sale(Some(sale)).to_bytes()
        };
        for (kind, effect) in [
            (Kind::SALE, Effect::Credit),
            (Kind::SALE, Effect::Owe),
            (Kind::DEPOSIT_BACK, Effect::Credit),
            (Kind::DEPOSIT_BACK, Effect::Owe),
        ] {
            let judge = |amount, part| {
                let entry =
                    Entry { part, amount: cents(amount), ..Entry::new(kind, effect, Currency::EUR, Hlc::default()) };
                bar.judge(&entry, DeviceId([1; 16]), Currency::EUR)
            };
            assert_eq!(judge(400, cups(200, 600)), Ok(()), "{kind:?} {effect:?}");
            for part in [cups(200, 599), cups(0, 0), Vec::new()] {
                assert_eq!(judge(400, part), Err(Forbidden::Unfounded(kind.0)), "{kind:?} {effect:?}");
            }
        }
    }

    #[test]
    fn a_kind_outside_the_certificate_is_forbidden_and_the_genesis_never_is() {
        let bar = rights(Purpose::Device, Roles::BAR, 1 << Kind::SALE.0);
        assert_eq!(bar.allows(Kind::SALE, Effect::Debit), Ok(()));
        assert_eq!(bar.allows(Kind::NOTE, Effect::None), Err(Forbidden::Kind(Kind::NOTE.0)));
        assert_eq!(bar.allows(Kind(64), Effect::None), Err(Forbidden::Kind(64)));
        assert_eq!(bar.allows(Kind::GENESIS, Effect::None), Ok(()));
    }

    /// Which effects each kind may have, and which role alone suffices to write it: g gate, b bar, t top-up, h hub only.
    const MAY: &[(Kind, &[(Effect, &str)])] = {
        use Effect as E;
        &[
            (Kind::ADMISSION, &[(E::In, "g")]),
            (Kind::VOUCHER, &[(E::In, "b")]),
            (Kind::EXIT, &[(E::Out, "g")]),
            (Kind::TOP_UP, &[(E::Credit, "t"), (E::Owe, "t"), (E::Debit, "bt"), (E::Repay, "bt")]),
            (Kind::GIFT, &[(E::Credit, "t"), (E::Owe, "t")]),
            (Kind::SALE, &[(E::Debit, "bt"), (E::Credit, "bt"), (E::Owe, "bt")]),
            (Kind::DEPOSIT_OUT, &[(E::Debit, "bt")]),
            (Kind::DEPOSIT_BACK, &[(E::Credit, "bt"), (E::Owe, "bt")]),
            (Kind::CORRECTION_PLUS, &[(E::Credit, "bt"), (E::Owe, "bt")]),
            (Kind::CORRECTION_MINUS, &[(E::Debit, "bt")]),
            (Kind::FEE, &[(E::Debit, "bt")]),
            (Kind::EXPIRY, &[(E::Debit, "bt"), (E::Repay, "bt")]),
            (Kind::REFUND, &[(E::Debit, "t"), (E::Repay, "t")]),
            (
                Kind::BAND_TRANSFER,
                &[(E::Transfer, "t"), (E::Debit, "bt"), (E::Repay, "bt"), (E::Credit, "t"), (E::Owe, "t")],
            ),
            (Kind::INTENT, &[(E::Hold, "bt"), (E::HoldCredit, "bt")]),
            (Kind::VOID, &[(E::Release, "bt")]),
            (Kind::CLOSING_READ, &[(E::Debit, "bt"), (E::Release, "bt")]),
            (Kind::PENDING_CREDIT, &[(E::Owe, "bt"), (E::Repay, "bt"), (E::Credit, "bt")]),
            (Kind::ONLINE_CREDIT, &[(E::Credit, "h")]),
            (Kind::ONLINE_TOP_UP, &[(E::Credit, "h"), (E::Owe, "h")]),
            (Kind::BLOCK, &[(E::Block, "h")]),
            (Kind::REVOCATION, &[(E::Block, "h")]),
            (Kind::UNBLOCK, &[(E::Unblock, "h")]),
            (Kind::GENESIS, &[]),
            (Kind::PAIRING, &[]),
            (Kind::GAVE_UP, &[]),
            (Kind::HANDED_OVER, &[]),
            (Kind::SHIFT_OPEN, &[]),
            (Kind::SHIFT_CLOSE, &[]),
            (Kind::CLOSURE, &[]),
            (Kind::NOTE, &[]),
            (Kind::SUSPICION, &[]),
            (Kind::SHARE_RELEASE, &[]),
            (Kind::STAFF_SESSION, &[]),
            (Kind::CASH_MOVE, &[]),
            (Kind::COUNTERSIGNATURE, &[]),
            (Kind::WRITTEN_OFF, &[]),
            (Kind::RULING, &[]),
            (Kind::SHARE, &[]),
        ]
    };

    #[test]
    fn each_role_writes_what_it_may_and_nothing_moves_what_its_kind_does_not() {
        use Effect as E;
        let moving = [
            E::Credit,
            E::Debit,
            E::Transfer,
            E::Hold,
            E::HoldCredit,
            E::Release,
            E::Owe,
            E::Repay,
            E::In,
            E::Out,
            E::Block,
            E::Unblock,
        ];
        let roles = [("g", Roles::GATE), ("b", Roles::BAR), ("t", Roles::TOP_UP)];
        let hub = rights(Purpose::Hub, Roles::default(), u64::MAX);
        for (kind, may) in MAY {
            for effect in moving {
                let by = may.iter().find(|(one, _)| *one == effect).map(|(_, by)| *by);
                assert_eq!(hub.allows(*kind, effect).is_ok(), by.is_some(), "the hub: {kind:?} {effect:?}");
                for (name, role) in roles {
                    let allowed = rights(Purpose::Device, role, u64::MAX).allows(*kind, effect).is_ok();
                    assert_eq!(allowed, by.is_some_and(|by| by.contains(name)), "{name}: {kind:?} {effect:?}");
                }
            }
        }
    }

    #[test]
    fn an_intent_for_cash_is_a_desk_s_and_only_what_ends_an_intent_stays_in_its_own_journal() {
        let here = DeviceId([1; 16]);
        let device = |roles| rights(Purpose::Device, roles, u64::MAX);
        for (purpose, bar_may) in [
            (IntentPurpose::Sale, true),
            (IntentPurpose::Carry, true),
            (IntentPurpose::ClosingRead, true),
            (IntentPurpose::TopUp, false),
            (IntentPurpose::Refund, false),
        ] {
            let intent = crate::journal::Intent {
                purpose,
                seen: crate::journal::ChipSeen {
                    base: crate::wristband::RecordId([1; 4]),
                    before: crate::wristband::RecordId::default(),
                    before2: None,
                    credit_seq: 0,
                    credit_id: crate::wristband::CreditId::default(),
                    credits: crate::money::Cents::ZERO,
                    spent: crate::money::Cents::ZERO,
                },
                own: crate::wristband::RecordId([2; 4]),
                spent_after: crate::money::Cents::ZERO,
                new_credit: matches!(purpose, IntentPurpose::TopUp | IntentPurpose::Carry)
                    .then_some([1; crate::wristband::CREDIT_RECORD_LEN]),
                old_credit: None,
                sale: (purpose == IntentPurpose::Sale).then(crate::journal::Sale::default),
                fee: crate::money::Cents::ZERO,
                means: crate::journal::Means::None,
            };
            let mut entry = Entry::new(Kind::INTENT, Effect::Hold, Currency::EUR, Hlc(1));
            entry.part = Detail::Intent(intent).to_bytes();
            let by = |roles| device(roles).judge(&entry, here, Currency::EUR);
            assert_eq!(by(Roles::BAR), if bar_may { Ok(()) } else { Err(Forbidden::Role(Kind::INTENT.0)) });
            assert_eq!((by(Roles::TOP_UP), by(MONEY)), (Ok(()), Ok(())));
        }
        for (kind, effect, elsewhere) in [
            (Kind::SALE, Effect::Debit, Err(Forbidden::NotItsIntent(Kind::SALE.0))),
            (Kind::GAVE_UP, Effect::None, Err(Forbidden::NotItsIntent(Kind::GAVE_UP.0))),
            (Kind::HANDED_OVER, Effect::None, Err(Forbidden::NotItsIntent(Kind::HANDED_OVER.0))),
            (Kind::CORRECTION_MINUS, Effect::Debit, Ok(())),
        ] {
            for (device_of, expected) in [(here, Ok(())), (DeviceId([2; 16]), elsewhere)] {
                let refers_to = Some(crate::id::EntryRef { device: device_of, epoch: 0, seq: 4 });
                let entry = Entry { refers_to, ..Entry::new(kind, effect, Currency::EUR, Hlc(1)) };
                assert_eq!(device(MONEY).judge(&entry, here, Currency::EUR), expected, "{kind:?}");
            }
        }
    }

    #[test]
    fn a_foreign_currency_or_a_broken_part_is_named() {
        let bar = rights(Purpose::Device, Roles::BAR, u64::MAX);
        let here = DeviceId([1; 16]);
        let mut sale = Entry::new(Kind::SALE, Effect::Debit, Currency(840), Hlc(1));
        assert_eq!(bar.judge(&sale, here, Currency::EUR), Ok(()));
        sale.amount = crate::money::Cents::MAX;
        assert_eq!(bar.judge(&sale, here, Currency::EUR), Err(Forbidden::Currency(840)));
        sale.currency = Currency::EUR;
        sale.part = vec![1];
        assert_eq!(bar.judge(&sale, here, Currency::EUR), Err(Forbidden::Part(Kind::SALE.0)));
        sale.part.clear();
        sale.refers_to = Some(crate::id::EntryRef { device: DeviceId([2; 16]), epoch: 0, seq: 4 });
        assert_eq!(bar.judge(&sale, here, Currency::EUR), Err(Forbidden::NotItsIntent(Kind::SALE.0)));
    }
}
