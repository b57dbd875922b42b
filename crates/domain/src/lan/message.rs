//! What boxes say to each other on the venue's LAN.
//! Invariant: one form for each message, at most [`MESSAGE_MAX`] bytes; nothing is believed before its sender's signature
//! was checked over the raw bytes.
//! Not here: who may say it (`group`), what follows from it (`claims`, `grants`, `succession`).
//!
//! Bytes: version u8 = 1 ‖ type u8 ‖ group u16 ‖ sender 16 ‖ body ‖ signature 64, which covers all before it, under a tag
//! for each kind. A commit (type 6) has no signature here: it carries its own.
use alloc::vec::Vec;

use ed25519_dalek::SigningKey;
use thiserror::Error;

use super::{ClaimKey, HANDOVER_PARTS_MAX, Holder, Part, Told};
use crate::{
    id::{BoxNumber, DeviceId, FestivalId, device_id},
    trust::{SignatureTag, sign, verify},
    wire::{Malformed, Reader, Writer},
};

/// Longest message.
pub const MESSAGE_MAX: usize = 16_384;
/// Most commits that an answer brings along.
pub const COMMITS_IN_ANSWER: usize = 4;
/// Most grants in one part of a handover.
pub const GRANTS_IN_PART: usize = 200;
const CHAIN_MAX: usize = 4096;

/// Who somebody is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presence {
    /// The epoch that it writes.
    pub epoch: u32,
    /// The number of that epoch.
    pub box_number: BoxNumber,
    /// Version of the list under which it decides; 0: none.
    pub list: u32,
    /// Whether everybody else should say who they are.
    pub asks: bool,
    /// Its certificate chain.
    pub chain: Vec<u8>,
}

/// A member's word on a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// The claimant has this member's vote.
    Granted,
    /// Somebody else has it.
    Taken(Holder),
    /// The member knows of so many uses, more than the claimant.
    Ahead(u64),
    /// The member knows of so many uses, fewer than the claimant.
    Behind(u64),
}

/// An answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whose claim.
    pub to: Holder,
    /// Version of the list that the member grants under.
    pub list: u32,
    /// What was claimed.
    pub key: ClaimKey,
    /// The word.
    pub verdict: Verdict,
    /// Commits about it that the claimant may lack.
    pub commits: Vec<Told>,
}

/// What is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Who the sender is.
    Presence(Presence),
    /// The sender claims, under this version of the list.
    Claim {
        /// Version of the list.
        list: u32,
        /// What.
        key: ClaimKey,
        /// The sender's epoch and the claim's number.
        claimant: Holder,
    },
    /// To a claimant.
    Answer(Answer),
    /// The sender gives a claim up.
    Release {
        /// What.
        key: ClaimKey,
        /// Which claim of its own.
        released: Holder,
    },
    /// The sender waits for a majority of the list of this version to hand over.
    WantsHandover(u32),
    /// What the sender has granted, or was handed over, up to the list of this version, which it has closed.
    Handover {
        /// Version of the closed list.
        list: u32,
        /// Which part.
        part: Part,
        /// Who holds what.
        grants: Vec<(ClaimKey, Holder)>,
    },
    /// Entries of the sender's journal, or of another's that it holds.
    Commit(Told),
    /// The sender has the entries up to this one on its disk.
    Copy {
        /// Whose journal.
        device: DeviceId,
        /// Which epoch.
        epoch: u32,
        /// The last of the entries.
        seq: u32,
        /// First 16 bytes of its hash.
        hash: [u8; 16],
    },
}

/// A message and who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// In which group.
    pub group: u16,
    /// Who.
    pub sender: DeviceId,
    /// What.
    pub message: Message,
    signed: usize,
}

/// Bytes that are not a message, or not the sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MessageError {
    /// Longer than [`MESSAGE_MAX`].
    #[error("a message on the LAN has at most {MESSAGE_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// Not of the layout.
    #[error("not a message of the LAN: {0}")]
    Malformed(#[from] Malformed),
    /// Of newer software.
    #[error("a message of version {0}, this software knows 1")]
    Version(u8),
    /// Not the sender's signature.
    #[error("a message's signature does not hold")]
    Signature,
}

impl Message {
    fn kind(&self) -> (u8, Option<SignatureTag>) {
        match self {
            Self::Presence(_) => (1, Some(SignatureTag::Presence)),
            Self::Claim { .. } => (2, Some(SignatureTag::Claim)),
            Self::Answer(_) => (3, Some(SignatureTag::ClaimAnswer)),
            Self::Release { .. } => (4, Some(SignatureTag::ClaimRelease)),
            Self::WantsHandover(_) => (5, Some(SignatureTag::ClaimHandover)),
            Self::Commit(_) => (6, None),
            Self::Copy { .. } => (7, Some(SignatureTag::Copy)),
            Self::Handover { .. } => (8, Some(SignatureTag::ClaimHandover)),
        }
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Presence(presence) => {
                out.u32(presence.epoch);
                out.u16(presence.box_number.0);
                out.u32(presence.list);
                out.u8(u8::from(presence.asks));
                out.u16(u16::try_from(presence.chain.len()).unwrap_or(u16::MAX));
                out.bytes(&presence.chain);
            }
            Self::Claim { list, key, claimant } => {
                out.u32(*list);
                key.write(out);
                claimant.write(out);
            }
            Self::Answer(answer) => answer.write(out),
            Self::Release { key, released } => {
                key.write(out);
                released.write(out);
            }
            Self::WantsHandover(list) => out.u32(*list),
            Self::Handover { list, part, grants } => {
                out.u32(*list);
                out.u64(part.whole);
                out.u16(part.part);
                out.u16(part.parts);
                out.u16(u16::try_from(grants.len()).unwrap_or(u16::MAX));
                for (key, holder) in grants {
                    key.write(out);
                    holder.write(out);
                }
            }
            Self::Commit(told) => told.write(out),
            Self::Copy { device, epoch, seq, hash } => {
                device.write(out);
                out.u32(*epoch);
                out.u32(*seq);
                out.bytes(hash);
            }
        }
    }

    fn read(kind: u8, body: &[u8]) -> Result<Self, Malformed> {
        let mut input = Reader::new(body);
        let message = match kind {
            1 => {
                let (epoch, box_number, list) = (input.u32()?, BoxNumber(input.u16()?), input.u32()?);
                let asks = flag(input.u8()?)?;
                let length = usize::from(input.u16()?);
                if length > CHAIN_MAX {
                    return Err(Malformed::Value("chain length"));
                }
                Self::Presence(Presence { epoch, box_number, list, asks, chain: input.take(length)?.to_vec() })
            }
            2 => Self::Claim {
                list: input.u32()?,
                key: ClaimKey::read(&mut input)?,
                claimant: Holder::read(&mut input)?,
            },
            3 => Self::Answer(Answer::read(&mut input)?),
            4 => Self::Release { key: ClaimKey::read(&mut input)?, released: Holder::read(&mut input)? },
            5 => Self::WantsHandover(input.u32()?),
            6 => return Told::from_bytes(body).map(Self::Commit),
            7 => Self::Copy {
                device: DeviceId::read(&mut input)?,
                epoch: input.u32()?,
                seq: input.u32()?,
                hash: input.array()?,
            },
            8 => {
                let list = input.u32()?;
                let part = Part { whole: input.u64()?, part: input.u16()?, parts: input.u16()? };
                let count = usize::from(input.u16()?);
                if part.part >= part.parts || part.parts > HANDOVER_PARTS_MAX || count > GRANTS_IN_PART {
                    return Err(Malformed::Value("part"));
                }
                let grants = (0..count).map(|_| Ok((ClaimKey::read(&mut input)?, Holder::read(&mut input)?)));
                Self::Handover { list, part, grants: grants.collect::<Result<_, Malformed>>()? }
            }
            _ => return Err(Malformed::Value("type")),
        };
        input.end()?;
        Ok(message)
    }
}

fn flag(byte: u8) -> Result<bool, Malformed> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed::Value("flag")),
    }
}

impl Answer {
    fn write(&self, out: &mut Writer) {
        self.to.write(out);
        out.u32(self.list);
        self.key.write(out);
        match &self.verdict {
            Verdict::Granted => out.u8(1),
            Verdict::Taken(holder) => {
                out.u8(2);
                holder.write(out);
            }
            Verdict::Ahead(known) => {
                out.u8(3);
                out.u64(*known);
            }
            Verdict::Behind(known) => {
                out.u8(4);
                out.u64(*known);
            }
        }
        out.u8(u8::try_from(self.commits.len()).unwrap_or(u8::MAX));
        for told in &self.commits {
            let bytes = told.to_bytes();
            out.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX));
            out.bytes(&bytes);
        }
    }

    fn read(input: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (to, list, key) = (Holder::read(input)?, input.u32()?, ClaimKey::read(input)?);
        let verdict = match input.u8()? {
            1 => Verdict::Granted,
            2 => Verdict::Taken(Holder::read(input)?),
            3 => Verdict::Ahead(input.u64()?),
            4 => Verdict::Behind(input.u64()?),
            _ => return Err(Malformed::Value("verdict")),
        };
        let count = usize::from(input.u8()?);
        if count > COMMITS_IN_ANSWER {
            return Err(Malformed::Value("commits"));
        }
        let mut commits = Vec::new();
        for _ in 0..count {
            let length = usize::from(input.u16()?);
            commits.push(Told::from_bytes(input.take(length)?)?);
        }
        Ok(Self { to, list, key, verdict, commits })
    }
}

impl Envelope {
    const HEADER: usize = 20;
    const SIGNATURE: usize = 64;

    /// A message of the box whose key this is, signed.
    pub fn seal(festival: &FestivalId, group: u16, key: &SigningKey, message: &Message) -> Vec<u8> {
        let (kind, tag) = message.kind();
        let mut out = Writer::new();
        out.u8(1);
        out.u8(kind);
        out.u16(group);
        device_id(&key.verifying_key().to_bytes()).write(&mut out);
        message.write(&mut out);
        let mut bytes = out.finish();
        if let Some(tag) = tag {
            bytes.extend_from_slice(&sign(key, tag, festival, &[&bytes]));
        }
        bytes
    }

    /// Reads a message, without believing it.
    pub fn read(bytes: &[u8]) -> Result<Self, MessageError> {
        if bytes.len() > MESSAGE_MAX {
            return Err(MessageError::TooLong(bytes.len()));
        }
        let mut input = Reader::new(bytes);
        match input.u8()? {
            1 => {}
            other => return Err(MessageError::Version(other)),
        }
        let (kind, group, sender) = (input.u8()?, input.u16()?, DeviceId::read(&mut input)?);
        let has_own = kind == 6;
        let length = input.rest().len();
        let length = if has_own { Some(length) } else { length.checked_sub(Self::SIGNATURE) };
        let length = length.ok_or(Malformed::Short { missing: Self::SIGNATURE })?;
        let message = Message::read(kind, input.take(length)?)?;
        Ok(Self { group, sender, message, signed: Self::HEADER.saturating_add(length) })
    }

    /// Whether the sender, whose public key this is, said it. `bytes` are those that were read.
    pub fn check(&self, bytes: &[u8], festival: &FestivalId, public_key: &[u8; 32]) -> Result<(), MessageError> {
        let Some(tag) = self.message.kind().1 else { return Err(MessageError::Signature) };
        let (signed, signature) = bytes.split_at_checked(self.signed).ok_or(MessageError::Signature)?;
        let signature = signature.try_into().map_err(|_| MessageError::Signature)?;
        if device_id(public_key) != self.sender {
            return Err(MessageError::Signature);
        }
        verify(public_key, tag, festival, &[signed], &signature).map_err(|_| MessageError::Signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        journal::{ChainCursor, Effect, Flags, Kind, ZERO_HASH},
        money::Currency,
        time::Hlc,
    };

    const FESTIVAL: FestivalId = FestivalId([3; 16]);

    fn key(n: u8) -> SigningKey {
        SigningKey::from_bytes(&[n; 32])
    }

    fn me() -> Holder {
        Holder { device: device_id(&key(1).verifying_key().to_bytes()), epoch: 2, claim: 7 }
    }

    fn told() -> Told {
        let entry = crate::journal::Entry::new(Kind::NOTE, Effect::None, Currency::EUR, Hlc(5));
        let mut entry = entry;
        entry.flags = Flags::END_OF_COMMIT;
        let body = entry.to_bytes();
        let mut cursor = ChainCursor::start(FESTIVAL, me().device, 2);
        cursor.append(&body);
        let signature = cursor.sign(&key(1)).unwrap().signature;
        Told { device: me().device, epoch: 2, first: 0, prev: ZERO_HASH, signature, bodies: vec![body] }
    }

    fn all() -> Vec<Message> {
        let key = ClaimKey { what: 1, subject: [9; 16], number: 1 };
        let part = Part { whole: 5, part: 0, parts: 2 };
        let answer = |verdict| Answer { to: me(), list: 3, key, verdict, commits: vec![told()] };
        let presence = Presence { epoch: 2, box_number: BoxNumber(12), list: 3, asks: true, chain: vec![1, 2] };
        vec![
            Message::Presence(presence),
            Message::Claim { list: 3, key, claimant: me() },
            Message::Answer(answer(Verdict::Granted)),
            Message::Answer(answer(Verdict::Taken(me()))),
            Message::Answer(answer(Verdict::Ahead(4))),
            Message::Answer(answer(Verdict::Behind(4))),
            Message::Release { key, released: me() },
            Message::WantsHandover(3),
            Message::Handover { list: 3, part, grants: vec![(key, me())] },
            Message::Commit(told()),
            Message::Copy { device: me().device, epoch: 2, seq: 8, hash: [4; 16] },
        ]
    }

    #[test]
    fn every_message_reads_back() {
        for message in all() {
            let read = Envelope::read(&Envelope::seal(&FESTIVAL, 5, &key(1), &message));
            assert_eq!(read.map(|read| read.message), Ok(message));
        }
        let quiet = Presence { epoch: 2, box_number: BoxNumber(12), list: 3, asks: false, chain: vec![] };
        let read = Envelope::read(&Envelope::seal(&FESTIVAL, 5, &key(1), &Message::Presence(quiet.clone())));
        assert_eq!(read.map(|read| read.message), Ok(Message::Presence(quiet)));
    }

    #[test]
    fn what_a_message_lists_is_bounded() {
        let claimed = ClaimKey { what: 1, subject: [9; 16], number: 1 };
        let reads = |message: &Message| Envelope::read(&Envelope::seal(&FESTIVAL, 5, &key(1), message)).is_ok();
        let presence = |length: usize| {
            let chain = vec![7; length];
            reads(&Message::Presence(Presence { epoch: 2, box_number: BoxNumber(12), list: 3, asks: true, chain }))
        };
        let answer = |commits: usize| {
            let commits = vec![told(); commits];
            let verdict = Verdict::Granted;
            reads(&Message::Answer(Answer { to: me(), list: 3, key: claimed, verdict, commits }))
        };
        let handover = |part: u16, parts: u16, grants: usize| {
            let (part, grants) = (Part { whole: 5, part, parts }, vec![(claimed, me()); grants]);
            reads(&Message::Handover { list: 3, part, grants })
        };
        for beyond in [1, 2] {
            assert!(presence(CHAIN_MAX) && !presence(CHAIN_MAX + beyond));
            assert!(answer(COMMITS_IN_ANSWER) && !answer(COMMITS_IN_ANSWER + beyond));
            assert!(handover(0, 1, GRANTS_IN_PART) && !handover(0, 1, GRANTS_IN_PART + beyond));
            let (most, more) = (HANDOVER_PARTS_MAX, HANDOVER_PARTS_MAX + beyond as u16);
            assert!(handover(most - 1, most, 1) && !handover(0, more, 1));
            assert!(handover(3, 4, 0) && !handover(3 + beyond as u16, 4, 0));
        }
    }

    #[test]
    fn no_changed_bit_of_a_message_is_believed() {
        let public = key(1).verifying_key().to_bytes();
        for message in all() {
            let bytes = Envelope::seal(&FESTIVAL, 5, &key(1), &message);
            let read = Envelope::read(&bytes).unwrap();
            assert_eq!((read.group, read.sender, &read.message), (5, me().device, &message));
            let believes = |bytes: &[u8]| match Envelope::read(bytes) {
                Err(_) => false,
                Ok(Envelope { message: Message::Commit(told), .. }) => told.check(&FESTIVAL, &public).is_ok(),
                Ok(read) => read.check(bytes, &FESTIVAL, &public).is_ok(),
            };
            assert!(believes(&bytes), "{message:?}");
            // group and sender of a commit are not covered, nor believed
            let from = if matches!(message, Message::Commit(_)) { Envelope::HEADER } else { 0 };
            for bit in from * 8..bytes.len() * 8 {
                let mut changed = bytes.clone();
                changed[bit / 8] ^= 1 << (bit % 8);
                assert!(!believes(&changed), "{message:?} bit {bit}");
            }
            for length in 0..bytes.len() {
                assert!(!believes(&bytes[..length]), "{message:?} cut at {length}");
            }
            assert!(!believes(&[&bytes[..], &[0]].concat()), "{message:?} with a byte more");
        }
    }

    #[test]
    fn a_message_counts_in_its_festival_and_for_its_sender_alone() {
        let message = Message::WantsHandover(3);
        let bytes = Envelope::seal(&FESTIVAL, 5, &key(1), &message);
        let read = Envelope::read(&bytes).unwrap();
        let (own, other) = (key(1).verifying_key().to_bytes(), key(2).verifying_key().to_bytes());
        assert_eq!(read.check(&bytes, &FESTIVAL, &own), Ok(()));
        assert_eq!(read.check(&bytes, &FestivalId([4; 16]), &own), Err(MessageError::Signature));
        assert_eq!(read.check(&bytes, &FESTIVAL, &other), Err(MessageError::Signature));
        assert_eq!(Envelope::read(&[0; MESSAGE_MAX + 1]), Err(MessageError::TooLong(MESSAGE_MAX + 1)));
        assert_eq!(Envelope::read(&[0; MESSAGE_MAX]), Err(MessageError::Version(0)));
    }
}
