//! System calls and threads on riscv64.

use core::arch::asm;

/// The kernel's vDSO returns from handlers by itself. What stands in its place
/// is the mask here, and none as well.
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
    // SAFETY: the kernel changes a0, and vectors, which no call preserves;
    // the caller vouches for the arguments.
    unsafe {
        asm!(
            "ecall",
            in("a7") number as usize,
            inlateout("a0") a => ret,
            in("a1") b,
            in("a2") c,
            in("a3") d,
            in("a4") e,
            in("a5") f,
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
            "lui zero, {mark}",
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
    // SAFETY: the child starts on its own stack with all registers but a0
    // and sp as they are here, so it finds entry and arg in them; it never
    // comes back.
    unsafe {
        asm!(
            "ecall",
            "bnez a0, 2f",
            "mv s0, zero",     // end of the frame chain
            "mv a0, s2",
            "jalr s3",
            "ebreak",
            "2:",
            in("a7") linux_raw_sys::general::__NR_clone as usize,
            inlateout("a0") flags => ret,
            in("a1") stack_top,
            in("a2") 0_usize,
            in("a3") 0_usize,
            in("a4") clear,
            in("s2") arg,
            in("s3") entry,
        );
    }
    ret
}

pub(super) fn sigreturn_address() -> usize {
    0
}
