//! Walks a working set, then yields: re-placement of a cache-hot task.
//!
//! What a walk costs after a migration is what refilling the cache costs.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Need, Row, What, doc};
use crate::workloads::cache_pressure::{ACCESSES, SIZE, STRIDE, check, kib};
use pidone_compute::bytes::Walk;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "CacheYield",
        file: doc(file!()),
        family: Family::Cache,
        summary: doc("walks a working set, then yields"),
        path: doc("do_sched_yield -> yield_task_fair -> schedule"),
        params: &[SIZE, STRIDE],
        // Somebody to yield to.
        workers: Some(|_, cpus| 2 * cpus),
        iteration: "1024 accesses and a yield",
        unit: "access",
        hists: &[CALL, COST],
        needs: &[
            Need::required(What::Memory(|work, _| kib(work))),
            Need::wanted(What::WorkersPerCpu(2)),
        ],
        proof: doc("yld_count of /proc/schedstat >= 0.95 x iterations; \
                    se.nr_migrations"),
        check,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const CALL: Hist =
    Hist::new(0, "call", "duration of sched_yield, with time off the CPU");

const COST: Hist = Hist::new(1, "cost", "wall time of 1024 accesses");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let region = c.memory_kib(c.work().count(&SIZE))?;
    let stride = c.work().count(&STRIDE);
    let mut walk = Walk::default();
    c.start();
    while !c.stop() {
        let begin = now();
        c.rmw(&mut walk, &region, stride, ACCESSES);
        let walked = now();
        c.sched_yield();
        let end = now();
        c.record(&COST, walked - begin);
        c.record(&CALL, end - walked);
        c.iteration_at(end);
    }
    Ok(())
}
