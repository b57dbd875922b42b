//! The check of a segment at the hub: chain and one signature, beside hashing the same bytes and one bare check.
use anyhow::{Context, Result};
use domain::{journal::link, money::Currency};
use ed25519_dalek::{Signer, SigningKey};
use provisioning::Festival;

use super::{Bench, Goal, Row, Size, ingest::Journal, side_by_side};

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let festival = Festival::create(&bench.path("festival"), "Measure", Currency::EUR, 0)?;
    let journal = Journal::new(&festival, 0, 1_500)?;
    let segment = journal.segments.get(1).context("a segment")?;
    let key = SigningKey::from_bytes(&[3; 32]);
    let message = [7; 100];
    let (signature, verifying) = (key.sign(&message), key.verifying_key());
    let (ours, limit) = side_by_side(
        size.rounds,
        || {
            segment.verify(festival.id(), &journal.public)?;
            Ok(())
        },
        || {
            let end = segment.bodies.iter().fold(segment.prev, |prev, body| link(&prev, body));
            std::hint::black_box(end);
            verifying.verify_strict(&message, &signature)?;
            Ok(())
        },
    )?;
    let entries = segment.bodies.len() as f64;
    Ok(vec![
        Row::new("check of an entry in a segment", "µs", ours / entries, limit / entries, Goal::AtMost(1.2))
            .beside("the same hashes + one verify_strict"),
    ])
}
