//! Groups on the venue's LANs over HTTP.
//! Invariant: handlers only translate.
use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{ApiError, App};
use crate::lan::InForce;

/// `POST /api/lan/adopt`: takes up what lies in `lan/`, and sends it to the boxes. Answers which lists are in force, of
/// which groups the file's list was refused and why, and which files were passed over.
pub(super) async fn adopt(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let taken = app.act_and_bundle(|hub| hub.lan_groups()).await?;
    let group = |InForce { group, refused, .. }: &InForce| {
        let text = |lang| refused.map(|code| screens::reason(lang, code, &arguments(group)));
        json!({
            "number": group.number,
            "version": group.list.version,
            "boxes": group.list.voters.len(),
            "refused": refused,
            "message_fr": text(screens::Lang::Fr),
            "message_en": text(screens::Lang::En),
        })
    };
    Ok(Json(json!({
        "groups": taken.groups.iter().map(group).collect::<Vec<_>>(),
        "passed_over": taken.passed_over,
    })))
}

/// What the texts of a refused list name.
fn arguments(group: &domain::lan::LanGroup) -> screens::view::Args {
    [("number", group.number.to_string()), ("detail", group.list.version.to_string())]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
