//! System calls and threads on aarch64.

use core::arch::asm;

/// The kernel's vDSO returns from handlers by itself.
pub(super) const SA_RESTORER: usize = 0;

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
    // SAFETY: the kernel changes x0 only; the caller vouches for the
    // arguments.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number as usize,
            inlateout("x0") a => ret,
            in("x1") b,
            in("x2") c,
            in("x3") d,
            in("x4") e,
            in("x5") f,
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
            "movz xzr, #{mark}",
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
    // SAFETY: the child starts on its own stack with all registers but x0
    // and sp as they are here, so it finds entry and arg in them; it never
    // comes back.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",    // end of the frame chain
            "mov x0, x20",
            "blr x21",
            "brk #1",
            "2:",
            in("x8") linux_raw_sys::general::__NR_clone as usize,
            inlateout("x0") flags => ret,
            in("x1") stack_top,
            in("x2") 0_usize,
            in("x3") 0_usize,
            in("x4") clear,
            in("x20") arg,
            in("x21") entry,
        );
    }
    ret
}

pub(super) fn sigreturn_address() -> usize {
    0
}
