//! Chains on x86-64: general registers, SSE2, AVX2, AVX-512F, AMX-INT8.

use super::Width;
use core::arch::asm;
use core::arch::x86_64::{__cpuid, __cpuid_count};

/// PMULUDQ makes one 64-bit product in each 64-bit lane.
pub(super) const LANE_BITS: u64 = 64;

/// What every chain is multiplied by, and what is added.
const FACTOR: u32 = 0x19_660d;
const ADDEND: u32 = 0x3c6e_f35f;

/// Register state that the kernel has enabled: XCR0.
const YMM: u64 = 1 << 1 | 1 << 2;
const ZMM: u64 = YMM | 1 << 5 | 1 << 6 | 1 << 7;
const TILES: u64 = 1 << 17 | 1 << 18;

/// Whether the CPU has this width and the kernel lets this process use it.
pub(super) fn has(width: Width) -> bool {
    const OSXSAVE: u32 = 1 << 27;
    const AVX2: u32 = 1 << 5;
    const AVX512F: u32 = 1 << 16;
    const AMX: u32 = 1 << 24 | 1 << 25;
    if width <= Width::Vec128 {
        // SSE2 belongs to the architecture.
        return true;
    }
    if __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE == 0 {
        return false;
    }
    let leaf = __cpuid_count(7, 0);
    let enabled = xcr0();
    let both = |has: bool, state: u64| has && enabled & state == state;
    match width {
        Width::Scalar | Width::Vec128 => true,
        Width::Vec256 => both(leaf.ebx & AVX2 != 0, YMM),
        Width::Vec512 => both(leaf.ebx & AVX512F != 0, ZMM),
        Width::Amx => {
            both(leaf.edx & AMX == AMX, TILES)
                && crate::sys::tiles::request_tiles().is_ok()
        }
    }
}

fn xcr0() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller has seen OSXSAVE, without which this is an invalid
    // instruction; it reads a register.
    unsafe {
        asm!(
            "xgetbv",
            in("ecx") 0,
            out("eax") low,
            out("edx") high,
            options(nomem, nostack, preserves_flags),
        );
    }
    u64::from(high) << 32 | u64::from(low)
}

/// # Safety
///
/// [`has`] this width.
pub(super) unsafe fn steps(width: Width, n: u64) -> u64 {
    match width {
        Width::Scalar => scalar(n),
        // SAFETY: the caller's.
        Width::Vec128 => unsafe { fold(vec128, n, 2) },
        // SAFETY: the caller's.
        Width::Vec256 => unsafe { fold(vec256, n, 4) },
        // SAFETY: the caller's.
        Width::Vec512 => unsafe { fold(vec512, n, 8) },
        // SAFETY: the caller's.
        Width::Amx => unsafe { amx(n) },
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
            "imul {a}, {a}, {factor}",
            "imul {b}, {b}, {factor}",
            "imul {c}, {c}, {factor}",
            "imul {d}, {d}, {factor}",
            "add {a}, {addend}",
            "add {b}, {addend}",
            "add {c}, {addend}",
            "add {d}, {addend}",
            "dec {n}",
            "jnz 2b",
            a = inout(reg) a,
            b = inout(reg) b,
            c = inout(reg) c,
            d = inout(reg) d,
            n = inout(reg) n => _,
            factor = const FACTOR,
            addend = const ADDEND,
            options(nomem, nostack),
        );
    }
    a ^ b ^ c ^ d
}

/// Up to eight 64-bit lanes, as a store leaves them.
#[repr(C, align(64))]
struct Lanes([u64; 8]);

/// Sums the lanes of the eight chains' exclusive or.
///
/// # Safety
///
/// The CPU has what `run` uses; it fills `lanes` lanes.
unsafe fn fold(run: unsafe fn(u64, &mut Lanes), n: u64, lanes: usize) -> u64 {
    let mut out = Lanes([0; 8]);
    // SAFETY: the caller's.
    unsafe { run(n, &mut out) };
    let lanes = out.0.iter().take(lanes);
    lanes.fold(0, |sum, lane| sum.wrapping_add(*lane))
}

/// Eight chains x = (x mod 2^32) * FACTOR + ADDEND in each lane.
///
/// # Safety
///
/// None: SSE2 belongs to the architecture. It is unsafe to be of one type
/// with the others.
unsafe fn vec128(n: u64, out: &mut Lanes) {
    // SAFETY: arithmetic in registers, and a store to `out`.
    unsafe {
        asm!(
            "movq xmm8, {factor}",
            "punpcklqdq xmm8, xmm8",
            "movq xmm9, {addend}",
            "punpcklqdq xmm9, xmm9",
            // Chain i starts at (i + 1) * FACTOR.
            "movdqa xmm0, xmm8",
            "movdqa xmm1, xmm0",
            "paddq xmm1, xmm8",
            "movdqa xmm2, xmm1",
            "paddq xmm2, xmm8",
            "movdqa xmm3, xmm2",
            "paddq xmm3, xmm8",
            "movdqa xmm4, xmm3",
            "paddq xmm4, xmm8",
            "movdqa xmm5, xmm4",
            "paddq xmm5, xmm8",
            "movdqa xmm6, xmm5",
            "paddq xmm6, xmm8",
            "movdqa xmm7, xmm6",
            "paddq xmm7, xmm8",
            ".p2align 4",
            "2:",
            "pmuludq xmm0, xmm8",
            "pmuludq xmm1, xmm8",
            "pmuludq xmm2, xmm8",
            "pmuludq xmm3, xmm8",
            "pmuludq xmm4, xmm8",
            "pmuludq xmm5, xmm8",
            "pmuludq xmm6, xmm8",
            "pmuludq xmm7, xmm8",
            "paddq xmm0, xmm9",
            "paddq xmm1, xmm9",
            "paddq xmm2, xmm9",
            "paddq xmm3, xmm9",
            "paddq xmm4, xmm9",
            "paddq xmm5, xmm9",
            "paddq xmm6, xmm9",
            "paddq xmm7, xmm9",
            "dec {n}",
            "jnz 2b",
            "pxor xmm0, xmm1",
            "pxor xmm2, xmm3",
            "pxor xmm4, xmm5",
            "pxor xmm6, xmm7",
            "pxor xmm0, xmm2",
            "pxor xmm4, xmm6",
            "pxor xmm0, xmm4",
            "movdqa [{out}], xmm0",
            n = inout(reg) n => _,
            factor = in(reg) u64::from(FACTOR),
            addend = in(reg) u64::from(ADDEND),
            out = in(reg) out.0.as_mut_ptr(),
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _,
            options(nostack),
        );
    }
}

/// The same eight chains in wider registers.
macro_rules! wide {
    ($name:ident, $needs:literal, $r:literal, $xor:literal, $store:literal) => {
        #[doc = concat!("Eight such chains, with ", $needs, ".")]
        ///
        /// # Safety
        ///
        #[doc = concat!("CPU and kernel have ", $needs, ".")]
        unsafe fn $name(n: u64, out: &mut Lanes) {
            // SAFETY: the caller's; arithmetic in registers, and a store to
            // `out`. The upper halves are left zero, as the ABI wants them.
            unsafe {
                asm!(
                    "vmovq xmm8, {factor}",
                    concat!("vpbroadcastq ", $r, "8, xmm8"),
                    "vmovq xmm9, {addend}",
                    concat!("vpbroadcastq ", $r, "9, xmm9"),
                    // Chain i starts at (i + 1) * FACTOR.
                    concat!("vpaddq ", $r, "1, ", $r, "8, ", $r, "8"),
                    concat!("vpaddq ", $r, "2, ", $r, "1, ", $r, "8"),
                    concat!("vpaddq ", $r, "3, ", $r, "2, ", $r, "8"),
                    concat!("vpaddq ", $r, "4, ", $r, "3, ", $r, "8"),
                    concat!("vpaddq ", $r, "5, ", $r, "4, ", $r, "8"),
                    concat!("vpaddq ", $r, "6, ", $r, "5, ", $r, "8"),
                    concat!("vpaddq ", $r, "7, ", $r, "6, ", $r, "8"),
                    concat!($xor, " ", $r, "0, ", $r, "0, ", $r, "0"),
                    concat!("vpaddq ", $r, "0, ", $r, "0, ", $r, "8"),
                    ".p2align 4",
                    "2:",
                    concat!("vpmuludq ", $r, "0, ", $r, "0, ", $r, "8"),
                    concat!("vpmuludq ", $r, "1, ", $r, "1, ", $r, "8"),
                    concat!("vpmuludq ", $r, "2, ", $r, "2, ", $r, "8"),
                    concat!("vpmuludq ", $r, "3, ", $r, "3, ", $r, "8"),
                    concat!("vpmuludq ", $r, "4, ", $r, "4, ", $r, "8"),
                    concat!("vpmuludq ", $r, "5, ", $r, "5, ", $r, "8"),
                    concat!("vpmuludq ", $r, "6, ", $r, "6, ", $r, "8"),
                    concat!("vpmuludq ", $r, "7, ", $r, "7, ", $r, "8"),
                    concat!("vpaddq ", $r, "0, ", $r, "0, ", $r, "9"),
                    concat!("vpaddq ", $r, "1, ", $r, "1, ", $r, "9"),
                    concat!("vpaddq ", $r, "2, ", $r, "2, ", $r, "9"),
                    concat!("vpaddq ", $r, "3, ", $r, "3, ", $r, "9"),
                    concat!("vpaddq ", $r, "4, ", $r, "4, ", $r, "9"),
                    concat!("vpaddq ", $r, "5, ", $r, "5, ", $r, "9"),
                    concat!("vpaddq ", $r, "6, ", $r, "6, ", $r, "9"),
                    concat!("vpaddq ", $r, "7, ", $r, "7, ", $r, "9"),
                    "dec {n}",
                    "jnz 2b",
                    concat!($xor, " ", $r, "0, ", $r, "0, ", $r, "1"),
                    concat!($xor, " ", $r, "2, ", $r, "2, ", $r, "3"),
                    concat!($xor, " ", $r, "4, ", $r, "4, ", $r, "5"),
                    concat!($xor, " ", $r, "6, ", $r, "6, ", $r, "7"),
                    concat!($xor, " ", $r, "0, ", $r, "0, ", $r, "2"),
                    concat!($xor, " ", $r, "4, ", $r, "4, ", $r, "6"),
                    concat!($xor, " ", $r, "0, ", $r, "0, ", $r, "4"),
                    concat!($store, " [{out}], ", $r, "0"),
                    "vzeroupper",
                    n = inout(reg) n => _,
                    factor = in(reg) u64::from(FACTOR),
                    addend = in(reg) u64::from(ADDEND),
                    out = in(reg) out.0.as_mut_ptr(),
                    // These names stand for all sizes; vzeroupper changes
                    // the other eight as well.
                    out("xmm0") _, out("xmm1") _, out("xmm2") _,
                    out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _,
                    out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm13") _, out("xmm14") _,
                    out("xmm15") _,
                    options(nostack),
                );
            }
        }
    };
}

wide!(vec256, "AVX2", "ymm", "vpxor", "vmovdqa");
wide!(vec512, "AVX-512F", "zmm", "vpxorq", "vmovdqa64");

/// A tile: 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Tile([u32; 256]);

/// What is in every byte of the two factors.
const BYTE: u8 = 3;

/// Palette 1 with eight whole tiles (Intel SDM, "Intel AMX instruction set
/// reference", LDTILECFG): bytes per row at 16, rows at 48.
#[repr(C, align(64))]
struct TileConfig([u8; 64]);

const TILE_CONFIG: TileConfig = {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    let mut tile = 0;
    while tile < 8 {
        bytes[16 + 2 * tile] = 64;
        bytes[48 + tile] = 16;
        tile += 1;
    }
    TileConfig(bytes)
};

/// Four accumulators C = C + A * B of 8-bit factors and 32-bit sums.
///
/// # Safety
///
/// CPU and kernel have AMX-INT8, and this process has asked for it.
unsafe fn amx(n: u64) -> u64 {
    let mut tile = Tile([u32::from_ne_bytes([BYTE; 4]); 256]);
    // SAFETY: the caller's; loads and stores of a whole tile each. Tiles are
    // nobody else's: the compiler does not use them.
    unsafe {
        asm!(
            "ldtilecfg [{config}]",
            "tileloadd tmm4, [{tile} + {row}]",
            "tileloadd tmm5, [{tile} + {row}]",
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            ".p2align 4",
            "2:",
            "tdpbssd tmm0, tmm4, tmm5",
            "tdpbssd tmm1, tmm4, tmm5",
            "tdpbssd tmm2, tmm4, tmm5",
            "tdpbssd tmm3, tmm4, tmm5",
            "dec {n}",
            "jnz 2b",
            "tilestored [{tile} + {row}], tmm0",
            "tilerelease",
            n = inout(reg) n => _,
            config = in(reg) TILE_CONFIG.0.as_ptr(),
            tile = in(reg) tile.0.as_mut_ptr(),
            row = in(reg) 64_u64,
            options(nostack),
        );
    }
    tile.0
        .iter()
        .fold(0, |sum, x| sum.wrapping_add((*x).into()))
}

/// What the chains come to, in plain arithmetic.
#[cfg(test)]
pub(super) fn model(width: Width, n: u64) -> u64 {
    let (factor, addend) = (u64::from(FACTOR), u64::from(ADDEND));
    let chain = |start: u64, mask: u64| {
        (0..n).fold(start, |x, _| {
            (x & mask).wrapping_mul(factor).wrapping_add(addend)
        })
    };
    let lanes = width.bits() / LANE_BITS;
    match width {
        Width::Scalar => (1..=4).fold(0, |x, i| x ^ chain(i, u64::MAX)),
        Width::Amx => {
            let products = 64 * u64::from(BYTE) * u64::from(BYTE);
            256 * ((n * products) & u64::from(u32::MAX))
        }
        _ => {
            let start = |i| i * factor;
            let chains = (1..=8).map(|i| chain(start(i), 0xffff_ffff));
            chains.fold(0, |x, c| x ^ c).wrapping_mul(lanes)
        }
    }
}
