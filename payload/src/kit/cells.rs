//! What the workers of one instance share: words, stamps, rings, gauges.
//!
//! Each is a cache line of its own, so that two of them never bounce one
//! line.

use crate::kit::clock::{MILLISECOND, now, sleep_until, timespec};
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use rustix::io::Errno;
use rustix::thread::futex;

/// A futex word.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Word(pub AtomicU32);

impl Word {
    /// The value, with everything its writer did before.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u32 {
        self.0.load(Acquire)
    }

    /// Publishes a value.
    #[inline]
    pub fn set(&self, value: u32) {
        self.0.store(value, Release);
    }

    /// Replaces the value and returns the old one.
    #[inline]
    pub fn swap(&self, value: u32) -> u32 {
        self.0.swap(value, AcqRel)
    }

    /// Adds one and returns the new value.
    #[inline]
    pub fn increment(&self) -> u32 {
        self.0.fetch_add(1, AcqRel).wrapping_add(1)
    }

    /// Takes one away and returns the new value.
    #[inline]
    pub fn decrement(&self) -> u32 {
        self.0.fetch_sub(1, AcqRel).wrapping_sub(1)
    }

    /// Replaces `old` by `new`, if it is still there.
    #[inline]
    pub fn replace(&self, old: u32, new: u32) -> bool {
        self.0.compare_exchange(old, new, AcqRel, Acquire).is_ok()
    }
}

/// The time of a wake, written by the waker; 0 is no time.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Stamp(AtomicU64);

impl Stamp {
    /// W1: overwrites the stamp; to be called right before the waking call.
    #[inline]
    pub fn set(&self, now: u64) {
        self.0.store(now, Release);
    }

    /// W1: the last stamp.
    #[inline]
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Acquire)
    }

    /// Keeps the earliest stamp that nobody took.
    #[inline]
    pub fn set_if_empty(&self, now: u64) {
        let _older = self.0.compare_exchange(0, now, Release, Relaxed);
    }

    /// Takes the stamp, leaving none.
    #[inline]
    #[must_use]
    pub fn take(&self) -> u64 {
        self.0.swap(0, AcqRel)
    }
}

/// W2: the stamps of the last 1024 generations, so that a late wakee still
/// finds its own.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Ring([(AtomicU64, AtomicU64); Self::LEN]);

impl Ring {
    /// Generations that are kept.
    pub const LEN: usize = 1024;

    fn entry(&self, generation: u32) -> &(AtomicU64, AtomicU64) {
        &self.0[generation as usize % Self::LEN]
    }

    /// What says that an entry is of this generation: zeroed memory is of none.
    fn tag(generation: u32) -> u64 {
        u64::from(generation) + 1
    }

    /// Stamps `generation`; to be called right before it is published.
    #[inline]
    pub fn set(&self, generation: u32, now: u64) {
        let (owner, stamp) = self.entry(generation);
        // A reader in between must not pair one generation with the stamp
        // of another.
        owner.store(0, Release);
        stamp.store(now, Release);
        owner.store(Self::tag(generation), Release);
    }

    /// The stamp of `generation`, or `None` if it has been overwritten.
    #[inline]
    #[must_use]
    pub fn get(&self, generation: u32) -> Option<u64> {
        let (owner, stamp) = self.entry(generation);
        let before = owner.load(Acquire);
        let stamp = stamp.load(Acquire);
        let after = owner.load(Acquire);
        let mine = Self::tag(generation);
        (before == mine && after == mine).then_some(stamp)
    }
}

/// A plain counter guarded by the workload's own lock.
///
/// It is loaded and stored, never added to atomically, so that a lock that
/// lets two in loses counts.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Gauge(AtomicU64);

impl Gauge {
    /// Adds one, as `value += 1` would.
    #[inline]
    pub fn bump(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    /// Adds one so that nobody else's addition is lost.
    #[inline]
    pub fn count(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Sleeps while a word shared between processes holds `value`, `most_ns` at
/// most. Whatever ends it, the word is to be looked at again.
pub fn sleep_while(word: &AtomicU32, value: u32, most_ns: u64) {
    let most = timespec(most_ns);
    let slept = futex::wait(word, futex::Flags::empty(), value, Some(&most));
    if slept == Err(Errno::NOSYS) {
        // A real-time task that asked again at once would leave its CPU to
        // nobody whom it waits for.
        let _woken = sleep_until(now() + MILLISECOND);
    }
}

/// Wakes everyone who waits on a word shared between processes.
pub fn wake_all(word: &AtomicU32) {
    // It can only fail for addresses that are not mapped.
    let _woken =
        futex::wake(word, futex::Flags::empty(), i32::MAX.unsigned_abs());
}

#[cfg(test)]
mod tests {
    use super::{Ring, Stamp};
    use core::sync::atomic::AtomicU64;

    #[test]
    fn earliest_stamp_wins_until_taken() {
        let stamp = Stamp(AtomicU64::new(0));
        stamp.set_if_empty(5);
        stamp.set_if_empty(9);
        assert_eq!((stamp.take(), stamp.take()), (5, 0));
    }

    #[test]
    fn ring_forgets_old_generations() {
        let ring =
            Ring([const { (AtomicU64::new(0), AtomicU64::new(0)) }; Ring::LEN]);
        assert_eq!(ring.get(0), None, "before the first");
        let last = 4 + u32::try_from(Ring::LEN).unwrap();
        (1..=last).for_each(|g| ring.set(g, u64::from(g) * 100));
        assert_eq!(ring.get(4), None);
        assert_eq!(ring.get(5), Some(500));
        assert_eq!(ring.get(last), Some(u64::from(last) * 100));
        assert_eq!(ring.get(last + 1), None);
    }
}
