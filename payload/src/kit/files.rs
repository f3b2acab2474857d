//! Open files that cross a fork as numbers.

#![expect(unsafe_code, reason = "descriptors cross a fork as numbers")]

use crate::kit::cells::Word;
use crate::sys::close_range;
use rustix::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};

/// Places for open files, in shared memory.
///
/// The supervisor opens and fills them before the first clone; every worker
/// inherits the descriptors under the same numbers. A process that closes
/// some does not affect the others.
#[derive(Debug, Clone, Copy)]
pub struct Files<'r>(&'r [Word]);

impl<'r> Files<'r> {
    /// Files in these words: 0 is none, else the number plus one.
    #[must_use]
    pub fn new(words: &'r [Word]) -> Self {
        Self(words)
    }

    /// Places.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no place.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Some of the places.
    #[must_use]
    pub fn range(&self, range: core::ops::Range<usize>) -> Self {
        Self(self.0.get(range).unwrap_or(&[]))
    }

    /// Keeps `file` open at this place, which must be there and empty;
    /// otherwise it is closed at once.
    pub fn set(&self, at: usize, file: OwnedFd) {
        if let Some(word) = self.0.get(at).filter(|word| word.get() == 0) {
            word.set(file.into_raw_fd().unsigned_abs() + 1);
        }
    }

    /// The file at this place.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<BorrowedFd<'r>> {
        // SAFETY: `set` took the descriptor from its owner, and whoever
        // closes it takes it out of its place or ends the process.
        self.number(at)
            .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    fn number(&self, at: usize) -> Option<i32> {
        let number = self.0.get(at)?.get().checked_sub(1)?;
        i32::try_from(number).ok()
    }

    /// Closes this process's copy of a file; others keep theirs.
    pub fn close_own(&self, at: usize) {
        if let Some(fd) = self.number(at) {
            // SAFETY: this process owns its copy of the descriptor, and
            // closes it once: either here or at its end.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }

    /// Closes this process's copies of all files but two. Numbers that follow
    /// each other take one call: of 1,024 workers each closes 2,046.
    pub fn close_own_but(&self, kept: [usize; 2]) {
        let mut run: Option<(u32, u32)> = None;
        for at in 0..self.len() {
            let number = self.number(at).filter(|_| !kept.contains(&at));
            let Some(number) = number.map(i32::unsigned_abs) else {
                continue;
            };
            run = match run {
                Some((first, last)) if number == last + 1 => {
                    Some((first, number))
                }
                other => {
                    self.close_run(other);
                    Some((number, number))
                }
            };
        }
        self.close_run(run);
    }

    fn close_run(&self, run: Option<(u32, u32)>) {
        let Some((first, last)) = run else {
            return;
        };
        if close_range(first, last).is_err() {
            // Before 5.9 each takes a call.
            for at in 0..self.len() {
                let number = self.number(at).map(i32::unsigned_abs);
                if number.is_some_and(|n| (first..=last).contains(&n)) {
                    self.close_own(at);
                }
            }
        }
    }

    /// Closes all, in the process that opened them.
    pub fn close_all(&self) {
        for (at, word) in self.0.iter().enumerate() {
            self.close_own(at);
            word.set(0);
        }
    }
}
