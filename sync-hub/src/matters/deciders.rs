//! Who decides: somebody of the staff list whose PIN was right, or, as long as nobody on it could sign, a typed name.
//! Invariant: a name with a number in the entry is that of a member who may decide; a typed name has number 0, and is
//! refused as soon as somebody could sign.
//! Not here: checking a PIN (`web::pins`).
use domain::{
    journal::Ruling,
    staff::{Member, StaffRoles},
};

use crate::hub::{Hub, HubError};

/// Who decides, as the console says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Typed, and checked by nobody.
    Typed(String),
    /// The member with this number, whose PIN was right.
    Staff(u32),
}

/// Who decides, as the ruling's entry says it.
pub(super) struct Signed {
    /// Staff number; 0 for a typed name.
    pub(super) operator: u32,
    /// Name.
    pub(super) by: String,
}

/// Supervisors and managers, once they have a PIN.
fn may_decide(member: &Member) -> bool {
    let may = member.roles.has(StaffRoles::SUPERVISOR) || member.roles.has(StaffRoles::MANAGER);
    may && member.active && member.pin.is_some()
}

impl Hub {
    /// Whether a decision needs number and PIN: somebody on the staff list could give them.
    pub fn decisions_are_signed(&self) -> bool {
        self.documents.staff().value.members.iter().any(may_decide)
    }

    /// The active person with this number on the staff list.
    pub fn member(&self, number: u32) -> Option<Member> {
        self.documents.staff().value.member(number).cloned()
    }

    pub(super) fn signer(&self, by: &By) -> Result<Signed, HubError> {
        match by {
            By::Typed(_) if self.decisions_are_signed() => Err(HubError::Refused("hub.ruling_pin")),
            By::Typed(name) if !Ruling::is_text(name, Ruling::MAX_BY) => Err(HubError::Refused("hub.ruling_by")),
            By::Typed(name) => Ok(Signed { operator: 0, by: name.trim().into() }),
            By::Staff(number) => {
                let member = self.member(*number).filter(may_decide);
                let member = member.ok_or(HubError::Refused("staff.not_allowed"))?;
                let named = Some(member.name.trim()).filter(|name| Ruling::is_text(name, Ruling::MAX_BY));
                let by = named.map_or_else(|| format!("no. {number}"), str::to_owned);
                Ok(Signed { operator: *number, by })
            }
        }
    }
}
