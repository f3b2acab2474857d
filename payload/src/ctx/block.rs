//! Reads and writes of a disk, or of a file in its place.

use super::Ctx;
use crate::kit::block::{Disk, ENDS, FORCE, METRICS, SIGNATURE, name, open};
use crate::kit::clock::now;
use crate::kit::memory::Region;
use crate::kit::slot::{Op, Reason};
use crate::kit::text::path;
use crate::workload::{CallExt, Hist, Stop};
use heapless::String;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{MemfdFlags, OFlags, fdatasync, ftruncate, memfd_create};
use rustix::io::{Errno, pread, pwrite};

/// What a worker reads and writes.
#[derive(Debug)]
pub struct Target {
    disk: Disk,
    path: String<96>,
    /// Keeps the file in place of a disk.
    _file: Option<OwnedFd>,
    /// Bytes of a block.
    pub block: u64,
    /// Where its own part begins.
    pub start: u64,
    /// Blocks of its own part.
    pub blocks: u64,
    /// Where the part for reading begins, and its length in blocks.
    pub upper: (u64, u64),
}

impl Target {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// `NO_CAP` if this user may not, or what `open` said.
    pub fn open(&self, flags: OFlags) -> Result<OwnedFd, Stop> {
        match open(&self.path, flags) {
            // tmpfs takes O_DIRECT since 6.6.
            Err(Stop::Broken {
                errno: Errno::INVAL,
                ..
            }) if self.disk.tmpfs => {
                open(&self.path, flags.difference(OFlags::DIRECT))
            }
            opened => opened,
        }
    }

    /// Memory of a block, as O_DIRECT wants it.
    ///
    /// # Errors
    ///
    /// `mmap` failed.
    pub fn buffer(&self) -> Result<Region, Stop> {
        let bytes = usize::try_from(self.block).unwrap_or(0);
        let buffer = Region::new(bytes).call(Op::Mmap.name())?;
        buffer.populate();
        Ok(buffer)
    }
}

/// One transfer.
#[derive(Debug)]
pub enum Io<'b> {
    /// Reads a block at this offset.
    Read(&'b mut [u8], u64),
    /// Writes one.
    Write(&'b [u8], u64),
    /// `fdatasync`.
    Flush,
}

impl Ctx<'_> {
    /// This worker's part of the disk; a file of its own where there is none.
    /// The first worker makes sure that nothing is on the disk, and for types
    /// that write it marks it as ours.
    ///
    /// # Errors
    ///
    /// The disk is in use, or cannot be opened.
    pub fn disk(&mut self, writes: bool) -> Result<Target, Stop> {
        let (work, index) = (self.given.work, self.given.index);
        let mut at = path(format_args!("{}", name(work)));
        let (disk, file) = match Disk::look(work) {
            Ok(Some(disk)) => {
                if index == 0 {
                    self.claim(&at, &disk, writes)?;
                }
                (disk, None)
            }
            _ => {
                let disk = Disk::file();
                let file = match memfd_create("disk", MemfdFlags::CLOEXEC) {
                    Err(Errno::NOSYS) => {
                        let missing = "NO_CONFIG:CONFIG_MEMFD_CREATE";
                        return Err(Stop::Skip(missing));
                    }
                    file => file.call("memfd_create")?,
                };
                ftruncate(&file, disk.bytes).call("ftruncate")?;
                at = path(format_args!("/proc/self/fd/{}", file.as_raw_fd()));
                (disk, Some(file))
            }
        };
        if writes && !disk.write_back {
            self.degrade(Reason::WriteThrough);
        }
        let (start, blocks) = disk.stripe(work, index, self.given.workers);
        Ok(Target {
            path: at,
            _file: file,
            block: disk.block(work),
            start,
            blocks,
            upper: disk.upper_half(work),
            disk,
        })
    }

    /// Skips if the disk has something on it; marks it as ours if it is to
    /// be written.
    fn claim(&self, at: &str, disk: &Disk, writes: bool) -> Result<(), Stop> {
        let mut buffer = Region::new(ENDS).call(Op::Mmap.name())?;
        let buffer = buffer.bytes_mut();
        let free = is_free(&open(at, OFlags::RDONLY)?, disk, buffer)?;
        if !free && !self.given.work.flag(&FORCE) {
            return Err(Stop::Skip("DEVICE_IN_USE"));
        }
        if free && writes {
            buffer.fill(0);
            for (to, from) in buffer.iter_mut().zip(SIGNATURE) {
                *to = *from;
            }
            let file = open(at, OFlags::WRONLY)?;
            pwrite(&file, buffer, 0).call(Op::Pwrite.name())?;
            fdatasync(&file).call(Op::Fdatasync.name())?;
        }
        Ok(())
    }

    /// One transfer, a block of which is a work unit; whether it was whole.
    pub fn io(
        &mut self,
        wake: &Hist,
        hist: &Hist,
        file: &OwnedFd,
        io: Io<'_>,
    ) -> bool {
        let (op, len) = match &io {
            Io::Read(buffer, _) => (Op::Pread, buffer.len()),
            Io::Write(buffer, _) => (Op::Pwrite, buffer.len()),
            Io::Flush => (Op::Fdatasync, 0),
        };
        let (result, ns) = self.run_delay_over(wake, |c| {
            let begin = now();
            let result = match io {
                Io::Read(buffer, at) => pread(file, buffer, at),
                Io::Write(buffer, at) => pwrite(file, buffer, at),
                Io::Flush => fdatasync(file).map(|()| 0),
            };
            let end = now();
            c.resumed_at(end);
            (result, end - begin)
        });
        match result {
            Ok(n) if n == len => {
                self.record(hist, ns);
                self.units(u64::from(len > 0));
                return true;
            }
            Ok(_) => self.failed(op, Errno::IO),
            Err(errno) => self.failed(op, errno),
        }
        false
    }

    /// Reports what the disk is; to be called behind the loop.
    pub fn report_disk(&self, target: &Target) {
        for (metric, value) in METRICS.iter().zip(target.disk.figures()) {
            self.metric_max(metric, value);
        }
    }
}

/// Whether both ends of a disk are blank, or it begins with our signature
/// and nothing else.
fn is_free(
    file: &OwnedFd,
    disk: &Disk,
    buffer: &mut [u8],
) -> Result<bool, Stop> {
    let blank = |bytes: &[u8]| bytes.iter().all(|&byte| byte == 0);
    let last = disk.bytes.saturating_sub(ENDS as u64);
    for at in [0, last] {
        let n = pread(file, &mut *buffer, at).call(Op::Pread.name())?;
        let read = buffer.get(..n).unwrap_or(&[]);
        let ours = read.strip_prefix(SIGNATURE);
        if n < ENDS {
            return Ok(false);
        }
        if at == 0 && ours.is_some_and(blank) {
            return Ok(true);
        }
        if !blank(read) {
            return Ok(false);
        }
    }
    Ok(true)
}
