//! What a box keeps of its enrolment, and key files.
//! Invariant: band secrets, screen keys and private keys are named, never shown.
use domain::{secrets::BandSecrets, trust::CertificateChain};
use sync::enrolment::{BoxConfig, Enrolled, Grant, GrantBody};

use super::{Fact, Report, Sheet, Sources, Unreadable, cbor, hex_fact, trust};

fn hidden() -> Fact {
    Fact::Word("hidden", "présent, non montré", "there, not shown")
}

fn config_sheet(config: &BoxConfig) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.put("box_number", "boîtier", "box", Fact::Number(config.box_number.0.into()));
    sheet.put("place", "lieu", "place", Fact::Text(config.place.clone()));
    sheet.put("roles", "rôle", "role", trust::roles(config.roles));
    sheet.put("zone", "zone", "zone", Fact::Number(config.zone.into()));
    sheet.put("language", "langue", "language", Fact::Text(config.language.clone()));
    let hubs = config.hubs.iter().map(|hub| Fact::Text(hub.clone()));
    sheet.put("hubs", "hub", "hub", Fact::List(hubs.collect()));
    sheet.put("pairs_bands", "appaire des bracelets", "pairs bands", Fact::Flag(config.pairs_bands));
    sheet.put("listen_https", "écrans à", "screens at", Fact::Text(config.listen_https.clone()));
    sheet.put("devices", "lecteurs", "devices", Fact::Text(config.devices.clone()));
    sheet.put("screen_key", "clé des écrans", "screen key", hidden());
    sheet.put("screen_tls", "clé TLS", "TLS key", hidden());
    sheet.put("band_secrets", "secrets des bracelets", "band secrets", hidden());
    sheet
}

/// Looks into a box's configuration.
pub(super) fn config(bytes: &[u8]) -> Result<Report, Unreadable> {
    let config: BoxConfig = cbor("config", bytes)?;
    BoxConfig::from_bytes(bytes).map_err(|reason| Unreadable::at("config", 1, reason))?;
    let mut report = Report::new("config", "Configuration d'un boîtier", "A box's configuration");
    report.facts = config_sheet(&config);
    Ok(report)
}

/// Looks into an enrolled box's identity.
pub(super) fn enrolled(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let enrolled: Enrolled = cbor("enrolled", Enrolled::in_file(bytes).unwrap_or(bytes))?;
    let mut report = Report::new("enrolled", "Identité d'un boîtier", "A box's identity");
    let founding = enrolled.founding().map_err(|error| Unreadable::at("enrolled", 2, error))?;
    report.facts.put("festival", "festival", "festival", Fact::Sheet(trust::founding_sheet(&founding)));
    report.facts.put("epoch", "époque", "epoch", Fact::Number(enrolled.epoch.into()));
    let further = enrolled.further.iter().map(|chain| chain.as_slice());
    for (key, fr, en, bytes) in std::iter::once(("chain", "chaîne", "chain", enrolled.chain.as_slice()))
        .chain(further.map(|bytes| ("further", "autre chaîne", "further chain", bytes)))
    {
        match CertificateChain::from_bytes(bytes) {
            Ok(chain) => {
                report.facts.put(key, fr, en, trust::sheets(&chain).0);
                trust::judge(&mut report, &chain, &founding);
            }
            Err(error) => report.bad(
                "trust.chain",
                format!("Une chaîne est illisible : {error}."),
                format!("A chain cannot be read: {error}."),
            ),
        }
    }
    report.facts.put("config", "configuration", "configuration", Fact::Sheet(config_sheet(&enrolled.config)));
    let leaf = CertificateChain::from_bytes(&enrolled.chain).ok().and_then(|chain| chain.verify(&founding).ok());
    if let Some(error) = leaf.and_then(|leaf| enrolled.config.check(&leaf).err()) {
        report.bad(
            "enrolled.rights",
            format!("La configuration dépasse le certificat : {error}."),
            format!("The configuration goes beyond the certificate: {error}."),
        );
    }
    report.checked = match sources.festival() {
        Some(festival) if festival == founding.festival() => true,
        Some(_) => {
            trust::other_festival(&mut report);
            false
        }
        None => false,
    };
    Ok(report)
}

/// Looks into a grant.
pub(super) fn grant(bytes: &[u8]) -> Result<Report, Unreadable> {
    let grant: Grant = cbor("grant", bytes)?;
    let body: GrantBody = cbor("grant", &grant.body)?;
    let mut report = Report::new("grant", "Octroi d'un enrôlement", "Grant of an enrolment");
    let facts = &mut report.facts;
    facts.put("festival", "festival", "festival", Fact::Text(body.festival.to_hex()));
    facts.put("public_key", "clé du boîtier", "box's key", hex_fact(&body.public_key));
    facts.put("epoch", "époque", "epoch", Fact::Number(body.epoch.into()));
    facts.put("bundle_hash", "empreinte du paquet", "bundle's hash", hex_fact(&body.bundle_hash));
    if let Ok(chain) = CertificateChain::from_bytes(&body.chain) {
        facts.put("chain", "certificat", "certificate", trust::sheets(&chain).0);
    }
    let config = BoxConfig::from_bytes(&body.config).map_err(|reason| Unreadable::at("grant", 0, reason))?;
    facts.put("config", "configuration", "configuration", Fact::Sheet(config_sheet(&config)));
    Ok(report)
}

/// Looks into the wristbands' keys: that they are some, and which by a fingerprint.
pub(super) fn secrets(bytes: &[u8]) -> Result<Report, Unreadable> {
    let secrets: BandSecrets = cbor("secrets", bytes)?;
    let mut report = Report::new("secrets", "Secrets des bracelets", "Band secrets");
    // The wallet of a UID that no chip has: tells two festivals' secrets apart and gives nothing away.
    let fingerprint = secrets.wallet(&[0; 4]).to_hex();
    report.facts.put("fingerprint", "empreinte", "fingerprint", Fact::Text(fingerprint));
    report.facts.put("keys", "clés", "keys", hidden());
    Ok(report)
}

/// What 32 bytes without any form may be.
pub(super) fn raw_key() -> Report {
    let mut report = Report::new("key", "Clé ou secret", "Key or secret");
    report.facts.put("bytes", "octets", "bytes", Fact::Number(32));
    report.note(
        "key.hidden",
        "32 octets sans forme : sans doute une clé privée ou un secret. Ils ne sont pas montrés.",
        "32 bytes without a form: probably a private key or a secret. They are not shown.",
    );
    report
}

#[cfg(test)]
pub(super) fn shows(report: &Report, secret: &[u8]) -> bool {
    let text = report.json().to_string();
    text.contains(&domain::wire::hex(secret)) || report.explain(crate::Lang::En).contains(&domain::wire::hex(secret))
}
