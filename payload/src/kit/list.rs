//! A list that many tasks push to and one takes as a whole.

use crate::kit::cells::Word;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A lock-free list of numbered items.
///
/// An item is in one list at most; its link is one of the cells that it has
/// in shared memory. The head is only ever swapped for the empty list, so no
/// item can come back behind a reader's back.
#[derive(Debug, Clone, Copy)]
pub struct List<'r> {
    head: &'r Word,
    links: &'r [AtomicU64],
    stride: usize,
}

impl<'r> List<'r> {
    /// The list at `head`, of items whose links are the first of every
    /// `stride` cells.
    #[must_use]
    pub fn new(head: &'r Word, links: &'r [AtomicU64], stride: usize) -> Self {
        Self {
            head,
            links,
            stride,
        }
    }

    fn link(&self, item: u32) -> Option<&'r AtomicU64> {
        self.links.get(item as usize * self.stride)
    }

    /// Adds an item, with everything its pusher wrote before.
    pub fn push(&self, item: u32) {
        let Some(link) = self.link(item) else {
            return;
        };
        loop {
            let head = self.head.get();
            link.store(head.into(), Relaxed);
            if self.head.replace(head, item + 1) {
                return;
            }
        }
    }

    /// Whether it has no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.get() == 0
    }

    /// Takes all items, the newest first. An item may be pushed again as
    /// soon as the iterator has given it.
    #[must_use]
    pub fn take(&self) -> Items<'r> {
        Items {
            list: *self,
            next: self.head.swap(0),
        }
    }

    /// Takes all items, the oldest first.
    #[must_use]
    pub fn take_in_order(&self) -> Items<'r> {
        let mut turned = 0;
        for item in self.take() {
            if let Some(link) = self.link(item) {
                link.store(turned, Relaxed);
                turned = u64::from(item) + 1;
            }
        }
        Items {
            list: *self,
            next: u32::try_from(turned).unwrap_or(0),
        }
    }
}

/// Items that were taken from a list.
#[derive(Debug)]
pub struct Items<'r> {
    list: List<'r>,
    /// The number of the next item plus one; 0 is the end.
    next: u32,
}

impl Iterator for Items<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let item = self.next.checked_sub(1)?;
        // The link is read before the item is given away.
        let link = self.list.link(item)?.load(Relaxed);
        self.next = u32::try_from(link).unwrap_or(0);
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::List;
    use crate::kit::shm::Arena;
    use std::vec::Vec;

    #[test]
    fn items_come_out_in_both_orders() {
        let arena = Arena::new(4096).unwrap();
        let list = List::new(arena.one().unwrap(), arena.slice(30).unwrap(), 3);
        [4, 0, 9].into_iter().for_each(|item| list.push(item));
        assert_eq!(list.take().collect::<Vec<_>>(), [9, 0, 4]);
        assert!(list.is_empty());
        [4, 0, 9].into_iter().for_each(|item| list.push(item));
        assert_eq!(list.take_in_order().collect::<Vec<_>>(), [4, 0, 9]);
        assert_eq!(list.take().next(), None);
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        const EACH: u32 = 20_000;
        let arena = Arena::new(1 << 20).unwrap();
        let links = arena.slice(2 * EACH as usize).unwrap();
        let list = List::new(arena.one().unwrap(), links, 1);
        let mut seen = std::vec![0; 2 * EACH as usize];
        std::thread::scope(|scope| {
            for thread in 0..2 {
                scope.spawn(move || {
                    (0..EACH).for_each(|i| list.push(thread * EACH + i));
                });
            }
            let mut left = 2 * EACH;
            while left > 0 {
                for item in list.take_in_order() {
                    seen[item as usize] += 1;
                    left -= 1;
                }
            }
        });
        assert!(seen.iter().all(|&times| times == 1));
    }
}
