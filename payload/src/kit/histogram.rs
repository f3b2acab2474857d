//! Latency histograms: logarithmic outside, linear inside, never subsampled.
//!
//! Values are nanoseconds. Below 64 every value has its own bucket; above,
//! each power of two is divided into 64 linear buckets, so a bucket is never
//! wider than 1/64 (1.6 %) of its value, and the full range of `u64` is
//! covered without clamping. The buckets are counted in shared memory by one
//! writer (the worker); others may read them at any time. All counts have 64
//! bits: 32 would wrap in less than an hour of a type with one and a half
//! million samples a second. Only the buckets between the smallest and the
//! largest sample are ever looked at, so that most of a histogram's 30 KiB are
//! no memory at all.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// log2 of the linear buckets per power of two.
const SUB_BITS: u32 = 6;
/// Linear buckets per power of two.
const SUB: usize = 1 << SUB_BITS;

/// Buckets that cover all of `u64`.
pub const BUCKETS: usize = SUB * (64 - SUB_BITS as usize + 1);

/// The bucket that counts `ns`.
#[inline]
#[must_use]
pub fn bucket_of(ns: u64) -> usize {
    let Some(exponent) = ns.checked_ilog2() else {
        return 0;
    };
    let shift = exponent.saturating_sub(SUB_BITS);
    // For ns < 64 the shift is 0 and the index is the value itself.
    let linear = usize::try_from(ns >> shift).unwrap_or(0);
    shift as usize * SUB + linear
}

/// Smallest and largest value of a bucket.
#[must_use]
pub fn bucket_range(bucket: usize) -> (u64, u64) {
    if bucket < 2 * SUB {
        return (bucket as u64, bucket as u64);
    }
    let shift = bucket / SUB - 1;
    let low = ((bucket % SUB + SUB) as u64) << shift;
    (low, low + ((1 << shift) - 1))
}

/// A histogram in memory that a worker writes and the supervisor reads.
///
/// All zeroes is the empty histogram, so fresh anonymous memory is one.
#[derive(Debug)]
#[repr(C)]
pub struct Histogram {
    count: AtomicU64,
    sum: AtomicU64,
    /// Bitwise complement of the smallest sample, so that zero means none.
    not_min: AtomicU64,
    max: AtomicU64,
    /// Bitwise complement of the limit, so that zero means none.
    not_limit: AtomicU64,
    buckets: [AtomicU64; BUCKETS],
}

impl Histogram {
    /// Counts one sample. Only one task may record into a histogram: the
    /// counters are loaded and stored, which on every architecture is
    /// cheaper than an atomic addition.
    ///
    /// Returns whether it is the first above the limit, or a longer one. Such
    /// a sample is always a new maximum, so that to look for it costs the
    /// others nothing.
    #[inline]
    pub fn record(&self, ns: u64) -> bool {
        let mut over = false;
        // Before the bucket, which nobody looks for outside of them.
        if !ns > self.not_min.load(Relaxed) {
            self.not_min.store(!ns, Relaxed);
        }
        if ns > self.max.load(Relaxed) {
            self.max.store(ns, Relaxed);
            over = ns > !self.not_limit.load(Relaxed);
        }
        // `bucket_of` is below BUCKETS for every u64; `get` costs one
        // compare and keeps a panic path out of the measured loop.
        if let Some(bucket) = self.buckets.get(bucket_of(ns)) {
            add(bucket, 1);
        }
        add(&self.count, 1);
        add(&self.sum, ns);
        over
    }

    /// Sets the limit that [`Self::record`] tells of; it outlives
    /// [`Self::clear`].
    pub fn set_limit(&self, ns: u64) {
        self.not_limit.store(!ns, Relaxed);
    }

    /// The buckets that samples may be in.
    fn range(&self) -> Range<usize> {
        match self.count() {
            0 => 0..0,
            _ => {
                let min = !self.not_min.load(Relaxed);
                bucket_of(min)..bucket_of(self.max.load(Relaxed)) + 1
            }
        }
    }

    /// These buckets with their indices.
    fn in_range(&self) -> impl Iterator<Item = (usize, &AtomicU64)> {
        let range = self.range();
        let buckets = self.buckets.get(range.clone()).unwrap_or(&[]);
        range.zip(buckets)
    }

    /// Forgets all samples; for the end of a warm-up.
    pub fn clear(&self) {
        for (_, bucket) in self.in_range() {
            bucket.store(0, Relaxed);
        }
        for word in [&self.count, &self.sum, &self.not_min, &self.max] {
            // Untouched memory stays untouched.
            if word.load(Relaxed) > 0 {
                word.store(0, Relaxed);
            }
        }
    }

    /// Samples counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// Adds this histogram's samples to `total`.
    pub fn add_to(&self, total: &Self) {
        if self.count() == 0 {
            return;
        }
        let not_min = self.not_min.load(Relaxed);
        total.not_min.fetch_max(not_min, Relaxed);
        total.max.fetch_max(self.max.load(Relaxed), Relaxed);
        add(&total.count, self.count());
        add(&total.sum, self.sum.load(Relaxed));
        for (at, from) in self.in_range() {
            let from = from.load(Relaxed);
            if from > 0
                && let Some(to) = total.buckets.get(at)
            {
                add(to, from);
            }
        }
    }

    /// Totals without the buckets.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let count = self.count();
        Summary {
            count,
            sum_ns: self.sum.load(Relaxed),
            min_ns: match count {
                0 => 0,
                _ => !self.not_min.load(Relaxed),
            },
            max_ns: self.max.load(Relaxed),
        }
    }

    /// The occupied buckets, in rising order, with their counts.
    pub fn occupied(&self) -> impl Iterator<Item = (usize, u64)> + '_ {
        self.in_range()
            .map(|(at, bucket)| (at, bucket.load(Relaxed)))
            .filter(|&(_, count)| count > 0)
    }
}

fn add(to: &AtomicU64, more: u64) {
    to.store(to.load(Relaxed).wrapping_add(more), Relaxed);
}

/// Totals of a histogram.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Samples.
    pub count: u64,
    /// Sum of all samples, in ns.
    pub sum_ns: u64,
    /// Smallest sample, in ns; 0 if there is none.
    pub min_ns: u64,
    /// Largest sample, in ns.
    pub max_ns: u64,
}

/// The value below or at which the share `num/den` of all samples lies: the
/// middle of the bucket that holds that sample, kept within the extremes.
///
/// `buckets` are (index, count) in rising order; 0 for an empty histogram.
#[must_use]
pub fn percentile(
    buckets: impl Iterator<Item = (usize, u64)>,
    summary: &Summary,
    num: u64,
    den: u64,
) -> u64 {
    let rank = u128::from(summary.count) * u128::from(num);
    let rank = rank.div_ceil(u128::from(den.max(1))).max(1);
    let mut seen = 0_u128;
    for (bucket, count) in buckets {
        seen += u128::from(count);
        if seen >= rank {
            let (low, high) = bucket_range(bucket);
            let middle = low + (high - low) / 2;
            return middle.clamp(summary.min_ns, summary.max_ns);
        }
    }
    summary.max_ns
}

/// Occupied buckets as bytes: for each, the distance from the bucket before
/// it and its count, both as LEB128 numbers (7 bits a byte, low ones first).
/// The first distance is counted from -1, so no distance is ever 0.
#[derive(Debug, Clone, Copy)]
pub struct Sparse<'a>(pub &'a [u8]);

impl Sparse<'_> {
    /// Writes `buckets` into `buf`. Returns how many bytes were used, or
    /// `None` if they do not fit.
    pub fn encode(
        buckets: impl Iterator<Item = (usize, u64)>,
        buf: &mut [u8],
    ) -> Option<usize> {
        let mut used = 0;
        let mut next = 0;
        for (bucket, count) in buckets {
            let distance = bucket.checked_sub(next)? as u64 + 1;
            next = bucket + 1;
            for mut number in [distance, count] {
                loop {
                    let low = u8::try_from(number & 0x7f).unwrap_or(0);
                    number >>= 7;
                    let more = if number > 0 { 0x80 } else { 0 };
                    *buf.get_mut(used)? = low | more;
                    used += 1;
                    if more == 0 {
                        break;
                    }
                }
            }
        }
        Some(used)
    }
}

impl Iterator for Sparse<'_> {
    type Item = (u64, u64);

    /// The next (distance, count); `None` at the end or at malformed bytes.
    fn next(&mut self) -> Option<Self::Item> {
        let distance = self.number()?;
        Some((distance, self.number()?))
    }
}

impl Sparse<'_> {
    /// The buckets as (index, count); ends early at malformed bytes.
    pub fn buckets(self) -> impl Iterator<Item = (usize, u64)> {
        let mut next = 0_usize;
        self.map_while(move |(distance, count)| {
            let gap = usize::try_from(distance.checked_sub(1)?).ok()?;
            let bucket = next.checked_add(gap)?;
            next = bucket + 1;
            (bucket < BUCKETS).then_some((bucket, count))
        })
    }

    fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{
        BUCKETS, Histogram, Sparse, Summary, bucket_of, bucket_range,
        percentile,
    };
    use crate::kit::shm::Arena;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
    use std::{boxed::Box, vec::Vec};

    /// One in memory that is never given back.
    fn empty() -> &'static Histogram {
        let arena = Arena::new(size_of::<Histogram>()).unwrap();
        Box::leak(Box::new(arena)).one().unwrap()
    }

    #[test]
    fn ends_of_the_range() {
        assert_eq!(bucket_of(0), 0);
        assert_eq!(bucket_of(63), 63);
        assert_eq!(bucket_of(127), 127);
        assert_eq!(bucket_of(128), 128);
        assert_eq!(bucket_of(129), 128);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket_range(BUCKETS - 1).1, u64::MAX);
    }

    #[test]
    fn percentiles_of_one_to_a_thousand() {
        let hist = empty();
        (1..=1000).for_each(|ns| assert!(!hist.record(ns)));
        let summary = hist.summary();
        assert_eq!((summary.min_ns, summary.max_ns), (1, 1000));
        for (num, exact) in [(50, 500_u64), (90, 900), (99, 990)] {
            let found = percentile(hist.occupied(), &summary, num, 100);
            assert!(found.abs_diff(exact) * 64 <= exact, "p{num}: {found}");
        }
        assert_eq!(percentile(hist.occupied(), &summary, 100, 100), 1000);
    }

    #[test]
    fn a_cleared_one_is_empty() {
        let hist = empty();
        [1, 70, u64::MAX].iter().for_each(|&ns| _ = hist.record(ns));
        hist.clear();
        assert_eq!(hist.summary(), Summary::default());
        assert_eq!(hist.occupied().count(), 0);
        hist.record(5000);
        assert_eq!(hist.occupied().collect::<Vec<_>>().len(), 1);
        assert_eq!(hist.summary().min_ns, 5000);
    }

    #[test]
    fn a_limit_is_told_of_once_and_by_longer_ones() {
        let hist = empty();
        hist.set_limit(500);
        let told = |ns| hist.record(ns);
        assert_eq!(
            [400, 500, 501, 450, 501].map(told),
            [false, false, true, false, false]
        );
        assert!(hist.record(502));
        // Behind a warm-up it is so again.
        hist.clear();
        assert_eq!([500, 501].map(|ns| hist.record(ns)), [false, true]);
    }

    proptest! {
        #[test]
        fn buckets_hold_their_values(ns in any::<u64>()) {
            let (low, high) = bucket_range(bucket_of(ns));
            prop_assert!(low <= ns && ns <= high);
            prop_assert!(high - low <= low / 64);
        }

        #[test]
        fn merging_is_recording_both(
            a in proptest::collection::vec(any::<u32>(), 0..50),
            b in proptest::collection::vec(any::<u32>(), 0..50),
        ) {
            let (one, two, both) = (empty(), empty(), empty());
            for &ns in &a {
                one.record(ns.into());
                both.record(ns.into());
            }
            for &ns in &b {
                two.record(ns.into());
                both.record(ns.into());
            }
            one.add_to(two);
            prop_assert_eq!(two.summary(), both.summary());
            let two: Vec<_> = two.occupied().collect();
            let both: Vec<_> = both.occupied().collect();
            prop_assert_eq!(two, both);
        }

        #[test]
        fn sparse_form_comes_back(
            samples in proptest::collection::vec(any::<u64>(), 0..100),
        ) {
            let hist = empty();
            samples.iter().for_each(|&ns| _ = hist.record(ns));
            let mut buf = [0; 4096];
            let used = Sparse::encode(hist.occupied(), &mut buf).unwrap();
            let back: Vec<_> = Sparse(&buf[..used]).buckets().collect();
            let sent: Vec<_> = hist.occupied().collect();
            prop_assert_eq!(back, sent);
        }

        #[test]
        fn sparse_takes_any_bytes(
            bytes in proptest::collection::vec(any::<u8>(), 0..100),
        ) {
            prop_assert!(Sparse(&bytes).buckets().all(|(b, _)| b < BUCKETS));
        }
    }
}
