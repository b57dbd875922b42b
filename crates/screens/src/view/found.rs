//! Whom a gate found by name.
//! Invariant: shown for one search; a name is never part of the state that a screen follows.
use serde::{Deserialize, Serialize};

/// Answer of `/api/gate/search`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundGuests {
    /// At most twenty, by name.
    pub guests: Vec<FoundGuest>,
    /// Whether there are more.
    pub more: bool,
}

/// One holder of a ticket.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundGuest {
    /// As the holder spells it.
    pub name: String,
    /// What was bought; may be empty.
    pub category: String,
    /// The ticket, 32 hexadecimal digits, for `/api/gate/admit-found`.
    pub ticket: String,
    /// Its last four characters.
    pub ticket_id_tail: String,
    /// What this gate knows of it.
    pub state: FoundState,
}

impl std::fmt::Debug for FoundGuest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FoundGuest(.., {}, {:?})", self.ticket_id_tail, self.state)
    }
}

/// What a gate knows of the ticket of somebody found by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FoundState {
    /// Nothing against it.
    #[default]
    Fresh,
    /// Inside this zone.
    Inside,
    /// Was admitted to this zone before.
    Used,
    /// Revoked for ever.
    Revoked,
    /// Blocked for the time being.
    Blocked,
}
