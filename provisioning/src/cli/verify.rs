//! `verify`: a proof, or a stretch of a journal, for somebody who trusts nobody here.
//! Invariant: exit code 0 only where every signature holds; nothing secret of the festival is needed.
use std::path::Path;

use domain::{
    id::FestivalId,
    journal::Entry,
    ledger::{EvidenceFile, ForkBranch, ForkedDevice},
};
use provisioning::{
    Failure, Lang, files,
    inspect::{self, Sources, Standing, kind_of, utc},
};
use serde_json::{Value, json};

use super::{Said, args::Verify};

pub(super) fn file(wanted: &Verify, lang: Lang) -> Result<Said, Failure> {
    let bytes = files::read(&wanted.file)?;
    if EvidenceFile::is(&bytes) {
        return proof(&bytes, wanted, lang);
    }
    let mut sources = Sources::default();
    if let Some(path) = &wanted.founding {
        sources.add_founding(path)?;
    }
    for path in &wanted.chain {
        sources.add_chain(path)?;
    }
    let report = inspect::file(&bytes, None, &sources).map_err(Failure::Unreadable)?;
    let exit = u8::from(report.standing() != Standing::Proven);
    Ok(Said { json: report.json(), text: report.explain(lang), exit })
}

fn proof(bytes: &[u8], wanted: &Verify, lang: Lang) -> Result<Said, Failure> {
    let file = EvidenceFile::from_bytes(bytes).map_err(|error| Failure::damaged(&wanted.file, error))?;
    let festival = file.founding.festival();
    if let Some(expected) = wanted.festival_id.as_deref() {
        same_festival(&wanted.file, festival, expected)?;
    }
    if let Some(path) = &wanted.founding
        && files::read(path)? != file.founding.to_bytes()
    {
        return Err(Failure::damaged(&wanted.file, "the proof is of another festival than the founding record given"));
    }
    let said = match file.verify() {
        Ok(forked) => proven(&file, &forked, lang),
        Err(error) => {
            let text = lang.pick(
                format!("Cela ne prouve rien : {error}. Ne vous fiez pas à ce fichier."),
                format!("This proves nothing: {error}. Do not rely on this file."),
            );
            let json = json!({ "proven": false, "festival": festival.to_hex(), "reason": error.to_string() });
            Said { json, text, exit: 1 }
        }
    };
    Ok(said)
}

fn same_festival(path: &Path, found: FestivalId, expected: &str) -> Result<(), Failure> {
    if found.to_hex() == expected.trim().to_lowercase() {
        return Ok(());
    }
    Err(Failure::damaged(path, format!("the proof is of festival {}, not of {}", found.to_hex(), expected.trim())))
}

fn proven(file: &EvidenceFile, forked: &ForkedDevice, lang: Lang) -> Said {
    let founding = &file.founding;
    let place = file.proof.chain.verify(founding).map(|certificate| certificate.scope).ok();
    let (where_, number) = place.map(|scope| (scope.place, scope.box_numbers.0)).unwrap_or_default();
    let (id, device) = (founding.festival().to_hex(), forked.device.to_hex());
    let branches = [&file.proof.a, &file.proof.b].map(|one| branch(one, lang));
    let [(a, a_json), (b, b_json)] = branches;
    let text = lang.pick(
        format!(
            "Prouvé : un même boîtier a signé deux histoires différentes.\n\
             Qui : « {where_} », boîtier {number}, clé {device}, du festival « {} ».\n\
             Où : écriture {} de son journal {}.\n\
             L'une dit : {a}\n\
             L'autre dit : {b}\n\
             Les deux signatures et la chaîne de certificats jusqu'à la racine du festival tiennent. Personne d'autre que \
             le détenteur de la clé de ce boîtier n'a pu le faire.\n\
             Comparez l'identifiant du festival avec celui que vous connaissez d'ailleurs : {id}",
            founding.name, forked.seq, forked.epoch
        ),
        format!(
            "Proven: one box signed two different histories.\n\
             Who: “{where_}”, box {number}, key {device}, of the festival “{}”.\n\
             Where: entry {} of its journal {}.\n\
             One says: {a}\n\
             The other says: {b}\n\
             Both signatures and the chain of certificates up to the festival's root hold. Nobody but who holds this box's \
             key can have made this.\n\
             Compare the festival's id with the one that you know from elsewhere: {id}",
            founding.name, forked.seq, forked.epoch
        ),
    );
    let json = json!({
        "proven": true, "festival": id, "name": founding.name, "device": device, "place": where_, "box_number": number,
        "epoch": forked.epoch, "seq": forked.seq, "a": a_json, "b": b_json,
    });
    Said::done(json, text)
}

/// The first entry of a branch, which differs from the other's, in words.
fn branch(branch: &ForkBranch, lang: Lang) -> (String, Value) {
    let count = branch.bodies.len();
    let first = branch.bodies.first().and_then(|body| Entry::from_bytes(&body.0).ok());
    let Some(entry) = first else {
        let text =
            lang.pick("une écriture que ce logiciel ne sait pas lire", "an entry that this software cannot read");
        return (text.into(), json!({ "entries": count }));
    };
    let (fr, en) = kind_of(&entry);
    let at = utc(entry.hlc.unix_ms() / 1_000);
    let cents = entry.amount.get();
    let money = format!("{}.{:02}", cents / 100, cents % 100);
    let text = lang.pick(
        format!("{fr} de {money}, le {at} selon son horloge, puis {} autres écritures.", count.saturating_sub(1)),
        format!("{en} of {money}, at {at} by its clock, then {} further entries.", count.saturating_sub(1)),
    );
    let json = json!({
        "kind": entry.kind.0, "amount_cents": cents, "unix_ms": entry.hlc.unix_ms(), "entries": count,
    });
    (text, json)
}
