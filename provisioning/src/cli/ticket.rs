//! `inspect ticket`.
use domain::bundle::Bundle;
use provisioning::{Failure, Lang, files, inspect};
use serde_json::json;

use super::{Said, args::InspectTicket};

pub(super) fn inspect(wanted: &InspectTicket, lang: Lang) -> Result<Said, Failure> {
    let keys = inspect::pretix_keys(&wanted.pretix_key)?;
    let bundle = match &wanted.bundle {
        Some(path) => {
            let bundle = Bundle::verify(&files::read(path)?, None);
            Some(bundle.map_err(|reason| Failure::Bundle { path: path.clone(), reason: reason.into() })?)
        }
        None => None,
    };
    let report = inspect::ticket(&text(wanted)?, &keys, bundle.as_ref());
    let exit = u8::from(!report.is_valid());
    Ok(Said { json: json!(report), text: report.explain(lang), exit })
}

/// What is not UTF-8 becomes what no ticket holds, so that it is called unreadable.
fn text(wanted: &InspectTicket) -> Result<String, Failure> {
    if let Some(text) = &wanted.text {
        return Ok(text.to_string_lossy().into_owned());
    }
    let Some(path) = &wanted.text_file else { return Ok(String::new()) };
    let bytes = files::read(path)?;
    let text = bytes.strip_suffix(b"\n").map(|text| text.strip_suffix(b"\r").unwrap_or(text)).unwrap_or(&bytes);
    Ok(String::from_utf8_lossy(text).into_owned())
}
