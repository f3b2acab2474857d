//! Multiply-add chains in registers of every width the CPU has.
//!
//! Each width has code of its own in inline assembly, so that the compiler's
//! idea of the target does not matter and every value stays in a register.
//! What the CPU has, and what the kernel lets us use of it, is found here:
//! there is no standard library that would know.

#![expect(unsafe_code, reason = "runs code that not every CPU has")]

#[cfg(target_arch = "aarch64")]
#[path = "simd/aarch64.rs"]
mod arch;
#[cfg(target_arch = "riscv64")]
#[path = "simd/riscv64.rs"]
mod arch;
#[cfg(target_arch = "x86_64")]
#[path = "simd/x86_64.rs"]
mod arch;

use core::hint::black_box;

/// What a plan calls the widths, in the order of [`Width::ALL`], and the
/// widest there is.
pub const NAMES: [&str; 6] =
    ["scalar", "vec128", "vec256", "vec512", "amx", "widest"];

/// Sizes of register, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Width {
    /// 64-bit general registers.
    Scalar,
    /// 128-bit vectors: SSE2, NEON, RVV.
    Vec128,
    /// 256-bit vectors: AVX2, SVE, RVV.
    Vec256,
    /// 512-bit vectors: AVX-512F, SVE, RVV.
    Vec512,
    /// Tiles of 16 rows of 512 bits: AMX-INT8.
    Amx,
}

impl Width {
    /// All, in rising order.
    pub const ALL: [Self; 5] = [
        Self::Scalar,
        Self::Vec128,
        Self::Vec256,
        Self::Vec512,
        Self::Amx,
    ];

    /// The one at that place in [`NAMES`]; none for the widest.
    #[must_use]
    pub fn chosen(name: usize) -> Option<Self> {
        Self::ALL.get(name).copied()
    }

    /// Bits of a register.
    #[must_use]
    pub fn bits(self) -> u64 {
        match self {
            Self::Scalar => 64,
            Self::Vec128 => 128,
            Self::Vec256 => 256,
            Self::Vec512 => 512,
            Self::Amx => 16 * 512,
        }
    }

    /// The widest that this process may use, no wider than this one.
    #[must_use]
    pub fn resolve(self) -> Chains {
        let wide = Self::ALL.into_iter().rev().filter(|&w| w <= self);
        let mut there = wide.filter(|&w| arch::has(w));
        Chains(there.next().unwrap_or(Self::Scalar))
    }
}

/// The chains of the width at that place in [`NAMES`], or of the next one
/// below that is there.
#[must_use]
pub fn chains(name: usize) -> Chains {
    Width::chosen(name).unwrap_or(Width::Amx).resolve()
}

/// Independent chains of multiply-adds in registers of one width, which this
/// process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chains(Width);

impl Chains {
    /// Four chains in general registers, which every CPU has.
    pub const SCALAR: Self = Self(Width::Scalar);

    /// Their width.
    #[must_use]
    pub fn width(self) -> Width {
        self.0
    }

    /// Multiplications in a step.
    #[must_use]
    pub fn multiplies(self) -> u64 {
        match self.0 {
            Width::Scalar => 4,
            // Four tiles of 16 by 16 sums of 64 products.
            Width::Amx => 4 * 16 * 16 * 64,
            vector => 8 * vector.bits() / arch::LANE_BITS,
        }
    }

    /// Does `n` steps of every chain, at least one, and folds the results
    /// into one number.
    pub fn steps(self, n: u64) -> u64 {
        let n = n.max(1);
        // SAFETY: only `resolve` makes other widths than the scalar, and
        // only those the CPU has and the kernel allows.
        black_box(unsafe { arch::steps(self.0, n) })
    }
}

#[cfg(test)]
mod tests {
    use super::{Chains, Width, arch};

    #[test]
    fn every_width_multiplies_in_all_its_lanes() {
        let mut seen = 0;
        for width in Width::ALL {
            let chains = width.resolve();
            assert!(chains.width() <= width);
            if chains.width() == width {
                for n in [1, 2, 1000] {
                    let want = arch::model(width, n);
                    assert_eq!(chains.steps(n), want, "{width:?} x {n}");
                }
                seen += 1;
            }
        }
        // Every machine has a scalar and, of these two, a 128-bit vector.
        assert!(seen >= 2);
    }

    #[test]
    fn wider_registers_multiply_more_at_a_step() {
        let counts = Width::ALL.map(|width| Chains(width).multiplies());
        assert!(counts.is_sorted(), "{counts:?}");
        assert_eq!(Width::Scalar.resolve(), Chains::SCALAR);
    }
}
