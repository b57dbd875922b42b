//! Shared documents: an event's edits verified and merged, as a box does it at its start.
use std::time::Instant;

use anyhow::{Result, ensure};
use documents::{Documents, Verified, sample};

use super::{Goal, Row, Size};

/// A box is ready within two seconds, documents included.
const SECONDS: f64 = 2.0;
const MANAGERS: u8 = 4;

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let signed = sample::event(size.edits, MANAGERS)?;
    let mut documents = Documents::new(sample::founding());
    let start = Instant::now();
    let verified = signed.iter().map(|signed| documents.verify(signed)).collect::<Result<Vec<Verified>, _>>()?;
    let left_out = documents.confirm_all(verified);
    let seconds = start.elapsed().as_secs_f64();
    ensure!(left_out.is_empty() && documents.len() == signed.len(), "edits were left out");
    Ok(vec![Row::new("an event's edits verified and merged", "s", seconds, SECONDS, Goal::AtMost(1.0))])
}
