//! A no of this box, whoever says it: the till's rules, who asks, or the store.
//! Invariant: each has a stable code and the arguments of its text.
use domain::{staff::StaffRefusal, till::TillRefusal};

/// Why something was not done. Nothing was booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// A rule of till or desk.
    Till(TillRefusal),
    /// Who asks.
    Staff(StaffRefusal),
    /// Any other code: the store's, the desk's.
    Code(&'static str),
}

impl NotDone {
    /// Stable code.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Till(refusal) => refusal.code(),
            Self::Staff(refusal) => refusal.code(),
            Self::Code(code) => code,
        }
    }

    /// What goes into the code's text.
    pub(crate) fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Till(refusal) => refusal.arguments(),
            Self::Staff(refusal) => refusal.arguments(),
            Self::Code(_) => Vec::new(),
        }
    }
}

impl From<TillRefusal> for NotDone {
    fn from(refusal: TillRefusal) -> Self {
        Self::Till(refusal)
    }
}

impl From<StaffRefusal> for NotDone {
    fn from(refusal: StaffRefusal) -> Self {
        Self::Staff(refusal)
    }
}

impl From<box_store::StoreError> for NotDone {
    fn from(error: box_store::StoreError) -> Self {
        Self::Code(error.code())
    }
}
