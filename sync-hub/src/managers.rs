//! Managers' keys at the hub: whose they are, what was signed with them, and their revocation.
//! Invariant: a confirmed edit stays, whatever happens to the key that signed it; a revocation is not taken back.
//! Not here: judging an edit (`edits`), the staff list itself (`documents`).
use std::collections::BTreeMap;

use documents::{SignedEnvelope, sealed_for};
use domain::wire::hex;
use screens::view::ManagerView;

use crate::hub::{Hub, HubError};

impl Hub {
    /// Every key that a member of staff has, or that edits were signed with; those in use first.
    pub fn managers(&self) -> Result<Vec<ManagerView>, HubError> {
        let mut found: BTreeMap<[u8; 32], ManagerView> = BTreeMap::new();
        for member in self.documents.staff().value.members {
            let Some(key) = sealed_for(&member.sealed_key) else { continue };
            let of_member = ManagerView {
                number: member.number,
                name: member.name,
                active: member.active,
                ..ManagerView::default()
            };
            found.insert(key, of_member);
        }
        let own = self.identity.manager.as_ref().map(|own| own.key.verifying_key().to_bytes());
        for edit in self.store.edits_after(-1)? {
            let Some(envelope) = SignedEnvelope::from_bytes(&edit.envelope).and_then(|signed| signed.read()).ok()
            else {
                continue;
            };
            let Some(certificate) = envelope.chain.0.first().and_then(|signed| signed.read().ok()) else { continue };
            if own == Some(certificate.subject) {
                continue;
            }
            let of_key = found
                .entry(certificate.subject)
                .or_insert_with(|| ManagerView { name: certificate.scope.place.clone(), ..ManagerView::default() });
            of_key.confirmed = of_key.confirmed.saturating_add(1);
            of_key.last_at_ms = of_key.last_at_ms.max(Some(envelope.at_ms));
        }
        let mut managers = Vec::with_capacity(found.len());
        for (key, view) in found {
            managers.push(ManagerView { key: hex(&key), revoked: self.store.is_manager_revoked(&key)?, ..view });
        }
        managers.sort_by_key(|view| (view.revoked, view.number == 0, view.number));
        Ok(managers)
    }

    /// Takes no edits of this manager's key any more, but for those that are confirmed.
    pub fn revoke_manager(&mut self, key: &[u8; 32]) -> Result<bool, HubError> {
        let at_ms = self.now_ms();
        self.store.transaction::<_, HubError>(|store| Ok(store.revoke_manager(key, at_ms)?))
    }
}
