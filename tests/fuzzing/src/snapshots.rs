//! The blobs of a bundle: the ticket snapshot that a gate maps into memory, and holders' names.
use domain::{
    id::TicketUid,
    names,
    secrets::NamesKey,
    ticket::snapshot::{RECORD, Snapshot, SnapshotProduct, SnapshotTicket, write},
    wire::Writer,
};

use crate::{festival::FESTIVAL, memory, one_bit_off, take, taken_as};

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 5) else { return };
    match how {
        0 => memory::within(4_096, 1, rest.len(), || looked_at(rest)),
        1 => memory::within(4_096, 2, rest.len(), || looked_at(&headed(rest))),
        2 => memory::within(65_536, 64, rest.len(), || written(rest)),
        3 => memory::within(65_536, 8, rest.len(), || {
            let _ = names::search(rest, &FESTIVAL, &NamesKey::new([5; 32]), "an");
        }),
        _ => memory::within(131_072, 64, rest.len(), || sealed(rest)),
    }
}

/// A snapshot with a header that fits: windows u8, then windows and records.
fn headed(mut rest: &[u8]) -> Vec<u8> {
    let [windows]: [u8; 1] = take(&mut rest);
    let windows = usize::from(windows % 8) + 1;
    let mut out = Writer::new();
    out.bytes(b"FTKS");
    out.u8(1);
    out.bytes(&[0; 3]);
    FESTIVAL.write(&mut out);
    out.u64(3);
    out.u32(windows as u32);
    let records = rest.len().saturating_sub(windows * 8) / RECORD;
    out.u32(records as u32);
    out.bytes(&[0; 24]);
    let mut body = rest.to_vec();
    body.resize(windows * 8 + records * RECORD, 0);
    out.bytes(&body);
    out.finish()
}

fn looked_at(bytes: &[u8]) {
    let Ok(snapshot) = Snapshot::open(bytes, &FESTIVAL) else { return };
    let sound = snapshot.check().is_ok();
    let mut count = 0;
    for ticket in snapshot.tickets() {
        count += 1;
        let found = snapshot.find(&ticket.uid);
        assert!(!sound || found == Some(ticket), "a ticket that is there is found");
        let _ = ticket.ticket();
    }
    assert!(!sound || count == snapshot.len());
    for uid in [[0; 16], [0xff; 16], [0x5a; 16]] {
        let _ = snapshot.find(&TicketUid(uid));
    }
}

/// Tickets as somebody lists them; what is written reads back, in order and each once.
fn written(mut rest: &[u8]) {
    let mut tickets = Vec::new();
    while !rest.is_empty() && tickets.len() < 64 {
        let [how, uid]: [u8; 2] = take(&mut rest);
        let (product, window): ([u8; 2], [u8; 2]) = (take(&mut rest), take(&mut rest));
        tickets.push(SnapshotTicket {
            uid: TicketUid([uid; 16]),
            revoked: how & 1 != 0,
            blocked: how & 2 != 0,
            product: (how & 4 != 0).then_some(SnapshotProduct { event: product[0].into(), product: product[1].into() }),
            window: (how & 8 != 0).then_some((window[0].into(), window[1].into())),
            zones: u32::from(how >> 4),
        });
    }
    let bytes = write(&FESTIVAL, 7, tickets.iter().copied());
    let snapshot = Snapshot::open(&bytes, &FESTIVAL).expect("what was written reads back");
    assert_eq!(snapshot.check(), Ok(()));
    for ticket in &tickets {
        let found = snapshot.find(&ticket.uid).expect("a ticket that was written is found");
        assert!(found.revoked >= ticket.revoked && found.blocked >= ticket.blocked, "nobody is freed by a list");
    }
    looked_at(&bytes);
}

/// Names, each with its length before it: everybody with two letters is found, and no changed bit opens.
fn sealed(mut rest: &[u8]) {
    let key = NamesKey::new([5; 32]);
    let mut all = Vec::new();
    while !rest.is_empty() && all.len() < 40 {
        let [length] = take(&mut rest);
        let (name, after) = rest.split_at(rest.len().min(usize::from(length & 0x3f)));
        rest = after;
        let Ok(name) = std::str::from_utf8(name) else { continue };
        all.push(names::Named { name: name.into(), ticket: TicketUid([length; 16]), product: None });
    }
    let sealed = names::seal(&FESTIVAL, &key, &[9; 20], &all).expect("short names can be sealed");
    for named in &all {
        let found = names::search(&sealed, &FESTIVAL, &key, &named.name).expect("it opens");
        let asks = domain::ticket::fold_name(&named.name).chars().count() >= names::QUERY_MIN;
        assert!(!asks || found.more || found.names.iter().any(|one| one.name == named.name), "{:?}", named.name);
    }
    // the chunks are sealed with the header: whoever reads to the end learns of every changed bit
    if all.iter().any(|named| !domain::ticket::fold_name(&named.name).is_empty()) {
        let off = names::search(&one_bit_off(&sealed), &FESTIVAL, &key, "zz zz zz");
        assert!(off.is_err(), "a changed bit is believed");
    }
}
