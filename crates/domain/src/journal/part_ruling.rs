//! Part of a ruling: what people decided about a conflict or a doubt, who, and why.
//! Invariant: one byte form; it names what it is about, what it saw of it, and the rulings that it replaces.
//! Not here: which of several rulings holds and what that does to a wallet (`ledger::ruling`).
use alloc::{string::String, vec::Vec};

use super::detail::BlockedKind;
use crate::{
    id::EntryRef,
    wire::{Malformed, Reader, Writer},
};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$each:meta])* $variant:ident = $byte:literal $code:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$each])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their bytes.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The byte in a part.
            pub const fn byte(self) -> u8 {
                match self { $(Self::$variant => $byte,)+ }
            }

            /// From the byte in a part.
            pub const fn from_byte(byte: u8) -> Option<Self> {
                match byte { $($byte => Some(Self::$variant),)+ _ => None }
            }

            /// Its word in APIs.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// From its word.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

codes!(
    /// What a ruling is about.
    MatterKind {
        /// One ticket admitted more than once.
        DoubleAdmission = 1 "double_admission",
        /// More spent than the wallet held.
        Overspend = 2 "overspend",
        /// A device wrote two histories.
        Fork = 3 "fork",
        /// One chip record has two successors.
        ChipFork = 4 "chip_fork",
        /// Entries beyond a revocation.
        RevokedEntries = 5 "revoked_entries",
        /// Entries are missing.
        Gap = 6 "gap",
        /// An entry that its certificate does not allow, or that cannot be read.
        ForbiddenEntry = 7 "forbidden_entry",
        /// Entries newer than this software.
        FrozenSubject = 8 "frozen_subject",
        /// Handed over without payment.
        Loss = 9 "loss",
        /// Spent on a band whose money had been given out.
        LateSpend = 10 "late_spend",
        /// An intent of which nobody knows whether it was applied.
        InDoubt = 11 "in_doubt",
        /// Owed to a guest, not on a band yet.
        Pending = 12 "pending",
        /// A desk put on more than its certificate's quota.
        OverQuota = 13 "over_quota",
    }
);

codes!(
    /// What was decided.
    RulingAction {
        /// Seen, and left as it is: nothing moves.
        Accept = 1 "accept",
        /// The band or ticket is blocked; a block of its own stands beside this entry.
        Block = 2 "block",
        /// Its blocks are lifted, by entries of their own.
        Lift = 3 "lift",
        /// The guest paid the amount back, in cash or by card.
        ChargeBack = 4 "charge_back",
        /// The festival bears the amount.
        Forgive = 5 "forgive",
        /// The doubt is written off, by an entry of its own; a later read of the band still corrects it.
        WriteOff = 6 "write_off",
        /// The box is revoked, by an entry of its own.
        Revoke = 7 "revoke",
        /// One branch of a forked journal holds: its head is countersigned.
        ConfirmBranch = 8 "confirm_branch",
        /// What was written beyond a revocation counts up to the heads held now.
        AcceptEntries = 9 "accept_entries",
        /// What is owed, and what is left, was paid out without the band.
        PayOut = 10 "pay_out",
    }
);

/// `Kind::RULING`; the header has the subject, the money moved, and the entry that it is about where it is about one.
/// Matter u8 · action u8 · what u8 · places seen varint · cents seen varint · those that held: count u8, 24 each · by: length u8,
/// UTF-8 · reason: UTF-8 to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// What it is about.
    pub matter: MatterKind,
    /// What was decided.
    pub action: RulingAction,
    /// What the subject is.
    pub what: BlockedKind,
    /// In how many places it showed then.
    pub places_seen: u32,
    /// How much it was about then, in minor units, with what had been paid back or forgiven of it.
    pub cents_seen: u64,
    /// The rulings on the same matter that held then: those of its sort count no more (`ledger::RulingSort`).
    pub replaces: Vec<EntryRef>,
    /// Who decided, as people write their name.
    pub by: String,
    /// Why.
    pub reason: String,
}

impl Ruling {
    /// Most rulings that one replaces.
    pub const MAX_REPLACES: usize = 16;
    /// Longest name, in bytes.
    pub const MAX_BY: usize = 64;
    /// Longest reason, in bytes.
    pub const MAX_REASON: usize = 200;

    /// Whether a name or reason may stand in a ruling: 1 to `most` bytes without control characters, not all spaces.
    pub fn is_text(text: &str, most: usize) -> bool {
        text.len() <= most && !text.trim().is_empty() && !text.chars().any(char::is_control)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(self.matter.byte());
        out.u8(self.action.byte());
        out.u8(self.what.byte());
        out.varint(self.places_seen.into());
        out.varint(self.cents_seen);
        let replaces = self.replaces.iter().take(Self::MAX_REPLACES);
        out.u8(u8::try_from(replaces.len()).unwrap_or(u8::MAX));
        replaces.for_each(|at| at.write(out));
        out.u8(u8::try_from(self.by.len()).unwrap_or(u8::MAX));
        out.bytes(self.by.as_bytes());
        out.bytes(self.reason.as_bytes());
    }

    pub(super) fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let matter = MatterKind::from_byte(input.u8()?).ok_or(Malformed::Value("matter"))?;
        let action = RulingAction::from_byte(input.u8()?).ok_or(Malformed::Value("action"))?;
        let what = BlockedKind::read(input)?;
        let places_seen = u32::try_from(input.varint()?).map_err(|_| Malformed::Value("places"))?;
        let cents_seen = input.varint()?;
        let count = usize::from(input.u8()?);
        if count > Self::MAX_REPLACES {
            return Err(Malformed::Value("rulings replaced"));
        }
        let replaces = (0..count).map(|_| EntryRef::read(input)).collect::<Result<_, _>>()?;
        let length = usize::from(input.u8()?);
        let by = text(input.take(length)?, Self::MAX_BY)?;
        let reason = text(input.take(input.rest().len())?, Self::MAX_REASON)?;
        Ok(Self { matter, action, what, places_seen, cents_seen, replaces, by, reason })
    }
}

fn text(bytes: &[u8], most: usize) -> Result<String, Malformed> {
    match core::str::from_utf8(bytes) {
        Ok(text) if Ruling::is_text(text, most) => Ok(text.into()),
        Ok(_) | Err(_) => Err(Malformed::Value("name or reason")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_and_every_word_of_a_matter_and_an_action_is_one() {
        for matter in MatterKind::ALL {
            assert_eq!(MatterKind::from_byte(matter.byte()), Some(*matter));
            assert_eq!(MatterKind::from_code(matter.code()), Some(*matter));
        }
        for action in RulingAction::ALL {
            assert_eq!(RulingAction::from_byte(action.byte()), Some(*action));
            assert_eq!(RulingAction::from_code(action.code()), Some(*action));
        }
        assert_eq!((MatterKind::from_byte(0), RulingAction::from_byte(11)), (None, None));
    }

    #[test]
    fn a_ruling_without_a_name_or_a_reason_is_malformed() {
        let ruling = Ruling {
            matter: MatterKind::Loss,
            action: RulingAction::ChargeBack,
            what: BlockedKind::Wallet,
            places_seen: 1,
            cents_seen: 450,
            replaces: Vec::new(),
            by: "Ana".into(),
            reason: "paid at the office".into(),
        };
        let read = |ruling: &Ruling| {
            let mut out = Writer::new();
            ruling.write(&mut out);
            Ruling::read(&mut Reader::new(&out.finish()))
        };
        assert_eq!(read(&ruling), Ok(ruling.clone()));
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(read(&Ruling { reason: bad.into(), ..ruling.clone() }).is_err(), "{bad:?}");
            assert!(read(&Ruling { by: bad.into(), ..ruling.clone() }).is_err(), "{bad:?}");
        }
    }
}
