//! Pipes between workers, made before the first clone.

#![expect(unsafe_code, reason = "descriptors cross a fork as numbers")]

use crate::kit::cells::Word;
use rustix::fd::{BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use rustix::io::Errno;

/// A pipe for each worker of a group, in order of their indices.
///
/// The numbers live in the run's shared memory, so that there may be any
/// number of them; a process that closes some does not affect the others.
#[derive(Debug)]
pub struct Pipes<'r> {
    /// Read end of pipe `i` at `2i`, write end behind it, each plus one so
    /// that 0 is none.
    ends: &'r [Word],
}

impl<'r> Pipes<'r> {
    /// Makes `ends.len() / 2` pipes.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`; the pipes made until then are closed.
    pub fn new(ends: &'r [Word]) -> Result<Self, Errno> {
        let pipes = Self { ends };
        for pair in ends.chunks_exact(2) {
            let (read, write) = rustix::pipe::pipe()?;
            for (word, end) in pair.iter().zip([read, write]) {
                word.set(end.into_raw_fd().unsigned_abs() + 1);
            }
        }
        Ok(pipes)
    }

    fn end(&self, at: usize) -> Option<i32> {
        let number = self.ends.get(at)?.get().checked_sub(1)?;
        i32::try_from(number).ok()
    }

    /// The end worker `index` reads.
    #[must_use]
    pub fn read_end(&self, index: usize) -> Option<BorrowedFd<'r>> {
        // SAFETY: the descriptor is open in this process until `drop`, or
        // until `keep` was told to close it.
        self.end(2 * index)
            .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// The end that writes to worker `index`.
    #[must_use]
    pub fn write_end(&self, index: usize) -> Option<BorrowedFd<'r>> {
        // SAFETY: as in `read_end`.
        self.end(2 * index + 1)
            .map(|fd| unsafe { BorrowedFd::borrow_raw(fd) })
    }

    /// In a forked worker: closes every end but the two named, so that the
    /// death of a partner is seen as end of file.
    pub fn keep(&self, read: usize, write: usize) {
        for at in 0..self.ends.len() {
            if at != 2 * read && at != 2 * write + 1 {
                self.close(at);
            }
        }
    }

    fn close(&self, at: usize) {
        if let Some(fd) = self.end(at) {
            // SAFETY: this process owns its copy of the descriptor, and
            // closes it once: either here or at exit.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
        }
    }
}

impl Drop for Pipes<'_> {
    fn drop(&mut self) {
        for at in 0..self.ends.len() {
            self.close(at);
            if let Some(word) = self.ends.get(at) {
                word.set(0);
            }
        }
    }
}
