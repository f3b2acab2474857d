//! Short real-time bursts preempt fair tasks, about a thousand times a
//! second.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::{next_deadline, now};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::attr::{Affinity, Policy};
use crate::row::{Family, Hist, Metric, Need, Param, Row, What, Work, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "PreemptStorm",
        file: doc(file!()),
        family: Family::Signal,
        summary: doc("short real-time bursts preempt fair tasks"),
        path: doc("hrtimer_wakeup -> wakeup_preempt -> resched_curr"),
        params: &[FAIR, BURST, SLEEP, PRIORITY],
        group: |work| Some(fair(work) + 1),
        role: |_, pos| if pos == 0 { "rt" } else { "fair" },
        affinity: |_| Affinity::SingleCpu,
        iteration: "burst",
        hists: &[TIMER, COST],
        metrics: &[BURSTS, OVERRUNS],
        needs: &[
            Need::required(What::SysNice),
            // The real-time task would wake on an idle CPU.
            Need::wanted(What::Rivals(|work, workers| {
                workers / (fair(work) + 1) * fair(work)
            })),
        ],
        calls: &[Op::ClockNanosleep],
        proof: doc("sum of the fair tasks' nivcsw >= 0.9 x rt_bursts"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const FAIR: Param = Param::count(0, "cfs_workers", 2, (1, 1024), "fair tasks");
const BURST: Param =
    Param::steps(1, "rt_burst_iters", 1024, "spin steps of a real-time burst");
const SLEEP: Param = Param::count(
    2,
    "rt_sleep_us",
    1000,
    (1, 10_000_000),
    "microseconds from one real-time burst to the next",
);
const PRIORITY: Param =
    Param::count(3, "rt_priority", 1, (1, 99), "SCHED_FIFO priority");

const TIMER: Hist =
    Hist::new(0, "timer", "deadline of the real-time task to running");
const COST: Hist =
    Hist::new(1, "cost", "wall time of 1024 spin steps of a fair task");

const BURSTS: Metric = Metric::sum(0, "rt_bursts", "real-time bursts");
const OVERRUNS: Metric = Metric::overruns(1);

fn fair(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&FAIR)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    if c.pos() == 0 {
        let priority = u8::try_from(c.work().count(&PRIORITY)).unwrap_or(1);
        c.sched_setattr(Policy::Fifo(priority))
            .call(Op::SchedSetattr.name())?;
        c.start();
        real_time(c);
        return Ok(());
    }
    c.start();
    while !c.stop() {
        let begin = now();
        c.spin(1024);
        let end = now();
        c.record(&COST, end - begin);
        c.iteration_at(end);
    }
    Ok(())
}

fn real_time(c: &mut Ctx<'_>) {
    let burst = c.work().count(&BURST);
    let period = c.work().count(&SLEEP) * 1000;
    let mut next = now() + period;
    while !c.stop() {
        let Some(ran) = c.sleep_until(next) else {
            continue;
        };
        c.record(&TIMER, ran.saturating_sub(next));
        c.spin(burst);
        c.metric(&BURSTS, 1);
        let end = now();
        c.iteration_at(end);
        // A deadline that has passed preempts nobody: the task would not
        // sleep, and the fair ones would not run.
        let (deadline, passed) = next_deadline(next, period, end);
        c.metric(&OVERRUNS, passed);
        next = deadline;
    }
}
