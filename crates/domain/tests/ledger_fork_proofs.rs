//! A fork's proof: what it needs, how long it may be, and that nobody without the device's key can make one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use domain::{
    journal::{ChainCursor, EntryHash},
    ledger::{Body, EvidenceFile, ForkBranch, ForkProof, ForkProofError},
    money::Currency,
    trust::{Certificate, CertificateChain, Founding, Purpose, Scope, SignedCertificate},
    wire::Malformed,
};
use ed25519_dalek::SigningKey;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n; 32])
}

fn founding() -> Founding {
    let root = key(1).verifying_key().to_bytes();
    Founding { version: 1, root, spare_root_hash: [0; 32], name: "Test".into(), currency: Currency::EUR, founded: 0 }
}

fn chain(purpose: Purpose, subject: &SigningKey) -> CertificateChain {
    let certificate = Certificate {
        version: 1,
        festival: founding().festival(),
        purpose,
        subject: subject.verifying_key().to_bytes(),
        issuer: [0; 32],
        serial: [0; 16],
        valid_from: 0,
        valid_until: 0,
        scope: Scope::nothing("Bar 1"),
    };
    CertificateChain(vec![SignedCertificate::issue(certificate, &key(1))])
}

fn branch(start: ChainCursor, by: &SigningKey, bodies: &[&[u8]]) -> (ForkBranch, EntryHash) {
    let mut cursor = start;
    bodies.iter().for_each(|body| {
        cursor.append(body);
    });
    let mark = cursor.sign(by).unwrap();
    (
        ForkBranch { bodies: bodies.iter().map(|b| Body(b.to_vec())).collect(), signature: mark.signature },
        mark.head.hash,
    )
}

fn proof() -> ForkProof {
    let chain = chain(Purpose::Device, &key(5));
    let device = chain.verify(&founding()).unwrap().device();
    let mut start = ChainCursor::start(founding().festival(), device, 2);
    start.append(b"genesis");
    let (a, b) = (branch(start, &key(5), &[b"sale 1", b"sale 2"]).0, branch(start, &key(5), &[b"sale 9"]).0);
    ForkProof { chain, epoch: 2, seq: start.next_seq, prev: start.prev, a, b }
}

#[test]
fn anybody_with_the_founding_record_can_check_a_fork_proof() {
    let proof = ForkProof::from_bytes(&proof().to_bytes()).unwrap();
    let shown = proof.verify(&founding()).unwrap();
    assert_eq!((shown.epoch, shown.seq, shown.a.seq, shown.b.seq), (2, 1, 2, 1));
    assert_eq!(shown.device, proof.chain.verify(&founding()).unwrap().device());
    let other = Founding { name: "Other".into(), ..founding() };
    assert!(matches!(proof.verify(&other), Err(ForkProofError::Chain(_))));
}

#[test]
fn a_fork_proof_as_a_file_needs_nothing_else() {
    let file = EvidenceFile { founding: founding(), proof: proof() };
    let bytes = file.to_bytes();
    assert!(EvidenceFile::is(&bytes) && !EvidenceFile::is(&bytes[1..]));
    let read = EvidenceFile::from_bytes(&bytes).unwrap();
    assert_eq!((read.verify(), &read), (proof().verify(&founding()), &file));
    for (at, what) in [(0, "magic"), (4, "version")] {
        let mut other = bytes.clone();
        other[at] ^= 1;
        assert_eq!(EvidenceFile::from_bytes(&other), Err(Malformed::Value(what)));
    }
    let mut long = vec![0; EvidenceFile::MAX];
    assert_eq!(EvidenceFile::from_bytes(&long), Err(Malformed::Value("magic")));
    long.push(0);
    assert_eq!(EvidenceFile::from_bytes(&long), Err(Malformed::Value("length")));
}

#[test]
fn a_proof_is_as_long_as_a_segment_and_its_entries_as_long_as_an_entry() {
    let with = |bodies: &[&[u8]]| {
        let mut proof = proof();
        let device = proof.chain.verify(&founding()).unwrap().device();
        let start = ChainCursor {
            festival: founding().festival(),
            device,
            epoch: proof.epoch,
            next_seq: proof.seq,
            prev: proof.prev,
        };
        proof.a = branch(start, &key(5), bodies).0;
        proof.verify(&founding()).map(|shown| shown.a.seq)
    };
    assert_eq!(with(&[&b"sale"[..]; 500]), Ok(500));
    assert_eq!(with(&[&b"sale"[..]; 501]), Err(ForkProofError::Length(501)));
    let longest = vec![7; domain::journal::BODY_MAX + 1];
    assert_eq!(with(&[&longest[1..]]), Ok(1));
    assert_eq!(with(&[&longest]), Err(ForkProofError::Body(longest.len())));
}

#[test]
fn a_fork_proof_cannot_be_made_without_the_device_s_key() {
    let good = proof();
    let mut same = good.clone();
    same.b = same.a.clone();
    assert_eq!(same.verify(&founding()), Err(ForkProofError::Same));
    let mut altered = good.clone();
    altered.b.bodies[0].0.push(0);
    assert_eq!(altered.verify(&founding()), Err(ForkProofError::Signature));
    let mut moved = good.clone();
    moved.seq += 1;
    assert_eq!(moved.verify(&founding()), Err(ForkProofError::Signature));
    let mut relabelled = good.clone();
    relabelled.epoch = 3;
    assert_eq!(relabelled.verify(&founding()), Err(ForkProofError::Signature));
    let mut empty = good.clone();
    empty.a.bodies.clear();
    assert_eq!(empty.verify(&founding()), Err(ForkProofError::Length(0)));
    let mut long = good.clone();
    long.a.bodies[0].0 = vec![0; 5000];
    assert_eq!(long.verify(&founding()), Err(ForkProofError::Body(5000)));
    let mut foreign = good.clone();
    foreign.chain = chain(Purpose::Device, &key(6));
    assert_eq!(foreign.verify(&founding()), Err(ForkProofError::Signature));
    let mut purpose = good;
    purpose.chain = chain(Purpose::Bundle, &key(5));
    assert_eq!(purpose.verify(&founding()), Err(ForkProofError::Purpose(Purpose::Bundle)));
}

#[test]
fn a_genesis_that_chains_to_something_proves_nothing() {
    let chain = chain(Purpose::Device, &key(5));
    let device = chain.verify(&founding()).unwrap().device();
    let start = ChainCursor { prev: [9; 32], ..ChainCursor::start(founding().festival(), device, 0) };
    let (a, b) = (branch(start, &key(5), &[b"a"]).0, branch(start, &key(5), &[b"b"]).0);
    let forged = ForkProof { chain, epoch: 0, seq: 0, prev: [9; 32], a, b };
    assert_eq!(forged.verify(&founding()), Err(ForkProofError::Prev));
}
