//! Spin, then yield.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Need, Row, What, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "Mixed",
        file: doc(file!()),
        family: Family::Cpu,
        summary: doc("spins, then yields"),
        path: doc("do_sched_yield -> yield_task_fair -> schedule"),
        iteration: "pass of spin and yield",
        hists: &[CALL, COST],
        // Somebody to yield to.
        workers: Some(|_, cpus| 2 * cpus),
        needs: &[Need::wanted(What::WorkersPerCpu(2))],
        proof: doc("yld_count of /proc/schedstat >= 0.95 x iterations"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const CALL: Hist =
    Hist::new(0, "call", "duration of sched_yield, with time off the CPU");

const COST: Hist = Hist::new(1, "cost", "wall time of 1024 spin steps");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    while !c.stop() {
        let begin = now();
        c.spin(1024);
        let spun = now();
        c.sched_yield();
        let end = now();
        c.record(&COST, spun - begin);
        c.record(&CALL, end - spun);
        c.iteration_at(end);
    }
    Ok(())
}
