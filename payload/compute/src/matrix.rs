//! Products of square matrices, piece by piece, in memory that tasks may
//! share.

#![expect(unsafe_code, reason = "the innermost loop is in assembly")]

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Steps of a piece, which it may exceed by one element. Each is a
/// multiplication, an addition and a store.
const PIECE: usize = 1 << 15;

/// Two factors and their product.
#[derive(Debug, Clone, Copy)]
pub struct Matrices<'r> {
    words: &'r [AtomicU64],
    side: usize,
}

/// 64-bit words of three matrices in `kib` KiB.
#[must_use]
pub fn words_of(kib: u64) -> usize {
    3 * matrix_dimension(kib).pow(2)
}

impl<'r> Matrices<'r> {
    /// Matrices as large as `kib` KiB allow, in [`words_of`] words, filled
    /// with numbers that are not zero.
    #[must_use]
    pub fn new(words: &'r [AtomicU64], kib: u64) -> Self {
        let side = matrix_dimension(kib);
        let words = &words[..3 * side * side];
        for (word, i) in words.iter().zip(1..) {
            word.store(i, Relaxed);
        }
        Self { words, side }
    }

    /// Elements of the product.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.side * self.side
    }

    /// Computes the elements of the product from the `first` on, as many as
    /// make a piece; returns which is the next.
    #[inline(never)]
    #[must_use]
    pub fn piece(&self, first: usize) -> usize {
        let n = self.side;
        let end = self.elements().min(first + PIECE.div_ceil(n.max(1)));
        let (a, rest) = self.words.split_at(n * n);
        let (b, c) = rest.split_at(n * n);
        let mut at = first;
        while at < end {
            let (i, j) = (at / n, at % n);
            let part = (end - at).min(n - j);
            row(&a[i * n..(i + 1) * n], &b[j..], &c[at..at + part]);
            at += part;
        }
        end
    }
}

/// Computes elements of the product that stand side by side: of a row and of
/// as many columns, which begin side by side and whose elements are as far
/// apart as the row is long.
fn row(row: &[AtomicU64], columns: &[AtomicU64], sums: &[AtomicU64]) {
    let n = row.len();
    assert!(n > 0 && columns.len() >= (n - 1) * n + sums.len());
    for (sum, j) in sums.iter().zip(0..) {
        sum.store(0, Relaxed);
        // SAFETY: there is an element, and the last of the last column has
        // been looked at.
        unsafe { element(row, columns.as_ptr().wrapping_add(j), sum) };
    }
}

/// Multiplies a row by a column, of which this is the first element, and adds
/// the products up.
///
/// The sum is in a register and stored at every step: what others write there
/// in between is lost, and all of them contend for the line. In assembly one
/// step is the same few instructions whatever the compiler makes of atomics.
///
/// # Safety
///
/// The row has an element, and behind `column` there are as many as the row
/// has, one every so many.
#[inline(always)]
unsafe fn element(
    row: &[AtomicU64],
    column: *const AtomicU64,
    sum: &AtomicU64,
) {
    let ends = row.as_ptr_range();
    let stride = size_of_val(row);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: it reads the row from its first to its last element, and as
    // many of the column. They and the sum are used through atomics alone,
    // and what it does is loads and stores of aligned words.
    unsafe {
        asm!(
            ".p2align 4",
            "2:",
            "mov {x}, [{row}]",
            "imul {x}, [{column}]",
            "add {row}, 8",
            "add {column}, {stride}",
            "add {total}, {x}",
            "mov [{sum}], {total}",
            "cmp {row}, {end}",
            "jne 2b",
            row = inout(reg) ends.start => _,
            end = in(reg) ends.end,
            column = inout(reg) column => _,
            stride = in(reg) stride,
            sum = in(reg) sum.as_ptr(),
            total = inout(reg) 0_u64 => _,
            x = out(reg) _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            ".p2align 4",
            "2:",
            "ldr {x}, [{row}], #8",
            "ldr {y}, [{column}]",
            "add {column}, {column}, {stride}",
            "madd {total}, {x}, {y}, {total}",
            "str {total}, [{sum}]",
            "cmp {row}, {end}",
            "b.ne 2b",
            row = inout(reg) ends.start => _,
            end = in(reg) ends.end,
            column = inout(reg) column => _,
            stride = in(reg) stride,
            sum = in(reg) sum.as_ptr(),
            total = inout(reg) 0_u64 => _,
            x = out(reg) _,
            y = out(reg) _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: as above.
    unsafe {
        asm!(
            ".p2align 4",
            "2:",
            "ld {x}, ({row})",
            "ld {y}, ({column})",
            "addi {row}, {row}, 8",
            "add {column}, {column}, {stride}",
            "mul {x}, {x}, {y}",
            "add {total}, {total}, {x}",
            "sd {total}, ({sum})",
            "bne {row}, {end}, 2b",
            row = inout(reg) ends.start => _,
            end = in(reg) ends.end,
            column = inout(reg) column => _,
            stride = in(reg) stride,
            sum = in(reg) sum.as_ptr(),
            total = inout(reg) 0_u64 => _,
            x = out(reg) _,
            y = out(reg) _,
            options(nostack),
        );
    }
}

/// The dimension of three square matrices of 64-bit numbers in `kib` KiB.
fn matrix_dimension(kib: u64) -> usize {
    usize::try_from(isqrt(kib * 1024 / 24)).unwrap_or(0)
}

/// The square root of `n`, rounded down. The standard library's is faster and
/// a kilobyte large.
#[must_use]
pub fn isqrt(n: u64) -> u64 {
    (0..32).rev().fold(0, |root, bit| {
        let more = root | 1_u64 << bit;
        if more * more <= n { more } else { root }
    })
}

#[cfg(test)]
mod tests {
    use super::{Matrices, isqrt, words_of};
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::vec::Vec;

    #[test]
    fn pieces_make_the_whole_product() {
        assert_eq!(words_of(256), 3 * 104 * 104);
        for kib in [0, 1, 256] {
            let words: Vec<_> =
                (0..words_of(kib)).map(|_| AtomicU64::new(0)).collect();
            let matrices = Matrices::new(&words, kib);
            let (mut at, mut pieces) = (0, 0);
            while at < matrices.elements() {
                at = matrices.piece(at);
                pieces += 1;
            }
            let n = usize::try_from(isqrt(matrices.elements() as u64)).unwrap();
            // 104³ steps of at least 2¹⁵ a piece.
            assert_eq!(
                pieces,
                match kib {
                    0 => 0,
                    1 => 1,
                    _ => 35,
                }
            );
            let all: Vec<u64> =
                words.iter().map(|word| word.load(Relaxed)).collect();
            let (a, rest) = all.split_at(n * n);
            let (b, c) = rest.split_at(n * n);
            for (at, &sum) in c.iter().enumerate() {
                let (i, j) = (at / n, at % n);
                let right = (0..n).map(|k| a[i * n + k] * b[k * n + j]);
                assert_eq!(sum, right.sum());
            }
        }
    }

    #[test]
    fn roots_are_those_of_the_standard_library() {
        let max = u64::from(u32::MAX);
        for n in [0, 1, 2, 3, 4, 99, max, max * max - 1, max * max, u64::MAX] {
            assert_eq!(isqrt(n), n.isqrt());
        }
    }
}
