//! Groups on the venue's LANs over HTTP.
//! Invariant: handlers only translate.
use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::{ApiError, App};

/// `POST /api/lan/adopt`: takes up what lies in `lan/`, and sends it to the boxes. Answers which lists are in force.
pub(super) async fn adopt(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let groups = app.act_and_bundle(|hub| Ok(hub.lan_groups())).await?;
    let group = |group: &domain::lan::LanGroup| json!({ "number": group.number, "version": group.list.version, "boxes": group.list.voters.len() });
    Ok(Json(json!({ "groups": groups.iter().map(group).collect::<Vec<_>>() })))
}
