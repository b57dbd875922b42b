//! `festival`, `hub` and `enrol-key`.
use std::path::Path;

use provisioning::{
    Failure, Festival, Issuer, Lang,
    boxes::{BoxRecord, Role, Standing},
    festival::{currency, currency_code},
    hub::{self, HubPlan},
    inspect::utc,
    issuer::EnrolCaps,
};
use serde_json::json;

use super::{
    Said,
    args::{EnrolKeyNew, FestivalNew, HubEnrol},
    now,
};

pub(super) fn new(new: &FestivalNew, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::create(&new.dir, &new.name, currency(&new.currency)?, now())?;
    let id = festival.id();
    let dir = new.dir.display();
    let text = lang.pick(
        format!(
            "Festival {:?} fondé : {id}\nDossier : {dir}\nSauvegardez ce dossier maintenant, puis gardez root.key et spare-root.key à deux endroits hors ligne.\nEnsuite : provision hub enrol --festival {dir} --out DOSSIER-DU-HUB",
            new.name
        ),
        format!(
            "Festival {:?} founded: {id}\nFolder: {dir}\nBack this folder up now, then keep root.key and spare-root.key in two places offline.\nNext: provision hub enrol --festival {dir} --out HUB-FOLDER",
            new.name
        ),
    );
    Ok(Said::done(json!({ "festival": id.to_hex(), "name": new.name, "dir": new.dir }), text))
}

pub(super) fn show(dir: &Path, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(dir)?;
    let (boxes, hubs, keys) = (festival.boxes()?, festival.hubs()?, festival.enrol_keys()?);
    let founding = festival.founding();
    let json = json!({
        "festival": festival.id().to_hex(),
        "name": founding.name,
        "currency": currency_code(founding.currency),
        "founded": founding.founded,
        "root_here": festival.has_root(),
        "hubs": hubs.iter().map(|hub| json!({ "device": hub.device, "key": hub.key, "public_quic": hub.public_quic })).collect::<Vec<_>>(),
        "boxes": boxes.iter().map(box_json).collect::<Vec<_>>(),
        "enrol_keys": keys.iter().map(|key| json!({ "name": key.name, "numbers": key.numbers, "key": key.key })).collect::<Vec<_>>(),
    });
    let mut lines = vec![
        format!("{}  {}", founding.name, festival.id()),
        format!("{} · {} · {}", currency_code(founding.currency), utc(founding.founded), root_text(&festival, lang)),
    ];
    lines.extend(hubs.iter().map(|hub| format!("hub    {}  {}", hub.device, hub.public_quic.join(" "))));
    lines.extend(keys.iter().map(|key| {
        let what = lang.pick("clé d'enrôlement", "enrol key");
        format!("{what}  {:?}  {}-{}", key.name, key.numbers.0, key.numbers.1)
    }));
    lines.extend(boxes.iter().map(|record| box_line(record, lang)));
    Ok(Said::done(json, lines.join("\n")))
}

fn root_text(festival: &Festival, lang: Lang) -> &'static str {
    if festival.has_root() {
        lang.pick("la racine est ici", "the root is here")
    } else {
        lang.pick("la racine n'est pas ici", "the root is not here")
    }
}

fn box_json(record: &BoxRecord) -> serde_json::Value {
    json!({
        "number": record.numbers.0,
        "numbers": record.numbers,
        "place": record.place,
        "roles": role_names(&record.roles),
        "standing": record.standing,
        "device": record.device,
        "epoch": record.epoch,
    })
}

fn box_line(record: &BoxRecord, lang: Lang) -> String {
    let standing = match record.standing {
        Standing::Offered => lang.pick("proposé, non confirmé", "offered, not confirmed"),
        Standing::Enrolled => lang.pick("enrôlé", "enrolled"),
        Standing::Replaced => lang.pick("remplacé", "replaced"),
    };
    let roles = role_names(&record.roles).join(" ");
    format!("#{:04}  {:<24} {roles:<16} {standing}  {}", record.numbers.0, record.place, record.device)
}

pub(super) fn role_names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.name()).collect()
}

pub(super) fn enrol_hub(plan: HubEnrol, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(&plan.festival)?;
    let HubEnrol { festival: _, out, quic, https, public_quic, name: names } = plan;
    let record = hub::enrol(&festival, &out, &HubPlan { quic, https, public_quic, names, lang }, now())?;
    let dir = out.display();
    let text = lang.pick(
        format!(
            "Hub enrôlé : {}\nDossier : {dir}\nModifiez festival.toml (catégories, produits, règles), puis : sync-hub run --dir {dir}\nLe jeton de la console est dans {dir}/console.token ; ne le montrez à personne.",
            record.device
        ),
        format!(
            "Hub enrolled: {}\nFolder: {dir}\nEdit festival.toml (categories, products, rules), then: sync-hub run --dir {dir}\nThe console's token is in {dir}/console.token; show it to nobody.",
            record.device
        ),
    );
    let json = json!({ "device": record.device, "key": record.key, "dir": out, "public_quic": record.public_quic });
    Ok(Said::done(json, text))
}

pub(super) fn new_enrol_key(new: EnrolKeyNew, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(&new.festival)?;
    let roles: Vec<Role> = new.role.into_iter().map(Role::from).collect();
    let caps = EnrolCaps { name: new.name, roles, boxes: new.boxes, quota_cents: new.quota_cents };
    let (first, last) = Issuer::new_enrol_key(&festival, &new.out, &caps, now())?.box_numbers;
    let file = new.out.display();
    let text = lang.pick(
        format!(
            "Clé d'enrôlement {:?} dans {file} : {} boîtiers, numéros {first} à {last}.\nSur le site : une copie du dossier du festival sans root.key ni spare-root.key, et --with {file}. Une clé par technicien, jamais deux copies.",
            caps.name, caps.boxes
        ),
        format!(
            "Enrol key {:?} in {file}: {} boxes, numbers {first} to {last}.\nOn site: a copy of the festival's folder without root.key and spare-root.key, and --with {file}. One key for each technician, never two copies.",
            caps.name, caps.boxes
        ),
    );
    let json = json!({
        "file": new.out,
        "name": caps.name,
        "numbers": [first, last],
        "roles": role_names(&caps.roles),
        "quota_cents": caps.quota_cents,
    });
    Ok(Said::done(json, text))
}
