//! Founding records, certificates and chains.
//! Invariant: a chain is called proven only up to the root of a festival that was named beside it.
//! Not here: the rules (`domain::trust`).
use domain::{
    id::{device_id, key_id},
    trust::{Certificate, CertificateChain, Founding, Purpose, Roles, SignedCertificate},
    wire::Malformed,
};

use super::{Fact, Report, Sheet, Sources, Unreadable, cbor, hex_fact};
use crate::festival::currency_code;

/// Facts of a founding record.
pub(super) fn founding_sheet(founding: &Founding) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.put("festival", "festival", "festival", Fact::Text(founding.festival().to_hex()));
    sheet.put("name", "nom", "name", Fact::Text(founding.name.clone()));
    sheet.put("currency", "monnaie", "currency", Fact::Text(currency_code(founding.currency)));
    sheet.put("founded", "fondé le", "founded", Fact::Time(founding.founded));
    sheet.put("root", "racine", "root", hex_fact(&founding.root));
    sheet.put("spare_root_hash", "racine de secours", "spare root's hash", hex_fact(&founding.spare_root_hash));
    sheet
}

/// Looks into a founding record.
pub(super) fn founding(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let record: Founding = cbor("founding", bytes)?;
    Founding::from_bytes(bytes).map_err(|error| Unreadable::at("founding", 1, error))?;
    let mut report = Report::new("founding", "Acte de fondation", "Founding record");
    report.facts = founding_sheet(&record);
    match sources.festival() {
        Some(festival) if festival == record.festival() => report.checked = true,
        Some(_) => other_festival(&mut report),
        None => {}
    }
    Ok(report)
}

pub(super) fn other_festival(report: &mut Report) {
    report.bad(
        "trust.festival",
        "C'est d'un autre festival que celui qui a été donné.",
        "It is of another festival than the one that was given.",
    );
}

fn purpose(purpose: Purpose) -> Fact {
    let (code, fr, en) = match purpose {
        Purpose::Enrol => ("enrol", "enrôler des boîtiers", "enrol boxes"),
        Purpose::Ticket => ("ticket", "signer des billets", "sign tickets"),
        Purpose::Credit => ("credit", "créditer à un comptoir", "credit at a desk"),
        Purpose::CreditOnline => ("credit-online", "créditer en ligne", "credit online"),
        Purpose::Bundle => ("bundle", "signer paquets et états", "sign bundles and deltas"),
        Purpose::Device => ("device", "être un boîtier", "be a box"),
        Purpose::Manager => ("manager", "modifier les documents", "edit documents"),
        Purpose::Hub => ("hub", "être un hub", "be a hub"),
    };
    Fact::Word(code, fr, en)
}

pub(super) fn roles(roles: Roles) -> Fact {
    let named = [(Roles::GATE, "gate"), (Roles::BAR, "bar"), (Roles::TOP_UP, "top-up")];
    let has = named.into_iter().filter(|(role, _)| roles.has(*role)).map(|(_, name)| Fact::Text(name.into()));
    Fact::List(has.collect())
}

fn certificate_sheet(certificate: &Certificate) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.put("purpose", "usage", "purpose", purpose(certificate.purpose));
    sheet.put("festival", "festival", "festival", Fact::Text(certificate.festival.to_hex()));
    sheet.put("subject", "clé", "key", hex_fact(&certificate.subject));
    sheet.put("key_id", "nom court", "key id", Fact::Text(key_id(&certificate.subject).to_hex()));
    sheet.put("device", "appareil", "device", Fact::Text(device_id(&certificate.subject).to_hex()));
    sheet.put("issuer", "émetteur", "issuer", hex_fact(&certificate.issuer));
    sheet.put("serial", "numéro de série", "serial", hex_fact(&certificate.serial));
    sheet.put("valid_from", "valable dès", "valid from", Fact::Time(certificate.valid_from));
    sheet.put("valid_until", "valable jusqu'au", "valid until", Fact::Time(certificate.valid_until));
    let scope = &certificate.scope;
    sheet.put("place", "lieu", "place", Fact::Text(scope.place.clone()));
    sheet.put("roles", "rôle", "role", roles(scope.roles));
    let kinds = (0..64u64).filter(|bit| scope.kinds >> bit & 1 == 1).map(|bit| bit.to_string());
    sheet.put("kinds", "genres d'écriture", "entry kinds", Fact::Text(kinds.collect::<Vec<_>>().join(" ")));
    let (first, last) = scope.box_numbers;
    sheet.put("box_numbers", "numéros de boîtier", "box numbers", Fact::Text(format!("{first}-{last}")));
    sheet.put("quota", "quota", "quota", Fact::Money(i64::try_from(scope.quota_cents).unwrap_or(i64::MAX)));
    sheet
}

fn read(signed: &SignedCertificate) -> Result<Certificate, Unreadable> {
    signed.read().map_err(|reason| match reason {
        Malformed::Value("cbor" | "cbor not canonical") => cbor::<Certificate>("certificate", &signed.body)
            .err()
            .unwrap_or_else(|| Unreadable::at("certificate", 0, reason)),
        Malformed::Value(_) | Malformed::Short { .. } | Malformed::Long { .. } => {
            Unreadable::at("certificate", 0, reason)
        }
    })
}

/// Looks into one signed certificate; alone it proves nothing unless the root itself signed it.
pub(super) fn certificate(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let signed: SignedCertificate = cbor("certificate", bytes)?;
    let certificate = read(&signed).map_err(|error| error.beyond(body_offset(bytes, &signed.body)))?;
    let mut report = Report::new("certificate", "Certificat", "Certificate");
    report.facts = certificate_sheet(&certificate);
    match sources.founding() {
        Some(founding) if certificate.festival != founding.festival() => other_festival(&mut report),
        Some(founding) if certificate.issuer == founding.root => {
            judge(&mut report, &CertificateChain(vec![signed]), founding);
        }
        Some(_) | None => {}
    }
    Ok(report)
}

/// Looks into a chain.
pub(super) fn chain(bytes: &[u8], sources: &Sources) -> Result<Report, Unreadable> {
    let chain: CertificateChain = cbor("chain", bytes)?;
    let (sheets, fault) = sheets(&chain);
    if let Some((body, error)) = fault {
        return Err(Unreadable { kind: "chain", ..error.beyond(body_offset(bytes, body)) });
    }
    let mut report = Report::new("chain", "Chaîne de certificats", "Certificate chain");
    report.facts.put("certificates", "certificat", "certificate", sheets);
    if chain.0.is_empty() {
        report.bad("trust.chain", "La chaîne est vide.", "The chain is empty.");
    }
    if let Some(founding) = sources.founding() {
        judge(&mut report, &chain, founding);
    }
    Ok(report)
}

fn body_offset(bytes: &[u8], body: &[u8]) -> usize {
    bytes.windows(body.len().max(1)).position(|window| window == body).unwrap_or(0)
}

type Fault<'a> = Option<(&'a [u8], Unreadable)>;

/// The chain's certificates, as far as they can be read.
pub(super) fn sheets(chain: &CertificateChain) -> (Fact, Fault<'_>) {
    let mut fault = None;
    let mut facts = Vec::new();
    for signed in &chain.0 {
        match read(signed) {
            Ok(certificate) => facts.push(Fact::Sheet(certificate_sheet(&certificate))),
            Err(error) => fault = fault.or(Some((signed.body.as_slice(), error))),
        }
    }
    (Fact::List(facts), fault)
}

/// Whether the chain leads to the root.
pub(super) fn judge(report: &mut Report, chain: &CertificateChain, founding: &Founding) {
    match chain.verify(founding) {
        Ok(_) => report.checked = true,
        Err(error) => report.bad(
            "trust.chain",
            format!("La chaîne ne mène pas à la racine du festival : {error}."),
            format!("The chain does not lead to the festival's root: {error}."),
        ),
    }
}
