//! The functions that pcscd calls (PCSC-Lite's `ifdhandler.h`, API version 3).
//!
//! Reviewed: each function is called by pcscd alone, with pointers that are valid for the call and lengths that belong to
//! them; a null pointer is checked where the API allows one. No reference outlives its call, and no panic can pass: what
//! is called here neither unwraps nor indexes.
#![allow(unsafe_code, reason = "the C interface of pcscd's reader drivers; see the review above")]

use std::{
    collections::BTreeMap,
    ffi::{CStr, OsStr, c_char, c_int, c_long, c_ulong},
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    slice,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::remote::{Question, RemoteReader};

type Dword = c_ulong;
type Response = c_long;

const SUCCESS: Response = 0;
const ERROR_TAG: Response = 600;
const ERROR_POWER: Response = 608;
const COMMUNICATION_ERROR: Response = 612;
const NOT_SUPPORTED: Response = 614;
const ICC_PRESENT: Response = 615;
const ICC_NOT_PRESENT: Response = 616;
const NO_SUCH_DEVICE: Response = 617;
const INSUFFICIENT_BUFFER: Response = 618;

const TAG_ATR: Dword = 0x0303;
const SCARD_ATTR_ATR_STRING: Dword = 0x0009_0303;
const TAG_THREAD_SAFE: Dword = 0x0FAD;
const TAG_SLOTS_NUMBER: Dword = 0x0FAE;
const TAG_SIMULTANEOUS_ACCESS: Dword = 0x0FAF;
const TAG_SLOT_THREAD_SAFE: Dword = 0x0FAC;
const TAG_STOP_POLLING_THREAD: Dword = 0x0FB2;
const TAG_POLLING_THREAD_WITH_TIMEOUT: Dword = 0x0FB3;

const POWER_UP: Dword = 500;
const POWER_DOWN: Dword = 501;
const RESET: Dword = 502;

/// Readers that pcscd may have at once.
const SIMULTANEOUS: u8 = 16;
const MAX_ATR: Dword = 33;

static READERS: Mutex<BTreeMap<Dword, Arc<RemoteReader>>> = Mutex::new(BTreeMap::new());

fn reader(lun: Dword) -> Option<Arc<RemoteReader>> {
    READERS.lock().unwrap_or_else(PoisonError::into_inner).get(&lun).cloned()
}

/// Copies `bytes` to where pcscd wants them.
///
/// # Safety
/// `length` is valid; `to` is valid for `*length` bytes.
unsafe fn hand_over(bytes: &[u8], length: *mut Dword, to: *mut u8) -> Response {
    if length.is_null() || to.is_null() {
        return COMMUNICATION_ERROR;
    }
    // SAFETY: checked above, valid by the caller's promise
    let room = unsafe { *length };
    let Ok(count) = Dword::try_from(bytes.len()) else { return INSUFFICIENT_BUFFER };
    if room < count {
        return INSUFFICIENT_BUFFER;
    }
    // SAFETY: `to` has room for `count` bytes, and pcscd's buffer is not one of ours
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        *length = count;
    }
    SUCCESS
}

/// Opens the reader whose socket is `name`.
///
/// # Safety
/// `name` is a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHCreateChannelByName(lun: Dword, name: *const c_char) -> Response {
    if name.is_null() {
        return COMMUNICATION_ERROR;
    }
    // SAFETY: a C string, by pcscd's promise
    let name = unsafe { CStr::from_ptr(name) };
    match RemoteReader::connect(PathBuf::from(OsStr::from_bytes(name.to_bytes()))) {
        Ok(reader) => {
            READERS.lock().unwrap_or_else(PoisonError::into_inner).insert(lun, Arc::new(reader));
            SUCCESS
        }
        Err(_) => NO_SUCH_DEVICE,
    }
}

/// Readers are named, not numbered.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHCreateChannel(_lun: Dword, _channel: Dword) -> Response {
    COMMUNICATION_ERROR
}

/// Closes the reader.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHCloseChannel(lun: Dword) -> Response {
    READERS.lock().unwrap_or_else(PoisonError::into_inner).remove(&lun);
    SUCCESS
}

/// pcscd's thread for this reader waits here for a tag to come or go.
extern "C" fn wait_for_event(lun: Dword, timeout_ms: c_int) -> Response {
    let Some(reader) = reader(lun) else { return NO_SUCH_DEVICE };
    let patience = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(0));
    match reader.wait_event(patience) {
        Ok(()) => SUCCESS,
        // pcscd pauses before it asks again
        Err(_) => COMMUNICATION_ERROR,
    }
}

extern "C" fn stop_waiting(lun: Dword) -> Response {
    if let Some(reader) = reader(lun) {
        reader.stop_waiting();
    }
    SUCCESS
}

/// What pcscd wants to know of the driver or the tag.
///
/// # Safety
/// `length` is valid; `value` is valid for `*length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHGetCapabilities(lun: Dword, tag: Dword, length: *mut Dword, value: *mut u8) -> Response {
    let wait: extern "C" fn(Dword, c_int) -> Response = wait_for_event;
    let stop: extern "C" fn(Dword) -> Response = stop_waiting;
    let bytes = match tag {
        TAG_SLOTS_NUMBER | TAG_THREAD_SAFE | TAG_SLOT_THREAD_SAFE => vec![1],
        TAG_SIMULTANEOUS_ACCESS => vec![SIMULTANEOUS],
        TAG_POLLING_THREAD_WITH_TIMEOUT => (wait as usize).to_ne_bytes().to_vec(),
        TAG_STOP_POLLING_THREAD => (stop as usize).to_ne_bytes().to_vec(),
        TAG_ATR | SCARD_ATTR_ATR_STRING => match reader(lun).map(|reader| reader.ask(Question::Atr, &[])) {
            Some(Ok(Some(atr))) => atr,
            Some(_) | None => return COMMUNICATION_ERROR,
        },
        _ => return ERROR_TAG,
    };
    // SAFETY: the caller's promise
    unsafe { hand_over(&bytes, length, value) }
}

/// Nothing can be set.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHSetCapabilities(_lun: Dword, _tag: Dword, _length: Dword, _value: *const u8) -> Response {
    ERROR_TAG
}

/// Contactless: there is nothing to negotiate.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHSetProtocolParameters(
    _lun: Dword,
    _protocol: Dword,
    _flags: u8,
    _pts1: u8,
    _pts2: u8,
    _pts3: u8,
) -> Response {
    SUCCESS
}

/// Powers the tag up (selects it), resets or leaves it.
///
/// # Safety
/// `length` is valid; `atr` is valid for 33 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHPowerICC(lun: Dword, action: Dword, atr: *mut u8, length: *mut Dword) -> Response {
    let Some(reader) = reader(lun) else { return NO_SUCH_DEVICE };
    let question = match action {
        POWER_UP | RESET => Question::PowerUp,
        POWER_DOWN => Question::PowerDown,
        _ => return NOT_SUPPORTED,
    };
    if length.is_null() {
        return COMMUNICATION_ERROR;
    }
    let answer = reader.ask(question, &[]);
    // SAFETY: checked above
    unsafe { *length = 0 };
    match answer {
        Ok(Some(bytes)) if action != POWER_DOWN => {
            // SAFETY: pcscd's ATR buffers have 33 bytes
            unsafe {
                *length = MAX_ATR;
                hand_over(&bytes, length, atr)
            }
        }
        Ok(Some(_)) => SUCCESS,
        Ok(None) => ERROR_POWER,
        Err(_) => NO_SUCH_DEVICE,
    }
}

/// Which protocol bytes travel in.
#[repr(C)]
pub struct ScardIoHeader {
    protocol: Dword,
    length: Dword,
}

/// An APDU for the tag or the reader.
///
/// # Safety
/// `sent` is valid for `sent_length` bytes, `received_length` is valid, `received` is valid for `*received_length` bytes,
/// `header` is null or valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHTransmitToICC(
    lun: Dword,
    _send_header: ScardIoHeader,
    sent: *const u8,
    sent_length: Dword,
    received: *mut u8,
    received_length: *mut Dword,
    header: *mut ScardIoHeader,
) -> Response {
    let (Some(reader), Ok(count)) = (reader(lun), usize::try_from(sent_length)) else { return NO_SUCH_DEVICE };
    if sent.is_null() || received_length.is_null() {
        return COMMUNICATION_ERROR;
    }
    // SAFETY: the caller's promise
    let apdu = unsafe { slice::from_raw_parts(sent, count) };
    let answer = reader.ask(Question::Transmit, apdu);
    // SAFETY: the caller's promise; `header` is checked for null
    unsafe {
        match answer {
            Ok(Some(bytes)) => {
                if !header.is_null() {
                    (*header).protocol = 1;
                }
                hand_over(&bytes, received_length, received)
            }
            Ok(None) => {
                *received_length = 0;
                ICC_NOT_PRESENT
            }
            Err(_) => {
                *received_length = 0;
                NO_SUCH_DEVICE
            }
        }
    }
}

/// An escape command for the reader itself.
///
/// # Safety
/// `sent` is null or valid for `sent_length` bytes, `received` for `room`, `returned` is valid.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn IFDHControl(
    lun: Dword,
    code: Dword,
    sent: *const u8,
    sent_length: Dword,
    received: *mut u8,
    room: Dword,
    returned: *mut Dword,
) -> Response {
    let (Some(reader), Ok(count)) = (reader(lun), usize::try_from(sent_length)) else { return NO_SUCH_DEVICE };
    if returned.is_null() {
        return COMMUNICATION_ERROR;
    }
    // SAFETY: the caller's promise
    let command = if sent.is_null() { &[] } else { unsafe { slice::from_raw_parts(sent, count) } };
    let code = u32::try_from(code).unwrap_or(u32::MAX).to_be_bytes();
    match reader.ask(Question::Control, &[&code, command].concat()) {
        // SAFETY: the caller's promise
        Ok(Some(bytes)) => unsafe {
            *returned = room;
            hand_over(&bytes, returned, received)
        },
        Ok(None) => NOT_SUPPORTED,
        Err(_) => NO_SUCH_DEVICE,
    }
}

/// Whether a tag is there.
#[unsafe(no_mangle)]
pub extern "C" fn IFDHICCPresence(lun: Dword) -> Response {
    let Some(reader) = reader(lun) else { return NO_SUCH_DEVICE };
    match reader.ask(Question::IsPresent, &[]) {
        Ok(Some(_)) => ICC_PRESENT,
        Ok(None) => ICC_NOT_PRESENT,
        Err(_) => NO_SUCH_DEVICE,
    }
}
