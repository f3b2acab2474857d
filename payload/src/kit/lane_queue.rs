//! A bounded queue of numbers from one task to another.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};

/// A ring in shared cells with one writer and one reader.
#[derive(Debug, Clone, Copy)]
pub struct Queue<'r>(&'r [AtomicU64]);

impl<'r> Queue<'r> {
    /// Cells it takes: both ends have a cache line of their own.
    pub const CELLS: u32 = 16 + 512;
    /// Numbers it can hold.
    pub const CAPACITY: u64 = 512;
    const WRITTEN: usize = 0;
    const READ: usize = 8;
    /// Up to where the reader has taken what it works through.
    const TAKEN: usize = 9;
    const FIRST: usize = 16;

    /// The queue in [`Queue::CELLS`] cells.
    #[must_use]
    pub fn new(cells: &'r [AtomicU64]) -> Self {
        Self(cells)
    }

    fn place(&self, n: u64) -> &'r AtomicU64 {
        // The remainder is far inside a usize.
        let at = usize::try_from(n % Self::CAPACITY).unwrap_or(0);
        &self.0[Self::FIRST + at]
    }

    /// Numbers in it.
    #[must_use]
    pub fn len(&self) -> u64 {
        let read = self.0[Self::READ].load(Acquire);
        self.0[Self::WRITTEN].load(Acquire).saturating_sub(read)
    }

    /// Numbers that were added since the reader took what was there.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let taken = self.0[Self::TAKEN].load(Acquire);
        self.0[Self::WRITTEN].load(Acquire).saturating_sub(taken)
    }

    /// Takes all that is there now, the oldest first, for its one reader:
    /// each has its place until it is given.
    pub fn splice(&self) -> impl Iterator<Item = u64> + use<'r> {
        let written = self.0[Self::WRITTEN].load(Acquire);
        self.0[Self::TAKEN].store(written, Release);
        let (queue, read) = (*self, self.0[Self::READ].load(Relaxed));
        (read..written).map_while(move |_| queue.pop())
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a number, for its one writer; whether there was room.
    pub fn push(&self, number: u64) -> bool {
        if self.len() == Self::CAPACITY {
            return false;
        }
        let written = self.0[Self::WRITTEN].load(Relaxed);
        self.place(written).store(number, Relaxed);
        self.0[Self::WRITTEN].store(written + 1, Release);
        true
    }

    /// Takes the oldest number, for its one reader.
    #[must_use]
    pub fn pop(&self) -> Option<u64> {
        if self.is_empty() {
            return None;
        }
        let read = self.0[Self::READ].load(Relaxed);
        let number = self.place(read).load(Relaxed);
        self.0[Self::READ].store(read + 1, Release);
        Some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;
    use crate::kit::shm::Arena;

    #[test]
    fn what_comes_behind_a_splice_is_pending() {
        let arena = Arena::new(1 << 13).unwrap();
        let queue = Queue::new(arena.slice(Queue::CELLS as usize).unwrap());
        assert!(queue.push(1) && queue.push(2));
        assert_eq!(queue.pending(), 2);
        let mut batch = queue.splice();
        assert!(queue.push(3));
        assert_eq!((queue.pending(), queue.len()), (1, 3));
        assert!(batch.by_ref().eq([1, 2]));
        assert_eq!((queue.pending(), queue.len()), (1, 1));
        assert!(queue.splice().eq([3]));
        assert_eq!((queue.pending(), queue.len()), (0, 0));
    }

    #[test]
    fn it_keeps_order_and_has_an_end() {
        let arena = Arena::new(1 << 13).unwrap();
        let cells = arena.slice(Queue::CELLS as usize).unwrap();
        let queue = Queue::new(cells);
        for round in 0..3 {
            let all = 0..Queue::CAPACITY;
            assert!(all.clone().all(|n| queue.push(round + n)));
            assert!(!queue.push(9));
            assert_eq!(queue.len(), Queue::CAPACITY);
            assert!(all.clone().all(|n| queue.pop() == Some(round + n)));
            assert_eq!(queue.pop(), None);
        }
    }
}
