//! Short uninterruptible sleeps at a high rate.

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
use rand_core::Rng;
use rustix::fs::OFlags;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "IoRandRead",
        file: doc(file!()),
        family: Family::Block,
        summary: doc("reads random blocks past the page cache"),
        path: doc("blkdev_direct_IO -> submit_bio_wait -> blk_wait_io \
                   (inlined); completion interrupt -> try_to_wake_up"),
        params: &[DEV, FORCE, FALLBACK, BLOCK],
        iteration: "full block read",
        unit: "full block read",
        hists: &[IO, WAKE],
        metrics: METRICS,
        needs: NEEDS,
        calls: &[Op::Pread],
        proof: doc(
            "reads of /proc/diskstats = iterations; nvcsw = iterations, \
             unless completion is faster; the disk's interrupts",
        ),
        shared,
        ..Row::BASE
    },
    create,
    run,
    ..Workload::BASE
};

const IO: Hist = Hist::new(0, "io", "duration of a pread");

const WAKE: Hist = Hist::wake(
    1,
    WakeRule::KernelWaker,
    "run_delay over a pread, on every rd_sample-th of them",
);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let flags = OFlags::RDONLY | OFlags::DIRECT;
    let mut disk = c.disk([None, Some(flags)])?;
    let mut random = c.random();
    c.start();
    while !c.stop() {
        let at = disk.start + random.next_u64() % disk.blocks * disk.block;
        if c.io(&WAKE, &IO, &mut disk, Io::Read(at)) {
            c.iteration();
        }
    }
    c.report_disk(&disk);
    Ok(())
}
