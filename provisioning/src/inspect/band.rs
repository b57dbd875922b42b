//! A wristband's memory: header, slots, which of them is in force, what is on the band.
//! Invariant: without the festival's secrets only what anybody can read is shown, and nothing is called good.
//! Not here: the records (`domain::wristband`), how a dump is written (`dump`).
use domain::{
    journal::BandProfile,
    money::Cents,
    wire::hex,
    wristband::{
        BandKeys, CREDIT_RECORD_LEN, ChipKind, CreditId, CreditKey, CreditRecord, PurseFault, PursePages, RecordId,
        SPENT_RECORD_LEN, SpentRecord, check_pointer,
        layout::{self, PurseMap},
    },
};

use super::{
    Fact, Report, Sheet, Sources, Unreadable,
    dump::{Dump, PAGE},
    hex_fact,
};

/// Looks into a dump.
pub(super) fn report(dump: &Dump, sources: &Sources) -> Result<Report, Unreadable> {
    let cut = || Unreadable::at("band", dump.pages.len() * PAGE, "it ends before a band's records do");
    let mut report = Report::new("band", "Bracelet", "Wristband");
    let facts = &mut report.facts;
    facts.put("format", "format", "format", Fact::Text(dump.format.into()));
    facts.put("pages", "pages", "pages", Fact::Number(dump.pages.len() as u64));
    let chip = match dump.chip() {
        Some(ChipKind::Ntag213) => "NTAG213",
        Some(ChipKind::Ntag215) => "NTAG215",
        Some(ChipKind::Ntag216) => "NTAG216",
        Some(ChipKind::UltralightAes) => "MIFARE Ultralight AES",
        None => "?",
    };
    facts.put("chip", "puce", "chip", Fact::Text(chip.into()));
    let (uid, fits) = dump.uid().ok_or_else(cut)?;
    facts.put("uid", "UID", "UID", hex_fact(&uid));
    let header: [u8; layout::HEADER_LEN] = dump.bytes(layout::HEADER_PAGE).ok_or_else(cut)?;
    put_header(&mut report.facts, &header);
    if !fits {
        report.bad(
            "band.uid",
            "Les octets de contrôle de l'UID ne concordent pas : la copie est abîmée ou retouchée.",
            "The UID's check bytes do not fit: the dump is damaged or was edited.",
        );
    }
    if header[..2] != *b"FB" {
        report.note(
            "band.blank",
            "Cette puce n'a jamais été un bracelet de ce système.",
            "This chip was never made a wristband of this system.",
        );
        return Ok(report);
    }
    let band = sources.secrets().zip(sources.festival()).map(|(secrets, festival)| {
        let wallet = secrets.wallet(&uid);
        (BandKeys::of_epoch(header[8], secrets, &festival, &uid), wallet)
    });
    if let Some((None, _)) = &band {
        report.note(
            "band.keys_missing",
            "Les clés de cette génération ne sont pas là : ni MAC ni signature ne sont vérifiés.",
            "The keys of this epoch are not here: no MAC and no signature is checked.",
        );
    }
    let lacks_secrets = band.is_none();
    if let Some((_, wallet)) = &band {
        report.facts.put("wallet", "compte", "wallet", Fact::Text(wallet.to_hex()));
    }
    let band = band.and_then(|(band, _)| band);
    match BandProfile::from_byte(header[3]) {
        Some(BandProfile::Pointer) => pointer(&mut report, dump, band.as_ref(), sources).ok_or_else(cut)?,
        Some(BandProfile::Ntag21x) => {
            purse(&mut report, dump, &layout::NTAG21X, band.as_ref(), sources).ok_or_else(cut)?;
        }
        Some(BandProfile::UltralightAes) => {
            counted(&mut report, dump);
            purse(&mut report, dump, &layout::ULTRALIGHT_AES, band.as_ref(), sources).ok_or_else(cut)?;
        }
        Some(BandProfile::Uid) | None => {
            report.bad("band.profile", "Profil inconnu.", "A profile that this tool does not know.");
        }
    }
    if lacks_secrets {
        report.note(
            "band.no_secrets",
            "Sans les secrets du festival (--festival ou --hub-dir), ni MAC ni signature ne sont vérifiés.",
            "Without the festival's secrets (--festival or --hub-dir) no MAC and no signature is checked.",
        );
    }
    Ok(report)
}

fn put_header(facts: &mut Sheet, header: &[u8; layout::HEADER_LEN]) {
    let profile = match BandProfile::from_byte(header[3]) {
        Some(BandProfile::Ntag21x) => Fact::Word("ntag21x", "porte-monnaie", "purse"),
        Some(BandProfile::Pointer) => Fact::Word("pointer", "renvoi signé", "signed pointer"),
        Some(BandProfile::Uid) => Fact::Word("uid", "UID seul", "UID alone"),
        Some(BandProfile::UltralightAes) => Fact::Word("ultralight_aes", "Ultralight AES", "Ultralight AES"),
        None => Fact::Word("unknown", "inconnu", "unknown"),
    };
    facts.put("header", "en-tête", "header", hex_fact(header));
    facts.put("layout", "version", "layout version", Fact::Number(header[2].into()));
    facts.put("profile", "profil", "profile", profile);
    facts.put("festival", "festival (début)", "festival (start)", hex_fact(&header[4..8]));
    facts.put("key_epoch", "génération de clés", "key epoch", Fact::Number(header[8].into()));
}

fn pointer(report: &mut Report, dump: &Dump, band: Option<&BandKeys>, sources: &Sources) -> Option<()> {
    let read = dump.bytes::<{ layout::POINTER_READ_LEN }>(layout::POINTER_READ.0)?;
    report.facts.put("key_id", "clé", "key id", hex_fact(&read[layout::HEADER_LEN..layout::HEADER_LEN + 4]));
    let Some(band) = band else { return Some(()) };
    match check_pointer(&read, band, &sources.credit_keys()) {
        Ok(()) => report.checked = true,
        Err(fault) => judge(report, fault),
    }
    Some(())
}

/// The chip's counter, which says what is spent, and what a dump without it can show.
fn counted(report: &mut Report, dump: &Dump) {
    match dump.counter {
        Some(counter) => {
            report.facts.put("counter", "compteur de la puce", "chip counter", Fact::Money(counter.as_i64()))
        }
        None => report.note(
            "band.no_counter",
            "Cette copie n'a pas le compteur de la puce : le solde ne peut pas être prouvé.",
            "This dump does not have the chip's counter: the balance cannot be proven.",
        ),
    }
}

/// The pages as the chip's map has them; `None` in `Some` where the counter that goes with them is missing.
fn pages(dump: &Dump, map: &'static PurseMap) -> Option<Option<PursePages>> {
    let bytes = dump.pages.get(usize::from(layout::HEADER_PAGE)..)?.as_flattened().get(..map.length())?;
    Some(match (map.profile, dump.counter) {
        (BandProfile::UltralightAes, Some(counter)) => PursePages::ultralight_aes(bytes, counter),
        (BandProfile::UltralightAes, None) => None,
        _ => PursePages::ntag21x(bytes),
    })
}

fn purse(
    report: &mut Report,
    dump: &Dump,
    map: &'static PurseMap,
    band: Option<&BandKeys>,
    sources: &Sources,
) -> Option<()> {
    let keys = sources.credit_keys();
    let pages = pages(dump, map)?;
    let image = band.zip(pages).map(|(band, pages)| pages.judge(band, &keys));
    let in_force = image.as_ref().and_then(|image| image.as_ref().ok()).map(|image| (image.base(), image.credit_id()));
    let mut torn = Vec::new();
    let mut slots = Vec::new();
    for (number, page) in map.spent_pages.into_iter().enumerate() {
        let bytes = dump.bytes::<SPENT_RECORD_LEN>(page)?;
        let good = band.map(|band| SpentRecord::open(&bytes, band).is_some());
        let force = in_force.map(|(base, _)| good == Some(true) && RecordId::of(&bytes) == base);
        if good == Some(false) && bytes != [0; SPENT_RECORD_LEN] {
            torn.push(format!("S{number} (page {page})"));
        }
        slots.push(Fact::Sheet(spent_slot(&bytes, page, good, force)));
    }
    report.facts.put("spent_slots", "dépensé, place", "spent slot", Fact::List(slots));
    let mut slots = Vec::new();
    for (number, page) in map.credit_pages.iter().copied().enumerate() {
        let bytes = dump.bytes::<CREDIT_RECORD_LEN>(page)?;
        let signer = band.map(|band| signed_by(&bytes, band, &keys));
        let force = in_force.map(|(_, id)| CreditId::of(&bytes) == id);
        if signer == Some(None) && bytes != [0; CREDIT_RECORD_LEN] {
            torn.push(format!("C{number} (page {page})"));
        }
        slots.push(Fact::Sheet(credit_slot(&bytes, page, signer, force)));
    }
    report.facts.put("credit_slots", "crédité, place", "credit slot", Fact::List(slots));
    match image {
        Some(Ok(image)) => {
            let money = |cents: Cents| Fact::Money(cents.as_i64());
            report.facts.put("credits", "crédité en tout", "credited in all", money(image.credit().credits));
            report.facts.put("spent", "dépensé en tout", "spent in all", money(image.record().spent));
            report.facts.put("balance", "solde", "balance", money(image.balance(Cents::ZERO)));
            report.facts.put("tap_counter", "compteur", "tap counter", Fact::Number(image.record().tap_counter.into()));
            report.facts.put(
                "last_box",
                "dernier boîtier",
                "last box",
                Fact::Number(image.record().box_number.0.into()),
            );
            report.checked = true;
        }
        Some(Err(fault)) => judge(report, fault),
        None => {}
    }
    if !torn.is_empty() {
        let which = torn.join(", ");
        report.note(
            "band.torn",
            format!("Écriture interrompue ou clé inconnue à {which} ; la place en vigueur compte, l'autre non."),
            format!("Torn write or unknown key at {which}; the slot in force counts, this one does not."),
        );
    }
    Some(())
}

/// The key that signed a C record, if one of these did.
fn signed_by(bytes: &[u8; CREDIT_RECORD_LEN], band: &BandKeys, keys: &[CreditKey]) -> Option<CreditKey> {
    keys.iter().find(|key| CreditRecord::verify(bytes, &key.public, band.festival(), band.wallet()).is_ok()).copied()
}

fn spent_slot(bytes: &[u8; SPENT_RECORD_LEN], page: u8, good: Option<bool>, force: Option<bool>) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.put("page", "page", "page", Fact::Number(page.into()));
    if *bytes == [0; SPENT_RECORD_LEN] {
        sheet.put("state", "état", "state", Fact::Word("empty", "vide", "empty"));
        return sheet;
    }
    let [t0, t1, s0, s1, s2, credit_seq, b0, b1, ..] = *bytes;
    let number = |bytes: [u8; 4]| u64::from(u32::from_le_bytes(bytes));
    sheet.put("tap_counter", "compteur", "tap counter", Fact::Number(number([t0, t1, 0, 0])));
    sheet.put("spent", "dépensé", "spent", Fact::Money(u32::from_le_bytes([s0, s1, s2, 0]).into()));
    sheet.put("credit_seq", "séquence du crédit", "credit sequence", Fact::Number(credit_seq.into()));
    sheet.put("box", "boîtier", "box", Fact::Number(number([b0, b1, 0, 0])));
    sheet.put("link", "lien", "link", hex_fact(&bytes[8..12]));
    sheet.put("record", "enregistrement", "record", Fact::Text(hex(&RecordId::of(bytes).0)));
    if let Some(good) = good {
        let mac = if good {
            Fact::Word("good", "bon", "good")
        } else {
            Fact::Word("bad", "faux (interrompu ?)", "bad (torn?)")
        };
        sheet.put("mac", "MAC", "MAC", mac);
    }
    put_force(&mut sheet, force);
    sheet
}

fn credit_slot(
    bytes: &[u8; CREDIT_RECORD_LEN],
    page: u8,
    signer: Option<Option<CreditKey>>,
    force: Option<bool>,
) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.put("page", "page", "page", Fact::Number(page.into()));
    if *bytes == [0; CREDIT_RECORD_LEN] {
        sheet.put("state", "état", "state", Fact::Word("empty", "vide", "empty"));
        return sheet;
    }
    let record = CreditRecord::read(bytes);
    sheet.put("credits", "crédité", "credited", Fact::Money(record.credits.as_i64()));
    sheet.put("credit_seq", "séquence", "sequence", Fact::Number(record.seq.into()));
    sheet.put("key_id", "clé", "key id", Fact::Text(record.key.to_hex()));
    sheet.put("link", "lien", "link", hex_fact(&record.link.0));
    sheet.put("record", "enregistrement", "record", hex_fact(&CreditId::of(bytes).0));
    match signer {
        Some(Some(key)) => sheet.put("signed_by", "signé par", "signed by", hex_fact(&key.public)),
        Some(None) => sheet.put(
            "signed_by",
            "signé par",
            "signed by",
            Fact::Word("nobody_known", "aucune clé connue (interrompu ?)", "no known key (torn?)"),
        ),
        None => {}
    }
    put_force(&mut sheet, force);
    sheet
}

fn put_force(sheet: &mut Sheet, force: Option<bool>) {
    if let Some(force) = force {
        sheet.put("in_force", "en vigueur", "in force", Fact::Flag(force));
    }
}

fn judge(report: &mut Report, fault: PurseFault) {
    let (code, fr, en) = match fault {
        PurseFault::Unsupported => {
            ("band.unsupported", "La puce vient d'un logiciel plus récent.", "The chip was made by newer software.")
        }
        PurseFault::NotOurs => ("band.not_ours", "Bracelet d'un autre festival.", "A wristband of another festival."),
        PurseFault::Tampered => (
            "band.tampered",
            "Deux enregistrements valables se contredisent, ou il est dépensé plus que crédité : puce manipulée.",
            "Two valid records contradict each other, or more is spent than credited: the chip was tampered with.",
        ),
        PurseFault::Unusable => (
            "band.unusable",
            "Aucun enregistrement valable : lecture à refaire, sinon bureau des bracelets.",
            "No valid record: read it again, else go to the wristband desk.",
        ),
        PurseFault::CreditTorn => (
            "band.credit_torn",
            "Le dernier rechargement s'est interrompu : à reprendre au guichet qui l'a commencé.",
            "The last top-up broke off: it is completed at the desk that began it.",
        ),
        PurseFault::RolledBack => (
            "band.rolled_back",
            "Les crédits sont plus anciens que la dernière vente : une ancienne copie a été remise.",
            "The credits are older than the last sale: an old copy was written back.",
        ),
        PurseFault::UnknownCreditKey => (
            "band.unknown_credit_key",
            "Les crédits sont signés par une clé inconnue ici : donnez le paquet le plus récent (--bundle).",
            "The credits are signed by a key that is not known here: give the newest bundle (--bundle).",
        ),
    };
    report.bad(code, fr, en);
}
