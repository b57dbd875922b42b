//! A ticket's verdict at the gate: text to durable admission, beside a bare signature check and one durable row.
use anyhow::{Context, Result};
use box_store::Decision;
use domain::{
    journal::{Admission, Detail, Effect, Entry, Kind, Marks},
    money::Currency,
    ticket::{TicketKey, Verifier, own::OwnTicket},
    time::Hlc,
};
use ed25519_dalek::{Signer, SigningKey};

use super::{Bench, Goal, Row, Size, insert, side_by_side};

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    let bench = Bench::new()?;
    let (festival, key) = (bench.festival(), SigningKey::from_bytes(&[3; 32]));
    let verifier =
        Verifier { festival, ticket_keys: vec![TicketKey::new(key.verifying_key())], pretix_events: Vec::new() };
    let mut numbers = 0u64;
    let mut texts = std::iter::repeat_with(|| {
        numbers += 1;
        let mut ticket_id = [0; 12];
        ticket_id[..8].copy_from_slice(&numbers.to_le_bytes());
        OwnTicket { ticket_id, category: 1, zones: 1, valid_from: 0, valid_until: 0, holder_check: 0 }
            .sign(&festival, &key)
    });
    let texts: Vec<String> = texts.by_ref().take(size.rounds * 2).collect();
    let mut next = texts.iter().cycle();

    let store = bench.store("store.db")?;
    let raw = bench.raw("raw.db")?;
    let message = [7; 100];
    let signature = key.sign(&message);
    let (verifying, mut at) = (key.verifying_key(), 0);
    let (ours, limit) = side_by_side(
        size.rounds,
        || {
            let text = next.next().context("a ticket")?;
            let ticket = verifier.read(text)?;
            store.transact(move |view| {
                let known = view.ticket(&ticket.uid);
                let mut entry = Entry::new(Kind::ADMISSION, Effect::In, Currency::EUR, Hlc::default());
                entry.subject = ticket.uid.into();
                entry.part = Detail::Admission(Admission {
                    scheme: 1,
                    marks: Marks::default(),
                    product: [1, 0, 0, 0],
                    reason: String::new(),
                })
                .to_bytes();
                Decision::write(vec![entry], known.uses)
            })?;
            Ok(())
        },
        || {
            verifying.verify_strict(&message, &signature)?;
            at += 1;
            insert(&raw, at, &message)
        },
    )?;
    Ok(vec![Row::new("ticket verdict, text to durable admission (p50)", "µs", ours, limit, Goal::AtMost(1.1))])
}
