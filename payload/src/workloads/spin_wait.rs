//! Pure CPU load for fairness and load balancing; the default.
//!
//! Moves with: tick accounting, periodic and new-idle balancing.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Row, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "SpinWait",
        file: doc(file!()),
        family: Family::Cpu,
        summary: doc("pure CPU load, for fairness and load balancing"),
        path: doc("tick -> update_curr -> resched_curr; load balancing"),
        iteration: "burst of 1024 spin steps",
        hists: &[COST],
        proof: doc("sum of cpu_ns / wall = min(workers, CPUs); \
                    oversubscribed: nivcsw > 0"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const COST: Hist = Hist::new(0, "cost", "wall time of one burst");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let mut begin = now();
    while !c.stop() {
        c.spin(1024);
        let end = now();
        c.record(&COST, end - begin);
        c.iteration_at(end);
        begin = now();
    }
    Ok(())
}
