//! Flush-heavy cycles of uninterruptible sleep.

use crate::ctx::Ctx;
use crate::ctx::block::Io;
use crate::ctx::disk::{
    BLOCK, DEV, FALLBACK, FORCE, METRICS, NEEDS, create, shared,
};
use crate::ctx::workload::Workload;
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Row, doc};
use crate::wire::record::WakeRule;
use rustix::fs::OFlags;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "IoSyncWrite",
        file: doc(file!()),
        family: Family::Block,
        summary: doc("synchronous writes, and a flush behind 16 of them"),
        path: doc("pwrite on O_SYNC -> vfs_fsync_range -> blkdev_fsync -> \
                   blkdev_issue_flush; io_schedule"),
        params: &[DEV, FORCE, FALLBACK, BLOCK],
        iteration: "16 blocks and a flush",
        unit: "full block written",
        hists: &[IO, FLUSH, WAKE],
        metrics: METRICS,
        needs: NEEDS,
        calls: &[Op::Pwrite, Op::Fdatasync],
        proof: doc("writes of /proc/diskstats >= 16 x iterations, flushes \
                    >= iterations; nvcsw >= iterations"),
        shared,
        ..Row::BASE
    },
    create,
    run,
    ..Workload::BASE
};

const IO: Hist = Hist::new(0, "io", "duration of a pwrite");

const FLUSH: Hist = Hist::new(1, "flush", "duration of fdatasync");

const WAKE: Hist = Hist::wake(
    2,
    WakeRule::KernelWaker,
    "run_delay over a pwrite or a flush, on every rd_sample-th of them",
);

/// Blocks between two flushes.
const BATCH: u64 = 16;

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let flags = OFlags::WRONLY | OFlags::SYNC;
    let mut disk = c.disk([Some(flags), None])?;
    c.start();
    while c.write_blocks(&WAKE, &IO, &mut disk, BATCH) {
        c.io(&WAKE, &FLUSH, &mut disk, Io::Flush);
        c.iteration();
    }
    c.report_disk(&disk);
    Ok(())
}
