//! Journal segments and the entries in them.
//! Invariant: entries of a newer kind, effect or version are shown as what they are and never guessed at.
//! Not here: what entries amount to (`domain::ledger`).
use domain::{
    id::device_id,
    journal::{Detail, Effect, Entry, Flags, Genesis, Kind},
    trust::CertificateChain,
    wire::Malformed,
};
use sync::{Limits, Segment, SegmentError};

use super::{Fact, Report, Sheet, Sources, Unreadable, behind, hex_fact, trust};

/// Names of kinds, as docs/formats.md has them.
const KINDS: [(Kind, &str, &str); 40] = [
    (Kind::GENESIS, "ouverture du journal", "genesis"),
    (Kind::ADMISSION, "entrée", "admission"),
    (Kind::PAIRING, "appairage", "pairing"),
    (Kind::TOP_UP, "recharge", "top-up"),
    (Kind::SALE, "vente", "sale"),
    (Kind::DEPOSIT_OUT, "consigne remise", "deposit out"),
    (Kind::DEPOSIT_BACK, "consigne rendue", "deposit back"),
    (Kind::CORRECTION_PLUS, "correction +", "correction plus"),
    (Kind::CORRECTION_MINUS, "correction -", "correction minus"),
    (Kind::REFUND, "remboursement", "refund"),
    (Kind::BAND_TRANSFER, "bracelet remplacé", "band transfer"),
    (Kind::INTENT, "intention", "intent"),
    (Kind::VOID, "annulée", "void"),
    (Kind::GAVE_UP, "abandonnée", "gave up"),
    (Kind::HANDED_OVER, "servi quand même", "handed over"),
    (Kind::CLOSING_READ, "lecture de clôture", "closing read"),
    (Kind::PENDING_CREDIT, "crédit en attente", "pending credit"),
    (Kind::SHIFT_OPEN, "début de service", "shift open"),
    (Kind::SHIFT_CLOSE, "fin de service", "shift close"),
    (Kind::CLOSURE, "clôture", "closure"),
    (Kind::NOTE, "note", "note"),
    (Kind::EXIT, "sortie", "exit"),
    (Kind::EXPIRY, "échéance", "expiry"),
    (Kind::FEE, "frais", "fee"),
    (Kind::GIFT, "cadeau", "gift"),
    (Kind::SUSPICION, "soupçon", "suspicion"),
    (Kind::VOUCHER, "bon", "voucher"),
    (Kind::SHARE_RELEASE, "part rendue", "share release"),
    (Kind::STAFF_SESSION, "session du personnel", "staff session"),
    (Kind::CASH_MOVE, "mouvement de caisse", "cash move"),
    (Kind::COUNTERSIGNATURE, "contresignature", "countersignature"),
    (Kind::BLOCK, "blocage", "block"),
    (Kind::UNBLOCK, "déblocage", "unblock"),
    (Kind::REVOCATION, "révocation", "revocation"),
    (Kind::DECISION, "décision", "decision"),
    (Kind::SHARE, "part", "share"),
    (Kind::ONLINE_CREDIT, "crédit en ligne", "online credit"),
    (Kind::ONLINE_TOP_UP, "recharge en ligne", "online top-up"),
    (Kind::WRITTEN_OFF, "passée en perte", "written off"),
    (Kind::RULING, "arbitrage", "ruling"),
];

/// Looks into a segment.
pub(super) fn report(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let segment = Segment::decode(bytes, &Limits::default()).map_err(|error| unreadable(bytes, error))?;
    let mut report = Report::new("segment", "Morceau de journal", "Journal segment");
    let facts = &mut report.facts;
    facts.put("device", "appareil", "device", Fact::Text(segment.device.to_hex()));
    facts.put("epoch", "époque", "epoch", Fact::Number(segment.epoch.into()));
    facts.put("first", "de la position", "from position", Fact::Number(segment.first.into()));
    facts.put("last", "à la position", "to position", Fact::Number(segment.last().into()));
    facts.put("prev", "empreinte d'avant", "hash before", hex_fact(&segment.prev));
    facts.put("signature", "signature", "signature", hex_fact(&segment.signature));
    let genesis = segment.genesis().ok();
    if let Some(genesis) = &genesis {
        report.facts.put("genesis", "ouverture", "genesis", Fact::Sheet(genesis_sheet(genesis)));
    }
    judge(&mut report, &segment, genesis.as_ref(), sources);
    let entries = segment.bodies.iter().zip(segment.first..).map(|(body, seq)| {
        let mut sheet = Sheet::default();
        sheet.put("seq", "position", "position", Fact::Number(seq.into()));
        match Entry::from_bytes(body) {
            Ok(entry) => sheet.put("entry", "écriture", "entry", Fact::Sheet(entry_sheet(&entry))),
            Err(error) => {
                sheet.put("unreadable", "illisible", "unreadable", Fact::Text(error.to_string()));
                sheet.put("body", "octets", "bytes", hex_fact(body));
            }
        }
        Fact::Sheet(sheet)
    });
    report.facts.put("entries", "écriture", "entry", Fact::List(entries.collect()));
    Ok(report)
}

/// Checks chain and signature under the device's key: from a chain that was given, or from the genesis itself.
fn judge(report: &mut Report, segment: &Segment, genesis: Option<&Genesis>, sources: &Sources) {
    let own = genesis.filter(|genesis| {
        let chain = CertificateChain::from_bytes(&genesis.chain).ok();
        let leads = |founding| {
            chain.as_ref().is_some_and(|chain| {
                chain.verify(founding).is_ok_and(|leaf| device_id(&leaf.subject) == segment.device)
            })
        };
        sources.founding().is_some_and(leads)
    });
    let key = sources.device_key(segment.device).or(own.map(|genesis| genesis.public_key));
    let festival = sources.festival().or(genesis.map(|genesis| genesis.festival));
    let unproven = genesis.map(|genesis| genesis.public_key);
    let (Some(key_or_claim), Some(festival)) = (key.or(unproven), festival) else {
        report.note(
            "segment.no_key",
            "Pour vérifier la signature, donnez --festival et, au besoin, la chaîne du boîtier (--chain).",
            "To verify the signature give --festival and, where needed, the box's chain (--chain).",
        );
        return;
    };
    match segment.verify(festival, &key_or_claim) {
        Ok(_) => report.checked = key.is_some(),
        Err(error) => report.bad(
            "segment.refused",
            format!("Le hub refuserait ce morceau : {error}."),
            format!("A hub would refuse this segment: {error}."),
        ),
    }
}

fn unreadable(bytes: &[u8], error: SegmentError) -> Unreadable {
    match error {
        SegmentError::Malformed(reason) => behind("segment", bytes, reason, fault),
        SegmentError::Entries { .. } => Unreadable::at("segment", 121, error),
        SegmentError::Position => Unreadable::at("segment", 21, error),
        SegmentError::TooLong { .. }
        | SegmentError::Compression
        | SegmentError::Key(_)
        | SegmentError::OpenCommit(_)
        | SegmentError::Genesis(_)
        | SegmentError::Signature(_) => Unreadable::at("segment", columns(bytes), error),
    }
}

fn fault(bytes: &[u8]) -> Option<Malformed> {
    match Segment::decode(bytes, &Limits::default()) {
        Err(SegmentError::Malformed(reason)) => Some(reason),
        // Behind the header: what is compressed is cut.
        Err(SegmentError::Compression) => Some(Malformed::Short { missing: 1 }),
        Err(
            SegmentError::Entries { .. }
            | SegmentError::TooLong { .. }
            | SegmentError::Position
            | SegmentError::Key(_)
            | SegmentError::OpenCommit(_)
            | SegmentError::Genesis(_)
            | SegmentError::Signature(_),
        )
        | Ok(_) => None,
    }
}

/// Where the length of the columns stands: behind 125 bytes and the ids.
fn columns(bytes: &[u8]) -> usize {
    let ids = bytes.get(123..125).and_then(|two| two.first_chunk()).map_or(0, |two| u16::from_le_bytes(*two));
    usize::from(ids).saturating_mul(16).saturating_add(125).min(bytes.len())
}

fn genesis_sheet(genesis: &Genesis) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.put("festival", "festival", "festival", Fact::Text(genesis.festival.to_hex()));
    sheet.put("box_number", "boîtier", "box", Fact::Number(genesis.box_number.0.into()));
    sheet.put("software", "logiciel", "software", Fact::Text(genesis.software.clone()));
    let previous = genesis.previous.as_ref().map_or(Fact::Nothing, |head| {
        Fact::Text(format!("{}/{} {}", head.epoch, head.seq, domain::wire::hex(&head.hash)))
    });
    sheet.put("previous", "avant", "before it", previous);
    if let Ok(chain) = CertificateChain::from_bytes(&genesis.chain) {
        sheet.put("chain", "certificat", "certificate", trust::sheets(&chain).0);
    }
    sheet
}

/// What an entry is, in French and English.
pub fn kind_of(entry: &Entry) -> (&'static str, &'static str) {
    let known = KINDS.iter().find(|(kind, _, _)| *kind == entry.kind);
    known.map_or(("écriture inconnue", "unknown entry"), |(_, fr, en)| (fr, en))
}

/// Facts of an entry.
pub(super) fn entry_sheet(entry: &Entry) -> Sheet {
    let mut sheet = Sheet::default();
    let kind = KINDS.iter().find(|(kind, _, _)| *kind == entry.kind);
    sheet.put("kind", "genre", "kind", Fact::Number(entry.kind.0.into()));
    sheet.put(
        "what",
        "quoi",
        "what",
        kind.map_or(Fact::Word("unknown", "inconnu", "unknown"), |(_, fr, en)| Fact::Word(en, fr, en)),
    );
    sheet.put("effect", "effet", "effect", effect(entry.effect));
    let names = [
        (Flags::END_OF_COMMIT, "end_of_commit"),
        (Flags::TRAINING, "training"),
        (Flags::TIME_UNCERTAIN, "time_uncertain"),
        (Flags::ALONE, "alone"),
    ];
    let flags = names.into_iter().filter(|(flag, _)| entry.flags.has(*flag)).map(|(_, name)| Fact::Text(name.into()));
    sheet.put("flags", "marques", "flags", Fact::List(flags.collect()));
    sheet.put("at", "à", "at", Fact::Time(entry.hlc.unix_ms() / 1_000));
    sheet.put(
        "subject",
        "sujet",
        "subject",
        if entry.subject.is_none() { Fact::Nothing } else { hex_fact(&entry.subject.0) },
    );
    sheet.put("other", "autre", "other", if entry.other.is_none() { Fact::Nothing } else { hex_fact(&entry.other.0) });
    sheet.put("amount", "montant", "amount", Fact::Money(entry.amount.as_i64()));
    sheet.put("tap_counter", "compteur", "tap counter", Fact::Number(entry.tap_counter.into()));
    sheet.put("zone", "zone", "zone", Fact::Number(entry.zone.into()));
    sheet.put("operator", "opérateur", "operator", Fact::Number(entry.operator.into()));
    sheet.put("price_revision", "révision des prix", "price revision", Fact::Number(entry.price_revision.into()));
    let refers =
        entry.refers_to.map_or(Fact::Nothing, |to| Fact::Text(format!("{}/{}/{}", to.device, to.epoch, to.seq)));
    sheet.put("refers_to", "renvoie à", "refers to", refers);
    sheet.put("part", "suite", "part", hex_fact(&entry.part));
    if let Err(error) = Detail::of(entry) {
        sheet.put("part_fault", "suite illisible", "part unreadable", Fact::Text(error.to_string()));
    }
    sheet
}

fn effect(effect: Effect) -> Fact {
    let (code, fr, en) = match effect {
        Effect::None => ("none", "aucun", "none"),
        Effect::Credit => ("credit", "crédite", "credit"),
        Effect::Debit => ("debit", "débite", "debit"),
        Effect::Transfer => ("transfer", "transfère", "transfer"),
        Effect::Hold => ("hold", "débit en doute", "debit in doubt"),
        Effect::Release => ("release", "libère", "release"),
        Effect::In => ("in", "dedans", "in"),
        Effect::Out => ("out", "dehors", "out"),
        Effect::Block => ("block", "bloque", "block"),
        Effect::Unblock => ("unblock", "débloque", "unblock"),
        Effect::HoldCredit => ("hold_credit", "crédit en doute", "credit in doubt"),
        Effect::Owe => ("owe", "dû au client", "owed to the guest"),
        Effect::Repay => ("repay", "rendu au client", "repaid to the guest"),
        Effect::Unknown(_) => ("unknown", "inconnu (logiciel plus récent)", "unknown (newer software)"),
    };
    Fact::Word(code, fr, en)
}
