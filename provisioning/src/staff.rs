//! Makes a member of staff: PIN hash, and for a manager a key of his own, sealed under the PIN.
//! Invariant: neither PIN nor key leaves this tool in the clear; what it writes is an edit that the hub enters.
//! Not here: entering it (the hub's folder `staff/`, or its API), checking a PIN (`documents`, the box).
use std::{collections::BTreeMap, path::Path};

use documents::{Setting, hash_pin, member, seal};
use domain::{
    staff::{Member, StaffRoles},
    trust::{Purpose, Scope},
};
use ed25519_dalek::SigningKey;
use serde::Serialize;

use crate::{Failure, Festival, files, random};

/// Who is taken on.
#[derive(Clone, Debug)]
pub struct StaffPlan {
    /// Number in entries, from 1.
    pub number: u32,
    /// As colleagues say it.
    pub name: String,
    /// What this person may do.
    pub roles: StaffRoles,
    /// Zones that the badge opens, as a bit set.
    pub zones: u32,
}

/// Body of `POST /api/documents/edit`.
#[derive(Serialize)]
struct StaffEdit {
    document: &'static str,
    set: BTreeMap<String, Option<String>>,
}

/// Writes the edit that makes this person a member of staff. A manager's certificate needs the root.
pub fn new_member(festival: &Festival, plan: &StaffPlan, pin: &str, out: &Path) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::AlreadyThere(out.into()));
    }
    if plan.number == 0 || plan.name.trim().is_empty() || plan.name.len() > 64 {
        return Err(Failure::Person(plan.name.len()));
    }
    let hash = hash_pin(pin, &random::bytes()?).map_err(|error| Failure::Pin(error.to_string()))?;
    let sealed_key = if plan.roles.has(StaffRoles::MANAGER) { manager_key(festival, plan, pin)? } else { Vec::new() };
    let settings = member(&Member {
        number: plan.number,
        name: plan.name.clone(),
        roles: plan.roles,
        pin: Some(hash),
        badge: None,
        zones: plan.zones,
        active: true,
        sealed_key,
    });
    let text = |setting: &Setting| (setting.path.text(), setting.value.as_ref().map(ToString::to_string));
    let set = settings.iter().filter(|setting| setting.value.is_some()).map(text).collect();
    let json = serde_json::to_string_pretty(&StaffEdit { document: "staff", set });
    files::write_new(out, json.map_err(|error| Failure::Internal(error.to_string()))?.as_bytes())
}

fn manager_key(festival: &Festival, plan: &StaffPlan, pin: &str) -> Result<Vec<u8>, Failure> {
    festival.root_key()?;
    let seed = random::secret()?;
    let subject = SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let chain = festival.issue_certificate(Purpose::Manager, subject, Scope::nothing(&plan.name))?;
    seal(pin, &seed, &chain, random::bytes()?, random::bytes()?).map_err(|error| Failure::Pin(error.to_string()))
}

#[cfg(test)]
mod tests {
    use documents::{unseal, verify_pin};
    use domain::money::Currency;
    use serde_json::Value;

    use super::*;

    fn made(roles: StaffRoles) -> (Festival, Value) {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = temp.path().join("7.json");
        let plan = StaffPlan { number: 7, name: "Ana".into(), roles, zones: 2 };
        new_member(&festival, &plan, "482913", &out).unwrap();
        assert_eq!(new_member(&festival, &plan, "482913", &out), Err(Failure::AlreadyThere(out.clone())));
        let text = files::read_text(&out).unwrap();
        assert!(!text.contains("482913"));
        (festival, serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_manager_has_a_key_that_opens_with_the_pin_and_leads_to_the_root() {
        let (festival, edit) = made(StaffRoles::BAR.and(StaffRoles::MANAGER));
        assert_eq!(edit["set"]["member/7/roles"], "18");
        let sealed = domain::wire::unhex(edit["set"]["member/7/sealed_key"].as_str().unwrap()).unwrap();
        let by = unseal("482913", &sealed).unwrap();
        let certificate = by.chain.verify_for(festival.founding(), Purpose::Manager).unwrap();
        assert_eq!(certificate.subject, by.key.verifying_key().to_bytes());
        assert!(verify_pin("482913", edit["set"]["member/7/pin"].as_str().unwrap()));
    }

    #[test]
    fn who_edits_nothing_has_no_key() {
        let (_, edit) = made(StaffRoles::BAR);
        assert_eq!(edit["set"].get("member/7/sealed_key"), None);
        assert_eq!(edit["set"]["member/7/active"], "true");
    }
}
