//! Corrections. `GET /api/till/recent` lists what can be corrected, newest first.
//! `POST /api/till/correct {"id", "entry", "amount_cents"?, "favour": "guest" | "festival", "reason", "at_desk"?,
//! "supervisor"?}` answers `{"entry", "amount_cents", "owed"}`, or 202 where the band must be held to the reader to be charged: the
//! outcome then comes as that of a sale with this `id`. `POST /api/till/undo {"id", "entry", "supervisor"?}` takes the
//! last sale back, if that is still `entry`. The same `id` again gets the same answer.
use std::{sync::Arc, time::Instant};

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::{id::EntryRef, money::Cents, till::Favour};
use screens::post;
use serde_json::json;

use super::api::{Body, Refused, Wait, ask_for, blocking, body, not_done, refusal, request_id};
use crate::{
    correction::{self, Ask, Corrected},
    station::{Station, entry_ref},
    tap_desk::{Purpose, RequestId, Screen},
};

pub(super) async fn recent(State(station): State<Arc<Station>>) -> Response {
    blocking(move || {
        let offered = correction::corrigible(&station).map_err(|refusal| not_done(&refusal))?;
        Ok(Json(offered).into_response())
    })
    .await
}

pub(super) async fn correct(State(station): State<Arc<Station>>, asked: Body<post::Correct>) -> Response {
    let by = Arc::clone(&station);
    let screen = if asked.as_ref().is_ok_and(|asked| asked.at_desk) { Screen::Desk } else { Screen::Till };
    let done = tokio::task::spawn_blocking(move || book(&by, asked)).await;
    match done {
        Ok(Ok((_, Corrected::Booked { entry, amount, owed }))) => told(entry, amount, owed),
        Ok(Ok((id, Corrected::NeedsBand(priced)))) => {
            ask_for(station, screen, id, Purpose::Sale(*priced), false, Wait::default()).await
        }
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn book(station: &Station, asked: Body<post::Correct>) -> Result<(RequestId, Corrected), Refused> {
    let asked = body(asked)?;
    let id = request_id(&asked.id)?;
    let entry = named(&asked.entry)?;
    let amount = match asked.amount_cents {
        Some(cents) => {
            let amount = Cents::new(cents);
            Some(amount.ok_or_else(|| refusal(StatusCode::CONFLICT, "till.amount", Default::default()))?)
        }
        None => None,
    };
    let favour = match asked.favour {
        post::Favour::Guest => Favour::Guest,
        post::Favour::Festival => Favour::Festival,
    };
    let ask = Ask { request: id, entry, amount, favour, reason: asked.reason };
    let done = correction::correct(station, &ask, asked.supervisor.as_ref());
    done.map(|corrected| (id, corrected)).map_err(|refusal| not_done(&refusal))
}

pub(super) async fn undo(State(station): State<Arc<Station>>, asked: Body<post::Undo>) -> Response {
    blocking(move || {
        let asked = body(asked)?;
        let (id, entry) = (request_id(&asked.id)?, named(&asked.entry)?);
        let undone = correction::undo(&station, id, entry, asked.supervisor.as_ref(), Instant::now());
        match undone.map_err(|refusal| not_done(&refusal))? {
            Corrected::Booked { entry, amount, owed } => Ok(told(entry, amount, owed)),
            Corrected::NeedsBand(_) => Err(refusal(StatusCode::CONFLICT, "till.not_correctable", Default::default())),
        }
    })
    .await
}

fn named(entry: &str) -> Result<EntryRef, Refused> {
    entry_ref(entry).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "api.entry", Default::default()))
}

fn told(entry: EntryRef, amount: Cents, owed: bool) -> Response {
    Json(json!({ "entry": entry.to_string(), "amount_cents": amount.as_i64(), "owed": owed })).into_response()
}

#[cfg(test)]
mod tests {
    use screens::view::{About, Phase};

    use super::*;
    use crate::{
        bench::{Band, Bench},
        view,
    };

    /// What of the last sale is charged once more, asked for at the desk or at the till.
    async fn charge_more(bench: &Bench, band: &Band, at_desk: bool) -> StatusCode {
        bench.top_up(band, 2_000);
        bench.sell(band, 2, 1);
        let entry = correction::corrigible(&bench.station).unwrap().remove(0).entry;
        let (favour, reason) = (post::Favour::Festival, "wrong_price".to_owned());
        let id = "ab".repeat(16);
        let asked = post::Correct { id, entry, amount_cents: Some(300), favour, reason, at_desk, supervisor: None };
        correct(State(Arc::clone(&bench.station)), Ok(Json(asked))).await.status()
    }

    #[tokio::test]
    async fn what_is_charged_at_a_desk_waits_on_the_desks_screen_with_its_amount() {
        let bench = Bench::new();
        let band = bench.purse(1);
        assert_eq!(charge_more(&bench, &band, true).await, StatusCode::ACCEPTED);
        let shown = view::of(&bench.station);
        let (till, desk) = (shown.till.unwrap(), shown.top_up.unwrap());
        assert_eq!((desk.phase, desk.amount_cents, desk.about), (Phase::WaitingForBand, 300, About::Sale));
        assert_eq!((till.phase, till.basket), (Phase::Idle, None));
        bench.hold(&band, "");
        let desk = view::of(&bench.station).top_up.unwrap();
        assert_eq!((desk.phase, desk.about, desk.result.unwrap().charged_cents), (Phase::Paid, About::Sale, 300));
    }

    #[tokio::test]
    async fn what_is_charged_at_a_till_waits_on_the_tills_screen() {
        let bench = Bench::new();
        let band = bench.purse(1);
        assert_eq!(charge_more(&bench, &band, false).await, StatusCode::ACCEPTED);
        let shown = view::of(&bench.station);
        let (till, desk) = (shown.till.unwrap(), shown.top_up.unwrap());
        assert_eq!((till.phase, till.basket.unwrap().total_cents), (Phase::WaitingForBand, 300));
        assert_eq!((desk.phase, desk.amount_cents), (Phase::Idle, 0));
    }
}
