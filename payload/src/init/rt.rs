//! The memory functions the compiler calls, for a binary without a C
//! library.
//!
//! They are volatile-free byte and word loops; on x86_64 the string
//! instructions, which every CPU of the last decade makes fast.

#![expect(unsafe_code, reason = "memory functions, as C has them")]

use core::arch::asm;

/// # Safety
///
/// As memcpy(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep movsb",
            inout("rcx") n => _,
            inout("rdi") to => _,
            inout("rsi") from => _,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..n {
        // SAFETY: the caller's.
        let byte = unsafe { opaque(from.wrapping_add(i)).read() };
        // SAFETY: the caller's.
        unsafe { to.wrapping_add(i).write(byte) };
    }
    to
}

/// # Safety
///
/// As memmove(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memmove(
    to: *mut u8,
    from: *const u8,
    n: usize,
) -> *mut u8 {
    if to.addr().wrapping_sub(from.addr()) >= n {
        // SAFETY: copying upwards never overwrites what is still to be read.
        return unsafe { memcpy(to, from, n) };
    }
    for i in (0..n).rev() {
        // SAFETY: the caller's.
        let byte = unsafe { opaque(from.wrapping_add(i)).read() };
        // SAFETY: the caller's.
        unsafe { to.wrapping_add(i).write(byte) };
    }
    to
}

/// # Safety
///
/// As memset(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's; the direction flag is clear by the ABI.
    unsafe {
        asm!(
            "rep stosb",
            inout("rcx") n => _,
            inout("rdi") to => _,
            in("eax") byte,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    for i in 0..n {
        let [byte, ..] = byte.to_le_bytes();
        // SAFETY: the caller's.
        unsafe {
            opaque(to.wrapping_add(i).cast_const())
                .cast_mut()
                .write(byte)
        };
    }
    to
}

/// # Safety
///
/// As memcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    for i in 0..n {
        // SAFETY: the caller's.
        let x = unsafe { opaque(a.wrapping_add(i)).read() };
        // SAFETY: the caller's.
        let y = unsafe { opaque(b.wrapping_add(i)).read() };
        if x != y {
            return i32::from(x) - i32::from(y);
        }
    }
    0
}

/// # Safety
///
/// As bcmp(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn bcmp(a: *const u8, b: *const u8, n: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { memcmp(a, b, n) }
}

/// # Safety
///
/// As strlen(3).
#[unsafe(no_mangle)]
unsafe extern "C" fn strlen(text: *const u8) -> usize {
    let mut n = 0;
    // SAFETY: the caller's.
    while unsafe { opaque(text.wrapping_add(n)).read() } != 0 {
        n += 1;
    }
    n
}

/// Keeps the compiler from seeing a loop as the function it is in.
#[expect(
    clippy::pointers_in_nomem_asm_block,
    reason = "it is about the pointer, not about what is there"
)]
fn opaque(at: *const u8) -> *const u8 {
    let out: *const u8;
    // SAFETY: no instruction at all.
    unsafe {
        asm!(
            "/* {0} */",
            inout(reg) at => out,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    out
}

/// Named by the tables of precompiled code; nothing unwinds, so it is never
/// called.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}
