//! The local API: gate, till and top-up for the box's own screens and for terminals that are not a browser.
//! A refusal is 4xx with `{"code", "args"}`. `?wait_ms=N` (at most 60,000) waits for the tap and answers its outcome
//! as `{"phase", "result"}`; without it the answer is 202 and the outcome comes with the next `state`. What was left before
//! any tap could pay it is `idle` with the code `till.cancelled`, what was left in doubt `idle` with `till.in_doubt`.
use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::{
    extract::{Query, State, rejection::JsonRejection},
    http::StatusCode,
    response::{IntoResponse, Json, Response},
};
use domain::{journal::Means, money::Cents, staff::StaffRoles, till::Priced, trust::Roles, wire};
use screens::{Refusal, post, view::Args};
use serde::{Deserialize, Serialize};

use crate::{
    gate,
    refusal::NotDone,
    selling,
    station::{KnownRequest, Station},
    tap_desk::{NotTaken, Progress, Purpose, RequestId, Screen, TopUpOrder},
    view,
};

#[derive(Deserialize, Default)]
pub(super) struct Wait {
    wait_ms: Option<u64>,
}

/// A request that is only an idempotency key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OnlyId {
    id: String,
}

#[derive(Serialize)]
struct Outcome {
    phase: screens::view::Phase,
    result: Option<screens::view::TapResult>,
}

/// A no, as every route says it.
pub(super) struct Refused {
    status: StatusCode,
    refusal: Refusal,
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(self.refusal)).into_response()
    }
}

pub(super) fn refusal(status: StatusCode, code: &str, args: Args) -> Refused {
    Refused { status, refusal: Refusal { code: code.into(), args } }
}

pub(super) fn refused(code: &str) -> Refused {
    refusal(StatusCode::CONFLICT, code, BTreeMap::new())
}

/// A no of the box's rules, or about who asks.
pub(super) fn not_done(not: &NotDone) -> Refused {
    let args = not.arguments().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let status = if matches!(not, NotDone::Staff(_)) { StatusCode::FORBIDDEN } else { StatusCode::CONFLICT };
    refusal(status, not.code(), args)
}

/// Runs what reads or writes the store, or hashes a PIN, on a thread that may block.
pub(super) async fn blocking(work: impl FnOnce() -> Result<Response, Refused> + Send + 'static) -> Response {
    match tokio::task::spawn_blocking(work).await {
        Ok(Ok(response)) => response,
        Ok(Err(refused)) => refused.into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) type Body<T> = Result<Json<T>, JsonRejection>;

/// A body that is not what the route takes: 400 and why.
pub(super) fn body<T>(body: Body<T>) -> Result<T, Refused> {
    body.map(|Json(body)| body).map_err(|rejection| {
        let args = BTreeMap::from([("reason".to_owned(), rejection.body_text())]);
        refusal(StatusCode::BAD_REQUEST, "api.body", args)
    })
}

pub(super) fn request_id(text: &str) -> Result<RequestId, Refused> {
    let bytes = domain::wire::unhex(text).and_then(|bytes| RequestId::try_from(bytes).ok());
    bytes.ok_or_else(|| refusal(StatusCode::BAD_REQUEST, "api.id", BTreeMap::new()))
}

pub(super) async fn state(State(station): State<Arc<Station>>) -> Response {
    match tokio::task::spawn_blocking(move || view::of(&station)).await {
        Ok(view) => Json(view).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn agreement(State(station): State<Arc<Station>>) -> Response {
    match tokio::task::spawn_blocking(move || station.agreement()).await {
        Ok(Ok(agreement)) => Json(agreement).into_response(),
        Ok(Err(error)) => refusal(StatusCode::SERVICE_UNAVAILABLE, error.code(), BTreeMap::new()).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn scan(State(station): State<Arc<Station>>, scan: Body<post::Scan>) -> Response {
    let scan = match body(scan) {
        Ok(scan) => scan,
        Err(refused) => return refused.into_response(),
    };
    if !station.roles().has(Roles::GATE) {
        return refused("gate.not_a_gate").into_response();
    }
    match tokio::task::spawn_blocking(move || gate::scan(&station, &scan.text)).await {
        Ok(verdict) => Json(verdict).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What was posted, on a thread that may block, as a request that waits for its band.
async fn prepared<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Refused> + Send + 'static,
) -> Result<T, Response> {
    match tokio::task::spawn_blocking(work).await {
        Ok(prepared) => prepared.map_err(Refused::into_response),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR.into_response()),
    }
}

pub(super) async fn sale(
    State(station): State<Arc<Station>>,
    Query(wait): Query<Wait>,
    sale: Body<post::Sale>,
) -> Response {
    let by = Arc::clone(&station);
    let ordered = prepared(move || {
        let sale = body(sale)?;
        let id = request_id(&sale.id)?;
        if !by.roles().has(Roles::BAR) {
            return Err(refused("till.not_a_bar"));
        }
        let order = match by.request_in_journal(id, &Purpose::PayOut) {
            // its vouchers are used by it, so it cannot be priced again
            Some(KnownRequest::Answered(result)) => return Ok(Ordered::Answered(result)),
            Some(KnownRequest::GivenUp) => return Err(refused("till.given_up")),
            Some(KnownRequest::InDoubt { intent, .. }) => selling::order_in_doubt(&by, &sale, intent),
            None => selling::order(&by, &sale),
        };
        order.map(|order| Ordered::New(id, order)).map_err(|not| not_done(&not))
    });
    match ordered.await {
        Ok(Ordered::Answered(result)) => {
            Json(Outcome { phase: screens::view::Phase::Paid, result: Some(result) }).into_response()
        }
        Ok(Ordered::New(id, order)) if order.needs_no_band() => without_band(station, id, order.priced).await,
        Ok(Ordered::New(id, order)) => ask(station, id, Purpose::Sale(order.priced), order.supervised, wait).await,
        Err(refused) => refused,
    }
}

enum Ordered {
    Answered(screens::view::TapResult),
    New(RequestId, selling::Order),
}

/// Vouchers that pay for everything.
async fn without_band(station: Arc<Station>, id: RequestId, priced: Priced) -> Response {
    blocking(move || {
        if station.desk.waiting().is_some() {
            return Err(refused("till.busy"));
        }
        let entry = selling::take_vouchers(&station, id, &priced).map_err(|not| not_done(&not))?;
        let result = screens::view::TapResult { id: wire::hex(&id), ok: true, entry, ..Default::default() };
        Ok(Json(Outcome { phase: screens::view::Phase::Paid, result: Some(result) }).into_response())
    })
    .await
}

pub(super) async fn top_up(
    State(station): State<Arc<Station>>,
    Query(wait): Query<Wait>,
    top_up: Body<post::TopUp>,
) -> Response {
    let by = Arc::clone(&station);
    let asked = prepared(move || {
        let top_up = body(top_up)?;
        let id = request_id(&top_up.id)?;
        if !by.roles().has(Roles::TOP_UP) {
            return Err(refused("till.not_a_desk"));
        }
        by.may(StaffRoles::TOP_UP).map_err(|refusal| not_done(&refusal.into()))?;
        by.journal_is_open().map_err(|not| not_done(&not))?;
        let means = match top_up.paid_with {
            post::PaidWith::Cash => Means::Cash,
            post::PaidWith::Card => Means::Card,
        };
        let fee = by.bundle().bundle.body.policy.top_up_fee;
        match Cents::new(top_up.amount_cents) {
            Some(amount) if amount > Cents::ZERO => Ok((id, Purpose::TopUp(TopUpOrder { amount, fee, means }))),
            _ => Err(refused("till.amount")),
        }
    });
    match asked.await {
        Ok((id, purpose)) => ask(station, id, purpose, false, wait).await,
        Err(refused) => refused,
    }
}

/// `POST /api/band/look {"id", "screen"}`: a band is only read, and its guest told.
pub(super) async fn look(
    State(station): State<Arc<Station>>,
    Query(wait): Query<Wait>,
    look: Body<post::Look>,
) -> Response {
    let asked = body(look).and_then(|look| {
        station.may_handle_money().map_err(|not| not_done(&not))?;
        let screen = if look.at_desk { Screen::Desk } else { Screen::Till };
        Ok((request_id(&look.id)?, Purpose::Look(screen)))
    });
    match asked {
        Ok((id, purpose)) => ask(station, id, purpose, false, wait).await,
        Err(refused) => refused.into_response(),
    }
}

/// `POST /api/band/pay-out {"id"}`: what is owed to the band's guest, in cash.
pub(super) async fn pay_out(
    State(station): State<Arc<Station>>,
    Query(wait): Query<Wait>,
    only: Body<OnlyId>,
) -> Response {
    at_desk(station, wait, only, Purpose::PayOut).await
}

pub(super) async fn closing_read(
    State(station): State<Arc<Station>>,
    Query(wait): Query<Wait>,
    only: Body<OnlyId>,
) -> Response {
    at_desk(station, wait, only, Purpose::ClosingRead).await
}

pub(super) async fn refund(
    State(station): State<Arc<Station>>,
    Query(wait): Query<Wait>,
    only: Body<OnlyId>,
) -> Response {
    at_desk(station, wait, only, Purpose::Refund).await
}

async fn at_desk(station: Arc<Station>, wait: Wait, only: Body<OnlyId>, purpose: Purpose) -> Response {
    let id = match body(only).and_then(|only| request_id(&only.id)) {
        Ok(id) => id,
        Err(refused) => return refused.into_response(),
    };
    if !station.roles().has(Roles::TOP_UP) {
        return refused("till.not_a_desk").into_response();
    }
    if let Err(refusal) = station.may(StaffRoles::TOP_UP) {
        return not_done(&refusal.into()).into_response();
    }
    ask(station, id, purpose, false, wait).await
}

pub(super) async fn cancel(State(station): State<Arc<Station>>) -> Response {
    station.desk.cancel();
    station.not_pairing();
    Json(serde_json::json!({})).into_response()
}

pub(super) async fn handed_over(State(station): State<Arc<Station>>, answer: Body<post::HandedOver>) -> Response {
    let answer = match body(answer) {
        Ok(answer) => answer,
        Err(refused) => return refused.into_response(),
    };
    let Some(entry) = crate::station::entry_ref(&answer.entry) else {
        return refusal(StatusCode::BAD_REQUEST, "api.entry", BTreeMap::new()).into_response();
    };
    match tokio::task::spawn_blocking(move || {
        let pin = answer.pin.as_ref();
        crate::hand_over::answer(&station, entry, answer.handed_over, pin)
    })
    .await
    {
        Ok(Ok(())) => Json(serde_json::json!({})).into_response(),
        Ok(Err(not)) => not_done(&not).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn ask(station: Arc<Station>, id: RequestId, purpose: Purpose, supervised: bool, wait: Wait) -> Response {
    ask_for(station, purpose.screen(), id, purpose, supervised, wait).await
}

/// Asks for this screen.
pub(super) async fn ask_for(
    station: Arc<Station>,
    screen: Screen,
    id: RequestId,
    purpose: Purpose,
    supervised: bool,
    wait: Wait,
) -> Response {
    if let Err(code) = station.readiness() {
        return refusal(StatusCode::SERVICE_UNAVAILABLE, code, BTreeMap::new()).into_response();
    }
    let mut progress = station.desk.follow();
    let known = {
        let (station, purpose) = (Arc::clone(&station), purpose.clone());
        tokio::task::spawn_blocking(move || station.request_in_journal(id, &purpose)).await
    };
    let retry_of = match known {
        Ok(Some(KnownRequest::Answered(result))) => {
            return Json(Outcome { phase: screens::view::Phase::Paid, result: Some(result) }).into_response();
        }
        Ok(Some(KnownRequest::InDoubt { amount, .. })) if purpose.amount().is_some_and(|asked| asked != amount) => {
            return refused("till.other_content").into_response();
        }
        Ok(Some(KnownRequest::InDoubt { intent, .. })) => Some(intent),
        Ok(Some(KnownRequest::GivenUp)) => return refused("till.given_up").into_response(),
        Ok(None) | Err(_) => None,
    };
    match station.desk.ask_again(id, screen, purpose, retry_of, supervised) {
        Ok(Some(result)) => {
            let phase = if result.ok { screens::view::Phase::Paid } else { screens::view::Phase::Refused };
            return Json(Outcome { phase, result: Some(result) }).into_response();
        }
        Ok(None) => station.changed(),
        Err(NotTaken::Busy) => return refused("till.busy").into_response(),
        Err(NotTaken::OtherContent) => return refused("till.other_content").into_response(),
    }
    let Some(wait_ms) = wait.wait_ms else {
        return (StatusCode::ACCEPTED, Json(serde_json::json!({}))).into_response();
    };
    let done = progress.wait_for(|progress| progress.id == id && progress.result.is_some());
    match tokio::time::timeout(Duration::from_millis(wait_ms.min(60_000)), done).await {
        Ok(Ok(progress)) => {
            let Progress { phase, result, .. } = progress.clone();
            Json(Outcome { phase, result }).into_response()
        }
        _ => refusal(StatusCode::REQUEST_TIMEOUT, "till.timeout", BTreeMap::new()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use domain::{catalogue::HappyHour, journal::Kind};
    use screens::view::Phase;

    use super::*;
    use crate::bench::Bench;

    const HAPPY_UNIX_S: u64 = 1_800_000_000;

    /// Two chips for half, at 4.00, until the clock is certain no more.
    fn begins_happy_hour(bench: &Bench) {
        bench.set_rules(|rules| {
            rules.catalogue.happy_hours.push(HappyHour {
                number: 1,
                name_fr: String::new(),
                name_en: String::new(),
                from: HAPPY_UNIX_S,
                until: HAPPY_UNIX_S + 3_600,
                products: vec![2],
                percent_off: 50,
            });
        });
    }

    fn two_chips(total_cents: i64) -> post::Sale {
        let line = post::SaleLine { product: 2, quantity: 2, free: false };
        let (id, total_cents) = ("ab".repeat(16), Some(total_cents));
        post::Sale { id, lines: vec![line], total_cents, ..post::Sale::default() }
    }

    async fn posted(bench: &Bench, asked: post::Sale) -> (StatusCode, String) {
        let answer = sale(State(Arc::clone(&bench.station)), Query(Wait::default()), Ok(Json(asked))).await;
        let status = answer.status();
        let told = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(told.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn an_order_in_doubt_is_asked_for_again_at_the_price_that_it_was_begun_at() {
        let bench = Bench::new();
        let band = bench.purse(1);
        bench.top_up(&band, 2_000);
        bench.station.clock.hub_says(HAPPY_UNIX_S * 1_000, 0, Instant::now());
        begins_happy_hour(&bench);
        assert_eq!(posted(&bench, two_chips(400)).await.0, StatusCode::ACCEPTED);
        bench.hold(&band, "leave after write 5");
        assert_eq!(bench.station.desk.progress().phase, Phase::TapAgain);
        assert_eq!(posted(&bench, two_chips(400)).await.0, StatusCode::ACCEPTED, "the same request, which waits");

        let bench = bench.restarted();
        begins_happy_hour(&bench);
        let (status, told) = posted(&bench, two_chips(800)).await;
        assert_eq!((status, told.contains("till.other_content")), (StatusCode::CONFLICT, true), "{told}");
        let mut one = two_chips(400);
        one.lines[0].quantity = 1;
        assert!(posted(&bench, one).await.1.contains("till.other_content"));
        let again = posted(&bench, two_chips(400)).await;
        assert_eq!(again.0, StatusCode::ACCEPTED, "{again:?}");
        bench.hold(&band, "");
        let result = bench.station.desk.progress().result.unwrap();
        assert_eq!((result.ok, result.charged_cents), (true, 400), "{result:?}");
        let sales = bench.entries(Kind::SALE);
        assert_eq!(sales.iter().map(|sale| sale.amount.get()).collect::<Vec<_>>(), [400]);
        assert_eq!(bench.balances(&band), (1_600, 1_600));
    }
}
