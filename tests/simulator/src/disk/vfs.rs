//! The layer itself: every call goes to SQLite's own, after `super` was told.
//! Invariant: each function only translates; an error of ours is an error for SQLite.
//! Not here: what a cut does (`super`).
use std::{
    ffi::{CStr, OsStr, c_char, c_int, c_void},
    fs::File,
    mem,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr,
    sync::{Arc, OnceLock},
};

use rusqlite::ffi;

use super::Disk;

/// Our file: SQLite's own stands behind it in the same allocation.
#[repr(C)]
struct Watched {
    base: ffi::sqlite3_file,
    disk: *const Disk,
    place: *mut Place,
}

/// Where it is, and a way to what stands there.
struct Place {
    path: PathBuf,
    stands: File,
}

struct Behind {
    vfs: *mut ffi::sqlite3_vfs,
    methods: ffi::sqlite3_io_methods,
}

// The pointers are to SQLite's own tables, which never change.
unsafe impl Send for Behind {}
unsafe impl Sync for Behind {}

static BEHIND: OnceLock<Behind> = OnceLock::new();

fn behind() -> *mut ffi::sqlite3_vfs {
    BEHIND.get().map_or(ptr::null_mut(), |behind| behind.vfs)
}

/// Registers the layer as the one that is used where none is named.
pub(super) fn install() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| unsafe {
        ffi::sqlite3_initialize();
        let own = ffi::sqlite3_vfs_find(ptr::null());
        if own.is_null() {
            return false;
        }
        let methods = ffi::sqlite3_io_methods {
            iVersion: 2,
            xClose: Some(close),
            xRead: Some(read),
            xWrite: Some(write),
            xTruncate: Some(truncate),
            xSync: Some(sync),
            xFileSize: Some(file_size),
            xLock: Some(lock),
            xUnlock: Some(unlock),
            xCheckReservedLock: Some(check_reserved),
            xFileControl: Some(file_control),
            xSectorSize: Some(sector_size),
            xDeviceCharacteristics: Some(characteristics),
            xShmMap: Some(shm_map),
            xShmLock: Some(shm_lock),
            xShmBarrier: Some(shm_barrier),
            xShmUnmap: Some(shm_unmap),
            xFetch: None,
            xUnfetch: None,
        };
        let mut ours = *own;
        ours.szOsFile += mem::size_of::<Watched>() as c_int;
        ours.pNext = ptr::null_mut();
        ours.zName = c"power-cut".as_ptr();
        ours.xOpen = Some(open);
        ours.xDelete = Some(delete);
        if BEHIND.set(Behind { vfs: own, methods }).is_err() {
            return false;
        }
        ffi::sqlite3_vfs_register(Box::leak(Box::new(ours)), 1) == ffi::SQLITE_OK
    })
}

unsafe fn own(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.cast::<Watched>().add(1).cast() }
}

macro_rules! forward {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let own = unsafe { own($file) };
        match unsafe { (*(*own).pMethods).$method } {
            Some(method) => unsafe { method(own $(, $argument)*) },
            None => ffi::SQLITE_IOERR,
        }
    }};
}

unsafe fn watched<'a>(file: *mut ffi::sqlite3_file) -> Option<(&'a Disk, &'a Place)> {
    unsafe {
        let file = file.cast::<Watched>();
        Some(((*file).disk.as_ref()?, (*file).place.as_ref()?))
    }
}

unsafe fn path_of(name: *const c_char) -> Option<PathBuf> {
    if name.is_null() {
        return None;
    }
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Some(PathBuf::from(OsStr::from_bytes(bytes)))
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    unsafe {
        let ours = file.cast::<Watched>();
        (*ours).base.pMethods = ptr::null();
        (*ours).disk = ptr::null();
        (*ours).place = ptr::null_mut();
        let real = behind();
        let Some(opener) = (*real).xOpen else { return ffi::SQLITE_CANTOPEN };
        let found = opener(real, name, own(file), flags, out);
        if found != ffi::SQLITE_OK {
            return found;
        }
        if let Some(path) = path_of(name)
            && let Some(disk) = super::of(&path)
        {
            let Ok(stands) = File::open(&path) else {
                if let Some(close) = (*own(file)).pMethods.as_ref().and_then(|methods| methods.xClose) {
                    close(own(file));
                }
                return ffi::SQLITE_CANTOPEN;
            };
            (*ours).disk = Arc::into_raw(disk);
            (*ours).place = Box::into_raw(Box::new(Place { path, stands }));
        }
        (*ours).base.pMethods = BEHIND.get().map_or(ptr::null(), |behind| &raw const behind.methods);
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    unsafe {
        if let Some(disk) = path_of(name).and_then(|path| super::of(&path))
            && disk.is_dead()
        {
            return ffi::SQLITE_IOERR_DELETE;
        }
        let real = behind();
        match (*real).xDelete {
            Some(delete) => delete(real, name, sync),
            None => ffi::SQLITE_IOERR_DELETE,
        }
    }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    let result = forward!(file, xClose);
    unsafe {
        let ours = file.cast::<Watched>();
        if !(*ours).disk.is_null() {
            drop(Arc::from_raw((*ours).disk));
            (*ours).disk = ptr::null();
        }
        if !(*ours).place.is_null() {
            drop(Box::from_raw((*ours).place));
            (*ours).place = ptr::null_mut();
        }
    }
    result
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, at: i64) -> c_int {
    forward!(file, xRead, to, length, at)
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, at: i64) -> c_int {
    let Some((disk, Place { path, stands })) = (unsafe { watched(file) }) else {
        return forward!(file, xWrite, from, length, at);
    };
    let (before, after) = disk.operate();
    if !before || disk.before_write(path, stands, at.unsigned_abs(), u64::from(length.unsigned_abs())).is_err() {
        return ffi::SQLITE_IOERR_WRITE;
    }
    let written = forward!(file, xWrite, from, length, at);
    if after { written } else { ffi::SQLITE_IOERR_WRITE }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, to: i64) -> c_int {
    let Some((disk, Place { path, stands })) = (unsafe { watched(file) }) else { return forward!(file, xTruncate, to) };
    let (before, after) = disk.operate();
    if !before || disk.before_truncate(path, stands, to.unsigned_abs()).is_err() {
        return ffi::SQLITE_IOERR_TRUNCATE;
    }
    let done = forward!(file, xTruncate, to);
    if after { done } else { ffi::SQLITE_IOERR_TRUNCATE }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    let Some((disk, Place { path, .. })) = (unsafe { watched(file) }) else { return forward!(file, xSync, flags) };
    let (before, after) = disk.operate();
    if !before {
        return ffi::SQLITE_IOERR_FSYNC;
    }
    if !after {
        // the power fails in the flush: all, some or nothing of it is done
        return ffi::SQLITE_IOERR_FSYNC;
    }
    disk.flushed(path);
    ffi::SQLITE_OK
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    forward!(file, xFileSize, size)
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xLock, level)
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    forward!(file, xUnlock, level)
}

unsafe extern "C" fn check_reserved(file: *mut ffi::sqlite3_file, found: *mut c_int) -> c_int {
    forward!(file, xCheckReservedLock, found)
}

unsafe extern "C" fn file_control(file: *mut ffi::sqlite3_file, what: c_int, argument: *mut c_void) -> c_int {
    forward!(file, xFileControl, what, argument)
}

unsafe extern "C" fn sector_size(file: *mut ffi::sqlite3_file) -> c_int {
    forward!(file, xSectorSize)
}

/// Promises nothing: no write is atomic, and a torn one may spoil its sector.
unsafe extern "C" fn characteristics(_: *mut ffi::sqlite3_file) -> c_int {
    0
}

unsafe extern "C" fn shm_map(
    file: *mut ffi::sqlite3_file,
    page: c_int,
    size: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    forward!(file, xShmMap, page, size, extend, out)
}

unsafe extern "C" fn shm_lock(file: *mut ffi::sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    forward!(file, xShmLock, offset, count, flags)
}

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    let own = unsafe { own(file) };
    if let Some(barrier) = unsafe { (*(*own).pMethods).xShmBarrier } {
        unsafe { barrier(own) };
    }
}

unsafe extern "C" fn shm_unmap(file: *mut ffi::sqlite3_file, remove: c_int) -> c_int {
    forward!(file, xShmUnmap, remove)
}
