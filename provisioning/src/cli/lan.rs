//! `lan`.
use provisioning::{
    Failure, Festival, Lang,
    lan::{GroupPlan, write_group},
};
use serde_json::json;

use super::{Said, args::LanGroupNew};

pub(super) fn group(new: LanGroupNew, lang: Lang) -> Result<Said, Failure> {
    let festival = Festival::open(&new.festival)?;
    let LanGroupNew { number, broker, boxes, host, copies, out, .. } = new;
    let is_new = !out.exists();
    let written = write_group(&festival, &GroupPlan { number, broker, boxes, host, copies }, &out)?;
    let (version, count, out) = (written.list.version, written.list.voters.len(), out.display());
    let text = lang.pick(
        format!(
            "Groupe {number}, liste {version}, {count} boîtiers, dans {out}.\nLe hub l'envoie avec le prochain lot. Une nouvelle liste ne commence qu'une fois l'ancienne close par la majorité de ses boîtiers : laissez-les allumés."
        ),
        format!(
            "Group {number}, list {version}, {count} boxes, in {out}.\nThe hub sends it with the next bundle. A new list starts only once a majority of the old one's boxes has closed it: leave them on."
        ),
    );
    // a group that boxes have goes on from its own file alone
    let anew = lang.pick(
        format!(
            "\nCe fichier n'existait pas : c'est la première liste (version 1) d'un nouveau groupe. Si des boîtiers ont déjà le groupe {number}, le hub la refuse : remettez à sa place l'ancien fichier du groupe (hub/lan/, ou la sauvegarde) et relancez la commande. Un numéro de groupe ne sert jamais deux fois."
        ),
        format!(
            "\nThis file was not there: it is the first list (version 1) of a new group. If boxes have group {number} already, the hub refuses it: put the group's old file in its place (hub/lan/, or the backup) and run the command again. A group number is never used twice."
        ),
    );
    let text = if is_new { text + &anew } else { text };
    let json = json!({ "number": number, "version": version, "boxes": count, "broker": written.broker, "new": is_new });
    Ok(Said::done(json, text))
}
