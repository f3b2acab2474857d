//! Reweighting: a task walks through all nice values.
//!
//! Without `CAP_SYS_NICE` nice values are a one-way street: a task may raise
//! its own and never lower it again, unless `RLIMIT_NICE` says so.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::stop::{CallExt, Stop};
use crate::row::attr::Policy;
use crate::row::{Family, Hist, Metric, Row, Work, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "NiceSweep",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("walks through all nice values"),
        path: doc("set_user_nice -> reweight_task_fair / reweight_task_scx \
                   (under sched_ext)"),
        iteration: "change of nice",
        hists: &[CALL],
        metrics: &[READ_BACK],
        calls: &[Op::Setpriority],
        proof: doc("nice_values = 40; yld_count of /proc/schedstat >= 0.95 x \
                    iterations"),
        check_policy,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const CALL: Hist = Hist::new(0, "call", "duration of setpriority");

const READ_BACK: Metric = Metric::max(
    0,
    "nice_values",
    "different values that one task read back from the kernel",
);

const LOWEST: i32 = -20;
const HIGHEST: i32 = 19;
/// Every how many changes the value is read back: no divisor of either
/// number of values, so that each has its turn.
const SAMPLE: u64 = 7;

/// Of all others the kernel keeps the value and does nothing with it.
fn check_policy(_: &Work<'_>, policy: Policy) -> Result<(), &'static str> {
    match policy {
        Policy::Normal | Policy::Batch | Policy::Ext => Ok(()),
        _ => Err("NiceSweep reweights tasks of policy normal, batch or ext; \
                  others have no weight that a nice value changes"),
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let initial = c.sched_getattr().call(&"sched_getattr")?.nice;
    let lowest = lowest(c)?;
    c.setpriority(initial).call(Op::Setpriority.name())?;
    c.start();
    let mut nice = lowest;
    let (mut turn, mut seen) = (0, 0_u64);
    while !c.stop() {
        c.spin(512);
        c.tried(Op::Setpriority);
        let begin = now();
        let result = c.setpriority(nice);
        c.record(&CALL, now() - begin);
        if let Err(errno) = result {
            c.failed(Op::Setpriority, errno);
        }
        turn += 1;
        if turn % SAMPLE == 0
            && let Ok(attr) = c.sched_getattr()
        {
            seen |= 1 << (attr.nice - LOWEST);
            c.metric_max(&READ_BACK, seen.count_ones().into());
        }
        nice = if nice == HIGHEST { lowest } else { nice + 1 };
        c.sched_yield();
        c.iteration();
    }
    c.setpriority(initial).call(Op::Setpriority.name())
}

/// The lowest value that this task can go back to.
fn lowest(c: &Ctx<'_>) -> Result<i32, Stop> {
    if c.setpriority(LOWEST).is_ok() {
        return Ok(LOWEST);
    }
    c.setpriority(HIGHEST).call(Op::Setpriority.name())?;
    if c.setpriority(0).is_err() {
        return Err(Stop::skip(&"NO_CAP"));
    }
    c.degrade(Reason::NoCap);
    Ok(0)
}
