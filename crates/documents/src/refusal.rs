//! Why an edit is not taken. Each has a number on the wire and a code that screens translate; both are stable.
use thiserror::Error;

use crate::change::{CHANGE_MAX, DEPENDENCIES_MAX, OPERATIONS_MAX};

macro_rules! refusals {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $code:literal, $text:expr;)+) => {
        /// Why an edit is not taken.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
        pub enum Refusal { $($(#[$doc])* #[error($text)] $variant,)+ }

        impl Refusal {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The number on the wire.
            pub const fn number(self) -> u16 {
                match self { $(Self::$variant => $number,)+ }
            }

            /// The code that screens translate.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }
        }
    };
}

refusals!(
    /// Not an envelope, or not in its one form.
    Malformed = 1, "edit.malformed", "the envelope cannot be read";
    /// The signature does not hold, or the chain does not lead to the root.
    NotSigned = 2, "edit.not_signed", "no manager of this festival signed the edit";
    /// The manager's key was revoked before the hub countersigned the edit.
    Revoked = 3, "edit.revoked", "the manager's key is revoked";
    /// The actor is not that of device, epoch and key.
    WrongActor = 4, "edit.wrong_actor", "the actor is not that of device, epoch and manager key";
    /// Longer than a change may be.
    TooLong = 5, "edit.too_long", "a change has at most {CHANGE_MAX} bytes";
    /// A compressed or a whole-document chunk.
    NotPlain = 6, "edit.not_plain", "only one uncompressed change is taken";
    /// More operations than an edit may have.
    TooManyOperations = 7, "edit.too_many_operations", "a change has 1 to {OPERATIONS_MAX} operations";
    /// More dependencies than there can be.
    TooManyDependencies = 8, "edit.too_many_dependencies", "a change has at most {DEPENDENCIES_MAX} dependencies";
    /// Operations do not start after those that it depends on.
    WrongStart = 9, "edit.wrong_start", "the first operation does not follow those of its dependencies";
    /// Another change of this actor has the same number, or one before it is missing.
    WrongSequence = 10, "edit.wrong_sequence", "the change does not follow the last one of its actor";
    /// It builds on a change that is not known here.
    Dependency = 11, "edit.dependency", "a change that this one builds on is not known here";
    /// The change does something else than the intents say.
    NotItsIntents = 12, "edit.not_its_intents", "the change does not do what its intents say";
    /// A value that cannot stand at its path.
    BadValue = 13, "edit.bad_value", "a value does not fit its place";
    /// A thing would lack what it needs (name, price, times).
    Incomplete = 14, "edit.incomplete", "something on the list would be incomplete";
    /// A happy hour that discounts alcohol must discount a drink without alcohol too.
    OnlyAlcohol = 15, "edit.only_alcohol", "a happy hour for alcohol must include a drink without alcohol";
    /// Nothing would change.
    Nothing = 16, "edit.nothing", "nothing would change";
    /// Too many edits wait for the hub.
    Waiting = 17, "edit.waiting", "too many edits wait for the hub's confirmation";
    /// Automerge could not apply it.
    Inapplicable = 18, "edit.inapplicable", "the change cannot be applied";
    /// What it builds on was refused, and its own intents could not be entered again.
    Orphaned = 19, "edit.orphaned", "what the edit builds on was refused";
);

impl Refusal {
    /// From the number on the wire.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.iter().copied().find(|refusal| refusal.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_all_different() {
        for (index, a) in Refusal::ALL.iter().enumerate() {
            assert_eq!(Refusal::from_number(a.number()), Some(*a));
            for b in &Refusal::ALL[index + 1..] {
                assert!(a.number() != b.number() && a.code() != b.code(), "{a:?} {b:?}");
            }
        }
    }
}
