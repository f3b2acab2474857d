//! Walks a working set of the size of a cache.
//!
//! Moves with: cache sizes and who shares them; the scheduler moves it as
//! any other CPU load.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Need, Param, Row, What, Work, doc};
use pidone_compute::bytes::Walk;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "CachePressure",
        file: doc(file!()),
        family: Family::Cache,
        summary: doc("walks a working set of the size of a cache"),
        path: doc("user space; cache misses"),
        params: &[SIZE, STRIDE],
        iteration: "1024 accesses",
        unit: "access",
        hists: &[COST],
        needs: &[Need::required(What::Memory(|work, _| kib(work)))],
        proof: doc(
            "accesses/s fall as the size passes each cache level; the region \
             in numa_pages",
        ),
        check,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

/// Size of the working set, for all types that have one in a cache.
pub(super) const SIZE: Param =
    Param::count(0, "size_kib", 32, (1, 1_048_576), "KiB of the working set");

/// Distance of two accesses.
pub(super) const STRIDE: Param = Param::count(
    1,
    "stride",
    64,
    (1, 1 << 30),
    "bytes from one access to the next",
);

const COST: Hist = Hist::new(0, "cost", "wall time of 1024 accesses");

/// Accesses per iteration.
pub(super) const ACCESSES: u64 = 1024;

/// Memory that a worker needs.
pub(super) fn kib(work: &Work<'_>) -> u64 {
    work.count(&SIZE)
}

/// A stride stays within the working set.
pub(super) fn check(work: &Work<'_>) -> Result<(), &'static str> {
    match work.count(&STRIDE) <= work.count(&SIZE) * 1024 {
        true => Ok(()),
        false => Err("stride is at most size_kib, in bytes"),
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let region = c.memory_kib(c.work().count(&SIZE))?;
    let stride = c.work().count(&STRIDE);
    let mut walk = Walk::default();
    c.start();
    let mut begin = now();
    while !c.stop() {
        c.rmw(&mut walk, &region, stride, ACCESSES);
        let end = now();
        c.record(&COST, end - begin);
        c.iteration_at(end);
        begin = now();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{WORKLOAD, check};
    use crate::row::Value;

    #[test]
    fn a_stride_stays_within_the_working_set() {
        let mut work = WORKLOAD.row.work();
        work.set("size_kib", Value::Count(1)).unwrap();
        for (stride, good) in [(1024, true), (1025, false)] {
            work.set("stride", Value::Count(stride)).unwrap();
            assert_eq!(check(&work).is_ok(), good, "{stride}");
        }
    }
}
