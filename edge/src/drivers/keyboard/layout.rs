//! What a key types on a keyboard layout, for the characters that a code can hold (ASCII).
//! Invariant: every character of base45 and of base64 can be typed on every layout.
//! Not here: which keys are down (`decode`).
use evdev::KeyCode;

use crate::drivers::config::Layout;

/// What is held down while a key is pressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Shift, either one.
    pub shift: bool,
    /// The right Alt.
    pub alt_gr: bool,
    /// CapsLock is on.
    pub caps: bool,
}

/// The character, `None` for a key that types none which a code can hold.
pub(super) fn typed(layout: Layout, key: KeyCode, held: Held) -> Option<char> {
    if let Some(char) = same_everywhere(key) {
        return Some(char);
    }
    let (plain, shifted, alt_gr) = match layout {
        Layout::Us => us(key)?,
        Layout::Fr => fr(key)?,
    };
    // on the French layout CapsLock shifts the digits' row and the signs as well
    let by_caps = held.caps && (plain.is_ascii_alphabetic() || layout == Layout::Fr);
    let char = match (held.alt_gr, held.shift != by_caps) {
        (true, _) => alt_gr,
        (false, true) => shifted,
        (false, false) => plain,
    };
    (char != NONE).then_some(char)
}

/// A place of a key that types nothing a code can hold.
const NONE: char = '\0';

fn same_everywhere(key: KeyCode) -> Option<char> {
    Some(match key {
        KeyCode::KEY_SPACE => ' ',
        KeyCode::KEY_KP0 => '0',
        KeyCode::KEY_KP1 => '1',
        KeyCode::KEY_KP2 => '2',
        KeyCode::KEY_KP3 => '3',
        KeyCode::KEY_KP4 => '4',
        KeyCode::KEY_KP5 => '5',
        KeyCode::KEY_KP6 => '6',
        KeyCode::KEY_KP7 => '7',
        KeyCode::KEY_KP8 => '8',
        KeyCode::KEY_KP9 => '9',
        KeyCode::KEY_KPDOT => '.',
        KeyCode::KEY_KPSLASH => '/',
        KeyCode::KEY_KPASTERISK => '*',
        KeyCode::KEY_KPMINUS => '-',
        KeyCode::KEY_KPPLUS => '+',
        _ => return None,
    })
}

/// The letter on this key's cap in the United States.
fn letter(key: KeyCode) -> Option<char> {
    Some(match key {
        KeyCode::KEY_A => 'a',
        KeyCode::KEY_B => 'b',
        KeyCode::KEY_C => 'c',
        KeyCode::KEY_D => 'd',
        KeyCode::KEY_E => 'e',
        KeyCode::KEY_F => 'f',
        KeyCode::KEY_G => 'g',
        KeyCode::KEY_H => 'h',
        KeyCode::KEY_I => 'i',
        KeyCode::KEY_J => 'j',
        KeyCode::KEY_K => 'k',
        KeyCode::KEY_L => 'l',
        KeyCode::KEY_M => 'm',
        KeyCode::KEY_N => 'n',
        KeyCode::KEY_O => 'o',
        KeyCode::KEY_P => 'p',
        KeyCode::KEY_Q => 'q',
        KeyCode::KEY_R => 'r',
        KeyCode::KEY_S => 's',
        KeyCode::KEY_T => 't',
        KeyCode::KEY_U => 'u',
        KeyCode::KEY_V => 'v',
        KeyCode::KEY_W => 'w',
        KeyCode::KEY_X => 'x',
        KeyCode::KEY_Y => 'y',
        KeyCode::KEY_Z => 'z',
        _ => return None,
    })
}

fn both_cases(letter: char) -> (char, char, char) {
    (letter, letter.to_ascii_uppercase(), NONE)
}

/// Plain, with Shift, with AltGr.
fn us(key: KeyCode) -> Option<(char, char, char)> {
    if let Some(letter) = letter(key) {
        return Some(both_cases(letter));
    }
    let (plain, shifted) = match key {
        KeyCode::KEY_1 => ('1', '!'),
        KeyCode::KEY_2 => ('2', '@'),
        KeyCode::KEY_3 => ('3', '#'),
        KeyCode::KEY_4 => ('4', '$'),
        KeyCode::KEY_5 => ('5', '%'),
        KeyCode::KEY_6 => ('6', '^'),
        KeyCode::KEY_7 => ('7', '&'),
        KeyCode::KEY_8 => ('8', '*'),
        KeyCode::KEY_9 => ('9', '('),
        KeyCode::KEY_0 => ('0', ')'),
        KeyCode::KEY_MINUS => ('-', '_'),
        KeyCode::KEY_EQUAL => ('=', '+'),
        KeyCode::KEY_LEFTBRACE => ('[', '{'),
        KeyCode::KEY_RIGHTBRACE => (']', '}'),
        KeyCode::KEY_SEMICOLON => (';', ':'),
        KeyCode::KEY_APOSTROPHE => ('\'', '"'),
        KeyCode::KEY_GRAVE => ('`', '~'),
        KeyCode::KEY_BACKSLASH | KeyCode::KEY_102ND => ('\\', '|'),
        KeyCode::KEY_COMMA => (',', '<'),
        KeyCode::KEY_DOT => ('.', '>'),
        KeyCode::KEY_SLASH => ('/', '?'),
        _ => return None,
    };
    Some((plain, shifted, NONE))
}

/// As [`us`]. Letters outside ASCII and dead keys type nothing that a code can hold.
fn fr(key: KeyCode) -> Option<(char, char, char)> {
    Some(match key {
        KeyCode::KEY_Q => both_cases('a'),
        KeyCode::KEY_W => both_cases('z'),
        KeyCode::KEY_A => both_cases('q'),
        KeyCode::KEY_Z => both_cases('w'),
        KeyCode::KEY_SEMICOLON => both_cases('m'),
        KeyCode::KEY_M => (',', '?', NONE),
        KeyCode::KEY_1 => ('&', '1', NONE),
        KeyCode::KEY_2 => (NONE, '2', '~'),
        KeyCode::KEY_3 => ('"', '3', '#'),
        KeyCode::KEY_4 => ('\'', '4', '{'),
        KeyCode::KEY_5 => ('(', '5', '['),
        KeyCode::KEY_6 => ('-', '6', '|'),
        KeyCode::KEY_7 => (NONE, '7', '`'),
        KeyCode::KEY_8 => ('_', '8', '\\'),
        KeyCode::KEY_9 => (NONE, '9', '^'),
        KeyCode::KEY_0 => (NONE, '0', '@'),
        KeyCode::KEY_MINUS => (')', NONE, ']'),
        KeyCode::KEY_EQUAL => ('=', '+', '}'),
        KeyCode::KEY_RIGHTBRACE => ('$', NONE, NONE),
        KeyCode::KEY_APOSTROPHE => (NONE, '%', NONE),
        KeyCode::KEY_BACKSLASH => ('*', NONE, NONE),
        KeyCode::KEY_102ND => ('<', '>', NONE),
        KeyCode::KEY_COMMA => (';', '.', NONE),
        KeyCode::KEY_DOT => (':', '/', NONE),
        KeyCode::KEY_SLASH => ('!', NONE, NONE),
        key => both_cases(letter(key)?),
    })
}
