//! Bytes touched one by one, or set all at once.

#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "sets memory by an instruction of its own")
)]

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

/// Walks a buffer in strides, going on where it left off.
#[derive(Debug, Default)]
pub struct Walk {
    cursor: usize,
}

impl Walk {
    /// Increments `n` bytes of `bytes`, one every `stride`.
    #[inline(never)]
    pub fn rmw(&mut self, bytes: &[AtomicU8], stride: usize, n: u64) {
        let mut cursor = self.cursor;
        for _ in 0..n {
            if let Some(byte) = bytes.get(cursor) {
                let old = byte.load(Relaxed);
                byte.store(old.wrapping_add(1), Relaxed);
            }
            cursor += stride;
            if cursor >= bytes.len() {
                // Not to zero: a stride that does not divide the length
                // would never visit what lies between.
                cursor %= bytes.len().max(1);
            }
        }
        self.cursor = cursor;
    }
}

/// Sets every byte of `words`, by one instruction where there is one.
#[inline(never)]
pub fn set(words: &[AtomicU64], byte: u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it stores into these words alone, which are atomics; the
    // direction flag is clear by the ABI.
    unsafe {
        core::arch::asm!(
            "rep stosb",
            inout("rcx") size_of_val(words) => _,
            inout("rdi") words.as_ptr() => _,
            in("al") byte,
            options(nostack, preserves_flags),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    for word in words {
        word.store(u64::from_ne_bytes([byte; 8]), Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Walk, set};
    use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};

    #[test]
    fn a_walk_visits_the_whole_buffer() {
        let bytes = [const { AtomicU8::new(0) }; 4096];
        let mut walk = Walk::default();
        for _ in 0..4096 {
            walk.rmw(&bytes, 3, 1);
        }
        assert!(bytes.iter().all(|byte| byte.load(Relaxed) == 1));
    }

    #[test]
    fn all_words_are_set_and_no_others() {
        for end in 1..8 {
            let words = [const { AtomicU64::new(7) }; 8];
            set(&words[1..end], 9);
            for (at, word) in words.iter().enumerate() {
                let inside = (1..end).contains(&at);
                let want = if inside { u64::MAX / 255 * 9 } else { 7 };
                assert_eq!(word.load(Relaxed), want, "{at} to {end}");
            }
        }
    }
}
