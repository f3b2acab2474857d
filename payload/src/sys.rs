//! System calls that rustix does not have, or has only unstably.
//!
//! rustix's `runtime` module has a name that changes on purpose, so creating
//! and ending tasks, signals and waiting are here. Each function is the safe
//! face of one call; the assembly is in one file per architecture.

#![expect(unsafe_code, reason = "this is where system calls are made")]

#[cfg(target_arch = "aarch64")]
#[path = "sys/aarch64.rs"]
mod arch;
#[cfg(target_arch = "riscv64")]
#[path = "sys/riscv64.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "sys/x86_64.rs"]
mod arch;
pub mod bpf;
pub mod cgroup;
pub mod exec;
pub mod ids;
pub mod mark;
pub mod numa;
pub mod packet;
pub mod perf;
pub mod process;
pub mod sched;
pub mod signal;

#[cfg(target_arch = "x86_64")]
pub mod tiles;

use core::mem::{MaybeUninit, offset_of, size_of};
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::{Errno, Result};

/// Takes the processing of input and output off a terminal, as `cfmakeraw`
/// does; whether it is one. rustix also translates its speeds, which takes a
/// kilobyte.
#[must_use]
pub fn make_raw(terminal: BorrowedFd<'_>) -> bool {
    const TCGETS: usize = 0x5401;
    const TCSETS: usize = 0x5402;
    let fd = terminal.as_raw_fd().unsigned_abs() as usize;
    let mut modes = MaybeUninit::<raw::termios>::zeroed();
    let at = modes.as_mut_ptr().addr();
    // SAFETY: `modes` is what the call fills in.
    let got = unsafe { arch::syscall5(raw::__NR_ioctl, fd, TCGETS, at, 0, 0) };
    if got != 0 {
        return false;
    }
    // SAFETY: zeros are a valid value, and so is what the kernel made of them.
    let mut modes = unsafe { modes.assume_init() };
    modes.c_iflag = 0;
    modes.c_oflag &= !raw::OPOST;
    modes.c_lflag &= !(raw::ECHO | raw::ICANON | raw::ISIG | raw::IEXTEN);
    let at = (&raw const modes).addr();
    // SAFETY: `modes` is what the call reads.
    let set = unsafe { arch::syscall5(raw::__NR_ioctl, fd, TCSETS, at, 0, 0) };
    set == 0
}

fn check(ret: isize) -> Result<usize> {
    // The kernel returns -4095 to -1 for errors.
    match usize::try_from(ret) {
        Ok(value) => Ok(value),
        Err(_) => Err(Errno::from_raw_os_error(
            i32::try_from(-ret).unwrap_or(i32::MAX),
        )),
    }
}

fn signed(value: i64) -> usize {
    // Arguments are registers: a negative number keeps its bits.
    usize::from_ne_bytes(value.to_ne_bytes())
}

/// `syslog(SYSLOG_ACTION_CONSOLE_LEVEL)`: messages below `level` (1 to 8)
/// reach the console.
///
/// # Errors
///
/// `EPERM`.
pub fn set_console_level(level: u8) -> Result<()> {
    const SYSLOG_ACTION_CONSOLE_LEVEL: usize = 8;
    // SAFETY: this action takes no buffer.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_syslog,
            SYSLOG_ACTION_CONSOLE_LEVEL,
            0,
            usize::from(level),
            0,
            0,
        )
    };
    check(ret).map(drop)
}

/// `clock_gettime(CLOCK_MONOTONIC)` by system call, in ns: works before
/// `/proc` is mounted, where the vDSO cannot be found yet.
#[must_use]
pub fn monotonic_ns_by_syscall() -> u64 {
    let mut time = MaybeUninit::<[u64; 2]>::zeroed();
    // SAFETY: `time` is a writable timespec. It cannot fail for this clock.
    let _done = unsafe {
        arch::syscall5(
            raw::__NR_clock_gettime,
            raw::CLOCK_MONOTONIC as usize,
            time.as_mut_ptr().addr(),
            0,
            0,
            0,
        )
    };
    // SAFETY: zeroed, and then written by the kernel.
    let [seconds, nanos] = unsafe { time.assume_init() };
    seconds * 1_000_000_000 + nanos
}

/// Voluntary context switches of this thread so far: `ru_nvcsw` of
/// `getrusage(RUSAGE_THREAD)`.
#[must_use]
pub fn nvcsw() -> u64 {
    const NVCSW: usize = offset_of!(raw::rusage, ru_nvcsw) / size_of::<u64>();
    let mut usage = [0_u64; size_of::<raw::rusage>() / size_of::<u64>()];
    // SAFETY: `usage` is a writable rusage, which is made of 64-bit numbers.
    // It cannot fail with these arguments.
    let _done = unsafe {
        arch::syscall5(
            raw::__NR_getrusage,
            raw::RUSAGE_THREAD as usize,
            usage.as_mut_ptr().addr(),
            0,
            0,
            0,
        )
    };
    usage[NVCSW]
}

/// `close_range(first, last, 0)`; closing what is not open is no error.
///
/// # Errors
///
/// `ENOSYS` before 5.9.
pub fn close_range(first: u32, last: u32) -> Result<()> {
    // SAFETY: takes no memory; callers own no descriptor type in the range.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_close_range,
            first as usize,
            last as usize,
            0,
            0,
            0,
        )
    };
    check(ret).map(drop)
}

/// Standard output, whatever it is.
#[must_use]
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: nobody here closes descriptor 1; if it was never open, calls
    // on it say so.
    unsafe { BorrowedFd::borrow_raw(1) }
}
