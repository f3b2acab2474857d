//! Memory of one worker's own, and the arithmetic done in it.

#![expect(unsafe_code, reason = "maps memory and hands out references to it")]

use crate::sys::numa;
use core::ptr::{NonNull, null_mut};
use core::slice;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::Relaxed};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::mm::{madvise, mmap, mmap_anonymous, munmap};

/// No page of any machine is smaller.
pub const SMALLEST_PAGE: usize = 4096;
const READ_WRITE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

/// A private anonymous mapping, zeroed, freed when dropped.
///
/// Its bytes are seen as atomics that are loaded and stored without ordering:
/// that costs what plain accesses cost, the compiler keeps every one of
/// them, and the threads of one worker may share it.
#[derive(Debug)]
pub struct Region {
    base: NonNull<u8>,
    len: usize,
}

impl Region {
    /// Maps `bytes`, rounded up to whole 64-bit words.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EINVAL` for no bytes.
    pub fn new(bytes: usize) -> Result<Self, Errno> {
        let len = bytes.next_multiple_of(size_of::<u64>());
        // SAFETY: a fresh anonymous mapping, at an address of the kernel's
        // choice.
        let base = unsafe {
            mmap_anonymous(
                null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE,
            )
        }?;
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, len })
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[AtomicU8] {
        let first = self.base.cast::<AtomicU8>().as_ptr();
        // SAFETY: the mapping is `len` bytes, lives as long as self, and is
        // only ever used through atomics.
        unsafe { slice::from_raw_parts(first, self.len) }
    }

    /// Its bytes, for system calls that read or fill them.
    #[must_use]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`; the borrow of self keeps all others out.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }

    /// Its 64-bit words.
    #[must_use]
    pub fn words(&self) -> &[AtomicU64] {
        let first = self.base.cast::<AtomicU64>().as_ptr();
        // SAFETY: as in `bytes`; mappings are page-aligned, and `len` is a
        // multiple of the word's size.
        unsafe { slice::from_raw_parts(first, self.len / size_of::<u64>()) }
    }

    /// Puts `len` bytes of a file, from its start, in the place of those at
    /// `offset`, which is a page's. Others may write to it as well.
    ///
    /// # Errors
    ///
    /// What the file says; `EINVAL` beyond the end.
    pub fn put_file(
        &self,
        offset: usize,
        len: usize,
        file: BorrowedFd<'_>,
    ) -> Result<(), Errno> {
        let (flags, prot) = (MapFlags::SHARED | MapFlags::FIXED, READ_WRITE);
        let end = offset.checked_add(len).filter(|&end| end <= self.len);
        end.ok_or(Errno::INVAL)?;
        // SAFETY: `offset` is inside the mapping.
        let at = unsafe { self.base.add(offset) };
        // SAFETY: it replaces pages of this mapping and no others; what they
        // hold is used through atomics only.
        let at = unsafe { mmap(at.as_ptr().cast(), len, prot, flags, file, 0) };
        at.map(drop)
    }

    /// Touches every page, so that a loop over it takes no faults.
    pub fn populate(&self) {
        for byte in self.bytes().iter().step_by(SMALLEST_PAGE) {
            byte.store(0, Relaxed);
        }
    }

    /// Where it is, for `numa_maps`.
    #[must_use]
    pub fn address(&self) -> usize {
        self.base.as_ptr().addr()
    }

    /// Declines huge pages, where the kernel knows them.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn small_pages(&self) -> Result<(), Errno> {
        match self.advise(Advice::LinuxNoHugepage) {
            Err(Errno::INVAL) => Ok(()),
            other => other,
        }
    }

    /// Moves its pages to a node, where those to come will be too.
    ///
    /// # Errors
    ///
    /// See [`numa::mbind`].
    pub fn move_to(&self, node: u32) -> Result<(), Errno> {
        numa::mbind(self.address(), self.len, node)
    }

    /// How many of its pages, of so many bytes each, are on a node.
    ///
    /// # Errors
    ///
    /// See [`numa::pages_on`].
    pub fn pages_on(&self, node: u32, page: usize) -> Result<u64, Errno> {
        numa::pages_on(node, self.address(), self.len / page, page)
    }

    /// `madvise`: `DontNeed` drops all pages, `LinuxNoHugepage` keeps them
    /// small.
    ///
    /// # Errors
    ///
    /// `EINVAL` where the kernel does not know the advice.
    pub fn advise(&self, advice: Advice) -> Result<(), Errno> {
        // SAFETY: a mapping of our own; whatever is dropped reads as zero,
        // which is valid for atomics.
        unsafe { madvise(self.base.as_ptr().cast(), self.len, advice) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; all references into it have
        // ended with the borrow of self. munmap of it cannot fail.
        let _unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

// SAFETY: it is memory used through atomics only.
unsafe impl Sync for Region {}

#[cfg(test)]
mod tests {
    use super::Region;
    use core::sync::atomic::Ordering::Relaxed;
    use rustix::mm::Advice;

    #[test]
    fn dropped_pages_read_as_zero() {
        let region = Region::new(4096).unwrap();
        region.bytes().iter().for_each(|b| b.store(1, Relaxed));
        region.advise(Advice::LinuxDontNeed).unwrap();
        assert!(region.bytes().iter().all(|b| b.load(Relaxed) == 0));
    }
}
