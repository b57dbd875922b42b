//! A ticket's text: what it says, whether it can be believed, and why not.
//! Invariant: decides nothing; only a gate admits.
//! Not here: the reading itself (`domain::ticket`).
use domain::{
    bundle::Bundle,
    id::{FestivalId, TicketUid},
    ticket::{self, PretixEvent, Product, Signature, TicketError, Verifier, pretix_sig1::PretixKey},
};
use serde::Serialize;

use super::utc;
use crate::{Failure, Lang};

/// What `provision inspect ticket --json` prints; `null` where unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TicketReport {
    /// `own`, `pretix_sig1` or `unknown`.
    pub scheme: &'static str,
    /// `valid`, `invalid` or `malformed`.
    pub signature: &'static str,
    /// Code of the reason why the text is refused.
    pub reason: Option<&'static str>,
    /// Ticket id in hexadecimal, or pretix's seed.
    pub id: Option<String>,
    /// pretix's item.
    pub item: Option<u64>,
    /// pretix's variation; 0 = none.
    pub variation: Option<u64>,
    /// pretix's date of a series; 0 = none.
    pub subevent: Option<u64>,
    /// Unix seconds from which it is valid.
    pub valid_from: Option<u64>,
    /// Unix seconds until which it is valid.
    pub valid_until: Option<u64>,
    /// Category of an own ticket.
    pub category: Option<u16>,
    /// Zones of an own ticket, a bit set.
    pub zones: Option<u32>,
    /// Identity of a genuine ticket in every list of the festival.
    pub uid: Option<String>,
    /// Name of what was sold, where the bundle says it.
    pub product: Option<ProductName>,
    /// Slug of the pretix event, where the bundle says it.
    pub event: Option<String>,
    /// Whether the bundle lists it as revoked; a box may know of more.
    pub revoked: Option<bool>,
    /// Whether the bundle lists it as blocked; a box may know of more.
    pub blocked: Option<bool>,
    /// Number of the bundle that was asked.
    pub bundle: Option<u64>,
    /// The whole reason, for people.
    #[serde(skip)]
    why: Option<TicketError>,
    /// Whether any key was given for its scheme.
    #[serde(skip)]
    keys_given: bool,
}

/// Name of what was sold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ProductName {
    /// French.
    pub fr: String,
    /// English.
    pub en: String,
}

/// Reads the keys of the command line, in the form of pretix's API.
pub fn pretix_keys(texts: &[String]) -> Result<Vec<PretixKey>, Failure> {
    let read = |(index, text): (usize, &String)| {
        PretixKey::from_api(text).map_err(|error| Failure::PretixKey { number: index + 1, reason: error.to_string() })
    };
    texts.iter().enumerate().map(read).collect()
}

/// Looks at a text, with these pretix keys beside the bundle's.
pub fn ticket(text: &str, pretix_keys: &[PretixKey], bundle: Option<&Bundle>) -> TicketReport {
    let verifier = verifier(pretix_keys, bundle);
    let seen = ticket::inspect(text, &verifier);
    let genuine = verifier.read(text).ok();
    let keys_given = match seen.scheme {
        Some(ticket::Scheme::Own) => !verifier.ticket_keys.is_empty(),
        Some(ticket::Scheme::PretixSig1) => !verifier.pretix_events.is_empty(),
        None => true,
    };
    let listed = |list: fn(&Bundle) -> &[TicketUid]| {
        genuine.as_ref().zip(bundle).map(|(ticket, bundle)| list(bundle).contains(&ticket.uid))
    };
    let (product, event) = match (genuine.as_ref().map(|ticket| ticket.product), bundle) {
        (Some(product), Some(bundle)) => names(product, bundle),
        (Some(_) | None, _) => (None, None),
    };
    TicketReport {
        scheme: seen.scheme_code(),
        signature: seen.signature.code(),
        reason: seen.reason_code(),
        id: seen.id,
        item: seen.item,
        variation: seen.variation,
        subevent: seen.subevent,
        valid_from: seen.valid_from,
        valid_until: seen.valid_until,
        category: seen.category,
        zones: seen.zones,
        uid: genuine.as_ref().map(|ticket| ticket.uid.to_hex()),
        product,
        event,
        revoked: listed(|bundle| &bundle.body.revoked),
        blocked: listed(|bundle| &bundle.body.blocked),
        bundle: bundle.map(|bundle| bundle.body.number),
        why: seen.reason,
        keys_given,
    }
}

fn verifier(keys: &[PretixKey], bundle: Option<&Bundle>) -> Verifier {
    let nothing = Verifier { festival: FestivalId([0; 16]), ticket_keys: Vec::new(), pretix_events: Vec::new() };
    let mut verifier = bundle.map_or(nothing, |bundle| bundle.verifier(&[]));
    let of_bundle = |key: &&PretixKey| verifier.pretix_events.iter().any(|event| event.keys.contains(key));
    let further: Vec<PretixKey> = keys.iter().filter(|key| !of_bundle(key)).copied().collect();
    if !further.is_empty() {
        let taken = |index: &u16| verifier.pretix_events.iter().any(|event| event.index == *index);
        let index = (0..=u16::MAX).rev().find(|index| !taken(index)).unwrap_or(u16::MAX);
        verifier.pretix_events.push(PretixEvent { index, keys: further });
    }
    verifier
}

fn names(product: Product, bundle: &Bundle) -> (Option<ProductName>, Option<String>) {
    match product {
        Product::Category(number) => {
            let category = bundle.category(number);
            let name = category.map(|one| ProductName { fr: one.name_fr.clone(), en: one.name_en.clone() });
            (name, None)
        }
        Product::Pretix { event, item, .. } => {
            let slug = bundle.body.events.iter().find(|one| one.index == event).map(|one| one.slug.clone());
            let name = bundle.pretix_product(event, item).map(|one| one.name.clone());
            (name.map(|name| ProductName { fr: name.clone(), en: name }), slug)
        }
    }
}

impl TicketReport {
    /// Whether it carries a valid signature in canonical form.
    pub fn is_valid(&self) -> bool {
        self.signature == Signature::Valid.code()
    }

    /// What it is, what each field says, and why it is refused, for a person.
    pub fn explain(&self, lang: Lang) -> String {
        let mut lines = vec![self.headline(lang).to_string()];
        if let Some(why) = &self.why {
            lines.push(self.reason_text(why, lang).to_string());
        }
        if self.id.is_some() && !self.is_valid() {
            lines.push(
                lang.pick("Ce que le texte prétend, sans preuve :", "What the text claims, without proof:").into(),
            );
        }
        lines.extend(self.fields(lang).into_iter().map(|(name, value)| format!("  {name:<16} {value}")));
        if self.revoked == Some(true) {
            lines.push(
                lang.pick(
                    "Ce billet a été annulé ou remplacé : aucune porte ne l'accepte.",
                    "This ticket was cancelled or replaced: no gate takes it.",
                )
                .into(),
            );
        }
        if self.blocked == Some(true) {
            lines.push(
                lang.pick(
                    "Ce billet est bloqué : aucune porte ne l'accepte.",
                    "This ticket is blocked: no gate takes it.",
                )
                .into(),
            );
        }
        if self.is_valid() {
            lines.push(
                lang.pick(
                    "Seule une porte décide de l'entrée : déjà utilisé, dates et zones n'ont pas été jugés ici.",
                    "Only a gate decides on entry: earlier use, dates and zones were not judged here.",
                )
                .into(),
            );
        }
        lines.join("\n")
    }

    fn headline(&self, lang: Lang) -> &'static str {
        match (self.scheme, self.is_valid()) {
            ("own", true) => lang.pick("Un vrai billet de ce festival.", "A genuine ticket of this festival."),
            ("pretix_sig1", true) => lang.pick("Un vrai billet pretix.", "A genuine pretix ticket."),
            ("own", false) => lang.pick(
                "Le texte a la forme d'un billet du festival, mais il est refusé.",
                "The text looks like a festival ticket, but it is refused.",
            ),
            ("pretix_sig1", false) => lang.pick(
                "Le texte a la forme d'un billet pretix, mais il est refusé.",
                "The text looks like a pretix ticket, but it is refused.",
            ),
            _ => lang.pick("Ce texte n'est pas un billet.", "This text is not a ticket."),
        }
    }

    fn reason_text(&self, why: &TicketError, lang: Lang) -> &'static str {
        if !self.keys_given && *why == TicketError::UnknownKey {
            return lang.pick(
                "Aucune clé n'a été donnée pour le vérifier : ajoutez --bundle ou --pretix-key.",
                "No key was given to check it with: add --bundle or --pretix-key.",
            );
        }
        let (fr, en) = match why {
            TicketError::TooLong { .. } => (
                "Il est trop long pour un billet. Demandez le billet lui-même.",
                "It is too long for a ticket. Ask for the ticket itself.",
            ),
            TicketError::Unreadable => (
                "Il contient des caractères qu'aucun billet ne contient (ou rien du tout). Scannez de nouveau, sans rien ajouter.",
                "It holds characters that no ticket holds (or nothing at all). Scan again, and add nothing.",
            ),
            TicketError::UnknownScheme => (
                "Son format n'est pas de ceux que le festival utilise. Demandez le billet du festival.",
                "Its format is none that the festival uses. Ask for the festival ticket.",
            ),
            TicketError::NotCanonical => (
                "Il n'est pas écrit comme son émetteur l'écrit : mal lu, recopié ou modifié. Demandez l'original.",
                "It is not written as its issuer writes it: misread, retyped or edited. Ask for the original.",
            ),
            TicketError::Malformed(_) => (
                "Ses champs ne sont pas ceux d'un billet : abîmé, tronqué ou d'une version inconnue. Demandez l'original.",
                "Its fields are not those of a ticket: damaged, cut short or of an unknown version. Ask for the original.",
            ),
            TicketError::UnknownKey => (
                "Il dit être signé par une clé inconnue ici. Reprenez le paquet le plus récent du hub.",
                "It says that it was signed with a key not known here. Take the newest bundle from the hub.",
            ),
            TicketError::BadSignature => (
                "Sa signature n'est pas bonne : modifié, faux, ou d'un événement dont la clé manque ici. Appelez un responsable.",
                "Its signature does not fit: edited, forged, or of an event whose key is missing here. Call a supervisor.",
            ),
            TicketError::KeyRevoked => (
                "La clé qui l'a signé a été retirée. Il faut un nouveau billet.",
                "The key that signed it was withdrawn. A new ticket is needed.",
            ),
            TicketError::KeyNotYetValid => {
                ("La clé qui l'a signé n'est pas encore en vigueur.", "The key that signed it is not in force yet.")
            }
            TicketError::KeyExpired => {
                ("La clé qui l'a signé n'est plus en vigueur.", "The key that signed it is no longer in force.")
            }
            TicketError::WrongFestival => (
                "C'est le billet d'un autre festival. Demandez celui de ce festival.",
                "It is a ticket of another festival. Ask for the one of this festival.",
            ),
        };
        lang.pick(fr, en)
    }

    fn fields(&self, lang: Lang) -> Vec<(&'static str, String)> {
        let none = |number: u64| if number == 0 { lang.pick("aucune", "none").to_string() } else { number.to_string() };
        let product = self.product.as_ref().map(|name| lang.pick(&name.fr, &name.en).clone());
        let fields = [
            (lang.pick("identifiant", "id"), self.id.clone()),
            (lang.pick("produit", "product"), product),
            (lang.pick("événement", "event"), self.event.clone()),
            (lang.pick("catégorie", "category"), self.category.map(|number| number.to_string())),
            (lang.pick("article", "item"), self.item.map(|number| number.to_string())),
            (lang.pick("variante", "variation"), self.variation.map(none)),
            (lang.pick("date de la série", "subevent"), self.subevent.map(none)),
            (lang.pick("zones", "zones"), self.zones.map(zone_list)),
            (lang.pick("valable dès", "valid from"), self.valid_from.map(utc)),
            (lang.pick("valable jusqu'au", "valid until"), self.valid_until.map(utc)),
            (lang.pick("identité", "identity"), self.uid.clone()),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn zone_list(zones: u32) -> String {
    let names: Vec<String> = (0..32).filter(|bit| zones >> bit & 1 == 1).map(|bit: u32| bit.to_string()).collect();
    if names.is_empty() { "-".into() } else { names.join(", ") }
}

#[cfg(test)]
mod tests;
