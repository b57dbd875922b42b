//! Proofs that a device signed two histories.
//! Invariant: a proof is called proven only where `ForkProof::verify` says so under the festival that was named.
use domain::{
    journal::{Entry, EntryError},
    ledger::{ForkBranch, ForkProof},
};

use super::{Fact, Report, Sheet, Sources, Unreadable, cbor, hex_fact, journal, trust};

/// Looks into a fork proof.
pub(super) fn report(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let proof: ForkProof = cbor("fork", bytes)?;
    let mut report = Report::new("fork", "Preuve de journal dédoublé", "Fork proof");
    let facts = &mut report.facts;
    facts.put("epoch", "époque", "epoch", Fact::Number(proof.epoch.into()));
    facts.put("seq", "position", "position", Fact::Number(proof.seq.into()));
    facts.put("prev", "empreinte d'avant", "hash before", hex_fact(&proof.prev));
    facts.put("chain", "certificat", "certificate", trust::sheets(&proof.chain).0);
    facts.put("a", "branche a", "branch a", branch(&proof.a));
    facts.put("b", "branche b", "branch b", branch(&proof.b));
    if let Some(founding) = sources.founding() {
        match proof.verify(founding) {
            Ok(forked) => {
                report.checked = true;
                report.facts.put("device", "appareil", "device", Fact::Text(forked.device.to_hex()));
                report.note(
                    "fork.proven",
                    "Cet appareil a signé deux histoires différentes à la même place.",
                    "This device signed two different histories at one place.",
                );
            }
            Err(error) => report.bad(
                "fork.refused",
                format!("La preuve ne tient pas : {error}."),
                format!("The proof does not hold: {error}."),
            ),
        }
    }
    Ok(report)
}

fn branch(branch: &ForkBranch) -> Fact {
    let mut sheet = Sheet::default();
    sheet.put("entries", "écritures", "entries", Fact::Number(branch.bodies.len() as u64));
    let first: Option<Result<Entry, EntryError>> = branch.bodies.first().map(|body| Entry::from_bytes(&body.0));
    match first {
        Some(Ok(entry)) => sheet.put("first", "première", "first", Fact::Sheet(journal::entry_sheet(&entry))),
        Some(Err(error)) => sheet.put("first", "première", "first", Fact::Text(error.to_string())),
        None => {}
    }
    Fact::Sheet(sheet)
}
