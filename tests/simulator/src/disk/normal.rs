//! SQLite with `synchronous = NORMAL` on every connection of the process, whatever a connection asks for afterwards.
//! Not here: when it is installed (`super`).
use std::{
    ffi::{CStr, c_char, c_int, c_void},
    ptr,
    sync::OnceLock,
};

use rusqlite::ffi;

/// From now on, for every connection that is opened.
pub(super) fn install() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| unsafe { ffi::sqlite3_auto_extension(Some(opened)) == ffi::SQLITE_OK })
}

unsafe extern "C" fn opened(
    connection: *mut ffi::sqlite3,
    _error: *mut *mut c_char,
    _routines: *const ffi::sqlite3_api_routines,
) -> c_int {
    let set = unsafe {
        let pragma = c"PRAGMA synchronous = NORMAL".as_ptr();
        ffi::sqlite3_exec(connection, pragma, None, ptr::null_mut(), ptr::null_mut())
    };
    if set != ffi::SQLITE_OK {
        return set;
    }
    unsafe { ffi::sqlite3_set_authorizer(connection, Some(asked), ptr::null_mut()) }
}

/// Passes over who sets `synchronous` again.
unsafe extern "C" fn asked(
    _: *mut c_void,
    action: c_int,
    name: *const c_char,
    value: *const c_char,
    _: *const c_char,
    _: *const c_char,
) -> c_int {
    let sets = action == ffi::SQLITE_PRAGMA && !name.is_null() && !value.is_null();
    if sets && unsafe { CStr::from_ptr(name) }.to_bytes().eq_ignore_ascii_case(b"synchronous") {
        ffi::SQLITE_IGNORE
    } else {
        ffi::SQLITE_OK
    }
}
