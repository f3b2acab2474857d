//! Chains on aarch64: general registers, NEON, SVE.

use super::Width;
use core::arch::asm;

/// MLA multiplies 32-bit lanes.
pub(super) const LANE_BITS: u64 = 32;

/// What every chain is multiplied by, or adds the square of.
const FACTOR: u32 = 0x19_660d;
/// What the scalar chains add.
const ADDEND: u32 = 0x3c6e_f35f;

/// Whether the CPU has this width and the kernel lets this process use it.
pub(super) fn has(width: Width) -> bool {
    const ASIMD: usize = 1 << 1;
    const SVE: usize = 1 << 22;
    let (capabilities, _) = rustix::param::linux_hwcap();
    match width {
        Width::Scalar => true,
        Width::Vec128 => capabilities & ASIMD != 0,
        Width::Vec256 | Width::Vec512 => {
            // SAFETY: the kernel says that there is SVE.
            capabilities & SVE != 0 && unsafe { sve_bits() } >= width.bits()
        }
        Width::Amx => false,
    }
}

/// Length of an SVE register.
///
/// # Safety
///
/// The CPU has SVE.
unsafe fn sve_bits() -> u64 {
    let bytes: u64;
    // SAFETY: the caller's; reads a length.
    unsafe {
        asm!(
            ".arch_extension sve",
            "cntb {bytes}",
            ".arch_extension nosve",
            bytes = out(reg) bytes,
            options(nomem, nostack, preserves_flags),
        );
    }
    8 * bytes
}

/// # Safety
///
/// [`has`] this width.
pub(super) unsafe fn steps(width: Width, n: u64) -> u64 {
    match width {
        Width::Scalar | Width::Amx => scalar(n),
        Width::Vec128 => neon(n),
        // SAFETY: the caller's.
        Width::Vec256 | Width::Vec512 => unsafe { sve(width, n) },
    }
}

/// Four chains x = x * FACTOR + ADDEND.
fn scalar(n: u64) -> u64 {
    let (mut a, mut b, mut c, mut d) = (1_u64, 2_u64, 3_u64, 4_u64);
    // SAFETY: arithmetic in registers.
    unsafe {
        asm!(
            ".p2align 4",
            "2:",
            "madd {a}, {a}, {factor}, {addend}",
            "madd {b}, {b}, {factor}, {addend}",
            "madd {c}, {c}, {factor}, {addend}",
            "madd {d}, {d}, {factor}, {addend}",
            "subs {n}, {n}, #1",
            "b.ne 2b",
            a = inout(reg) a,
            b = inout(reg) b,
            c = inout(reg) c,
            d = inout(reg) d,
            n = inout(reg) n => _,
            factor = in(reg) u64::from(FACTOR),
            addend = in(reg) u64::from(ADDEND),
            options(nomem, nostack),
        );
    }
    a ^ b ^ c ^ d
}

/// Up to sixteen 32-bit lanes, as a store leaves them.
#[repr(C, align(64))]
struct Lanes([u32; 16]);

impl Lanes {
    fn sum(&self, lanes: usize) -> u64 {
        self.0.iter().take(lanes).map(|&lane| u64::from(lane)).sum()
    }
}

/// Eight chains x = x + FACTOR * FACTOR in each lane, from 0 to 7.
fn neon(n: u64) -> u64 {
    let mut out = Lanes([0; 16]);
    // SAFETY: arithmetic in registers, and a store to `out`.
    unsafe {
        asm!(
            "dup v8.4s, {factor:w}",
            "movi v0.4s, #0",
            "movi v1.4s, #1",
            "movi v2.4s, #2",
            "movi v3.4s, #3",
            "movi v4.4s, #4",
            "movi v5.4s, #5",
            "movi v6.4s, #6",
            "movi v7.4s, #7",
            ".p2align 4",
            "2:",
            "mla v0.4s, v8.4s, v8.4s",
            "mla v1.4s, v8.4s, v8.4s",
            "mla v2.4s, v8.4s, v8.4s",
            "mla v3.4s, v8.4s, v8.4s",
            "mla v4.4s, v8.4s, v8.4s",
            "mla v5.4s, v8.4s, v8.4s",
            "mla v6.4s, v8.4s, v8.4s",
            "mla v7.4s, v8.4s, v8.4s",
            "subs {n}, {n}, #1",
            "b.ne 2b",
            "eor v0.16b, v0.16b, v1.16b",
            "eor v2.16b, v2.16b, v3.16b",
            "eor v4.16b, v4.16b, v5.16b",
            "eor v6.16b, v6.16b, v7.16b",
            "eor v0.16b, v0.16b, v2.16b",
            "eor v4.16b, v4.16b, v6.16b",
            "eor v0.16b, v0.16b, v4.16b",
            "str q0, [{out}]",
            n = inout(reg) n => _,
            factor = in(reg) u64::from(FACTOR),
            out = in(reg) out.0.as_mut_ptr(),
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _,
            options(nostack),
        );
    }
    out.sum(4)
}

/// The same chains in the first lanes of SVE registers.
///
/// # Safety
///
/// The CPU has SVE registers of this width at least.
unsafe fn sve(width: Width, n: u64) -> u64 {
    let mut out = Lanes([0; 16]);
    let lanes = width.bits() / LANE_BITS;
    // SAFETY: the caller's; arithmetic in registers, and a store of `lanes`
    // lanes to `out`.
    unsafe {
        asm!(
            ".arch_extension sve",
            "whilelo p0.s, xzr, {lanes}",
            "mov z8.s, {factor:w}",
            "mov z0.s, #0",
            "mov z1.s, #1",
            "mov z2.s, #2",
            "mov z3.s, #3",
            "mov z4.s, #4",
            "mov z5.s, #5",
            "mov z6.s, #6",
            "mov z7.s, #7",
            ".p2align 4",
            "2:",
            "mla z0.s, p0/m, z8.s, z8.s",
            "mla z1.s, p0/m, z8.s, z8.s",
            "mla z2.s, p0/m, z8.s, z8.s",
            "mla z3.s, p0/m, z8.s, z8.s",
            "mla z4.s, p0/m, z8.s, z8.s",
            "mla z5.s, p0/m, z8.s, z8.s",
            "mla z6.s, p0/m, z8.s, z8.s",
            "mla z7.s, p0/m, z8.s, z8.s",
            "subs {n}, {n}, #1",
            "b.ne 2b",
            "eor z0.d, z0.d, z1.d",
            "eor z2.d, z2.d, z3.d",
            "eor z4.d, z4.d, z5.d",
            "eor z6.d, z6.d, z7.d",
            "eor z0.d, z0.d, z2.d",
            "eor z4.d, z4.d, z6.d",
            "eor z0.d, z0.d, z4.d",
            "st1w z0.s, p0, [{out}]",
            ".arch_extension nosve",
            n = inout(reg) n => _,
            lanes = in(reg) lanes,
            factor = in(reg) u64::from(FACTOR),
            out = in(reg) out.0.as_mut_ptr(),
            // These names stand for the whole registers.
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("p0") _,
            options(nostack),
        );
    }
    out.sum(usize::try_from(lanes).unwrap_or(0))
}

/// What the chains come to, in plain arithmetic.
#[cfg(test)]
pub(super) fn model(width: Width, n: u64) -> u64 {
    let (factor, addend) = (u64::from(FACTOR), u64::from(ADDEND));
    if width == Width::Scalar {
        let chain = |start| {
            (0..n).fold(start, |x: u64, _| {
                x.wrapping_mul(factor).wrapping_add(addend)
            })
        };
        return (1..=4).fold(0, |x, i| x ^ chain(i));
    }
    let sum = n.wrapping_mul(factor).wrapping_mul(factor);
    let low = |x: u64| x & u64::from(u32::MAX);
    let chains = (0..8).map(|i| low(sum.wrapping_add(i)));
    chains.fold(0, |x, c| x ^ c) * (width.bits() / LANE_BITS)
}
