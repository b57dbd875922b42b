//! A ticket's verdict at the gate, text to durable admission, beside a bare signature check and one durable commit.
//! Two readings of the latter, both shown: the commit of this box (chained, signed, folded), which any entry costs, and
//! one row of SQLite with one signature, which is the least that a durable signed commit can cost.
use anyhow::{Context, Result};
use box_store::Decision;
use domain::{
    id::TicketUid,
    journal::{Admission, Detail, Effect, Entry, Kind, Marks},
    money::Currency,
    ticket::{TicketKey, Verifier, own::OwnTicket},
    time::Hlc,
};
use ed25519_dalek::{Signer, SigningKey};

use super::{Bench, Goal, Row, Size, in_turn, insert};

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
    let plain = bench.store("plain.db")?;
    let raw = bench.raw("raw.db")?;
    let message = [7; 100];
    let signature = key.sign(&message);
    let (verifying, mut at, mut others) = (key.verifying_key(), 0, 0u64);
    let admission = |ticket: TicketUid| {
        let mut entry = Entry::new(Kind::ADMISSION, Effect::In, Currency::EUR, Hlc::default());
        entry.subject = ticket.into();
        let (marks, reason) = (Marks::default(), String::new());
        entry.part = Detail::Admission(Admission { scheme: 1, marks, product: [1, 0, 0, 0], reason }).to_bytes();
        entry
    };
    let mut verdict = || -> Result<()> {
        let ticket = verifier.read(next.next().context("a ticket")?)?;
        store.transact(move |view| {
            let known = view.ticket(&ticket.uid);
            Decision::write(vec![admission(ticket.uid)], known.uses)
        })?;
        Ok(())
    };
    let mut commit = || -> Result<()> {
        verifying.verify_strict(&message, &signature)?;
        others += 1;
        let mut uid = [0; 16];
        uid[..8].copy_from_slice(&super::segment::chance(others).to_le_bytes());
        plain.transact(move |_| Decision::write(vec![admission(TicketUid(uid))], ()))?;
        Ok(())
    };
    let mut row = || -> Result<()> {
        verifying.verify_strict(&message, &signature)?;
        at += 1;
        key.sign(&message);
        insert(&raw, at, &message)
    };
    let [ours, commit, row] = in_turn(size.rounds, [&mut verdict, &mut commit, &mut row])?;
    let (name, plainer) = ("ticket verdict, beside the box's commit", "ticket verdict, beside one plain row");
    Ok(vec![
        Row::new(name, "µs", ours, commit, Goal::AtMost(1.1)).beside("verify_strict + a commit of this box"),
        Row::new(plainer, "µs", ours, row, Goal::AtMost(1.1)).beside("verify_strict + one signature + one SQLite row"),
    ])
}
