//! Disks: which one, how large, whether it is free, and who gets which part.
//!
//! What the kernel says of a disk is in sysfs, so that nothing need be read
//! from the disk itself to know whether a plan fits it.

use crate::ctx::instance::{Instance, Place};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop, Why};
use crate::kit::text::{digits, path, plain, read_file};
use crate::row::{
    Feature, Fit, Kind, Metric, Need, Param, Shared, What, Work, doc,
};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, FileType, Mode, OFlags, major, minor, openat, stat};
use rustix::io::Errno;

/// The parameters that all types on disks begin with.
pub const DEV: Param = Param::text(
    0,
    "dev",
    &"the path of a block device, /dev/vda if absent",
    |text| text.len() <= 64 && plain(text),
    "the disk; what is on it is lost",
);

/// See [`DEV`].
pub const FORCE: Param =
    Param::flag(1, "dev_force", "overwrite a disk that seems to be in use");

/// See [`DEV`].
pub const FALLBACK: Param = Param::new(
    2,
    "io_fallback",
    Kind::Flag { default: true },
    "use files on tmpfs where there is no such disk",
);

/// The size of a block, for types that have a choice.
pub const BLOCK: Param = Param::count(
    3,
    "block",
    4096,
    (512, 65_536),
    "bytes of a block, a multiple of the disk's logical block",
);

/// What all types on disks need.
pub const NEEDS: &[Need] = &[
    Need::required(What::Fits(fits)),
    Need::wanted(What::Config(doc("CONFIG_BLOCK"))),
    Need::wanted(What::Config(doc("CONFIG_VIRTIO_BLK"))),
    Need::wanted(What::Feature(Feature::SchedInfo)),
    Need::required(What::Feature(Feature::MemfdCreate))
        .when(|work| work.flag(&FALLBACK)),
    Need::required(What::Feature(Feature::Tmpfs))
        .when(|work| work.flag(&FALLBACK)),
    Need::required(What::Memory(|work, _| match is_there(work) {
        true => 0,
        false => FILE / 1024,
    })),
    Need::wanted(What::BlockDevice).when(|work| work.flag(&FALLBACK)),
    Need::required(What::BlockDevice).when(|work| !work.flag(&FALLBACK)),
];

/// What all types on disks report.
pub const METRICS: &[Metric] = &[BYTES, LOGICAL, WRITE_BACK, TMPFS];

const BYTES: Metric = Metric::max(0, "dev_bytes", "size of disk or file");

const LOGICAL: Metric =
    Metric::max(1, "logical_block", "bytes of the disk's logical block");

const WRITE_BACK: Metric =
    Metric::max(2, "write_back", "1 if the disk has a cache to flush");

const TMPFS: Metric = Metric::max(3, "backing_tmpfs", "1 if there was no disk");

/// Bytes in front of the first stripe.
const HEADER: u64 = 1 << 20;
/// No stripe is smaller.
const SMALLEST: u64 = 1 << 20;
/// Bytes of the file of a worker without a disk.
const FILE: u64 = 16 << 20;
/// Bytes at both ends of a disk that tell whether it is in use.
pub const ENDS: usize = 64 << 10;
/// What a disk begins with whose content is ours.
pub const SIGNATURE: &[u8] = b"pidone: this disk is overwritten by tests\n";

/// What the kernel says of a disk, or of the file in its place.
#[derive(Debug, Clone, Copy)]
pub struct Disk {
    /// Bytes.
    pub bytes: u64,
    /// Bytes of a logical block.
    pub logical: u64,
    /// Whether it has a cache that is to be flushed.
    pub write_back: bool,
    /// There is no disk.
    pub tmpfs: bool,
    number: (u32, u32),
}

impl Disk {
    /// The file of a worker in place of a disk.
    #[must_use]
    pub fn file() -> Self {
        Self {
            bytes: FILE,
            logical: 512,
            write_back: true,
            tmpfs: true,
            number: (0, 0),
        }
    }

    /// The disk of a plan; `None` if there is none.
    ///
    /// # Errors
    ///
    /// It is something else.
    pub fn look(work: &Work<'_>) -> Result<Option<Self>, &'static str> {
        let Ok(stat) = stat(name(work)) else {
            return Ok(None);
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::BlockDevice {
            return Err("its dev is no block device");
        }
        let mut disk = Self {
            tmpfs: false,
            number: (major(stat.st_rdev), minor(stat.st_rdev)),
            ..Self::file()
        };
        let buf = &mut [0; 32];
        disk.bytes = digits(disk.says("size", buf)).unwrap_or(0) * 512;
        let logical = disk.says("queue/logical_block_size", buf);
        disk.logical = digits(logical).unwrap_or(512);
        disk.write_back = disk.says("queue/write_cache", buf) == "write back";
        // Without a medium there is nothing to read or write.
        Ok((disk.bytes > 0).then_some(disk))
    }

    /// What sysfs says of it; a partition has its disk's queue.
    fn says<'b>(&self, file: &str, buf: &'b mut [u8]) -> &'b str {
        let (major, minor) = self.number;
        let at = |up| {
            path(format_args!("/sys/dev/block/{major}:{minor}/{up}{file}"))
        };
        let mut place = at("");
        if stat(place.as_str()).is_err() {
            place = at("../");
        }
        read_file(&place, buf).unwrap_or("").trim_ascii()
    }

    /// Bytes of a block: those of the plan, or else 4096 if the disk can.
    #[must_use]
    pub fn block(&self, work: &Work<'_>) -> u64 {
        match has_block(work) {
            true => work.count(&BLOCK),
            false => self.logical.clamp(4096, ENDS as u64),
        }
    }

    /// The part of it that one of so many workers gets: where it begins, and
    /// its length in blocks. Types that read elsewhere leave the upper half
    /// to that.
    #[must_use]
    pub fn stripe(
        &self,
        work: &Work<'_>,
        index: u32,
        workers: u32,
    ) -> (u64, u64) {
        let block = self.block(work);
        let (header, (index, workers)) = match self.tmpfs {
            true => (0, (0, 1)),
            false => (HEADER, (u64::from(index), u64::from(workers))),
        };
        let end = match has_block(work) {
            true => self.bytes,
            false => self.bytes / 2,
        };
        let blocks = end.saturating_sub(header) / workers.max(1) / block;
        (header + index * blocks * block, blocks)
    }

    /// The upper half: where it begins, and its length in blocks.
    #[must_use]
    pub fn upper_half(&self, work: &Work<'_>) -> (u64, u64) {
        let block = self.block(work);
        let first = (self.bytes / 2).next_multiple_of(block);
        (first, self.bytes.saturating_sub(first) / block)
    }

    /// What [`METRICS`] say of it.
    #[must_use]
    pub fn figures(&self) -> [u64; METRICS.len()] {
        let (write_back, tmpfs) = (self.write_back, self.tmpfs);
        [self.bytes, self.logical, write_back.into(), tmpfs.into()]
    }
}

/// Whether a type's plan says what a block is.
fn has_block(work: &Work<'_>) -> bool {
    let mut there = work.params().iter();
    there.any(|param| param.name == BLOCK.name)
}

/// The path of the disk of a plan.
#[must_use]
pub fn name<'t>(work: &Work<'t>) -> &'t str {
    match work.text(&DEV) {
        "" => "/dev/vda",
        name => name,
    }
}

/// Whether there is the disk of a plan.
#[must_use]
pub fn is_there(work: &Work<'_>) -> bool {
    matches!(Disk::look(work), Ok(Some(_)))
}

/// Makes sure that nobody uses the disk, and names its scheduler.
///
/// # Errors
///
/// `DEVICE_IN_USE`, unless the plan does not mind; or it cannot be opened.
pub fn create(instance: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    let work = place.work;
    let (0, Ok(Some(disk))) = (place.number, Disk::look(work)) else {
        return Ok(());
    };
    // As long as somebody holds the disk, or a part of it, nobody can hold
    // it alone; this one lets go at once.
    match open(name(work), OFlags::RDONLY | OFlags::EXCL) {
        Err(stop) if stop.why() == Why::Broken(Errno::BUSY) => {
            if !work.flag(&FORCE) {
                return Err(Stop::skip(&"DEVICE_IN_USE"));
            }
        }
        opened => drop(opened?),
    }
    if let Some(named) = instance.named.first() {
        let buf = &mut [0; 128];
        let scheduler = chosen(disk.says("queue/scheduler", buf));
        named.set(&path(format_args!("scheduler_{scheduler}")), 1);
    }
    Ok(())
}

/// Opens a disk.
///
/// # Errors
///
/// `NO_CAP` if this user may not, or what `open` said.
pub fn open(path: &str, flags: OFlags) -> Result<OwnedFd, Stop> {
    match openat(CWD, path, flags | OFlags::CLOEXEC, Mode::empty()) {
        Err(Errno::ACCESS | Errno::PERM) => Err(Stop::skip(&"NO_CAP")),
        opened => opened.call(Op::Open.name()),
    }
}

/// What an instance shares: the name of the scheduler.
#[must_use]
pub fn shared(_: &Work<'_>, _: u32) -> Shared {
    Shared {
        named: 1,
        ..Shared::NONE
    }
}

/// Whether a plan fits the machine's disk.
///
/// # Errors
///
/// Why not.
pub fn fits(work: &Work<'_>, fit: &Fit) -> Result<(), &'static str> {
    let Some(disk) = Disk::look(work)? else {
        return Ok(());
    };
    let block = disk.block(work);
    if !block.is_multiple_of(disk.logical.max(1)) {
        return Err("its block is no multiple of the disk's logical block");
    }
    let (_, blocks) = disk.stripe(work, 0, fit.workers);
    match blocks * block < SMALLEST {
        true => Err("its workers have less than 1 MiB of the disk each"),
        false => Ok(()),
    }
}

/// `none` of `[none] mq-deadline`.
fn chosen(text: &str) -> &str {
    let inner = text.split_once('[').map_or(text, |(_, rest)| rest);
    inner.split_once(']').map_or(inner, |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::{Disk, chosen};
    use crate::row::Value;
    use crate::workloads;

    fn disk(bytes: u64) -> Disk {
        Disk {
            bytes,
            tmpfs: false,
            ..Disk::file()
        }
    }

    #[test]
    fn stripes_are_whole_blocks_and_do_not_overlap() {
        for (name, end) in [("IoSyncWrite", 64), ("IoConvoy", 32)] {
            let work = workloads::find(name).unwrap().row.work();
            let disk = disk(64 << 20);
            let mut at = 1 << 20;
            for index in 0..7 {
                let (start, blocks) = disk.stripe(&work, index, 7);
                assert_eq!(start, at, "{name} {index}");
                assert!(start.is_multiple_of(4096) && blocks > 0);
                at += blocks * 4096;
            }
            assert!(at <= end << 20 && at > (end << 20) - 7 * 4096, "{at}");
        }
        let mut work = workloads::find("IoConvoy").unwrap().row.work();
        // Direct.
        work.set("mode", Value::Choice(1)).unwrap();
        assert_eq!(disk(64 << 20).upper_half(&work), (32 << 20, 8192));
        assert_eq!(Disk::file().stripe(&work, 5, 9), (0, 2048));
        assert_eq!(Disk::file().upper_half(&work), (8 << 20, 2048));
    }

    #[test]
    fn blocks_are_those_of_plan_and_disk() {
        let mut work = workloads::find("IoRandRead").unwrap().row.work();
        work.set("block", Value::Count(1536)).unwrap();
        let (start, blocks) = disk(4 << 20).stripe(&work, 1, 2);
        assert_eq!(start, (1 << 20) + 1024 * 1536);
        assert_eq!(blocks, 1024);
        let convoy = workloads::find("IoConvoy").unwrap().row.work();
        let coarse = Disk {
            logical: 16384,
            ..disk(64 << 20)
        };
        assert_eq!(coarse.block(&convoy), 16384);
    }

    #[test]
    fn the_scheduler_is_the_one_in_brackets() {
        assert_eq!(chosen("[none] mq-deadline"), "none");
        assert_eq!(chosen("none [mq-deadline] kyber"), "mq-deadline");
        assert_eq!(chosen("none"), "none");
        assert_eq!(chosen(""), "");
    }
}
