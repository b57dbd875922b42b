//! Turns key events into codes: Shift, AltGr and CapsLock, characters, Enter.
//! Invariant: a pure function of events and their time; a code is held up to the longest ticket text and dropped
//! [`PATIENCE`] after its last key; a key that types nothing known spoils its code, which is then no ticket's text.
//! Not here: the device (`super`), the layouts (`layout`).
use std::time::{Duration, Instant};

use domain::ticket::MAX_TEXT_LEN;
use evdev::KeyCode;
use hardware::code::{ScannedCode, ScannerError};

use super::layout::{Held, typed};
use crate::drivers::config::Layout;

/// A code that has not ended this long after its last key is dropped: the next one is not glued to it.
pub(super) const PATIENCE: Duration = Duration::from_millis(500);

/// Stands for what no layout types; no ticket holds it.
const UNKNOWN: char = char::REPLACEMENT_CHARACTER;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Pressed, or repeated by itself.
    Down,
    /// Let go.
    Up,
}

/// The keys of one scanner.
pub(super) struct Decoder {
    layout: Layout,
    left_shift: bool,
    right_shift: bool,
    alt_gr: bool,
    caps: bool,
    text: String,
    /// Characters of this code so far, kept or not.
    length: usize,
    /// Events were lost: what comes until Enter is no code.
    is_torn: bool,
    last_key: Instant,
}

impl Decoder {
    /// No key is down; CapsLock as the device's light shows it.
    pub(super) fn new(layout: Layout, caps: bool, now: Instant) -> Self {
        Self {
            layout,
            left_shift: false,
            right_shift: false,
            alt_gr: false,
            caps,
            text: String::with_capacity(MAX_TEXT_LEN),
            length: 0,
            is_torn: false,
            last_key: now,
        }
    }

    /// Takes one event; gives the code that it ends.
    pub(super) fn key(&mut self, key: KeyCode, moved: Move, now: Instant) -> Option<Result<ScannedCode, ScannerError>> {
        if now.saturating_duration_since(self.last_key) > PATIENCE {
            self.forget();
        }
        self.last_key = now;
        let is_down = moved == Move::Down;
        match key {
            KeyCode::KEY_LEFTSHIFT => self.left_shift = is_down,
            KeyCode::KEY_RIGHTSHIFT => self.right_shift = is_down,
            KeyCode::KEY_RIGHTALT => self.alt_gr = is_down,
            KeyCode::KEY_CAPSLOCK if is_down => self.caps = !self.caps,
            KeyCode::KEY_ENTER | KeyCode::KEY_KPENTER | KeyCode::KEY_TAB if is_down => return self.end(),
            // lights and held modifiers that type nothing by themselves
            KeyCode::KEY_NUMLOCK | KeyCode::KEY_LEFTCTRL | KeyCode::KEY_RIGHTCTRL | KeyCode::KEY_LEFTALT => {}
            key if is_down => {
                let held = Held { shift: self.left_shift || self.right_shift, alt_gr: self.alt_gr, caps: self.caps };
                self.length = self.length.saturating_add(1);
                if self.length <= MAX_TEXT_LEN {
                    self.text.push(typed(self.layout, key, held).unwrap_or(UNKNOWN));
                }
            }
            _ => {}
        }
        None
    }

    /// Events were lost: which keys are down is not known any more.
    pub(super) fn lost(&mut self) {
        (self.left_shift, self.right_shift, self.alt_gr) = (false, false, false);
        self.is_torn = true;
    }

    fn end(&mut self) -> Option<Result<ScannedCode, ScannerError>> {
        let code = match (self.length, self.is_torn) {
            (0, false) => None,
            (_, true) => Some(Err(ScannerError::NotText { at: 0 })),
            (length, false) if length > MAX_TEXT_LEN => Some(Err(ScannerError::TooLong { length })),
            (_, false) => Some(ScannedCode::from_bytes(self.text.as_bytes())),
        };
        self.forget();
        code
    }

    fn forget(&mut self) {
        self.text.clear();
        self.length = 0;
        self.is_torn = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE45: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
    const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

    /// Which key of the layout types each character, and whether with Shift: written down from the layouts' pictures,
    /// apart from the tables under test. The key is named by what is printed on it in the United States.
    fn cap(layout: Layout, char: char) -> (char, bool) {
        if char.is_ascii_alphabetic() {
            let cap = match (layout, char.to_ascii_lowercase()) {
                (Layout::Fr, 'a') => 'q',
                (Layout::Fr, 'q') => 'a',
                (Layout::Fr, 'z') => 'w',
                (Layout::Fr, 'w') => 'z',
                (Layout::Fr, 'm') => ';',
                (_, letter) => letter,
            };
            return (cap, char.is_ascii_uppercase());
        }
        match (layout, char) {
            (_, ' ') => (' ', false),
            (Layout::Us, '$') => ('4', true),
            (Layout::Us, '%') => ('5', true),
            (Layout::Us, '*') => ('8', true),
            (Layout::Us, '+') => ('=', true),
            (Layout::Us, ':') => (';', true),
            (Layout::Us, plain) => (plain, false),
            (Layout::Fr, '$') => (']', false),
            (Layout::Fr, '%') => ('\'', true),
            (Layout::Fr, '*') => ('\\', false),
            (Layout::Fr, '+') => ('=', true),
            (Layout::Fr, '=') => ('=', false),
            (Layout::Fr, '-') => ('6', false),
            (Layout::Fr, '.') => (',', true),
            (Layout::Fr, '/') => ('.', true),
            (Layout::Fr, ':') => ('.', false),
            (Layout::Fr, digit) => (digit, true),
        }
    }

    /// Key codes by position, as the kernel numbers them (`input-event-codes.h`).
    fn position(cap: char) -> KeyCode {
        let rows = [(2, "1234567890-="), (16, "qwertyuiop[]"), (30, "asdfghjkl;'`"), (43, "\\zxcvbnm,./"), (57, " ")];
        let found = rows.iter().find_map(|(first, row)| Some(*first + u16::try_from(row.find(cap)?).unwrap()));
        KeyCode::new(found.unwrap())
    }

    struct Typist {
        decoder: Decoder,
        layout: Layout,
        now: Instant,
        caps: bool,
    }

    impl Typist {
        fn new(layout: Layout) -> Self {
            let now = Instant::now();
            Self { decoder: Decoder::new(layout, false, now), layout, now, caps: false }
        }

        fn press(&mut self, key: KeyCode) -> Option<Result<ScannedCode, ScannerError>> {
            self.now += Duration::from_millis(2);
            let ended = self.decoder.key(key, Move::Down, self.now);
            assert!(self.decoder.key(key, Move::Up, self.now).is_none());
            ended
        }

        fn char(&mut self, char: char) {
            let (cap, shift) = cap(self.layout, char);
            let locked = self.caps && (char.is_ascii_alphabetic() || self.layout == Layout::Fr && char != ' ');
            let shift_key = if char.is_ascii_digit() { KeyCode::KEY_RIGHTSHIFT } else { KeyCode::KEY_LEFTSHIFT };
            if shift != locked {
                assert!(self.decoder.key(shift_key, Move::Down, self.now).is_none());
            }
            assert!(self.press(position(cap)).is_none());
            assert!(self.decoder.key(shift_key, Move::Up, self.now).is_none());
        }

        fn types(&mut self, text: &str) -> Result<ScannedCode, ScannerError> {
            text.chars().for_each(|char| self.char(char));
            self.press(KeyCode::KEY_ENTER).expect("Enter ends a code")
        }
    }

    #[test]
    fn every_character_of_a_ticket_comes_through_both_layouts() {
        for layout in [Layout::Us, Layout::Fr] {
            let mut typist = Typist::new(layout);
            for text in [BASE45, BASE64] {
                assert_eq!(typist.types(text).unwrap().text(), text, "{layout:?}");
                for char in text.chars() {
                    let one = format!("{char}");
                    assert_eq!(typist.types(&one).unwrap().text(), one, "{layout:?}");
                }
            }
        }
    }

    #[test]
    fn caps_lock_turns_letters_and_on_the_french_layout_the_rest_as_well() {
        for layout in [Layout::Us, Layout::Fr] {
            let mut typist = Typist::new(layout);
            assert!(typist.press(KeyCode::KEY_CAPSLOCK).is_none());
            typist.caps = true;
            assert_eq!(typist.types(BASE45).unwrap().text(), BASE45, "{layout:?}");
            assert!(typist.press(KeyCode::KEY_CAPSLOCK).is_none());
            typist.caps = false;
            assert_eq!(typist.types(BASE64).unwrap().text(), BASE64, "{layout:?}");
        }
        let now = Instant::now();
        let mut decoder = Decoder::new(Layout::Us, true, now);
        assert!(decoder.key(KeyCode::KEY_A, Move::Down, now).is_none());
        let code = decoder.key(KeyCode::KEY_KPENTER, Move::Down, now).unwrap().unwrap();
        assert_eq!(code.text(), "A", "the light was on when the device was opened");
    }

    #[test]
    fn digits_and_signs_of_the_keypad_are_the_same_on_both_layouts() {
        for layout in [Layout::Us, Layout::Fr] {
            let mut typist = Typist::new(layout);
            for key in [KeyCode::KEY_KP7, KeyCode::KEY_KPSLASH, KeyCode::KEY_KPPLUS, KeyCode::KEY_KP0] {
                assert!(typist.press(key).is_none());
            }
            assert_eq!(typist.press(KeyCode::KEY_KPENTER).unwrap().unwrap().text(), "7/+0");
        }
    }

    #[test]
    fn a_key_that_types_nothing_known_spoils_its_code_and_no_other() {
        let mut typist = Typist::new(Layout::Fr);
        typist.char('A');
        assert!(typist.press(KeyCode::KEY_2).is_none(), "é");
        assert_eq!(typist.types("B").unwrap().text(), "A\u{fffd}B");
        assert!(typist.press(KeyCode::KEY_F5).is_none());
        assert_eq!(typist.types("C").unwrap().text(), "\u{fffd}C");
        assert_eq!(typist.types("D").unwrap().text(), "D");
    }

    #[test]
    fn half_a_code_is_not_glued_to_the_next_one() {
        let mut typist = Typist::new(Layout::Us);
        typist.char('X');
        typist.now += PATIENCE + Duration::from_millis(1);
        assert_eq!(typist.types("WHOLE").unwrap().text(), "WHOLE");
    }

    #[test]
    fn an_endless_code_is_named_too_long_and_the_next_one_is_read() {
        let mut typist = Typist::new(Layout::Us);
        let endless = "A".repeat(MAX_TEXT_LEN + 1);
        assert_eq!(typist.types(&endless), Err(ScannerError::TooLong { length: MAX_TEXT_LEN + 1 }));
        let longest = "A".repeat(MAX_TEXT_LEN);
        assert_eq!(typist.types(&longest).unwrap().text(), longest);
    }

    #[test]
    fn lost_events_spoil_the_code_and_let_go_of_shift() {
        let mut typist = Typist::new(Layout::Us);
        assert!(typist.decoder.key(KeyCode::KEY_LEFTSHIFT, Move::Down, typist.now).is_none());
        typist.decoder.lost();
        assert!(typist.types("AB").is_err());
        assert_eq!(typist.types("a$").unwrap().text(), "a$");
    }

    #[test]
    fn enter_by_itself_is_no_code() {
        let mut typist = Typist::new(Layout::Us);
        assert!(typist.press(KeyCode::KEY_ENTER).is_none());
    }
}
