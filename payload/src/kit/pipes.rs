//! Pipes between workers, made before the first clone.

use crate::kit::cells::Word;
use crate::kit::files::Files;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

/// A pipe for each worker of a group, in order of their indices.
///
/// The numbers live in the run's shared memory, so that there may be any
/// number of them.
#[derive(Debug)]
pub struct Pipes<'r> {
    /// Read end of pipe `i` at `2i`, write end behind it.
    ends: Files<'r>,
}

impl<'r> Pipes<'r> {
    /// Makes `words.len() / 2` pipes.
    ///
    /// # Errors
    ///
    /// `EMFILE`, `ENFILE`; the pipes made until then are closed.
    pub fn new(words: &'r [Word]) -> Result<Self, Errno> {
        let pipes = Self {
            ends: Files::new(words),
        };
        for at in (0..words.len()).step_by(2) {
            let (read, write) = rustix::pipe::pipe()?;
            pipes.ends.set(at, read);
            pipes.ends.set(at + 1, write);
        }
        Ok(pipes)
    }

    /// The end worker `index` reads.
    #[must_use]
    pub fn read_end(&self, index: usize) -> Option<BorrowedFd<'r>> {
        self.ends.get(2 * index)
    }

    /// The end that writes to worker `index`.
    #[must_use]
    pub fn write_end(&self, index: usize) -> Option<BorrowedFd<'r>> {
        self.ends.get(2 * index + 1)
    }

    /// In a forked worker: closes every end but the two named, so that the
    /// death of a partner is seen as end of file.
    pub fn keep(&self, read: usize, write: usize) {
        self.ends.close_own_but([2 * read, 2 * write + 1]);
    }
}

impl Drop for Pipes<'_> {
    fn drop(&mut self) {
        self.ends.close_all();
    }
}
