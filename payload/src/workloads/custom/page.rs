//! The page that a program and the supervisor share.
//!
//! It is a sealed file without a name whose memory is there from the start,
//! so that no program can make the supervisor fault on it. Everything the
//! program writes is taken as a number, whatever it is.

#![expect(unsafe_code, reason = "maps memory and hands out references to it")]

use crate::ctx::exec::ABI;
use crate::kit::cells::wake_all;
use crate::kit::histogram::Histogram;
use crate::kit::slot::add;
use crate::kit::stop::{CallExt, Stop};
use crate::workloads::custom::config::CustomCfg;
use core::mem::offset_of;
use core::ops::Deref;
use core::ptr::{NonNull, null_mut};
use core::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals,
    ftruncate, memfd_create,
};
use rustix::io::{Errno, Result};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// First word of the page: `PID1` as a little-endian machine has it.
pub const MAGIC: u32 = 0x3144_4950;
/// The page's number in a program.
pub const CTL_FD: i32 = 3;
/// The number of the end of the report's pipe in a program.
pub const REPORT_FD: i32 = 4;
/// Samples in a ring.
pub const RING: usize = 8192;

/// The page; `docs/pidone_custom.h` is the same in C.
#[derive(Debug)]
#[repr(C)]
pub struct Page {
    magic: AtomicU32,
    abi: AtomicU32,
    size: AtomicU32,
    ring_len: AtomicU32,
    /// The program is set up, where it is started before the start.
    pub ready: AtomicU32,
    start: AtomicU32,
    stop: AtomicU32,
    pad0: AtomicU32,
    shared_bytes: AtomicU64,
    pad1: [AtomicU64; 3],
    /// Iterations, ever growing.
    pub iterations: AtomicU64,
    /// Work units, ever growing.
    pub work_units: AtomicU64,
    /// `CLOCK_MONOTONIC` at the last progress, in ns; 0 if it is not told.
    pub progress_ns: AtomicU64,
    pad2: [AtomicU64; 5],
    cfg: [AtomicU64; CustomCfg::WORDS],
    pad3: [AtomicU64; 5],
    /// Ends of the rings: samples ever written.
    wake_count: AtomicU64,
    pad4: [AtomicU64; 7],
    cost_count: AtomicU64,
    pad5: [AtomicU64; 439],
    wake: [AtomicU64; RING],
    cost: [AtomicU64; RING],
}

const _: () = {
    assert!(offset_of!(Page, ready) == 16);
    assert!(offset_of!(Page, iterations) == 64);
    assert!(offset_of!(Page, cfg) == 128);
    assert!(offset_of!(Page, wake_count) == 512);
    assert!(offset_of!(Page, cost_count) == 576);
    assert!(offset_of!(Page, wake) == 4096);
    assert!(size_of::<Page>() == 4096 + 2 * 8 * RING);
};

/// Which ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ring {
    /// Wakes: from the stamp of the waker to running.
    Wake,
    /// Times of iterations.
    Cost,
}

impl Page {
    /// The configuration's and the memory's size for the program.
    fn fill(&self, cfg: &CustomCfg, shared_bytes: u64) {
        let size = u32::try_from(size_of::<Self>()).unwrap_or(0);
        let ring = u32::try_from(RING).unwrap_or(0);
        self.magic.store(MAGIC, Relaxed);
        self.abi.store(ABI, Relaxed);
        self.size.store(size, Relaxed);
        self.ring_len.store(ring, Relaxed);
        self.shared_bytes.store(shared_bytes, Relaxed);
        for (to, word) in self.cfg.iter().zip(cfg.words()) {
            to.store(word, Relaxed);
        }
    }

    /// Lets the program begin.
    pub fn start(&self) {
        self.start.store(1, Release);
        wake_all(&self.start);
    }

    /// Tells the program to leave.
    pub fn stop(&self) {
        self.stop.store(1, Release);
        wake_all(&self.stop);
        // It may be waiting for the start still.
        wake_all(&self.start);
    }

    /// Whether it was told to leave.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.stop.load(Relaxed) != 0
    }

    /// For a program: counts, at `now`. Only one thread may do so.
    pub fn count(&self, iterations: u64, work_units: u64, now: u64) {
        add(&self.iterations, iterations);
        add(&self.work_units, work_units);
        self.progress_ns.store(now, Relaxed);
    }

    /// For a program: hands over a sample. Only one thread may do so.
    pub fn sample(&self, which: Ring, ns: u64) {
        let (count, samples) = self.ring(which);
        let at = count.load(Relaxed);
        let place = usize::try_from(at % RING as u64).unwrap_or(0);
        samples[place].store(ns, Relaxed);
        count.store(at + 1, Release);
    }

    fn ring(&self, which: Ring) -> (&AtomicU64, &[AtomicU64; RING]) {
        match which {
            Ring::Wake => (&self.wake_count, &self.wake),
            Ring::Cost => (&self.cost_count, &self.cost),
        }
    }

    /// Samples ever written.
    #[must_use]
    pub fn written(&self, which: Ring) -> u64 {
        self.ring(which).0.load(Acquire)
    }

    /// Records the samples written since there were `seen` of them, which is
    /// brought up to date. Returns how many were overwritten before they
    /// could be read.
    pub fn drain(&self, which: Ring, seen: &AtomicU64, to: &Histogram) -> u64 {
        let (count, samples) = self.ring(which);
        let end = count.load(Acquire);
        let begin = seen.swap(end, Relaxed);
        // A count that went back is no count: nothing is read.
        let new = end.saturating_sub(begin);
        let mut lost = new.saturating_sub(RING as u64);
        for at in end - new.min(RING as u64)..end {
            let place = usize::try_from(at % RING as u64).unwrap_or(0);
            let sample = samples[place].load(Acquire);
            // The program goes on writing: a place it has come round to may
            // hold another sample, which will be read in its turn.
            if count.load(Acquire).saturating_sub(at) < RING as u64 {
                to.record(sample);
            } else {
                lost += 1;
            }
        }
        lost
    }
}

/// A page in this process's memory.
#[derive(Debug)]
pub struct Mapped(NonNull<Page>);

impl Mapped {
    /// Maps the page that [`create`] made.
    ///
    /// # Errors
    ///
    /// `ENOMEM`.
    pub fn new(file: BorrowedFd<'_>) -> Result<Self> {
        // SAFETY: a fresh mapping, at an address of the kernel's choice.
        let base = unsafe {
            mmap(
                null_mut(),
                size_of::<Page>(),
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                file,
                0,
            )
        }?;
        NonNull::new(base.cast()).map(Self).ok_or(Errno::NOMEM)
    }
}

impl Deref for Mapped {
    type Target = Page;

    fn deref(&self) -> &Page {
        // SAFETY: the file has this size, which its seals keep, and is made
        // of atomics, for which any bytes are valid.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, to which nothing refers any
        // more. munmap of it cannot fail.
        let _unmapped =
            unsafe { munmap(self.0.as_ptr().cast(), size_of::<Page>()) };
    }
}

/// The page of this process, if it is a program that was given one.
#[must_use]
pub fn inherited() -> Option<Mapped> {
    // SAFETY: that number is the page's in every program; if it is another
    // file, or none, the size or the magic number is not there.
    let file = unsafe { BorrowedFd::borrow_raw(CTL_FD) };
    let size = rustix::fs::fstat(file).ok()?.st_size;
    if usize::try_from(size).ok()? != size_of::<Page>() {
        return None;
    }
    let page = Mapped::new(file).ok()?;
    let known = page.magic.load(Relaxed) == MAGIC;
    (known && page.abi.load(Relaxed) == ABI).then_some(page)
}

/// Where the program writes its report.
#[must_use]
pub fn report() -> BorrowedFd<'static> {
    // SAFETY: as in `inherited`; a call on what is not open says so.
    unsafe { BorrowedFd::borrow_raw(REPORT_FD) }
}

/// A file without a name, to be shared.
fn file(name: &str, flags: MemfdFlags) -> Result<OwnedFd> {
    let flags = flags | MemfdFlags::CLOEXEC;
    match memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before 6.3, which complains if it is missing.
        Err(Errno::INVAL) => memfd_create(name, flags),
        made => made,
    }
}

/// Makes the page of one program.
///
/// # Errors
///
/// The call that failed: `ENOMEM`, `EMFILE`.
pub fn create(
    cfg: &CustomCfg,
    shared_bytes: u64,
) -> core::result::Result<OwnedFd, Stop> {
    let sealing = MemfdFlags::ALLOW_SEALING;
    let file = file("pidone-ctl", sealing).call(&"memfd_create")?;
    let size = size_of::<Page>() as u64;
    ftruncate(&file, size).call(&"ftruncate")?;
    fallocate(&file, FallocateFlags::empty(), 0, size).call(&"fallocate")?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals).call(&"fcntl")?;
    let fd = rustix::fd::AsFd::as_fd(&file);
    Mapped::new(fd).call(&"mmap")?.fill(cfg, shared_bytes);
    Ok(file)
}

/// Makes the memory that a group shares. The supervisor never looks at it.
///
/// # Errors
///
/// The call that failed.
pub fn region(bytes: u64) -> core::result::Result<OwnedFd, Stop> {
    let none = MemfdFlags::empty();
    let file = file("pidone-region", none).call(&"memfd_create")?;
    ftruncate(&file, bytes).call(&"ftruncate")?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::{MAGIC, Mapped, RING, Ring, create, region};
    use crate::kit::histogram::Histogram;
    use crate::kit::shm::Arena;

    use crate::workloads::custom::config::CustomCfg;
    use crate::workloads::find;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use rustix::fd::AsFd;

    #[test]
    fn the_page_is_sealed_and_its_rings_lose_nothing_unsaid() {
        let work = find("Custom").unwrap().row.work();
        let file = create(&CustomCfg::of(&work), 7).unwrap();
        assert!(rustix::fs::ftruncate(&file, 0).is_err());
        let page = Mapped::new(file.as_fd()).unwrap();
        assert_eq!(page.magic.load(Relaxed), MAGIC);
        assert_eq!(page.shared_bytes.load(Relaxed), 7);
        let arena = Arena::new(size_of::<Histogram>()).unwrap();
        let hist: &Histogram = arena.one().unwrap();
        let seen = AtomicU64::new(0);
        let write = |n: u64| {
            (0..n).for_each(|_| page.sample(Ring::Wake, 5));
        };
        write(3);
        assert_eq!(page.drain(Ring::Wake, &seen, hist), 0);
        assert_eq!(hist.count(), 3);
        write(RING as u64 + 10);
        let lost = page.drain(Ring::Wake, &seen, hist);
        assert_eq!(hist.count() + lost, 3 + RING as u64 + 10);
        assert!(lost >= 10, "{lost}");
        assert_eq!(hist.summary().max_ns, 5);
        page.wake_count.store(0, Relaxed);
        assert_eq!(page.drain(Ring::Wake, &seen, hist), 0);
        page.wake_count.store(u64::MAX, Relaxed);
        assert!(page.drain(Ring::Wake, &seen, hist) > 0);
    }

    #[test]
    fn memory_of_a_group_has_its_size() {
        let file = region(12345).unwrap();
        assert_eq!(rustix::fs::fstat(&file).unwrap().st_size, 12345);
    }
}
