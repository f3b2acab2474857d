//! Memory that all tasks of a run share.
//!
//! One mapping per run, made before the first clone, from which everything
//! shared is cut: futex words, stamps, report slots, histograms. It is
//! reserved large and filled by the kernel page by page, so its size costs
//! address space only.

#![expect(unsafe_code, reason = "maps memory and hands out references to it")]

use crate::kit::cells::{Gauge, Ring, Stamp, Word};
use crate::kit::control::Control;
use crate::kit::histogram::Histogram;
use crate::kit::named::Named;
use crate::kit::slot::Slot;
use core::cell::Cell;
use core::ptr::{NonNull, null_mut};
use core::slice;
use core::sync::atomic::{AtomicU8, AtomicU64};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

/// Types that may live in shared memory.
///
/// # Safety
///
/// All bytes zero is a valid value, it has no padding that is read, and it
/// may be used from several processes at once: it is made of atomics.
pub unsafe trait Shareable: Sync {}

// SAFETY: made of atomics, for which zero is valid.
unsafe impl Shareable for Word {}
// SAFETY: as above.
unsafe impl Shareable for Stamp {}
// SAFETY: as above.
unsafe impl Shareable for Ring {}
// SAFETY: as above.
unsafe impl Shareable for Gauge {}
// SAFETY: as above.
unsafe impl Shareable for Histogram {}
// SAFETY: as above.
unsafe impl Shareable for Named {}
// SAFETY: as above.
unsafe impl Shareable for AtomicU64 {}
// SAFETY: as above.
unsafe impl Shareable for Slot {}
// SAFETY: as above.
unsafe impl Shareable for Control {}

/// `len` bytes of private memory for the rest of the process's life.
#[must_use]
pub fn private(len: usize) -> Option<&'static mut [u8]> {
    // SAFETY: a fresh anonymous mapping, at an address of the kernel's
    // choice.
    let base = unsafe {
        mmap_anonymous(
            null_mut(),
            len,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::NORESERVE,
        )
    }
    .ok()?;
    // SAFETY: the mapping is zeroed, ours alone, and never unmapped.
    Some(unsafe { slice::from_raw_parts_mut(base.cast(), len) })
}

/// Bytes that are ours alone, for what works on shared ones.
#[must_use]
pub fn cells(bytes: &mut [u8]) -> &[AtomicU8] {
    // SAFETY: an `AtomicU8` has the size and alignment of a `u8`, and as long
    // as the exclusive borrow lasts nobody sees these bytes as anything else.
    unsafe { slice::from_raw_parts(bytes.as_mut_ptr().cast(), bytes.len()) }
}

/// Memory that is given back: private, or one that a forked child writes and
/// its parent reads behind the child's end.
#[derive(Debug)]
pub struct Scratch {
    base: NonNull<u8>,
    len: usize,
}

impl Scratch {
    /// Maps `len` zeroed bytes. `None` if there are not so many.
    #[must_use]
    pub fn new(len: usize) -> Option<Self> {
        Self::map(len, MapFlags::PRIVATE)
    }

    /// Maps `len` zeroed bytes that a forked child writes.
    ///
    /// # Safety
    ///
    /// While the child lives, nobody else uses them.
    #[must_use]
    pub unsafe fn shared(len: usize) -> Option<Self> {
        Self::map(len, MapFlags::SHARED | MapFlags::NORESERVE)
    }

    fn map(len: usize, flags: MapFlags) -> Option<Self> {
        // SAFETY: a fresh anonymous mapping, at an address of the kernel's
        // choice.
        let base = unsafe {
            mmap_anonymous(
                null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
            )
        };
        let base = NonNull::new(base.ok()?.cast())?;
        Some(Self { base, len })
    }

    /// Its bytes, to be read.
    #[must_use]
    pub fn read(&self) -> &[u8] {
        // SAFETY: the mapping is `len` bytes, which nobody writes while they
        // are borrowed: whoever shared them has vouched for a child.
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.len) }
    }

    /// Its bytes as rows of three numbers.
    pub fn rows(&mut self) -> &mut [[u64; 3]] {
        let rows = self.len / size_of::<[u64; 3]>();
        // SAFETY: the mapping is page-aligned, as long as these rows or
        // longer, and ours alone while borrowed; all bytes are valid numbers.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr().cast(), rows) }
    }

    /// Its bytes.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is `len` bytes, and ours alone while borrowed.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.len) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, to which nothing refers any
        // more. munmap of it cannot fail.
        let _unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}

/// A shared anonymous mapping that is given out piece by piece, never freed
/// piece by piece.
#[derive(Debug)]
pub struct Arena {
    base: NonNull<u8>,
    len: usize,
    used: Cell<usize>,
}

impl Arena {
    /// Reserves `len` bytes.
    ///
    /// # Errors
    ///
    /// `ENOMEM` where the kernel refuses to overcommit.
    pub fn new(len: usize) -> Result<Self, Errno> {
        // SAFETY: a fresh anonymous mapping, at an address of the kernel's
        // choice.
        let base = unsafe {
            mmap_anonymous(
                null_mut(),
                len,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::NORESERVE,
            )
        }?;
        Ok(Self {
            base: NonNull::new(base.cast()).ok_or(Errno::NOMEM)?,
            len,
            used: Cell::new(0),
        })
    }

    /// `n` zeroed values.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the arena is used up.
    pub fn slice<T: Shareable>(&self, n: usize) -> Result<&[T], Errno> {
        let start = self.used.get().next_multiple_of(align_of::<T>());
        let bytes = size_of::<T>().checked_mul(n).ok_or(Errno::NOMEM)?;
        let end = start.checked_add(bytes).ok_or(Errno::NOMEM)?;
        if end > self.len {
            return Err(Errno::NOMEM);
        }
        self.used.set(end);
        // SAFETY: start is inside the mapping, which is page-aligned.
        let first = unsafe { self.base.add(start) }.cast::<T>();
        // SAFETY: the range is inside the mapping, aligned, zeroed, given out
        // only once, and lives as long as the arena; `Shareable` makes zero
        // valid and sharing sound.
        Ok(unsafe { slice::from_raw_parts(first.as_ptr(), n) })
    }

    /// One zeroed value.
    ///
    /// # Errors
    ///
    /// `ENOMEM` when the arena is used up.
    pub fn one<T: Shareable>(&self) -> Result<&T, Errno> {
        self.slice(1)?.first().ok_or(Errno::NOMEM)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`; all references into it have
        // ended with the borrow of self. munmap of it cannot fail.
        let _unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.len) };
    }
}
