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
    pub const CELLS: u32 = 16 + 256;
    /// Numbers it can hold.
    pub const CAPACITY: u64 = 256;
    const WRITTEN: usize = 0;
    const READ: usize = 8;
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
    fn it_keeps_order_and_has_an_end() {
        let arena = Arena::new(4096).unwrap();
        let cells = arena.slice(Queue::CELLS as usize).unwrap();
        let queue = Queue::new(cells);
        for round in 0..3 {
            assert!((0..256).all(|n| queue.push(round + n)));
            assert!(!queue.push(9));
            assert_eq!(queue.len(), 256);
            assert!((0..256).all(|n| queue.pop() == Some(round + n)));
            assert_eq!(queue.pop(), None);
        }
    }
}
