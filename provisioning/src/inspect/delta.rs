//! State deltas of the hub.
//! Invariant: sections that this tool does not know are shown by their length.
use domain::{
    ledger::{TicketFlags, TicketState, WalletFlags, WalletState},
    trust::Purpose,
    wire::Malformed,
};
use sync::{Delta, DeltaError, Section, SignedDelta};

use super::{Fact, Report, Sheet, Sources, Unreadable, behind, hex_fact, trust};

/// Bytes before the body: key and signature.
const BEFORE_BODY: usize = 96;
/// Most items that are shown.
const SHOWN: usize = 200;

/// Looks into a signed delta.
pub(super) fn report(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let signed = SignedDelta::decode(bytes).map_err(|reason| Unreadable::at("delta", bytes.len(), reason))?;
    let delta = Delta::from_bytes(&signed.body).map_err(|error| unreadable(&signed.body, error))?;
    let mut report = Report::new("delta", "État envoyé par le hub", "State delta");
    let facts = &mut report.facts;
    facts.put("festival", "festival", "festival", Fact::Text(delta.festival.to_hex()));
    facts.put("section", "rubrique", "section", Fact::Number(delta.section.byte().into()));
    facts.put("term", "mandat", "term", Fact::Number(delta.term.into()));
    facts.put("prev", "s'applique sur", "applies on", Fact::Number(delta.prev));
    facts.put("number", "numéro", "number", Fact::Number(delta.number));
    facts.put("part", "partie", "part", Fact::Text(format!("{}/{}", delta.part, delta.parts)));
    facts.put("snapshot", "complet", "snapshot", Fact::Flag(delta.snapshot));
    facts.put("hub_time", "heure du hub", "hub time", Fact::Time(delta.hub_time_ms / 1_000));
    facts.put("key", "clé", "key", hex_fact(&signed.key));
    let journals = delta.vector.iter().map(|heads| {
        let ends: Vec<String> = heads.branches.iter().map(|branch| branch.end().to_string()).collect();
        Fact::Text(format!("{}/{}: {}", heads.device, heads.epoch, ends.join(" ")))
    });
    facts.put("vector", "tient compte de", "takes in", Fact::List(journals.collect()));
    items(&mut report, &delta);
    match sources.founding() {
        Some(founding) if founding.festival() != delta.festival => trust::other_festival(&mut report),
        Some(founding) => match signed.open(&founding.festival(), &sources.keys(Purpose::Bundle)) {
            Ok(_) => report.checked = true,
            Err(error @ DeltaError::Key) => report.note(
                "delta.key",
                format!("Non vérifié : {error} parmi ce qui a été donné (--festival, --hub-dir ou --chain)."),
                format!("Not verified: {error} among what was given (--festival, --hub-dir or --chain)."),
            ),
            Err(error) => {
                report.bad(
                    "delta.refused",
                    format!("Un boîtier le refuserait : {error}."),
                    format!("A box would refuse it: {error}."),
                );
            }
        },
        None => {}
    }
    Ok(report)
}

fn unreadable(body: &[u8], error: DeltaError) -> Unreadable {
    let fault = |bytes: &[u8]| match Delta::from_bytes(bytes) {
        Err(DeltaError::Malformed(reason)) => Some(reason),
        Err(_) | Ok(_) => None,
    };
    match error {
        DeltaError::Malformed(reason) => behind("delta", body, reason, fault).beyond(BEFORE_BODY),
        DeltaError::TooLong(_)
        | DeltaError::Festival
        | DeltaError::Key
        | DeltaError::Signature
        | DeltaError::Gap { .. }
        | DeltaError::Part { .. } => Unreadable::at("delta", BEFORE_BODY, error),
    }
}

/// Reads one record of a section.
type ReadRecord = fn(&[u8]) -> Result<Sheet, Malformed>;

fn items(report: &mut Report, delta: &Delta) {
    let (length, sheet): (usize, ReadRecord) = if delta.section == Section::Wallets {
        (WalletState::LEN, wallet)
    } else if delta.section == Section::Tickets {
        (TicketState::LEN, ticket)
    } else if delta.section == Section::Revocations {
        (18, revocation)
    } else {
        report.facts.put("items_bytes", "octets d'états", "bytes of items", Fact::Number(delta.items.len() as u64));
        return;
    };
    let chunks = delta.items.chunks_exact(length);
    let left = chunks.remainder().len();
    report.facts.put("items", "états", "items", Fact::Number(chunks.len() as u64));
    let mut shown = Vec::new();
    for (index, bytes) in chunks.enumerate() {
        match sheet(bytes) {
            Ok(sheet) if index < SHOWN => shown.push(Fact::Sheet(sheet)),
            Ok(_) => {}
            Err(error) => report.bad(
                "delta.item",
                format!("L'état {index} est illisible : {error}."),
                format!("Item {index} cannot be read: {error}."),
            ),
        }
    }
    report.facts.put("shown", "état", "item", Fact::List(shown));
    if left > 0 {
        report.bad(
            "delta.item",
            format!("{left} octets de trop après le dernier état."),
            format!("{left} bytes too many behind the last item."),
        );
    }
}

fn wallet(bytes: &[u8]) -> Result<Sheet, Malformed> {
    let state = WalletState::from_bytes(bytes)?;
    let mut sheet = Sheet::default();
    sheet.put("wallet", "compte", "wallet", Fact::Text(state.wallet.to_hex()));
    sheet.put("balance", "solde", "balance", Fact::Money(state.balance));
    sheet.put("spent", "dépensé", "spent", Fact::Money(state.spent.into()));
    sheet.put("pending", "dû", "owed", Fact::Money(state.pending.into()));
    sheet.put("in_doubt", "en doute", "in doubt", Fact::Money(state.in_doubt.into()));
    let WalletFlags(flags) = state.flags;
    sheet.put("flags", "marques", "flags", Fact::Number(flags.into()));
    Ok(sheet)
}

fn ticket(bytes: &[u8]) -> Result<Sheet, Malformed> {
    let state = TicketState::from_bytes(bytes)?;
    let mut sheet = Sheet::default();
    sheet.put("ticket", "billet", "ticket", Fact::Text(state.ticket.to_hex()));
    sheet.put("uses", "entrées", "uses", Fact::Number(state.uses.into()));
    sheet.put("first_box", "premier boîtier", "first box", Fact::Number(state.first_box.0.into()));
    let TicketFlags(flags) = state.flags;
    sheet.put("flags", "marques", "flags", Fact::Number(flags.into()));
    Ok(sheet)
}

fn revocation(bytes: &[u8]) -> Result<Sheet, Malformed> {
    let [what, holds, id @ ..] = bytes else { return Err(Malformed::Short { missing: 2 }) };
    let mut sheet = Sheet::default();
    let what = match what {
        1 => Fact::Word("device", "appareil", "device"),
        2 => Fact::Word("ticket", "billet", "ticket"),
        _ => return Err(Malformed::Value("what is revoked")),
    };
    sheet.put("what", "quoi", "what", what);
    sheet.put("id", "identifiant", "id", hex_fact(id));
    sheet.put("revoked", "révoqué", "revoked", Fact::Flag(*holds == 1));
    Ok(sheet)
}
