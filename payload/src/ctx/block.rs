//! Reads and writes of a disk, or of a file in its place.

use super::Ctx;
use crate::ctx::disk::{Disk, ENDS, FORCE, METRICS, SIGNATURE, name, open};
use crate::kit::clock::now;
use crate::kit::memory::Region;
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::text::path;
use crate::row::Hist;
use core::mem::ManuallyDrop;
use core::num::NonZeroU64;
use rustix::fd::{IntoRawFd, OwnedFd, RawFd};
use rustix::fs::{MemfdFlags, OFlags, fdatasync, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};

/// What a worker reads and writes, until its process ends.
#[derive(Debug)]
pub struct Target {
    disk: Disk,
    /// For writes and flushes, and for reads.
    open: ManuallyDrop<[Option<OwnedFd>; 2]>,
    /// Aligned as O_DIRECT wants it.
    buffer: ManuallyDrop<Region>,
    /// Bytes of a block.
    pub block: u64,
    /// Where its own part begins.
    pub start: u64,
    /// Blocks of its own part.
    pub blocks: NonZeroU64,
    /// The block of it that is written next.
    next: u64,
    /// Where the part for reading begins, and its length in blocks.
    pub upper: (u64, NonZeroU64),
}

impl Target {
    /// To the next block of its own part, round and round.
    pub fn next_write(&mut self) -> Io {
        let to = self.start + self.next * self.block;
        self.next = (self.next + 1) % self.blocks;
        Io::Write(to)
    }
}

/// One transfer.
#[derive(Debug, Clone, Copy)]
pub enum Io {
    /// Reads a block at this offset.
    Read(u64),
    /// Writes one.
    Write(u64),
    /// `fdatasync`.
    Flush,
}

impl Ctx<'_> {
    /// This worker's part of the disk, opened for writes and for reads; a
    /// file of its own where there is none. The first worker makes sure that
    /// nothing is on the disk, and marks it as ours if it is written.
    ///
    /// # Errors
    ///
    /// The disk is in use, or cannot be opened.
    pub fn disk(&mut self, flags: [Option<OFlags>; 2]) -> Result<Target, Stop> {
        self.target(Disk::look(self.given.work).ok().flatten(), flags)
    }

    /// As [`Self::disk`], of a disk that was found or not.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn target(
        &mut self,
        found: Option<Disk>,
        flags: [Option<OFlags>; 2],
    ) -> Result<Target, Stop> {
        let (work, index) = (self.given.work, self.given.index);
        let buffer = Region::new(ENDS).call(Op::Mmap.name())?;
        let mut buffer = ManuallyDrop::new(buffer);
        let writes = flags[0].is_some();
        let (disk, file) = match found {
            Some(disk) => (disk, None),
            None => (Disk::file(), Some(file()?)),
        };
        let own = file.map(|file| path(format_args!("/proc/self/fd/{file}")));
        let at = own.as_deref().unwrap_or_else(|| name(work));
        if index == 0 && !disk.tmpfs {
            self.claim(at, &disk, writes, buffer.bytes_mut())?;
        }
        if writes && !disk.write_back {
            self.degrade(Reason::WriteThrough);
        }
        let mut files = ManuallyDrop::new([const { None }; 2]);
        for (file, flags) in files.iter_mut().zip(flags) {
            let Some(flags) = flags else {
                continue;
            };
            let mut opened = open(at, flags);
            // tmpfs takes O_DIRECT since 6.6.
            if opened.is_err() && disk.tmpfs {
                opened = open(at, flags.difference(OFlags::DIRECT));
            }
            *file = Some(opened?);
        }
        // The plan was refused if there were none.
        let some = |n| NonZeroU64::new(n).unwrap_or(NonZeroU64::MIN);
        let (start, blocks) = disk.stripe(work, index, self.given.workers);
        let (upper, upper_blocks) = disk.upper_half(work);
        Ok(Target {
            block: disk.block(work),
            upper: (upper, some(upper_blocks)),
            open: files,
            disk,
            buffer,
            start,
            blocks: some(blocks),
            next: 0,
        })
    }

    /// Skips if the disk has something on it; marks it as ours if it is to
    /// be written.
    fn claim(
        &self,
        at: &str,
        disk: &Disk,
        writes: bool,
        buffer: &mut [u8],
    ) -> Result<(), Stop> {
        let flags = if writes { OFlags::RDWR } else { OFlags::RDONLY };
        let file = open(at, flags)?;
        let free = is_free(&file, disk, buffer).call(Op::Pread.name())?;
        if !free && !self.given.work.flag(&FORCE) {
            return Err(Stop::skip(&"DEVICE_IN_USE"));
        }
        if free && writes {
            mark(&file, buffer).call(Op::Pwrite.name())?;
        }
        Ok(())
    }

    /// One transfer, a block of which is a work unit; how long it took, if it
    /// was whole.
    pub fn transfer(&mut self, target: &mut Target, io: Io) -> Option<u64> {
        let len = usize::try_from(target.block).unwrap_or(0);
        let buffer = target.buffer.bytes_mut().get_mut(..len);
        let (at, op, len) = match io {
            Io::Read(_) => (1, Op::Pread, len),
            Io::Write(_) => (0, Op::Pwrite, len),
            Io::Flush => (0, Op::Fdatasync, 0),
        };
        // The loop asks for what it has opened.
        let (Some(file), Some(buffer)) = (&target.open[at], buffer) else {
            return None;
        };
        self.tried(op);
        let begin = now();
        let result = match io {
            Io::Read(at) => pread(file, buffer, at),
            Io::Write(at) => pwrite(file, buffer, at),
            Io::Flush => fdatasync(file).map(|()| 0),
        };
        let end = now();
        match target.disk.tmpfs {
            true => self.checkpoint_at(end),
            false => self.resumed_at(end),
        }
        match result {
            Ok(n) if n == len => {
                self.units(u64::from(len > 0));
                return Some(end - begin);
            }
            Ok(_) => self.failed(op, Errno::IO),
            Err(errno) => self.failed(op, errno),
        }
        None
    }

    /// A transfer with what is recorded of it; whether it was whole.
    pub fn io(
        &mut self,
        wake: &Hist,
        hist: &Hist,
        target: &mut Target,
        io: Io,
    ) -> bool {
        let took = self.run_delay_over(wake, |c| c.transfer(target, io));
        if let Some(ns) = took {
            self.record(hist, ns);
        }
        took.is_some()
    }

    /// Writes the next blocks of its own part, round and round; whether none
    /// was left out because the loop is to stop.
    pub fn write_blocks(
        &mut self,
        wake: &Hist,
        hist: &Hist,
        target: &mut Target,
        count: u64,
    ) -> bool {
        for _ in 0..count {
            if self.stop() {
                return false;
            }
            let write = target.next_write();
            self.io(wake, hist, target, write);
        }
        true
    }

    /// Reports what the disk is; to be called behind the loop.
    pub fn report_disk(&self, target: &Target) {
        for (metric, value) in METRICS.iter().zip(target.disk.figures()) {
            self.metric_max(metric, value);
        }
    }
}

/// The file in place of a disk, which nobody closes.
fn file() -> Result<RawFd, Stop> {
    let file = match memfd_create("disk", MemfdFlags::CLOEXEC) {
        Err(Errno::NOSYS) => {
            return Err(Stop::skip(&"NO_CONFIG:CONFIG_MEMFD_CREATE"));
        }
        file => file.call(&"memfd_create")?,
    };
    ftruncate(&file, Disk::file().bytes).call(&"ftruncate")?;
    Ok(file.into_raw_fd())
}

/// Whether both ends of a disk are blank, or it begins with our signature
/// and nothing else.
fn is_free(
    file: &OwnedFd,
    disk: &Disk,
    buffer: &mut [u8],
) -> Result<bool, Errno> {
    let blank = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    for at in [0, disk.bytes.saturating_sub(ENDS as u64)] {
        if pread(file, &mut *buffer, at)? < buffer.len() {
            return Ok(false);
        }
        match buffer.strip_prefix(SIGNATURE) {
            Some(rest) if at == 0 => return Ok(blank(rest)),
            _ if !blank(buffer) => return Ok(false),
            _ => {}
        }
    }
    Ok(true)
}

/// Leaves our signature on a disk.
fn mark(file: &OwnedFd, buffer: &mut [u8]) -> Result<(), Errno> {
    buffer.fill(0);
    for (to, from) in buffer.iter_mut().zip(SIGNATURE) {
        *to = *from;
    }
    pwrite(file, buffer, 0)?;
    fdatasync(file)
}
