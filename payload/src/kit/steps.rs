//! The unit of work without a call.

use core::hint::{black_box, spin_loop};

/// `n` times an opaque increment and the CPU's relax hint.
#[inline]
pub fn spin_steps(n: u64) {
    let mut sink = 0_u64;
    for _ in 0..n {
        sink = black_box(sink.wrapping_add(1));
        spin_loop();
    }
}
