//! Festival bundles.
//! Invariant: what the signature does not cover is not shown as the bundle's word.
//! Not here: the format (`domain::bundle`).
use domain::{
    bundle::{AccountRule, Bundle, BundleBody, BundleError},
    trust::CertificateChain,
    wire::{Malformed, Reader},
};

use super::{Fact, Report, Sheet, Sources, Unreadable, cbor, hex_fact, trust};

/// Bytes before the body: magic, version, length.
const BEFORE_BODY: usize = 9;

/// Looks into a bundle.
pub(super) fn report(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let mut report = Report::new("bundle", "Paquet du festival", "Festival bundle");
    match Bundle::verify(bytes, None) {
        Ok(bundle) => {
            body_facts(&mut report.facts, &bundle.body);
            report.facts.put("signer", "signé par", "signed by", hex_fact(&bundle.signer));
            report.facts.put("festival", "festival", "festival", Fact::Sheet(trust::founding_sheet(&bundle.founding)));
            match sources.festival() {
                Some(festival) if festival == bundle.festival => report.checked = true,
                Some(_) => trust::other_festival(&mut report),
                None => {}
            }
            Ok(report)
        }
        Err(error) => {
            let body = opened(bytes, &error)?;
            report.bad(
                "bundle.refused",
                format!("Un boîtier le refuserait : {error}."),
                format!("A box would refuse it: {error}."),
            );
            body_facts(&mut report.facts, &body);
            Ok(report)
        }
    }
}

/// The body of a bundle that is not taken though it can be read.
fn opened(bytes: &[u8], error: &BundleError) -> Result<BundleBody, Unreadable> {
    let at = |offset: usize, reason: &dyn ToString| Unreadable::at("bundle", offset, reason.to_string());
    if let BundleError::TooLong(_) = error {
        return Err(at(domain::bundle::BUNDLE_MAX, error));
    }
    if !bytes.starts_with(b"FBUN") {
        return Err(at(0, &"it does not begin with FBUN"));
    }
    if bytes.get(4) != Some(&1) {
        return Err(at(4, error));
    }
    let mut input = Reader::new(bytes.split_at(5).1);
    let end = |reason: Malformed| at(bytes.len(), &reason);
    let length = input.u32().map_err(end)?;
    let raw = input.take(length as usize).map_err(end)?;
    let body: BundleBody = cbor("bundle", raw).map_err(|error| error.beyond(BEFORE_BODY))?;
    let chain_at = BEFORE_BODY.saturating_add(raw.len()).saturating_add(4);
    let length = input.u32().map_err(end)?;
    let chain = input.take(length as usize).map_err(end)?;
    cbor::<CertificateChain>("bundle", chain).map_err(|error| error.beyond(chain_at))?;
    let rest = input.rest().len();
    match rest.checked_sub(64) {
        Some(0) => Ok(body),
        Some(extra) => Err(at(bytes.len().saturating_sub(extra), &Malformed::Long { extra })),
        None => Err(end(Malformed::Short { missing: 64usize.saturating_sub(rest) })),
    }
}

fn body_facts(facts: &mut Sheet, body: &BundleBody) {
    let count = |count: usize| Fact::Number(count as u64);
    facts.put("number", "numéro", "number", Fact::Number(body.number));
    facts.put("issued", "signé le", "issued", Fact::Time(body.issued));
    let policy = &body.policy;
    let mut rules = Sheet::default();
    rules.put("maximum_balance", "solde maximum", "maximum balance", Fact::Money(policy.maximum_balance.as_i64()));
    rules.put("offline_limit", "limite hors ligne", "offline limit", Fact::Money(policy.offline_limit.as_i64()));
    rules.put("cup_deposit", "consigne", "cup deposit", Fact::Money(policy.cup_deposit.as_i64()));
    rules.put("top_up_fee", "frais de recharge", "top-up fee", Fact::Money(policy.top_up_fee.as_i64()));
    rules.put(
        "correction_quota",
        "quota de corrections",
        "correction quota",
        Fact::Money(policy.correction_quota.as_i64()),
    );
    let accounts = match body.account_rule() {
        AccountRule::Limit => "limit",
        AccountRule::Escrow => "escrow",
    };
    rules.put("accounts", "comptes", "accounts", Fact::Text(accounts.into()));
    facts.put("policy", "règles", "policy", Fact::Sheet(rules));
    facts.put("ticket_keys", "clés de billets", "ticket keys", count(body.ticket_keys.len()));
    facts.put("credit_keys", "clés de crédit", "credit keys", count(body.credit_keys.len()));
    let categories = body
        .categories
        .iter()
        .map(|one| Fact::Text(format!("{} {} / {} {}", one.number, one.name_fr, one.name_en, one.price)));
    facts.put("categories", "catégorie", "category", Fact::List(categories.collect()));
    let events = body
        .events
        .iter()
        .map(|event| Fact::Text(format!("{} {} ({} keys)", event.index, event.slug, event.keys.len())));
    facts.put("events", "événement", "event", Fact::List(events.collect()));
    facts.put("pretix_products", "produits pretix", "pretix products", count(body.products.len()));
    facts.put("price_revision", "révision des prix", "price revision", Fact::Number(body.price_revision.into()));
    let products = body
        .catalogue
        .iter()
        .map(|one| Fact::Text(format!("{} {} / {} {}", one.number, one.name_fr, one.name_en, one.price)));
    facts.put("catalogue", "produit", "product", Fact::List(products.collect()));
    facts.put("revoked", "billets révoqués", "tickets revoked", count(body.revoked.len()));
    facts.put("blocked", "billets bloqués", "tickets blocked", count(body.blocked.len()));
    let places = body.places.iter().map(|place| Fact::Text(format!("#{} {}", place.box_number.0, place.name)));
    facts.put("places", "lieu", "place", Fact::List(places.collect()));
    let sections =
        body.sections.iter().map(|section| Fact::Text(format!("{} ({} bytes)", section.number, section.bytes.len())));
    facts.put("sections", "section", "section", Fact::List(sections.collect()));
}
