//! A bounded queue for many producers and many consumers, in shared memory.
//!
//! Each slot has a sequence number that says whose turn it is: `at` while it
//! waits for the push number `at`, `at + 1` while it holds that value. So
//! producers and consumers meet only at the slot they use, and none waits
//! for another that was preempted elsewhere in the queue.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// Cells that keep two counters on lines of their own.
const APART: u32 = 8;

/// A view of the queue that lies in some cells.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'r> {
    pushed: &'r AtomicU64,
    popped: &'r AtomicU64,
    /// Sequence number and value of each slot.
    slots: &'r [AtomicU64],
    capacity: u64,
}

impl<'r> Queue<'r> {
    /// Cells for a queue of that capacity.
    #[must_use]
    pub const fn cells(capacity: u32) -> u32 {
        2 * APART + 2 * capacity
    }

    /// The queue in `cells`, as many as [`Queue::cells`] said. `None` if
    /// they have no room for a slot.
    #[must_use]
    pub fn new(cells: &'r [AtomicU64]) -> Option<Self> {
        let slots = cells.get(2 * APART as usize..)?;
        let capacity = slots.len() as u64 / 2;
        (capacity > 0).then_some(Self {
            pushed: &cells[0],
            popped: &cells[APART as usize],
            slots,
            capacity,
        })
    }

    /// Makes zeroed cells an empty queue, before anyone uses it.
    pub fn init(&self) {
        for (slot, at) in self.slots.chunks_exact(2).zip(0..) {
            slot[0].store(at, Relaxed);
        }
    }

    /// Values in it; never more than its capacity.
    #[must_use]
    pub fn depth(&self) -> u64 {
        // In this order: later pops only make it less.
        let pushed = self.pushed.load(Acquire);
        pushed.saturating_sub(self.popped.load(Acquire))
    }

    /// Most values it holds.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Appends a value. `None` if it is full.
    #[must_use]
    pub fn push(&self, value: u64) -> Option<()> {
        let (at, [turn, cell]) = self.claim(self.pushed, 0)?;
        cell.store(value, Relaxed);
        turn.store(at + 1, Release);
        Some(())
    }

    /// Takes the oldest value. `None` if it is empty, or if the push of the
    /// oldest is not complete.
    #[must_use]
    pub fn pop(&self) -> Option<u64> {
        let (at, [turn, cell]) = self.claim(self.popped, 1)?;
        let value = cell.load(Relaxed);
        turn.store(at + self.capacity, Release);
        Some(value)
    }

    /// Takes the next number of `counter` once the slot of that number is
    /// `ahead` of it.
    fn claim(
        &self,
        counter: &AtomicU64,
        ahead: u64,
    ) -> Option<(u64, &'r [AtomicU64; 2])> {
        let mut at = counter.load(Relaxed);
        loop {
            let slot = usize::try_from(at % self.capacity * 2).ok()?;
            let slot = self.slots.get(slot..)?.first_chunk()?;
            let turn = slot[0].load(Acquire);
            if turn < at + ahead {
                return None;
            }
            if turn > at + ahead {
                // Another was faster.
                at = counter.load(Relaxed);
                continue;
            }
            match counter.compare_exchange(at, at + 1, AcqRel, Relaxed) {
                Ok(_) => return Some((at, slot)),
                Err(current) => at = current,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::vec::Vec;

    fn cells(capacity: u32) -> Vec<AtomicU64> {
        (0..Queue::cells(capacity))
            .map(|_| AtomicU64::new(0))
            .collect()
    }

    #[test]
    fn full_at_its_capacity_and_in_order() {
        let cells = cells(3);
        let queue = Queue::new(&cells).unwrap();
        queue.init();
        assert_eq!(queue.pop(), None);
        for lap in 0..3 {
            for value in 0..3 {
                assert_eq!(queue.push(lap * 10 + value), Some(()));
                assert_eq!(queue.depth(), value + 1);
            }
            assert_eq!(queue.push(99), None);
            assert_eq!(queue.pop(), Some(lap * 10));
            assert_eq!(queue.push(lap * 10 + 3), Some(()));
            for value in 1..4 {
                assert_eq!(queue.pop(), Some(lap * 10 + value));
            }
            assert_eq!(queue.pop(), None);
        }
    }

    #[test]
    fn every_value_arrives_once() {
        const EACH: u64 = 20_000;
        let (cells, sum) = (cells(8), AtomicU64::new(0));
        let (queue, taken) = (Queue::new(&cells).unwrap(), AtomicU64::new(0));
        queue.init();
        std::thread::scope(|scope| {
            for first in [0, EACH] {
                scope.spawn(move || {
                    for value in first..first + EACH {
                        while queue.push(value).is_none() {
                            std::thread::yield_now();
                        }
                        assert!(queue.depth() <= queue.capacity());
                    }
                });
                scope.spawn(|| {
                    while taken.load(Relaxed) < 2 * EACH {
                        match queue.pop() {
                            Some(value) => {
                                sum.fetch_add(value, Relaxed);
                                taken.fetch_add(1, Relaxed);
                            }
                            None => std::thread::yield_now(),
                        }
                    }
                });
            }
        });
        assert_eq!(taken.load(Relaxed), 2 * EACH);
        assert_eq!(sum.load(Relaxed), (2 * EACH - 1) * EACH);
    }
}
