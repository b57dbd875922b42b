use std::time::Instant;
use domain::{id::WalletId, trust::Roles};
use crate::{VerifiedSegment, sample::{self, SampleBox}};
#[test]
#[ignore]
fn perf() {
    for per in [10_000usize, 100_000] {
        let boxes: Vec<SampleBox> = (0..20u8).map(|b| {
            let mut one = SampleBox::new(20 + b, Roles(7));
            for n in 0..10_000u32 {
                let mut id = [7u8; 16];
                id[..4].copy_from_slice(&(n.wrapping_mul(2654435761) % 1_000 + 1000*u32::from(b)).to_be_bytes());
                if n < 1000 { one.top_up(WalletId(id), 90000) } else { one.sale(WalletId(id), 3) };
            }
            one
        }).collect();
        let mut segs: Vec<VerifiedSegment> = Vec::new();
        let per_box: Vec<Vec<VerifiedSegment>> = boxes.iter().map(|b| b.segments(500)).collect();
        for i in 0..21 { for b in &per_box { if let Some(s) = b.get(i) { segs.push(s.clone()); } } }
        let total: usize = segs.iter().map(|s| s.segment().bodies.len()).sum();
        let dir = sample::hub_dir();
        let mut hub = sample::open(dir.path());
        let t = Instant::now();
        for chunk in segs.chunks(per / 500) { hub.ingest(chunk).unwrap(); }
        let ours = t.elapsed();
        let t = Instant::now();
        hub.publish().unwrap();
        let publish = t.elapsed();
        let raw = dir.path().join("raw.db");
        let c = rusqlite::Connection::open(raw).unwrap();
        c.pragma_update(None, "journal_mode", "WAL").unwrap();
        c.pragma_update(None, "synchronous", "FULL").unwrap();
        c.execute_batch("CREATE TABLE e (device BLOB, epoch INTEGER, seq INTEGER, hash BLOB, body BLOB)").unwrap();
        let t = Instant::now();
        let mut n = 0;
        c.execute_batch("BEGIN").unwrap();
        for s in &segs { for (b, q) in s.segment().bodies.iter().zip(s.segment().first..) {
            c.prepare_cached("INSERT INTO e VALUES (?1,?2,?3,?4,?5)").unwrap().execute(rusqlite::params![s.segment().device.0, 0, q, [1u8;32], b]).unwrap();
            n += 1;
            if n % per == 0 { c.execute_batch("COMMIT; BEGIN").unwrap(); }
        }}
        c.execute_batch("COMMIT").unwrap();
        let rawt = t.elapsed();
        println!("per {per}: ours {:.0}/s raw {:.0}/s ratio {:.2} publish {publish:?}", total as f64/ours.as_secs_f64(), total as f64/rawt.as_secs_f64(), rawt.as_secs_f64()/ours.as_secs_f64());
    }
}
