//! System calls and threads on x86_64.

use core::arch::{asm, naked_asm};

pub(super) const SA_RESTORER: usize = 0x0400_0000;

/// One argument.
///
/// # Safety
///
/// As the call demands.
pub(super) unsafe fn syscall1(number: u32, a: usize) -> isize {
    // SAFETY: the caller's.
    unsafe { syscall5(number, a, 0, 0, 0, 0) }
}

/// Up to five arguments.
///
/// # Safety
///
/// As the call demands.
#[inline]
pub(super) unsafe fn syscall5(
    number: u32,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
) -> isize {
    // SAFETY: the caller's.
    unsafe { syscall6(number, [a, b, c, d, e, 0]) }
}

/// Six arguments.
///
/// # Safety
///
/// As the call demands.
#[inline]
pub(super) unsafe fn syscall6(
    number: u32,
    [a, b, c, d, e, f]: [usize; 6],
) -> isize {
    let ret;
    // SAFETY: the kernel changes rax, rcx and r11 only; the caller vouches
    // for the arguments.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as usize => ret,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            in("r10") d,
            in("r8") e,
            in("r9") f,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    ret
}

/// See [`crate::sys::mark`].
#[inline(always)]
pub(super) fn mark<const MARK: u16>() {
    // SAFETY: it does nothing.
    unsafe {
        asm!(
            "nop dword ptr [rax + {mark}]",
            mark = const MARK,
            options(nostack, preserves_flags),
        );
    }
}

/// `clone(2)` for a thread: the child calls `entry(arg)`.
///
/// # Safety
///
/// See [`crate::sys::process::spawn_thread`].
pub(super) unsafe fn clone_thread(
    flags: usize,
    stack_top: *mut u8,
    clear: *mut u32,
    entry: extern "C" fn(usize) -> !,
    arg: usize,
) -> isize {
    let ret;
    // SAFETY: the child starts on its own stack with all registers but rax,
    // rcx, r11 and rsp as they are here, so it finds entry and arg in them;
    // it never comes back.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",    // end of the frame chain
            "mov rdi, r12",
            "call r13",        // aligns the stack as a call does
            "ud2",
            "2:",
            inlateout("rax") linux_raw_sys::general::__NR_clone as usize => ret,
            in("rdi") flags,
            in("rsi") stack_top,
            in("rdx") 0_usize,
            in("r10") clear,
            in("r8") 0_usize,
            in("r12") arg,
            in("r13") entry,
            lateout("rcx") _,
            lateout("r11") _,
        );
    }
    ret
}

/// Where a signal handler returns to.
#[unsafe(naked)]
extern "C" fn sigreturn() {
    naked_asm!(
        "mov eax, {number}",
        "syscall",
        number = const linux_raw_sys::general::__NR_rt_sigreturn,
    )
}

pub(super) fn sigreturn_address() -> usize {
    let restorer: extern "C" fn() = sigreturn;
    restorer as usize
}
