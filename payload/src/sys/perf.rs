//! `perf_event_open(2)`, as far as sampling needs it.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::fd::{FromRawFd, OwnedFd};
use rustix::io::Result;

/// Size of the first version of `struct perf_event_attr`, which every kernel
/// takes.
const ATTR_SIZE: u64 = 64;
/// The event is number 0 of both kinds: cycles, and the CPU clock.
const PERF_TYPE_SOFTWARE: u64 = 1;
const PERF_SAMPLE_IP: u64 = 1;
/// Bits of the attributes.
const DISABLED: u64 = 1;
const INHERIT: u64 = 1 << 1;
const EXCLUDE_KERNEL: u64 = 1 << 5;
const EXCLUDE_IDLE: u64 = 1 << 7;
const FREQ: u64 = 1 << 10;
const PERF_FLAG_FD_CLOEXEC: usize = 8;
/// Commands of `prctl`.
const PR_TASK_PERF_EVENTS_DISABLE: usize = 31;
const PR_TASK_PERF_EVENTS_ENABLE: usize = 32;

/// What an event is to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sampled {
    /// How often a second.
    pub hz: u32,
    /// By the CPU's cycles rather than by its clock.
    pub cycles: bool,
    /// Of this thread and the children that it will have, not of all.
    pub inherited: bool,
    /// Not in the kernel.
    pub user: bool,
}

/// An event that notes where a CPU is, unless it is idle. It begins with
/// [`enable`].
///
/// # Errors
///
/// `ENOSYS` without `CONFIG_PERF_EVENTS`, `EACCES` where
/// `perf_event_paranoid` forbids it, `ENOENT` or `EOPNOTSUPP` where the
/// hardware does not count, `EINVAL` for more than
/// `perf_event_max_sample_rate`.
pub fn sample(of: Sampled, cpu: u32) -> Result<OwnedFd> {
    let kind = if of.cycles { 0 } else { PERF_TYPE_SOFTWARE };
    let pid = if of.inherited { 0 } else { usize::MAX };
    let inherit = if of.inherited { INHERIT } else { 0 };
    let exclude = if of.user { EXCLUDE_KERNEL } else { 0 };
    let flags = DISABLED | EXCLUDE_IDLE | FREQ | inherit | exclude;
    let attr = [
        kind | ATTR_SIZE << 32,
        0,
        u64::from(of.hz),
        PERF_SAMPLE_IP,
        0,
        flags,
        0,
        0,
    ];
    // SAFETY: `attr` is readable and has the size that it names.
    let fd = unsafe {
        arch::syscall5(
            raw::__NR_perf_event_open,
            attr.as_ptr().addr(),
            pid,
            cpu as usize,
            usize::MAX,
            PERF_FLAG_FD_CLOEXEC,
        )
    };
    let fd = i32::try_from(check(fd)?).unwrap_or(-1);
    // SAFETY: a descriptor that was just opened, for nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Begins, or ends, all events that this thread has opened, and those that
/// its children have inherited.
pub fn enable(on: bool) {
    let option = match on {
        true => PR_TASK_PERF_EVENTS_ENABLE,
        false => PR_TASK_PERF_EVENTS_DISABLE,
    };
    // SAFETY: takes no memory. It cannot fail where an event was opened.
    let _done = unsafe { arch::syscall5(raw::__NR_prctl, option, 0, 0, 0, 0) };
}
