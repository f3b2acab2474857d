//! A program that panics as the payload itself does.

#![no_std]
#![no_main]

pidone::start!(main, pidone::init::start::panicked_bare);

unsafe fn main(stack: *const usize) -> ! {
    outer(stack.addr())
}

#[inline(never)]
fn outer(seed: usize) -> ! {
    let inner = inner(core::hint::black_box(seed));
    panic!("{inner} is not told")
}

#[inline(never)]
fn inner(seed: usize) -> usize {
    [1, 2, 3][core::hint::black_box(seed)]
}
