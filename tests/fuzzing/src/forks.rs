//! Proofs that a box wrote two histories, alone and as a file.
use domain::{
    id::device_id,
    journal::ChainCursor,
    ledger::{Body, EvidenceFile, ForkBranch, ForkProof},
};

use crate::{
    festival::{BOX, BOX_CHAIN, FESTIVAL, FOUNDING, key, public},
    memory, one_bit_off, take, taken_as,
};

pub fn fuzz(input: &[u8]) {
    let Some((how, rest)) = taken_as(input, 3) else { return };
    memory::within(131_072, 64, rest.len(), || match how {
        0 => {
            if let Ok(proof) = ForkProof::from_bytes(rest) {
                assert_eq!(proof.to_bytes(), rest);
                let _ = proof.verify(&FOUNDING);
            }
        }
        1 => {
            if let Ok(file) = EvidenceFile::from_bytes(rest) {
                assert!(EvidenceFile::is(rest));
                assert_eq!(file.to_bytes(), rest);
                let _ = file.verify();
            }
        }
        _ => signed(rest),
    });
}

/// Two branches that the golden box signed.
fn signed(mut rest: &[u8]) {
    let ([a, b], seq): ([u8; 2], [u8; 4]) = (take(&mut rest), take(&mut rest));
    let seq = u32::from_le_bytes(seq);
    let start = ChainCursor {
        festival: *FESTIVAL,
        device: device_id(&public(BOX)),
        epoch: 1,
        next_seq: seq,
        prev: if seq == 0 { [0; 32] } else { [7; 32] },
    };
    let mut branch = |entries: u8| {
        let mut cursor = start;
        let mut bodies = Vec::new();
        for _ in 0..entries % 8 {
            let [length] = take(&mut rest);
            let (body, after) = rest.split_at(rest.len().min(length.into()));
            rest = after;
            cursor.append(body);
            bodies.push(Body(body.to_vec()));
        }
        let signature = cursor.sign(key(BOX)).map_or([0; 64], |mark| mark.signature);
        ForkBranch { bodies, signature }
    };
    let proof = ForkProof { chain: BOX_CHAIN.clone(), epoch: 1, seq, prev: start.prev, a: branch(a), b: branch(b) };
    let bytes = proof.to_bytes();
    assert_eq!(ForkProof::from_bytes(&bytes).as_ref(), Ok(&proof));
    let shown = proof.verify(&FOUNDING);
    if shown.is_ok() {
        assert_ne!(proof.a.bodies.first(), proof.b.bodies.first(), "one history is no fork");
        if let Ok(off) = ForkProof::from_bytes(&one_bit_off(&bytes)) {
            assert!(off.verify(&FOUNDING).is_err(), "a changed bit is believed");
        }
    }
}
