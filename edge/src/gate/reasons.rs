//! Reasons that a supervisor chooses from: those of the festival, or these where it has none.
use domain::staff::Reason;

use crate::rules::Rules;

/// Before the festival has a list of its own: code, French, English.
const BUILT_IN: [(&str, &str, &str); 5] = [
    ("guest_list", "Liste d'invités", "Guest list"),
    ("ticket_lost", "Billet perdu, identité vérifiée", "Ticket lost, identity checked"),
    ("phone_dead", "Téléphone déchargé, achat vérifié", "Phone dead, purchase checked"),
    ("emergency", "Secours ou sécurité", "Emergency or security"),
    ("device_trouble", "Lecteur ou boîtier en panne", "Reader or box out of order"),
];

/// The list in force.
pub(crate) fn list(rules: &Rules) -> Vec<Reason> {
    if !rules.reasons.is_empty() {
        return rules.reasons.clone();
    }
    BUILT_IN.into_iter().map(|(code, fr, en)| Reason { code: code.into(), fr: fr.into(), en: en.into() }).collect()
}
