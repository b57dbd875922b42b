//! Errors as the API answers them: one shape, a code, a sentence in each language.
//! Invariant: made here and nowhere else; what went wrong inside is logged and not told.
use axum::{
    Json,
    extract::{FromRequest, Request},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::staff::StaffRefusal;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::BODY_MAX;
use crate::{
    csv::CsvError,
    hub::HubError,
    pretix::PretixError,
    store::{Failure, StoreError},
    tickets::qr::QrError,
    writer::Gone,
};

/// An answer that is not 2xx: `{"error": {code, message_fr, message_en}, "code", "args"}`; the last two are what the
/// pages of `screens` read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    code: &'static str,
    fr: String,
    en: String,
    args: Value,
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, fr: &str, en: &str) -> Self {
        Self { status, code, fr: fr.into(), en: en.into(), args: json!({}) }
    }

    pub(super) fn unauthorized() -> Self {
        let (fr, en) =
            ("Connectez-vous d'abord avec le code de la console.", "Log in first, with the console's token.");
        Self::new(StatusCode::UNAUTHORIZED, "hub.login", fr, en)
    }

    pub(super) fn forbidden() -> Self {
        let fr = "Cette demande ne vient pas de la console : il manque l'en-tête X-Requested-With.";
        let en = "This request does not come from the console: the header X-Requested-With is missing.";
        Self::new(StatusCode::FORBIDDEN, "hub.forbidden", fr, en)
    }

    pub(super) fn too_many_logins() -> Self {
        let (fr, en) = ("Trop d'essais : réessayez dans une minute.", "Too many attempts: try again in a minute.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "hub.too_many_logins", fr, en)
    }

    pub(super) fn not_found(what: &str) -> Self {
        let fr = "Le hub ne connaît pas ce numéro ou cet identifiant. Rien n'a été changé.";
        let en = format!("{what} is not known here. Nothing was changed.");
        Self::new(StatusCode::NOT_FOUND, "hub.not_found", fr, &en)
    }

    pub(super) fn bad_request(why: &str) -> Self {
        let fr = format!("Le hub n'a pas compris la demande. Rien n'a été changé. ({why})");
        let en = format!("The hub could not understand this. Nothing was changed. ({why})");
        Self::new(StatusCode::BAD_REQUEST, "hub.bad_request", &fr, &en)
    }

    pub(super) fn method() -> Self {
        let (fr, en) = ("Cette adresse ne prend pas cette méthode.", "This address does not take this method.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "hub.bad_request", fr, en)
    }

    pub(super) fn too_large() -> Self {
        let (fr, en) = ("La demande est trop longue.", "The request is too long.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "hub.too_large", fr, en)
    }

    pub(super) fn timeout() -> Self {
        let fr = "Le hub est trop occupé. Vérifiez si la demande a abouti avant de recommencer.";
        let en = "The hub is too busy. Check whether the request went through before you try again.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "hub.timeout", fr, en)
    }

    pub(super) fn unavailable() -> Self {
        let (fr, en) = ("Le hub ne peut pas répondre pour l'instant.", "The hub cannot answer at the moment.");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "hub.unavailable", fr, en)
    }

    /// The disk or the database would not: the sentences are those of its code.
    fn disk(code: &'static str) -> Self {
        let status =
            if code == "hub.disk_full" { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::SERVICE_UNAVAILABLE };
        Self { status, ..Self::refused(code) }
    }

    /// Refused by a rule: the sentences are those of its code.
    fn refused(code: &'static str) -> Self {
        let text = |lang| screens::reason(lang, code, &screens::view::Args::new());
        Self::new(StatusCode::CONFLICT, code, &text(screens::Lang::Fr), &text(screens::Lang::En))
    }

    /// Somebody of the staff list is not who they say, or may not do it.
    pub(super) fn staff(refusal: &StaffRefusal) -> Self {
        let given = refusal.arguments().into_iter().map(|(name, value)| (name.to_owned(), value));
        let args: screens::view::Args = given.collect();
        let text = |lang| screens::reason(lang, refusal.code(), &args);
        let (fr, en) = (text(screens::Lang::Fr), text(screens::Lang::En));
        Self { args: json!(args), ..Self::new(StatusCode::FORBIDDEN, refusal.code(), &fr, &en) }
    }

    fn exists(what: &str) -> Self {
        let (fr, en) =
            ("Ce numéro est déjà pris. Rien n'a été changé.", format!("{what} is there already. Nothing was changed."));
        Self::new(StatusCode::CONFLICT, "hub.exists", fr, &en)
    }

    fn import(reason: &PretixError) -> Self {
        let why = if let PretixError::Page { list, held, count } = reason {
            let of = count.map_or("davantage".into(), |count| count.to_string());
            format!(
                "la liste « {list} » n'est qu'une page, {held} sur {of} : réunissez les « results » de toutes les pages"
            )
        } else if let PretixError::UnknownList(name) = reason {
            format!("la liste {name:?} est inconnue : renommez-la, ou retirez-la si elle ne bloque personne")
        } else {
            reason.to_string()
        };
        let fr = format!("L'import est refusé, rien n'a été repris : {why}");
        let en = format!("The import is refused, nothing of it was taken: {reason}");
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "hub.pretix", &fr, &en)
    }

    /// Every bad line that was named stands in `args.lines`.
    fn list(reason: &CsvError) -> Self {
        let fr = format!("La liste est refusée, rien n'en a été repris : {reason}");
        let en = format!("The list is refused, nothing of it was taken: {reason}");
        let lines = if let CsvError::Lines { lines, .. } = reason { json!({ "lines": lines }) } else { json!({}) };
        Self { args: lines, ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "hub.csv", &fr, &en) }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Self { status, code, fr, en, args } = self;
        let body = json!({ "error": { "code": code, "message_fr": fr, "message_en": en }, "code": code, "args": args });
        (status, Json(body)).into_response()
    }
}

impl From<HubError> for ApiError {
    fn from(error: HubError) -> Self {
        match error {
            HubError::NotFound(what) => Self::not_found(what),
            HubError::Exists(what) => Self::exists(what),
            HubError::Invalid(why) => Self::bad_request(why),
            HubError::Config(why) => Self::bad_request(&why.to_string()),
            HubError::Pretix(reason) => Self::import(&reason),
            HubError::Refused(code) => Self::refused(code),
            HubError::Csv(reason) => Self::list(&reason),
            HubError::Store(_) | HubError::Bundle(_) | HubError::NumbersTaken(_) | HubError::Random => {
                tracing::error!(%error, "a request failed");
                error.disk_code().map_or_else(Self::unavailable, Self::disk)
            }
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        HubError::from(error).into()
    }
}

impl From<Gone> for ApiError {
    fn from(_: Gone) -> Self {
        Self::unavailable()
    }
}

impl From<QrError> for ApiError {
    fn from(error: QrError) -> Self {
        tracing::error!(%error, "a QR code could not be drawn");
        Self::unavailable()
    }
}

/// Of a body that is too long so much is read and thrown away: who is still sending does not read the answer.
const HEARD_OUT: usize = 8 << 20;

/// A JSON body, refused in the API's own shape.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let mut frames = request.into_body().into_data_stream();
        let (mut bytes, mut read) = (Vec::new(), 0_usize);
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|_| ApiError::bad_request("the body"))?;
            read = read.saturating_add(frame.len());
            if read <= BODY_MAX {
                bytes.extend_from_slice(&frame);
            } else if read > HEARD_OUT {
                break;
            }
        }
        if read > BODY_MAX {
            return Err(ApiError::too_large());
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|why| ApiError::bad_request(&why.to_string()))
    }
}
