//! Why somebody may not do something at this box.
use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use thiserror::Error;

/// A login, confirmation or act that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StaffRefusal {
    /// There is a staff list, and nobody is logged in.
    #[error("nobody is logged in")]
    NotLoggedIn,
    /// Who is logged in lacks the role.
    #[error("this person may not do that")]
    NotAllowed,
    /// No such number, or not this PIN: which of them is not said.
    #[error("number or PIN is wrong")]
    WrongPin,
    /// Too many wrong PINs.
    #[error("too many wrong PINs: {0} ms to wait")]
    Wait(u64),
    /// Number and PIN are right, and the person is no supervisor.
    #[error("this person is no supervisor")]
    NotSupervisor,
    /// The festival has no staff list, so nobody can log in or confirm.
    #[error("there is no staff list")]
    NoList,
}

impl StaffRefusal {
    /// Stable code, as on screens and in the API.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotLoggedIn => "staff.not_logged_in",
            Self::NotAllowed => "staff.not_allowed",
            Self::WrongPin => "staff.wrong_pin",
            Self::Wait(_) => "staff.wait",
            Self::NotSupervisor => "staff.not_supervisor",
            Self::NoList => "staff.no_list",
        }
    }

    /// What goes into the code's text: name and value.
    pub fn arguments(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Wait(ms) => Vec::from([("count", ms.div_ceil(1000).to_string())]),
            Self::NotLoggedIn | Self::NotAllowed | Self::WrongPin | Self::NotSupervisor | Self::NoList => Vec::new(),
        }
    }
}
