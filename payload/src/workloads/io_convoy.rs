//! Writers and readers that queue up behind flushes.
//!
//! Buffered, the flush of one worker writes the dirty pages of all of them
//! and waits; direct, it is the flush alone. Stripes are in the lower half
//! of the disk and reads in its upper half, so that neither the page cache
//! nor its invalidation serves them.

use crate::ctx::Ctx;
use crate::ctx::block::Io;
use crate::ctx::disk::{DEV, FALLBACK, FORCE, METRICS, NEEDS, create, shared};
use crate::ctx::workload::Workload;
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Param, Row, doc};
use crate::wire::record::WakeRule;
use rand_core::Rng;
use rustix::fs::OFlags;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "IoConvoy",
        file: doc(file!()),
        family: Family::Block,
        summary: doc("writers and readers stuck behind flushes"),
        path: doc("buffered: file_write_and_wait_range (at each flush) over \
                   the whole device -> folio_wait_writeback (at each flush); \
                   direct: blkdev_direct_IO, blkdev_issue_flush (at each \
                   flush)"),
        params: &[DEV, FORCE, FALLBACK, MODE, SYNC, BURST],
        iteration: "burst of writes, a read, and perhaps a flush",
        unit: "block moved",
        hists: &[WRITE, READ, FLUSH, WAKE],
        metrics: METRICS,
        needs: NEEDS,
        calls: &[Op::Pwrite, Op::Pread, Op::Fdatasync],
        proof: doc("reads of /proc/diskstats >= iterations, flushes >= \
                    iterations / sync_every; buffered: nr_dirtied and \
                    nr_written of /proc/vmstat"),
        shared,
        ..Row::BASE
    },
    create,
    run,
    ..Workload::BASE
};

const MODE: Param = Param::choice(
    3,
    "mode",
    &["buffered", "direct"],
    "whether writes go through the page cache",
);

const SYNC: Param = Param::count(
    4,
    "sync_every",
    16,
    (1, 1_000_000),
    "iterations between two flushes",
);

const BURST: Param = Param::count(
    5,
    "burst_blocks",
    1,
    (1, 65_536),
    "blocks written in an iteration",
);

const WRITE: Hist = Hist::new(0, "io_write", "duration of a pwrite");

const READ: Hist = Hist::new(1, "io_read", "duration of a pread");

const FLUSH: Hist = Hist::new(2, "flush", "duration of fdatasync");

const WAKE: Hist = Hist::wake(
    3,
    WakeRule::KernelWaker,
    "run_delay over a transfer or flush, on every rd_sample-th of them",
);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let direct = match c.work().choice(&MODE) {
        0 => OFlags::empty(),
        _ => OFlags::DIRECT,
    };
    let writes = OFlags::WRONLY | direct;
    let reads = OFlags::RDONLY | OFlags::DIRECT;
    let mut disk = c.disk([Some(writes), Some(reads)])?;
    let (sync, burst) = (c.work().count(&SYNC), c.work().count(&BURST));
    let (upper, upper_blocks) = disk.upper;
    let mut random = c.random();
    let mut passes = 0_u64;
    c.start();
    while c.write_blocks(&WAKE, &WRITE, &mut disk, burst) {
        let from = upper + random.next_u64() % upper_blocks * disk.block;
        c.io(&WAKE, &READ, &mut disk, Io::Read(from));
        passes += 1;
        if passes.is_multiple_of(sync) {
            c.io(&WAKE, &FLUSH, &mut disk, Io::Flush);
        }
        c.iteration();
    }
    c.report_disk(&disk);
    Ok(())
}
