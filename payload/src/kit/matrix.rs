//! Products of square matrices, row by row, in memory that tasks may share.

use crate::kit::draw::isqrt;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Two factors and their product.
#[derive(Debug, Clone, Copy)]
pub struct Matrices<'r> {
    words: &'r [AtomicU64],
    side: usize,
    shared: bool,
}

/// 64-bit words of three matrices in `kib` KiB.
#[must_use]
pub fn words_of(kib: u64) -> usize {
    3 * matrix_dimension(kib).pow(2)
}

impl<'r> Matrices<'r> {
    /// Matrices of one task's own, as large as `kib` KiB allow.
    #[must_use]
    pub fn private(words: &'r [AtomicU64], kib: u64) -> Self {
        let side = matrix_dimension(kib);
        let words = &words[..words.len().min(3 * side * side)];
        fill_matrices(words);
        Self {
            words,
            side,
            shared: false,
        }
    }

    /// Matrices that several tasks multiply at once: the element of the
    /// product is stored in every inner step, so that they contend for it.
    #[must_use]
    pub fn shared(words: &'r [AtomicU64], kib: u64) -> Self {
        Self {
            shared: true,
            ..Self::private(words, kib)
        }
    }

    /// Rows of the product.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Computes the whole product.
    pub fn product(&self) {
        (0..self.side).for_each(|i| self.row(i));
    }

    /// Computes row `i` of the product.
    pub fn row(&self, i: usize) {
        let n = self.side;
        let (a, rest) = self.words.split_at(self.words.len().min(n * n));
        let (b, c) = rest.split_at(rest.len().min(n * n));
        let row = a.get(i * n..(i + 1) * n).unwrap_or(&[]);
        for (cell, j) in c.iter().skip(i * n).take(n).zip(0..) {
            let (mut sum, mut at) = (0_u64, j);
            for x in row {
                let y = b.get(at).map_or(0, |y| y.load(Relaxed));
                let product = x.load(Relaxed).wrapping_mul(y);
                if self.shared {
                    sum = if at == j { 0 } else { cell.load(Relaxed) };
                    cell.store(sum.wrapping_add(product), Relaxed);
                }
                sum = sum.wrapping_add(product);
                at += n;
            }
            cell.store(black_box(sum), Relaxed);
        }
    }
}

/// The dimension of three square matrices of 64-bit numbers in `kib` KiB.
fn matrix_dimension(kib: u64) -> usize {
    usize::try_from(isqrt(kib * 1024 / 24)).unwrap_or(0)
}

/// Fills matrices with numbers that are not zero.
fn fill_matrices(words: &[AtomicU64]) {
    for (word, i) in words.iter().zip(1..) {
        word.store(i, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::{Matrices, words_of};
    use crate::kit::memory::Region;
    use core::sync::atomic::Ordering::Relaxed;
    use std::vec::Vec;

    #[test]
    fn both_kinds_give_the_product() {
        assert_eq!(words_of(256), 3 * 104 * 104);
        let region = Region::new(1024).unwrap();
        for of in [Matrices::private, Matrices::shared] {
            let matrices = of(region.words(), 1);
            let n = matrices.side();
            assert_eq!(n, 6);
            matrices.product();
            let all: Vec<u64> =
                region.words().iter().map(|w| w.load(Relaxed)).collect();
            let (a, b, c) = (&all[..36], &all[36..72], &all[72..108]);
            for (at, &sum) in c.iter().enumerate() {
                let (i, j) = (at / n, at % n);
                let right = (0..n).map(|k| a[i * n + k] * b[k * n + j]);
                assert_eq!(sum, right.sum());
            }
        }
    }
}
