//! System calls that rustix does not have, or has only unstably.
//!
//! rustix's `runtime` module has a name that changes on purpose, so creating
//! and ending tasks, signals and waiting are here. Each function is the safe
//! face of one call; the assembly is in one file per architecture.

#![expect(unsafe_code, reason = "this is where system calls are made")]

#[cfg(target_arch = "aarch64")]
#[path = "sys/aarch64.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "sys/x86_64.rs"]
mod arch;
pub mod bpf;
pub mod cgroup;
pub mod ids;
pub mod numa;
pub mod packet;
pub mod signal;

#[cfg(target_arch = "x86_64")]
mod tiles;

#[cfg(target_arch = "x86_64")]
pub use tiles::request_tiles;
pub mod exec;

use core::mem::{MaybeUninit, offset_of, size_of};
use core::ptr::null_mut;
use core::sync::atomic::AtomicU32;
use linux_raw_sys::general as raw;
use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::{Errno, Result};
use rustix::process::Pid;

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

/// `CLONE_*` flags of a thread in the sense of pthreads(7), with its id
/// cleared and its waiters woken when it ends.
const THREAD_FLAGS: u32 = raw::CLONE_VM
    | raw::CLONE_FS
    | raw::CLONE_FILES
    | raw::CLONE_SIGHAND
    | raw::CLONE_THREAD
    | raw::CLONE_SYSVSEM
    | raw::CLONE_CHILD_CLEARTID;

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

/// `fork()`: the child is a copy of this process with this thread only.
/// Returns `None` in the child.
///
/// # Errors
///
/// `EAGAIN` at a limit on tasks, `ENOMEM`.
pub fn fork() -> Result<Option<Pid>> {
    // SAFETY: without CLONE_VM the child runs on its own copy of memory.
    let ret = unsafe {
        arch::syscall5(raw::__NR_clone, raw::SIGCHLD as usize, 0, 0, 0, 0)
    };
    Ok(pid(check(ret)?))
}

/// A thread of this process that calls `entry(arg)` on the stack that ends
/// at `stack_top`, and never returns from it. `clear` becomes 0, and is
/// woken as a futex, when the thread has ended. Returns its thread id.
///
/// # Errors
///
/// `EAGAIN` at a limit on tasks, `ENOMEM`.
///
/// # Safety
///
/// `stack_top` is the 16-byte-aligned end of writable memory that nobody
/// else uses before `clear` is 0 and that is large enough for `entry`; `arg`
/// is what `entry` expects. `entry` must not use thread-local storage: the
/// thread has its creator's.
pub unsafe fn spawn_thread(
    stack_top: *mut u8,
    entry: extern "C" fn(usize) -> !,
    arg: usize,
    clear: &AtomicU32,
) -> Result<u32> {
    // SAFETY: the caller vouches for the stack and the entry.
    let ret = unsafe {
        arch::clone_thread(
            THREAD_FLAGS as usize,
            stack_top,
            clear.as_ptr(),
            entry,
            arg,
        )
    };
    Ok(u32::try_from(check(ret)?).unwrap_or(0))
}

/// `exit_group(code)`: ends the process.
pub fn exit_group(code: u8) -> ! {
    loop {
        // SAFETY: takes no memory. It does not return.
        let _never =
            unsafe { arch::syscall1(raw::__NR_exit_group, usize::from(code)) };
    }
}

/// `exit(0)`: ends this thread.
pub fn exit_thread() -> ! {
    loop {
        // SAFETY: takes no memory. It does not return.
        let _never = unsafe { arch::syscall1(raw::__NR_exit, 0) };
    }
}

fn pid(raw: usize) -> Option<Pid> {
    Pid::from_raw(i32::try_from(raw).unwrap_or(0))
}

/// A child that ended, not yet reaped.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// The child.
    pub pid: Pid,
    /// Its exit code, unless a signal killed it.
    pub code: u8,
    /// The signal that killed it, or 0.
    pub signal: u8,
}

/// `waitid(P_ALL, WEXITED | WNOHANG | WNOWAIT)`: a child that has ended, left
/// as a zombie so that `/proc` still shows it and its process group id stays
/// taken. `None` if there is none.
#[must_use]
pub fn peek_ended() -> Option<Ended> {
    let options = raw::WEXITED | raw::WNOHANG | raw::WNOWAIT | raw::__WALL;
    // siginfo_t is 128 bytes; si_code, si_pid and si_status are the 32-bit
    // words 2, 4 and 6 of it on 64-bit machines (sigaction(2)).
    let mut info = [0_u32; 32];
    // SAFETY: `info` is a writable siginfo_t.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_waitid,
            raw::P_ALL as usize,
            0,
            info.as_mut_ptr().addr(),
            options as usize,
            0,
        )
    };
    check(ret).ok()?;
    let pid = pid(info[4] as usize)?;
    let status = u8::try_from(info[6] & 0xff).unwrap_or(0);
    let (code, signal) = if info[2] == raw::CLD_EXITED {
        (status, 0)
    } else {
        (0, status)
    };
    Some(Ended { pid, code, signal })
}

/// `wait4(pid, __WALL)`: reaps one child, waiting for it unless `nohang`.
/// `Ok(None)` if it has not ended.
///
/// # Errors
///
/// `ECHILD` if it is not a child, `EINTR`.
pub fn reap(child: Pid, nohang: bool) -> Result<Option<Ended>> {
    let mut status = 0_u32;
    let options = raw::__WALL | if nohang { raw::WNOHANG } else { 0 };
    // SAFETY: `status` is a writable int.
    let ret = unsafe {
        arch::syscall5(
            raw::__NR_wait4,
            signed(child.as_raw_nonzero().get().into()),
            (&raw mut status).addr(),
            options as usize,
            0,
            0,
        )
    };
    Ok(pid(check(ret)?).map(|pid| Ended {
        pid,
        code: u8::try_from(status >> 8 & 0xff).unwrap_or(0),
        signal: u8::try_from(status & 0x7f).unwrap_or(0),
    }))
}

/// `tgkill(pid, tid, SIGUSR1)`; a thread that is gone is not an error.
pub fn send_stop(pid: Pid, tid: u32) {
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    let _gone = signal::tgkill(pid, tid, SIGUSR1);
}

/// `kill(-1, SIGKILL)`: every process but this one.
pub fn kill_everything() {
    // SAFETY: takes no memory.
    let _none = unsafe {
        arch::syscall5(
            raw::__NR_kill,
            signed(-1),
            raw::SIGKILL as usize,
            0,
            0,
            0,
        )
    };
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
    // struct kernel_sigaction: handler, flags, restorer, mask.
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

/// A stack for one thread, with an unmapped page below it.
#[derive(Debug)]
pub struct Stack {
    base: *mut u8,
    len: usize,
}

impl Stack {
    const GUARD: usize = 64 * 1024;

    /// Maps `len` bytes (a multiple of the page size).
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(len: usize) -> Result<Self> {
        use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
        let len = len + Self::GUARD;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a fresh anonymous mapping, at an address of the kernel's
        // choice.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                null_mut(),
                len,
                access,
                MapFlags::PRIVATE,
            )
        }?;
        // SAFETY: the first pages of the mapping just made.
        unsafe {
            rustix::mm::mprotect(base, Self::GUARD, MprotectFlags::empty())
        }?;
        Ok(Self {
            base: base.cast(),
            len,
        })
    }

    /// Puts `value` at its upper end. Returns where the stack now starts,
    /// growing down, and the address of the value.
    #[must_use]
    pub fn with<T: Copy>(&self, value: T) -> (*mut u8, usize) {
        const { assert!(align_of::<T>() <= 16 && size_of::<T>() < 4096) };
        let room = size_of::<T>().next_multiple_of(16);
        // SAFETY: below the end of the mapping, which is page-aligned and
        // far larger than `T`.
        let top = unsafe { self.base.add(self.len - room) };
        // SAFETY: writable, aligned, and nobody else's.
        unsafe { top.cast::<T>().write(value) };
        (top, top.expose_provenance())
    }
}
