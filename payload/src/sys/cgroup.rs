//! `clone3` into a cgroup.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::process::pid;
use super::{arch, check};
use core::mem::size_of;
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Result;
use rustix::process::Pid;

/// `struct clone_args` up to the field `cgroup`.
#[derive(Default)]
#[repr(C)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// [`fork`] into the cgroup whose directory is open as `into`, so that no
/// instruction of the child runs outside it. Returns `None` in the child.
///
/// [`fork`]: crate::sys::process::fork
///
/// # Errors
///
/// `EBUSY`, `EOPNOTSUPP`: the cgroup takes no tasks; `EAGAIN` at a limit;
/// `E2BIG` before 5.7.
pub fn fork_into(into: BorrowedFd<'_>) -> Result<Option<Pid>> {
    let args = CloneArgs {
        flags: raw::CLONE_INTO_CGROUP,
        exit_signal: raw::SIGCHLD.into(),
        cgroup: into.as_raw_fd().unsigned_abs().into(),
        ..CloneArgs::default()
    };
    // SAFETY: `args` is a clone_args of the size that is passed; without
    // CLONE_VM the child runs on its own copy of memory.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_clone3,
            (&raw const args).addr(),
            size_of::<CloneArgs>(),
            0,
            0,
            0,
        )
    };
    Ok(pid(check(ret)?))
}
