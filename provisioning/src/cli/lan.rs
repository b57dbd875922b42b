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
    let json = json!({ "number": number, "version": version, "boxes": count, "broker": written.broker });
    Ok(Said::done(json, text))
}
