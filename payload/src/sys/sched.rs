//! Scheduling attributes of a task.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::io::Result;

/// `struct sched_attr` up to version 0 (48 bytes), which every kernel takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SchedAttr {
    /// Filled in by [`sched_setattr`].
    pub size: u32,
    /// `SCHED_*`.
    pub policy: u32,
    /// `SCHED_FLAG_*`.
    pub flags: u64,
    /// Nice value, for fair policies.
    pub nice: i32,
    /// Priority 1 to 99, for real-time policies.
    pub priority: u32,
    /// Deadline runtime in ns.
    pub runtime_ns: u64,
    /// Relative deadline in ns.
    pub deadline_ns: u64,
    /// Period in ns.
    pub period_ns: u64,
}

/// Children start in the default policy.
pub const SCHED_FLAG_RESET_ON_FORK: u64 = raw::SCHED_FLAG_RESET_ON_FORK as u64;

/// First come, first served, real-time.
pub const SCHED_FIFO: u32 = raw::SCHED_FIFO;

/// `sched_setattr(0, attr, 0)`.
///
/// # Errors
///
/// `EPERM`, `EBUSY` (deadline admission), `EINVAL`.
pub fn sched_setattr(attr: SchedAttr) -> Result<()> {
    let attr = SchedAttr {
        size: u32::try_from(size_of::<SchedAttr>()).unwrap_or(0),
        ..attr
    };
    // SAFETY: `attr` is a sched_attr of the size it names.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_sched_setattr,
            0,
            (&raw const attr).addr(),
            0,
            0,
            0,
        )
    };
    check(ret).map(drop)
}

/// `sched_getattr(0)`.
///
/// # Errors
///
/// None that is known with these arguments.
pub fn sched_getattr() -> Result<SchedAttr> {
    let mut attr = SchedAttr::default();
    // SAFETY: `attr` is writable and its size is what is passed.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_sched_getattr,
            0,
            (&raw mut attr).addr(),
            size_of::<SchedAttr>(),
            0,
            0,
        )
    };
    check(ret).map(|_| attr)
}
