//! Authentication with one of the card's keys, and the messages of a session, each with its MAC.
//! Invariant: a wrong proof or MAC ends the session; the number of a message is never used twice.
//! Not here: what the commands do.

use super::{
    AUTHENTICATE_PART_2, BLOCK, CFG0_PAGE, CFG1_PAGE, KEY_PAGES, Key, MAC, NAK_INVALID_ARGUMENT,
    NAK_TOO_MANY_PASSWORDS, Reply, SEC_MSG_ACT, Session, State, UltralightAes, card_crypto,
};

impl UltralightAes {
    pub(super) fn challenge(&mut self, key: u8) -> Result<Reply, u8> {
        let key = match key {
            0 => Key::DataProtection,
            1 => Key::UidRetrieval,
            _ => return Err(NAK_INVALID_ARGUMENT),
        };
        let limit = self.failures_allowed();
        if limit != 0 && self.failed >= limit {
            return Err(NAK_TOO_MANY_PASSWORDS);
        }
        let rnd_b = self.draw();
        self.state = State::Challenged { key, rnd_b };
        let mut answer = vec![AUTHENTICATE_PART_2];
        answer.extend(card_crypto::encrypt(&self.key(key), &[rnd_b]));
        Ok(Reply::Data(answer))
    }

    pub(super) fn authenticate(&mut self, proof: &[u8]) -> Result<Reply, u8> {
        let State::Challenged { key, rnd_b } = self.state else { return Err(NAK_INVALID_ARGUMENT) };
        let ([first, second], []) = proof.as_chunks::<BLOCK>() else { return Err(NAK_INVALID_ARGUMENT) };
        let card_key = self.key(key);
        let [rnd_a, rotated] = card_crypto::decrypt(&card_key, [*first, *second]);
        if rotated != card_crypto::rotated(rnd_b) {
            // Assumed, as on NTAG21x: counted only where there is a limit, and forgotten with the next success.
            if self.failures_allowed() != 0 {
                self.failed = self.failed.saturating_add(1);
            }
            return Err(NAK_INVALID_ARGUMENT);
        }
        self.failed = 0;
        let has_macs = self.page(CFG0_PAGE)[0] & SEC_MSG_ACT != 0;
        let secure = has_macs.then(|| (card_crypto::session_key(&card_key, &rnd_a, &rnd_b), 0));
        self.state = State::Authenticated(Session { key, secure });
        let mut answer = vec![0];
        answer.extend(card_crypto::encrypt(&card_key, &[card_crypto::rotated(rnd_a)]));
        Ok(Reply::Data(answer))
    }

    /// The command without its MAC, which must be right where the session has MACs.
    pub(super) fn unwrapped<'c>(&mut self, command: &'c [u8]) -> Result<&'c [u8], u8> {
        match &mut self.state {
            State::Authenticated(Session { secure: Some((key, counter)), .. }) => {
                let (plain, mac) = command.split_last_chunk::<MAC>().ok_or(NAK_INVALID_ARGUMENT)?;
                if *mac != card_crypto::message_mac(key, *counter, plain) {
                    return Err(NAK_INVALID_ARGUMENT);
                }
                *counter = counter.checked_add(1).ok_or(NAK_INVALID_ARGUMENT)?;
                Ok(plain)
            }
            State::Challenged { .. } => {
                self.state = State::Active;
                Ok(command)
            }
            State::OutOfField | State::Waiting | State::Active | State::Authenticated(_) => Ok(command),
        }
    }

    /// The answer with its MAC, which alone stands for an ACK.
    pub(super) fn wrapped(&mut self, reply: Reply) -> Result<Reply, u8> {
        let State::Authenticated(Session { secure: Some((key, counter)), .. }) = &mut self.state else {
            return Ok(reply);
        };
        let mut answer = match reply {
            Reply::Data(bytes) => bytes,
            Reply::Ack => Vec::new(),
            Reply::Nak(_) | Reply::Silent => return Ok(reply),
        };
        answer.extend(card_crypto::message_mac(key, *counter, &answer));
        *counter = counter.checked_add(1).ok_or(NAK_INVALID_ARGUMENT)?;
        Ok(Reply::Data(answer))
    }

    pub(super) fn is_authenticated(&self) -> bool {
        matches!(self.state, State::Authenticated(Session { key: Key::DataProtection, .. }))
    }

    /// The next of the chip's random numbers.
    pub(super) fn draw(&mut self) -> [u8; BLOCK] {
        self.drawn = self.drawn.wrapping_add(1);
        card_crypto::cmac(&self.seed, &[&self.drawn.to_le_bytes()])
    }

    /// A key; its pages hold it in reverse.
    pub(super) fn key(&self, key: Key) -> [u8; BLOCK] {
        let first = match key {
            Key::DataProtection => KEY_PAGES.start,
            Key::UidRetrieval => KEY_PAGES.start + 4,
        };
        std::array::from_fn(|at| self.memory[first * 4 + BLOCK - 1 - at])
    }

    /// AUTH_LIM: 10 bits, 0 for no limit.
    pub(super) fn failures_allowed(&self) -> u16 {
        let [_, _, low, high] = self.page(CFG1_PAGE);
        u16::from_le_bytes([low, high & 0x03])
    }
}
