//! Signals between workers.

use super::{arch, check, sigaction};
use linux_raw_sys::general as raw;
use rustix::io::Result;

/// What workers may send each other; the stop signal is another.
pub const SIGUSR2: u32 = raw::SIGUSR2;

/// A function that the kernel calls with the number of a signal.
pub type Handler = extern "C" fn(i32);

/// `rt_sigaction(signal, handler)` for the whole process, without
/// `SA_RESTART`.
///
/// # Errors
///
/// `EINVAL` for a signal that cannot be handled.
///
/// # Safety
///
/// The handler runs between any two instructions of any thread: it may use
/// atomics and make system calls, and must neither block nor panic.
pub unsafe fn handle(signal: u32, handler: Handler) -> Result<()> {
    // SAFETY: the caller vouches for the handler.
    unsafe { sigaction(signal, handler as usize) }
}

/// `tgkill(pid, tid, signal)`.
///
/// # Errors
///
/// `ESRCH`: there is no such thread.
pub fn tgkill(pid: u32, tid: u32, signal: u32) -> Result<()> {
    // SAFETY: takes no memory.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_tgkill,
            pid as usize,
            tid as usize,
            signal as usize,
            0,
            0,
        )
    };
    check(ret).map(drop)
}
