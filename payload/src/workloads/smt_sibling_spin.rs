//! Two spinners that share one core.
//!
//! Siblings are what the kernel sees as such: those of a virtual machine
//! need not be siblings of the host. With `smt_sibling_pair:shared` both
//! may even run on one CPU.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::attr::Affinity;
use crate::row::{Family, Hist, Need, Row, What, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "SmtSiblingSpin",
        file: doc(file!()),
        family: Family::Cpu,
        summary: doc("two spinners on the threads of one core"),
        path: doc(
            "tick -> update_curr -> resched_curr; select_idle_smt (when one \
                   wakes) and core scheduling place them",
        ),
        group: |_| Some(2),
        affinity: |_| Affinity::SmtSiblingPair { shared: false },
        iteration: "burst of 1024 spin steps",
        hists: &[COST],
        needs: &[Need::required(What::Smt)],
        proof: doc(
            "cpus_used are the two siblings; cost p50 above a solo run's",
        ),
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
