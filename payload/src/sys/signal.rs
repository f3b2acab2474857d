//! Signals: sent, handled, blocked, waited for.

use super::{arch, check};
use linux_raw_sys::general as raw;
use rustix::io::Result;
use rustix::process::Pid;

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

/// The stop signal of workers.
pub const SIGUSR1: u32 = raw::SIGUSR1;

/// A child changed state.
pub const SIGCHLD: u32 = raw::SIGCHLD;

/// Interrupted from the terminal.
pub const SIGINT: u32 = raw::SIGINT;

/// Asked to terminate.
pub const SIGTERM: u32 = raw::SIGTERM;

/// Wrote to a pipe nobody reads.
pub const SIGPIPE: u32 = raw::SIGPIPE;

/// `tgkill(pid, tid, SIGUSR1)`; a thread that is gone is not an error.
pub fn send_stop(pid: Pid, tid: u32) {
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    let _gone = tgkill(pid, tid, SIGUSR1);
}

/// What a signal does from now on.
#[derive(Debug, Clone, Copy)]
pub enum Disposition {
    /// The default action.
    Default,
    /// Nothing.
    Ignore,
    /// Nothing, but a blocking call returns `EINTR`.
    Interrupt,
}

extern "C" fn interrupt_only(_signal: i32) {}

/// `rt_sigaction`, without `SA_RESTART`.
///
/// # Errors
///
/// `EINVAL` for a signal that cannot be handled.
pub fn set_signal(signal: u32, what: Disposition) -> Result<()> {
    let handler: extern "C" fn(i32) = interrupt_only;
    let handler = match what {
        Disposition::Default => 0,
        Disposition::Ignore => 1,
        Disposition::Interrupt => handler as usize,
    };
    // SAFETY: a handler that does nothing, or none.
    unsafe { sigaction(signal, handler) }
}

/// `rt_sigaction` for the whole process, without `SA_RESTART`.
///
/// # Safety
///
/// `handler` is 0, 1, or a function that may run between any two instructions
/// of any thread.
unsafe fn sigaction(signal: u32, handler: usize) -> Result<()> {
    // struct kernel_sigaction: handler, flags, restorer, mask; on riscv64
    // there is no restorer.
    let action = [
        handler,
        arch::SA_RESTORER,
        arch::sigreturn_address(),
        0_usize,
    ];
    // SAFETY: `action` is a valid kernel_sigaction with this architecture's
    // sigreturn; the caller vouches for the handler.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_rt_sigaction,
            signal as usize,
            action.as_ptr().addr(),
            0,
            size_of::<u64>(),
            0,
        )
    };
    check(ret).map(drop)
}

/// The signals that this process ignores, a bit each, from 1 on.
#[must_use]
pub fn ignored_signals() -> u64 {
    const SIG_IGN: usize = 1;
    let mut ignored = 0;
    for signal in 1..=u64::BITS {
        let mut old = [0_usize; 4];
        // SAFETY: `old` is a writable kernel_sigaction; nothing is changed.
        let ret = unsafe {
            arch::syscall5(
                raw::__NR_rt_sigaction,
                signal as usize,
                0,
                old.as_mut_ptr().addr(),
                size_of::<u64>(),
                0,
            )
        };
        if ret == 0 && old[0] == SIG_IGN {
            ignored |= 1 << (signal - 1);
        }
    }
    ignored
}

const fn mask(signals: &[u32]) -> u64 {
    let mut set = 0;
    let mut i = 0;
    while i < signals.len() {
        set |= 1 << (signals[i] - 1);
        i += 1;
    }
    set
}

fn sigprocmask(how: u32, set: u64) {
    // SAFETY: `set` is a readable kernel sigset. It cannot fail with these
    // arguments.
    let _done = unsafe {
        arch::syscall5(
            raw::__NR_rt_sigprocmask,
            how as usize,
            (&raw const set).addr(),
            0,
            size_of::<u64>(),
            0,
        )
    };
}

/// Blocks `signals` in this thread.
pub fn block_signals(signals: &[u32]) {
    sigprocmask(raw::SIG_BLOCK, mask(signals));
}

/// Unblocks everything in this thread.
pub fn unblock_all_signals() {
    sigprocmask(raw::SIG_SETMASK, 0);
}

/// `rt_sigtimedwait`: the next of these blocked `signals`, or `None` when
/// `timeout_ns` has passed.
#[must_use]
pub fn wait_signal(signals: &[u32], timeout_ns: u64) -> Option<u32> {
    let set = mask(signals);
    let timeout = [timeout_ns / 1_000_000_000, timeout_ns % 1_000_000_000];
    // SAFETY: `set` is a kernel sigset and `timeout` a timespec; both live
    // through the call.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_rt_sigtimedwait,
            (&raw const set).addr(),
            0,
            timeout.as_ptr().addr(),
            size_of::<u64>(),
            0,
        )
    };
    check(ret)
        .ok()
        .and_then(|signal| u32::try_from(signal).ok())
}
