//! Stamps of wakes where many wake many, one at a time.
//!
//! A waker cannot tell whom it wakes, but the kernel wakes who waits in the
//! order of their coming (for tasks of one priority). So everyone leaves when
//! it began to block, every waker a stamp, and whoever ran takes the oldest
//! stamp but for those of the ones who came before it and have not run yet.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The cells of an instance of so many tasks.
#[derive(Debug, Clone, Copy)]
pub struct Wakes<'r> {
    /// Since when each task blocks, in ns; 0 if it does not.
    since: &'r [AtomicU64],
    /// When wakes under way were made, in ns; 0 is a free place.
    stamps: &'r [AtomicU64],
}

/// The place of a stamp, and the stamp.
#[derive(Debug, Clone, Copy)]
pub struct Mark(usize, u64);

impl<'r> Wakes<'r> {
    /// How many cells so many tasks take: as many wakes may be under way as
    /// there are sleepers, and as many that find nobody as there are wakers.
    #[must_use]
    pub const fn cells(tasks: u32) -> u32 {
        3 * tasks
    }

    /// Wakes in these cells, which begin as zero.
    #[must_use]
    pub fn new(cells: &'r [AtomicU64]) -> Self {
        let (since, stamps) = cells.split_at(cells.len() / 3);
        Self { since, stamps }
    }

    /// Task `own` is about to block.
    pub fn blocks(&self, own: usize, block_ns: u64) {
        if let Some(since) = self.since.get(own) {
            since.store(block_ns, Release);
        }
    }

    /// Task `own` did not sleep, or nobody's wake ended it.
    pub fn goes_on(&self, own: usize) {
        if let Some(since) = self.since.get(own) {
            since.store(0, Release);
        }
    }

    /// Leaves the stamp of a wake that task `own` is about to make. `None` if
    /// there is no place, which the number of places excludes.
    #[must_use]
    pub fn mark(&self, own: usize, now: u64) -> Option<Mark> {
        let len = self.stamps.len().max(1);
        let places = (0..len).map(|i| (2 * own + i) % len);
        let free = |&at: &usize| {
            let stamp = self.stamps.get(at);
            stamp.is_some_and(|stamp| {
                stamp.load(Relaxed) == 0
                    && stamp.compare_exchange(0, now, AcqRel, Relaxed).is_ok()
            })
        };
        places.into_iter().find(free).map(|at| Mark(at, now))
    }

    /// Takes back the stamp of a wake that found nobody.
    pub fn unmark(&self, mark: Option<Mark>) {
        if let Some(Mark(at, stamp)) = mark
            && let Some(cell) = self.stamps.get(at)
        {
            let _taken = cell.compare_exchange(stamp, 0, AcqRel, Relaxed);
        }
    }

    /// Takes the stamp of the wake that ended the sleep of task `own`, which
    /// ran at `run_ns`. `None` if there is none left.
    #[must_use]
    pub fn take(&self, own: usize, block_ns: u64, run_ns: u64) -> Option<u64> {
        let load = |cell: &AtomicU64| cell.load(Acquire);
        loop {
            let before = |ns: &u64| (1..block_ns).contains(ns);
            let ahead = self.since.iter().map(load).filter(before).count();
            let mut found = None;
            let mut passed = 0;
            while let Some(next) = self.after(found, run_ns) {
                found = Some(next);
                // One from before the sleep wakes somebody else, if another
                // follows.
                if passed >= ahead && next.1 >= block_ns {
                    break;
                }
                passed += 1;
            }
            let Some(Mark(at, stamp)) = found else {
                self.goes_on(own);
                return None;
            };
            let taken = self.stamps.get(at).is_some_and(|cell| {
                cell.compare_exchange(stamp, 0, AcqRel, Acquire).is_ok()
            });
            if taken {
                self.goes_on(own);
                return Some(stamp);
            }
            // Another was faster, which leaves one less to look at.
        }
    }

    /// The oldest stamp behind `last` and not behind `run_ns`.
    fn after(&self, last: Option<Mark>, run_ns: u64) -> Option<Mark> {
        let last = last.map(|Mark(at, stamp)| (stamp, at));
        let stamps = self.stamps.iter().map(|cell| cell.load(Acquire));
        stamps
            .zip(0..)
            .filter(|&(stamp, at)| {
                (1..=run_ns).contains(&stamp) && Some((stamp, at)) > last
            })
            .min()
            .map(|(stamp, at)| Mark(at, stamp))
    }
}

#[cfg(test)]
mod tests {
    use super::Wakes;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

    #[test]
    fn whoever_overtakes_leaves_the_others_their_stamps() {
        let cells = [const { AtomicU64::new(0) }; 9];
        let wakes = Wakes::new(&cells);
        (0..3).for_each(|task| wakes.blocks(task, 10 + task as u64));
        for stamp in [100, 200, 300] {
            assert!(wakes.mark(0, stamp).is_some());
        }
        // The first was woken first and is the last to run.
        assert_eq!(wakes.take(2, 12, 350), Some(300));
        assert_eq!(wakes.take(1, 11, 360), Some(200));
        assert_eq!(wakes.take(0, 10, 9000), Some(100));
        assert!(cells.iter().all(|cell| cell.load(Relaxed) == 0));
    }

    #[test]
    fn a_wake_that_found_nobody_is_nobodys() {
        let cells = [const { AtomicU64::new(0) }; 6];
        let wakes = Wakes::new(&cells);
        let vain = wakes.mark(0, 50);
        wakes.unmark(vain);
        wakes.blocks(1, 60);
        assert_eq!(wakes.take(1, 60, 90), None);
        // One that is still on its way, and the one that came.
        assert!(wakes.mark(0, 70).is_some());
        wakes.blocks(1, 80);
        assert!(wakes.mark(0, 90).is_some());
        assert_eq!(wakes.take(1, 80, 95), Some(90));
        // The one on its way comes.
        wakes.blocks(1, 96);
        assert_eq!(wakes.take(1, 96, 99), Some(70));
    }

    #[test]
    fn there_is_room_for_all() {
        let cells = [const { AtomicU64::new(0) }; 6];
        let wakes = Wakes::new(&cells);
        for stamp in 1..=4 {
            assert!(wakes.mark(1, stamp).is_some(), "{stamp}");
        }
        assert!(wakes.mark(1, 5).is_none());
    }
}
