//! Processes and threads: made, ended, reaped.

#![expect(unsafe_code, reason = "this is where system calls are made")]

use super::{arch, check, signed};
use core::ptr::null_mut;
use core::sync::atomic::AtomicU32;
use linux_raw_sys::general as raw;
use rustix::io::Result;
use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

/// `CLONE_*` flags of a thread in the sense of pthreads(7), with its id
/// cleared and its waiters woken when it ends.
const THREAD_FLAGS: u32 = raw::CLONE_VM
    | raw::CLONE_FS
    | raw::CLONE_FILES
    | raw::CLONE_SIGHAND
    | raw::CLONE_THREAD
    | raw::CLONE_SYSVSEM
    | raw::CLONE_CHILD_CLEARTID;

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

pub(super) fn pid(raw: usize) -> Option<Pid> {
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
/// taken. `Ok(None)` if all of them live.
///
/// # Errors
///
/// `ECHILD` if there are no children.
pub fn peek_ended() -> Result<Option<Ended>> {
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
    check(ret)?;
    let Some(pid) = pid(info[4] as usize) else {
        return Ok(None);
    };
    let status = u8::try_from(info[6] & 0xff).unwrap_or(0);
    let (code, signal) = if info[2] == raw::CLD_EXITED {
        (status, 0)
    } else {
        (0, status)
    };
    Ok(Some(Ended { pid, code, signal }))
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

/// Has the calling process killed when `parent`, which forked it, ends; it
/// exits at once if that has happened.
///
/// # Errors
///
/// None that is known.
pub fn die_with(parent: Pid) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(parent) {
        exit_group(0);
    }
    Ok(())
}
