//! Task creation and destruction.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Family, Feature, Hist, Need, Row, Shared, What, doc};
use crate::wire::record::WakeRule;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "ForkExit",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("forks a child that exits, and reaps it"),
        path: doc("copy_process -> wake_up_new_task; do_group_exit; \
                   wait_consider_task"),
        iteration: "fork attempted",
        unit: "child reaped",
        hists: &[NEWTASK, BLOCK, WAKE],
        needs: &[Need::wanted(What::Feature(Feature::SchedInfo))],
        calls: &[Op::Clone, Op::Wait4],
        proof: doc("processes of /proc/stat grows by at least work_units"),
        shared: |_, _| Shared {
            stamps: 1,
            ..Shared::NONE
        },
        fork_only: true,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const NEWTASK: Hist = Hist::new(
    0,
    "newtask",
    "before clone to the child's first instruction",
);
const BLOCK: Hist = Hist::new(1, "block", "call of wait4 to its return");
const WAKE: Hist = Hist::wake(
    2,
    WakeRule::KernelWaker,
    "growth of run_delay over one wait4 that slept",
);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let born = c.stamp(0);
    while !c.stop() {
        let begin = now();
        if let Some(child) = c.fork_exit(born) {
            let reap = |c: &mut Ctx<'_>| {
                let called = now();
                c.reap(child).then(|| now() - called)
            };
            if let Some(block) = c.run_delay_over(&WAKE, reap) {
                c.record(&NEWTASK, born.get().saturating_sub(begin));
                c.record(&BLOCK, block);
                c.units(1);
            }
        }
        c.iteration();
    }
    Ok(())
}
