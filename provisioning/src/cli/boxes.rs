//! `box enrol`, `box check` and `box revoke`.
use std::path::Path;

use domain::bundle::{Bundle, Package, PackageError};
use provisioning::{
    Failure, Festival, Issuer, Lang,
    boxes::{self, Role},
    check,
    enrolment::{self, BoxPlan, Label},
    files,
    https::Daemon,
    line::Line,
    revocation::{self, Revoked},
};
use serde_json::json;

use super::{
    Said,
    args::{BoxCheck, BoxEnrol, BoxRevoke},
    festival::role_names,
    now,
};

/// Quota of a desk that was given none: 20,000.00.
const DESK_QUOTA_CENTS: u64 = 2_000_000;

pub(super) fn enrol(wanted: BoxEnrol, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(&wanted.festival)?;
    let issuer = match &wanted.with {
        Some(file) => Issuer::enrol_key(&festival, file)?,
        None => Issuer::root(&festival)?,
    };
    let hubs = match wanted.hub.is_empty() {
        true => festival.hubs()?.into_iter().flat_map(|hub| hub.public_quic).collect(),
        false => wanted.hub,
    };
    let mut roles: Vec<Role> = Vec::new();
    for role in wanted.role.into_iter().map(Role::from) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    let (bundle, bundle_bytes) = read_bundle(&festival, &wanted.bundle, &roles)?;
    let plan = BoxPlan {
        place: wanted.place,
        roles,
        zone: wanted.zone,
        pairs_bands: wanted.pairing,
        lang,
        hubs,
        https: wanted.https,
        names: wanted.name,
        reader: wanted.reader,
        quota_cents: wanted.quota_cents.or_else(|| issuer.quota_cents()).unwrap_or(DESK_QUOTA_CENTS),
        bundle,
        bundle_bytes,
        re_enrol: wanted.re_enrol,
    };
    let mut line = Line::open(&wanted.connect)?;
    let label = enrolment::enrol(&festival, &issuer, &mut line, &wanted.connect, &plan, now())?;
    Ok(Said::done(label_json(&festival, &label), label_text(&label, lang)))
}

/// A bundle or package as a box of these roles needs it: a gate the whole file, others the bundle alone. Blobs that
/// a plain bundle only names come over the network.
fn read_bundle(festival: &Festival, path: &Path, roles: &[Role]) -> Result<(Bundle, Vec<u8>), Failure> {
    let bytes = files::read(path)?;
    let refused = |reason: PackageError| Failure::Bundle { path: path.into(), reason };
    let package = Package::read(&bytes).map_err(refused)?;
    let plain = package.blobs.is_empty();
    let wanted = boxes::roles(roles);
    let (bundle, blobs) = package.verify(festival.id(), None, wanted, |_| plain).map_err(refused)?;
    let kept = if blobs.is_empty() { package.bundle.to_vec() } else { bytes.clone() };
    Ok((bundle, kept))
}

fn label_json(festival: &Festival, label: &Label) -> serde_json::Value {
    let record = &label.record;
    json!({
        "festival": festival.id().to_hex(),
        "number": record.numbers.0,
        "numbers": record.numbers,
        "place": record.place,
        "roles": role_names(&record.roles),
        "zone": record.zone,
        "device": record.device,
        "epoch": record.epoch,
        "hardware": label.hardware,
        "https": label.https,
        "screen_key": label.screen_key,
        "path": label.path(),
        "bundle": label.bundle,
    })
}

fn label_text(label: &Label, lang: Lang) -> String {
    let record = &label.record;
    let rows = [
        (lang.pick("Boîtier", "Box"), format!("#{:04}", record.numbers.0)),
        (lang.pick("Lieu", "Place"), record.place.clone()),
        (lang.pick("Rôles", "Roles"), role_names(&record.roles).join(", ")),
        (lang.pick("Matériel", "Hardware"), label.hardware.clone()),
        (lang.pick("Identité", "Identity"), record.device.clone()),
        (lang.pick("Époque", "Epoch"), record.epoch.to_string()),
        (lang.pick("Paquet", "Bundle"), label.bundle.to_string()),
        (lang.pick("Écrans", "Screens"), screens(label)),
    ];
    let rows: Vec<String> = rows.into_iter().map(|(name, value)| format!("  {name:<10} {value}")).collect();
    let last = lang.pick(
        "Le boîtier a confirmé. Collez l'étiquette à l'intérieur : la clé ouvre ses écrans. Sauvegardez de nouveau le dossier du festival : d'une ancienne copie, les mêmes numéros seraient donnés deux fois.",
        "The box has confirmed. Stick the label inside: the key opens its screens. Back up the festival's folder again: from an older copy the same numbers would be given out twice.",
    );
    format!("{}\n{last}", rows.join("\n"))
}

/// Where the screens are; with port 0 the box says so itself once it runs (`run.json`).
fn screens(label: &Label) -> String {
    if label.https.ends_with(":0") { label.path() } else { format!("https://{}{}", label.https, label.path()) }
}

pub(super) fn check(wanted: &BoxCheck, lang: Lang) -> Result<Said, Failure> {
    let report = match (&wanted.dir, &wanted.url, &wanted.ca) {
        (Some(dir), _, _) => {
            files::mode(dir)?;
            check::folder(dir)
        }
        (None, Some(url), Some(ca)) => check::running(&Daemon::new(url, &files::read(ca)?)?, wanted.key.as_deref()),
        // The command line asks for one of the two, and for the authority beside the address.
        (None, _, _) => return Err(Failure::Internal("neither a folder nor an address".into())),
    };
    let exit = u8::from(!report.ok);
    Ok(Said { json: json!(report), text: report.explain(lang), exit })
}

pub(super) fn revoke(wanted: &BoxRevoke, lang: Lang) -> Result<Said, Failure> {
    let number = wanted.number;
    let festival = wanted.festival.as_deref().map(Festival::open).transpose()?;
    let token = zeroize::Zeroizing::new(files::read_text(&wanted.token)?);
    let hub = Daemon::new(&wanted.hub, &files::read(&wanted.ca)?)?;
    let Revoked { answer, others, noted } =
        revocation::revoke(&hub, token.trim(), number, &wanted.reason, festival.as_ref())?;
    let mut text = vec![lang.pick(
        format!("Boîtier {number} révoqué. Les autres l'apprennent dès qu'ils entendent le hub ; ce qu'il a noté peut encore être livré."),
        format!("Box {number} revoked. The others learn it as soon as they hear the hub; what it wrote may still be delivered."),
    )];
    if others > 0 {
        text.push(lang.pick(
            "Le hub connaît ce numéro aussi à un autre boîtier, qui n'est pas révoqué : le numéro a été donné deux fois. Vérifiez sur la console lequel est perdu.".into(),
            "The hub knows this number of another box, too, which is not revoked: the number was given out twice. Check on the console which one is gone.".into(),
        ));
    }
    match &noted {
        Some(Ok(())) => text.push(lang.pick(
            "Noté dans le dossier du festival : il ne reçoit plus de clés de bracelets.".into(),
            "Noted in the festival's folder: it gets no band keys any more.".into(),
        )),
        Some(Err(failure)) => {
            let why = failure.message(lang);
            text.push(lang.pick(
                format!("Pas noté dans le dossier du festival : {why}"),
                format!("Not noted in the festival's folder: {why}"),
            ));
        }
        None => {}
    }
    let noted = noted.is_some_and(|noted| noted.is_ok());
    let json = json!({ "number": number, "revoked": true, "noted": noted, "hub": answer });
    Ok(Said::done(json, text.join("\n")))
}
