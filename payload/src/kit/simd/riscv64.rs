//! Chains on riscv64: general registers, the vector extension.

use super::Width;
use core::arch::asm;

/// VMACC multiplies 32-bit lanes.
pub(super) const LANE_BITS: u64 = 32;

/// What every chain is multiplied by, or adds the square of.
const FACTOR: u32 = 0x19_660d;
/// What the scalar chains add.
const ADDEND: u32 = 0x3c6e_f35f;

/// Whether the CPU has this width and the kernel lets this process use it.
pub(super) fn has(width: Width) -> bool {
    const V: usize = 1 << (b'V' - b'A');
    let (extensions, _) = rustix::param::linux_hwcap();
    match width {
        Width::Scalar => true,
        Width::Vec128 | Width::Vec256 | Width::Vec512 => {
            // SAFETY: the kernel says that there are vectors.
            extensions & V != 0 && unsafe { vector_bits() } >= width.bits()
        }
        Width::Amx => false,
    }
}

/// Length of a vector register.
///
/// # Safety
///
/// The CPU has vectors.
unsafe fn vector_bits() -> u64 {
    let bytes: u64;
    // SAFETY: the caller's; reads a length.
    unsafe {
        asm!(
            "csrr {bytes}, 0xc22", // vlenb
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
        // SAFETY: the caller's.
        vector => unsafe { vectors(vector, n) },
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
            "mul {a}, {a}, {factor}",
            "mul {b}, {b}, {factor}",
            "mul {c}, {c}, {factor}",
            "mul {d}, {d}, {factor}",
            "add {a}, {a}, {addend}",
            "add {b}, {b}, {addend}",
            "add {c}, {c}, {addend}",
            "add {d}, {d}, {addend}",
            "addi {n}, {n}, -1",
            "bnez {n}, 2b",
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

/// Eight chains x = x + FACTOR * FACTOR in each lane, from 0 to 7, in the
/// first lanes of vector registers.
///
/// # Safety
///
/// The CPU has vector registers of this width at least.
unsafe fn vectors(width: Width, n: u64) -> u64 {
    let mut out = [0_u32; 16];
    let lanes = width.bits() / LANE_BITS;
    // SAFETY: the caller's; arithmetic in registers, and a store of `lanes`
    // lanes to `out`.
    unsafe {
        asm!(
            ".option push",
            ".option arch, +v",
            "vsetvli zero, {lanes}, e32, m1, ta, ma",
            "vmv.v.x v8, {factor}",
            "vmv.v.i v0, 0",
            "vmv.v.i v1, 1",
            "vmv.v.i v2, 2",
            "vmv.v.i v3, 3",
            "vmv.v.i v4, 4",
            "vmv.v.i v5, 5",
            "vmv.v.i v6, 6",
            "vmv.v.i v7, 7",
            ".p2align 4",
            "2:",
            "vmacc.vv v0, v8, v8",
            "vmacc.vv v1, v8, v8",
            "vmacc.vv v2, v8, v8",
            "vmacc.vv v3, v8, v8",
            "vmacc.vv v4, v8, v8",
            "vmacc.vv v5, v8, v8",
            "vmacc.vv v6, v8, v8",
            "vmacc.vv v7, v8, v8",
            "addi {n}, {n}, -1",
            "bnez {n}, 2b",
            "vxor.vv v0, v0, v1",
            "vxor.vv v2, v2, v3",
            "vxor.vv v4, v4, v5",
            "vxor.vv v6, v6, v7",
            "vxor.vv v0, v0, v2",
            "vxor.vv v4, v4, v6",
            "vxor.vv v0, v0, v4",
            "vse32.v v0, ({out})",
            ".option pop",
            n = inout(reg) n => _,
            lanes = in(reg) lanes,
            factor = in(reg) FACTOR,
            out = in(reg) out.as_mut_ptr(),
            out("v0") _, out("v1") _, out("v2") _, out("v3") _,
            out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _,
            options(nostack),
        );
    }
    out.iter().map(|&lane| u64::from(lane)).sum()
}
