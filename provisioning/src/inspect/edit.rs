//! Edits of shared documents, as managers sign them.
//! Invariant: an edit is called proven only where `SignedEnvelope::verify` says so; bytes and hashes of PINs are named,
//! never shown.
//! Not here: whether the edit is in force (`documents`).
use documents::{Document, Envelope, SignedEnvelope, Value};

use super::{Fact, Report, Sheet, Sources, Unreadable, cbor, hex_fact, trust};

/// Looks into a signed envelope.
pub(super) fn report(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let signed: SignedEnvelope = cbor("edit", bytes)?;
    let body_at = bytes.windows(signed.body.len().max(1)).position(|window| window == signed.body).unwrap_or(0);
    let envelope: Envelope = cbor("edit", &signed.body).map_err(|error| error.beyond(body_at))?;
    signed.read().map_err(|refusal| Unreadable::at("edit", body_at, refusal))?;
    let mut report = Report::new("edit", "Modification d'un document", "Edit of a document");
    let document = Document::from_number(envelope.document).map_or("?", Document::name);
    let facts = &mut report.facts;
    facts.put("document", "document", "document", Fact::Text(document.into()));
    facts.put("device", "fait sur", "made on", Fact::Text(envelope.device.to_hex()));
    facts.put("epoch", "époque", "epoch", Fact::Number(envelope.epoch.into()));
    facts.put("operator", "par", "by", Fact::Number(envelope.operator.into()));
    facts.put("at", "à", "at", Fact::Time(envelope.at_ms / 1_000));
    facts.put("hash", "empreinte", "hash", Fact::Text(envelope.hash.to_hex()));
    facts.put(
        "change_bytes",
        "octets du changement",
        "bytes of the change",
        Fact::Number(envelope.change.len() as u64),
    );
    let intents = envelope.intents.iter().map(|intent| {
        let mut sheet = Sheet::default();
        sheet.put("path", "quoi", "what", Fact::Text(intent.path.clone()));
        sheet.put("old", "avant", "before", value(intent.old.as_ref()));
        sheet.put("new", "après", "after", value(intent.new.as_ref()));
        Fact::Sheet(sheet)
    });
    facts.put("intents", "modification", "edit", Fact::List(intents.collect()));
    facts.put("chain", "certificat", "certificate", trust::sheets(&envelope.chain).0);
    if let Some(reentered) = &envelope.reentered {
        facts.put("reentered_for", "ressaisi pour", "entered again for", hex_fact(&reentered.manager));
    }
    if let Some(founding) = sources.founding() {
        match signed.verify(founding) {
            Ok(_) => report.checked = true,
            Err(refusal) => report.bad(
                refusal.code(),
                format!("Le hub la refuserait : {refusal}."),
                format!("The hub would refuse it: {refusal}."),
            ),
        }
    }
    Ok(report)
}

fn value(value: Option<&Value>) -> Fact {
    match value {
        None => Fact::Nothing,
        Some(Value::Int(number)) => Fact::Number(*number),
        Some(Value::Flag(yes)) => Fact::Flag(*yes),
        Some(Value::Text(text)) if !text.starts_with('$') => Fact::Text(text.clone()),
        Some(Value::Text(_) | Value::Bytes(_)) => Fact::Word("hidden", "présent, non montré", "there, not shown"),
    }
}
