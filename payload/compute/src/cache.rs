//! A shard of an object cache, in shared cells, under its user's lock.
//!
//! Objects lie in a ring, the oldest of which make room for new ones: FIFO
//! eviction, whose equilibrium with uniform keys is that of LRU. Positions
//! in the ring only ever rise, so that a link to an evicted object is known
//! by its position and needs no unlinking.

use core::hint::black_box;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Cells before the buckets.
const HEAD: usize = 8;
/// Where the next object begins.
const WRITE: usize = 0;
/// Where the oldest object begins.
const READ: usize = 1;
/// How many keys there are.
const KEYS: usize = 2;
/// Keys below this number may have large objects.
const LARGE_BELOW: usize = 3;
/// Words of an object before its value: key and length, and a link.
const PREFIX: u64 = 2;

/// Sizes of values in bytes, with their weights.
const SIZES: [(u64, u64); 8] = [
    (64, 450),
    (128, 300),
    (256, 130),
    (512, 70),
    (1024, 30),
    (4096, 12),
    (16_384, 3),
    (65_536, 1),
];
const WEIGHTS: u64 = 996;
/// The first of the sizes that are large for a shard.
const LARGE: usize = 5;
/// Words of the largest value.
pub const MAX_WORDS: usize = 65_536 / 8;
/// Words of the mean object.
const MEAN: usize = 44;

/// Mixes the bits of a number.
fn mix(number: u64) -> u64 {
    let x = (number ^ number >> 31).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x ^ x >> 32
}

/// Which of the sizes the value of a key has.
fn size_of_key(shard: u32, key: u64) -> usize {
    let mut at = mix(key << 8 | u64::from(shard)) % WEIGHTS;
    let found = SIZES.iter().position(|&(_, weight)| {
        let here = at < weight;
        at = at.saturating_sub(weight);
        here
    });
    found.unwrap_or(0)
}

/// Words of a ring that are occupied on average. Each object that is evicted
/// leaves a hole that the others fill bit by bit.
fn occupied(capacity: u64, sum: u64, counts: &[u64; SIZES.len()]) -> u64 {
    let sizes = SIZES.iter().map(|size| PREFIX + size.0 / 8);
    let holes = sizes.zip(counts).map(|(words, count)| {
        let others = sum.saturating_sub(words).max(words);
        count * words * words / (2 * others)
    });
    capacity.saturating_sub(holes.sum())
}

/// Buckets of a shard whose ring has so many words.
fn buckets(ring: usize) -> usize {
    (ring / MEAN).next_power_of_two()
}

/// Cells of a shard whose ring has so many words.
#[must_use]
pub fn cells(ring: usize) -> usize {
    HEAD + buckets(ring) + ring
}

/// One shard.
#[derive(Debug, Clone, Copy)]
pub struct Shard<'r> {
    number: u32,
    head: &'r [AtomicU64],
    buckets: &'r [AtomicU64],
    ring: &'r [AtomicU64],
}

impl<'r> Shard<'r> {
    /// The shard in [`cells`] cells.
    #[must_use]
    pub fn new(number: u32, cells: &'r [AtomicU64], ring: usize) -> Self {
        let (head, rest) = cells.split_at(HEAD);
        let (buckets, ring) = rest.split_at(buckets(ring));
        Self {
            number,
            head,
            buckets,
            ring,
        }
    }

    /// Chooses the number of keys for which `target_pct` percent of the
    /// lookups will hit, and fills the ring with some of them.
    pub fn fill(&self, target_pct: u64) {
        self.head[LARGE_BELOW].store(u64::MAX, Relaxed);
        let keys = self.keys_for(target_pct);
        self.head[KEYS].store(keys, Relaxed);
        let capacity = self.ring.len() as u64;
        let mut resident = 0_u64;
        for key in 0..keys {
            // Twice over is enough where it never comes to the target.
            let written = self.head[WRITE].load(Relaxed);
            let off = (resident * 100).abs_diff(target_pct * keys);
            if written > capacity && off * 2 <= keys || written > 2 * capacity {
                break;
            }
            let words = self.value_words(key);
            let evicted = self.insert(key, words, |i| key << 16 | i);
            resident += evicted.map_or(0, |_| 1);
            resident -= evicted.unwrap_or(0);
        }
    }

    /// With uniform keys every object is resident with the same probability,
    /// whatever its size: the words that are occupied over those of all.
    fn keys_for(&self, target_pct: u64) -> u64 {
        // Enough for the mean to stand for the rest.
        const SAMPLE: u64 = 16_384;
        let capacity = self.ring.len() as u64;
        let (mut sum, mut counts) = (0_u64, [0_u64; SIZES.len()]);
        for key in 0..SAMPLE {
            let size = self.size(key);
            counts[size] += 1;
            sum += PREFIX + SIZES[size].0 / 8;
            // Nothing can be decided before the first half.
            if sum * target_pct < capacity * 50
                || sum * target_pct < occupied(capacity, sum, &counts) * 100
            {
                continue;
            }
            if size < LARGE {
                return key + 1;
            }
            // One large object could be far too much: this key and those
            // behind it get small ones.
            self.head[LARGE_BELOW].store(key, Relaxed);
            counts[size] -= 1;
            sum -= SIZES[size].0 / 8 - SIZES[0].0 / 8;
            counts[0] += 1;
        }
        let room = occupied(capacity, sum, &counts);
        let wanted = u128::from(room) * 100 / u128::from(target_pct.max(1));
        let keys = wanted * u128::from(SAMPLE) / u128::from(sum);
        u64::try_from(keys).unwrap_or(u64::MAX)
    }

    fn size(&self, key: u64) -> usize {
        let size = size_of_key(self.number, key);
        let below = self.head[LARGE_BELOW].load(Relaxed);
        if size >= LARGE && key >= below {
            0
        } else {
            size
        }
    }

    /// Words of the value of a key.
    #[must_use]
    pub fn value_words(&self, key: u64) -> u64 {
        SIZES[self.size(key)].0 / 8
    }

    /// Keys are below this number.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.head[KEYS].load(Relaxed)
    }

    fn used(&self) -> u64 {
        let read = self.head[READ].load(Relaxed);
        self.head[WRITE].load(Relaxed) - read
    }

    fn word(&self, position: u64) -> &'r AtomicU64 {
        // The remainder is below the length of the ring.
        let at = position % self.ring.len() as u64;
        &self.ring[usize::try_from(at).unwrap_or(0)]
    }

    fn bucket(&self, key: u64) -> &'r AtomicU64 {
        let at = mix(key) % self.buckets.len() as u64;
        &self.buckets[usize::try_from(at).unwrap_or(0)]
    }

    /// Where the value of a key is.
    fn find(&self, key: u64) -> Option<Range<u64>> {
        let oldest = self.head[READ].load(Relaxed);
        let mut link = self.bucket(key).load(Relaxed);
        loop {
            // 0 is no object, others are a position plus one.
            let at = link.checked_sub(1).filter(|&at| at >= oldest)?;
            let head = self.word(at).load(Relaxed);
            if head >> 16 == key {
                let first = at + PREFIX;
                return Some(first..first + (head & 0xffff));
            }
            link = self.word(at + 1).load(Relaxed);
        }
    }

    /// Reads the whole value of a key; whether it is there.
    #[must_use]
    pub fn read(&self, key: u64) -> bool {
        let Some(value) = self.find(key) else {
            return false;
        };
        let words = value.map(|at| self.word(at).load(Relaxed));
        black_box(words.fold(0, u64::wrapping_add));
        true
    }

    /// Stores a value of so many words, unless the key has one. Returns how
    /// many objects made room for it; `None` if it was not stored.
    pub fn insert(
        &self,
        key: u64,
        words: u64,
        value: impl Fn(u64) -> u64,
    ) -> Option<u64> {
        let size = PREFIX + words;
        let room = self.ring.len() as u64;
        if size > room || self.find(key).is_some() {
            return None;
        }
        let mut evicted = 0;
        while self.used() + size > room {
            let read = self.head[READ].load(Relaxed);
            let oldest = self.word(read).load(Relaxed) & 0xffff;
            self.head[READ].store(read + PREFIX + oldest, Relaxed);
            evicted += 1;
        }
        let at = self.head[WRITE].load(Relaxed);
        let bucket = self.bucket(key);
        self.word(at).store(key << 16 | words, Relaxed);
        self.word(at + 1).store(bucket.load(Relaxed), Relaxed);
        for i in 0..words {
            self.word(at + PREFIX + i).store(value(i), Relaxed);
        }
        self.head[WRITE].store(at + size, Relaxed);
        bucket.store(at + 1, Relaxed);
        Some(evicted)
    }
}

#[cfg(test)]
mod tests {
    use super::{SIZES, Shard, WEIGHTS, cells, size_of_key};
    use core::sync::atomic::AtomicU64;
    use rand_core::{Rng, SeedableRng};
    use rand_xoshiro::SplitMix64;
    use std::vec::Vec;

    #[test]
    fn sizes_have_their_mean() {
        assert_eq!(SIZES.iter().map(|s| s.1).sum::<u64>(), WEIGHTS);
        let sum: u64 =
            (0..400_000).map(|key| SIZES[size_of_key(3, key)].0).sum();
        let mean = sum / 400_000;
        assert!((315..350).contains(&mean), "{mean}");
    }

    #[test]
    fn the_oldest_make_room() {
        let ring = 1000;
        let memory = zeroes(cells(ring));
        let shard = Shard::new(0, &memory, ring);
        assert_eq!(shard.insert(7, 398, |i| i), Some(0));
        assert_eq!(shard.insert(8, 398, |i| i), Some(0));
        assert_eq!(shard.insert(7, 398, |i| i), None);
        assert!(shard.read(7) && shard.read(8) && !shard.read(9));
        assert_eq!(shard.insert(9, 298, |i| i), Some(1));
        assert!(!shard.read(7) && shard.read(8) && shard.read(9));
        assert_eq!(shard.insert(10, 1000, |i| i), None);
    }

    fn zeroes(len: usize) -> Vec<AtomicU64> {
        (0..len).map(|_| AtomicU64::new(0)).collect()
    }

    /// Looks up uniform keys, inserts what is missing, and returns the share
    /// of hits in permille.
    fn equilibrium(mib: usize, target_pct: u64) -> u64 {
        const SHARDS: u32 = 256;
        let ring = mib * (1 << 20) / 8 / SHARDS as usize;
        let each = cells(ring);
        let all = zeroes(SHARDS as usize * each);
        let mut random = SplitMix64::seed_from_u64(1);
        let (mut hits, mut lookups) = (0, 0);
        for number in (0..SHARDS).step_by(23) {
            let first = number as usize * each;
            let shard = Shard::new(number, &all[first..first + each], ring);
            shard.fill(target_pct);
            let rounds = 40 * shard.keys().min(4000);
            for round in 0..rounds {
                let key = random.next_u64() % shard.keys();
                let hit = shard.read(key);
                if !hit {
                    let words = shard.value_words(key);
                    shard.insert(key, words, |i| i);
                }
                if round >= rounds / 2 {
                    lookups += 1;
                    hits += u64::from(hit);
                }
            }
        }
        hits * 1000 / lookups
    }

    #[test]
    fn lookups_hit_as_often_as_they_should() {
        for (mib, target) in [(32, 90), (64, 90), (64, 50), (128, 99)] {
            let got = equilibrium(mib, target);
            let off = got.abs_diff(target * 10);
            assert!(off <= 20 && got < 1000, "{mib} MiB, {target}: {got}");
        }
    }
}
