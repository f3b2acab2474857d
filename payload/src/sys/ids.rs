//! User and group ids of the calling thread alone.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::io::Result;

/// `setresuid(uid, uid, uid)` of this thread; a C library would do it for
/// the whole process.
///
/// # Errors
///
/// `EPERM`, `EAGAIN` at the user's limit on tasks.
pub fn setresuid(uid: u32) -> Result<()> {
    set(raw::__NR_setresuid, uid)
}

/// `setresgid(gid, gid, gid)` of this thread.
///
/// # Errors
///
/// `EPERM`.
pub fn setresgid(gid: u32) -> Result<()> {
    set(raw::__NR_setresgid, gid)
}

fn set(call: u32, id: u32) -> Result<()> {
    let id = id as usize;
    // SAFETY: takes no memory.
    check(unsafe { arch::syscall5(call, id, id, id, 0, 0) }).map(drop)
}
