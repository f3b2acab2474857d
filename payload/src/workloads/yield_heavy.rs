//! Yield-dominated re-picking of the next task.
//!
//! A yield leaves the task runnable: a switch counts as involuntary, and
//! none happens with one runnable task per CPU.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Need, Row, What, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "YieldHeavy",
        file: doc(file!()),
        family: Family::Cpu,
        summary: doc("yields all the time"),
        path: doc("do_sched_yield -> yield_task_fair -> schedule"),
        iteration: "yield",
        unit: "yield",
        hists: &[CALL],
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

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    while !c.stop() {
        c.units(1);
        let begin = now();
        c.sched_yield();
        let end = now();
        c.record(&CALL, end - begin);
        c.iteration_at(end);
    }
    Ok(())
}
