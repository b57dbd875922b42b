//! Staff and reasons out of their documents.
use domain::{
    id::WalletId,
    staff::{Member, Reason, Staff, StaffRoles},
};

use super::{Fields, Trouble};
use crate::path::{MemberField, Path, ReasonField};

pub(crate) fn staff(fields: &mut Fields) -> Staff {
    let named = fields.values.keys().filter_map(|path| {
        if let Path::Member(number, MemberField::Name | MemberField::Active) = path { Some(*number) } else { None }
    });
    let mut numbers: Vec<u32> = named.collect();
    numbers.dedup();
    let mut members = Vec::new();
    for number in numbers {
        match member(fields, number) {
            Some(member) => members.push(member),
            None => fields.problem(format!("member/{number}"), Trouble::Incomplete),
        }
    }
    Staff { members }
}

fn member(fields: &Fields, number: u32) -> Option<Member> {
    let at = |field| Path::Member(number, field);
    let roles = fields.int(&at(MemberField::Roles)).and_then(|roles| u8::try_from(roles).ok());
    let badge = fields.bytes(&at(MemberField::Badge)).and_then(|badge| badge.try_into().ok());
    Some(Member {
        number,
        name: fields.text(&at(MemberField::Name))?,
        roles: StaffRoles(roles.unwrap_or(0)),
        pin: fields.text(&at(MemberField::Pin)),
        badge: badge.map(WalletId),
        zones: fields.small(&at(MemberField::Zones)).unwrap_or(0),
        active: fields.flag(&at(MemberField::Active)),
        sealed_key: fields.bytes(&at(MemberField::SealedKey)).unwrap_or_default().to_vec(),
    })
}

pub(crate) fn reasons(fields: &mut Fields) -> Vec<Reason> {
    let listed = fields.values.keys().filter_map(|path| {
        if let Path::Reason(code, ReasonField::Listed) = path
            && fields.flag(path)
        {
            Some(code.clone())
        } else {
            None
        }
    });
    let mut reasons = Vec::new();
    for code in listed.collect::<Vec<String>>() {
        let at = |field| Path::Reason(code.clone(), field);
        match (fields.text(&at(ReasonField::Fr)), fields.text(&at(ReasonField::En))) {
            (Some(fr), Some(en)) => reasons.push(Reason { code, fr, en }),
            _ => fields.problem(format!("reason/{code}"), Trouble::Incomplete),
        }
    }
    reasons
}
