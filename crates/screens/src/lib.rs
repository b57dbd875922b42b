//! What the screens of the box, the hub and the demo share: pages, style, ES modules, texts in French and English,
//! and the view models that say exactly which JSON each page receives.
//! Invariant: every visible word comes from `texts/`, every page runs under [`CSP`] (no inline script or style, nothing
//! from elsewhere), and money reaches a page as integer minor units.
//! Not here: HTTP, the event stream, and the decisions themselves; a server only hands out [`asset`], [`all`] and a view.
//!
//! # What a server must offer
//! Every server of screens:
//!
//! | route | answer |
//! | --- | --- |
//! | `GET /` | `asset("index.html")` on a box, `"console.html"` on the hub, `"demo.html"` on the demo |
//! | `GET /{path}` | `asset(path)` with its MIME type and [`HEADERS`]; 404 where it is `None` |
//! | `GET /texts/{lang}.json` | `all(lang)` as a JSON object, `lang` being `fr` or `en` |
//! | `GET /events` | server-sent events: event `state`, data = the whole view in one line of JSON, at once after connecting, on each change, and **at least every 5 s**: after 12 s of silence a page says that it has lost the box |
//!
//! A `POST` has a JSON body and answers 2xx with JSON or an empty body. A refusal is 4xx or 5xx with
//! `{"code":"till.busy","args":{}}` ([`Refusal`]); any other failure is shown as the screen having lost the box.
//! The outcome of a tap or a scan is never in the answer: it comes with the next `state`.
//!
//! | page | view in `state` | routes it posts to |
//! | --- | --- | --- |
//! | `index.html` | [`view::BoxView`] | none |
//! | `gate.html` | [`view::BoxView`], `gate` | `/api/gate/scan` [`post::Scan`] |
//! | `till.html` | [`view::BoxView`], `till` | `/api/till/sale` [`post::Sale`] · `/api/till/cancel` `{}` · `/api/till/handed-over` [`post::HandedOver`] |
//! | `top_up.html` | [`view::BoxView`], `top_up` | `/api/top-up` [`post::TopUp`] · `/api/top-up/cancel` `{}` |
//! | `console.html` | [`view::HubView`] | `/api/tickets` [`post::NewTicket`] → [`post::Ticket`] · `GET /api/tickets/{id}/qr.svg` · `/api/tickets/revoke` [`post::TicketId`] · `/api/bands/block` [`post::Band`] · `/api/boxes/revoke` [`post::BoxNumber`] |
//! | `documents.html` | [`view::HubView`] | `GET /api/documents/{document}` [`view::DocumentView`] · `/api/documents/edit` [`view::EditBody`] · `/api/documents/settle` [`view::SettleBody`] |
//! | `manager.html` | [`view::BoxView`] | `/api/manager/login` · `/api/manager/logout` · as `documents.html` |
//! | `wallet.html` | [`view::HubView`] | `GET /api/wallets/{wallet}` and `…/history`, `…/leaving` · `POST …/online-top-up`, `…/swap`, `…/refund` · `/api/close` · `/api/close/expire` |
//! | `demo.html` | [`view::DemoView`] | `/api/boxes/{n}/{show, hold, take-away, wire, power}` · `/api/hub/power` · `/api/tickets` · `/api/bands` · `/api/guests`; the demo's server alone has these |
//!
//! `cancel` is posted while the phase is `waiting_for_band` (nothing is charged), and also from `tap_again` and
//! `supervisor`: there it means "leave this tap in doubt and serve the next guest"; it never voids anything.
//!
//! `id` in a sale, a top-up, a correction, an undo or a cash move is the idempotency key: the page sends the same one
//! again when it does not know whether the first `POST` arrived, so the same id with the same content must not book twice.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic"))]

mod assets;
pub mod post;
mod reason;
mod texts;
pub mod view;

pub use assets::{CSP, HEADERS, asset};
pub use post::Refusal;
pub use reason::{REASON_CODES, text_key};
pub use texts::{Lang, all, money, reason, text};
