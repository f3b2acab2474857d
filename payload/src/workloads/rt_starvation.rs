//! Real-time hogs, and what protects fair tasks from them.
//!
//! The headline is the longest gap of a fair task. Kernel threads of the
//! CPU starve as well: keep runs under 20 s and off CPU 0.

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::rt_guard::{self, Guard};
use crate::kit::stop::{CallExt, Stop};
use crate::row::attr::{Affinity, Policy};
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use core::sync::atomic::Ordering::Relaxed;
use rustix::process::getpid;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "RtStarvation",
        file: doc(file!()),
        family: Family::Signal,
        summary: doc("real-time hogs starve fair tasks"),
        path: doc("pick_next_task (inlined) in class order; dl_server_timer \
                   (after a second), or sched_rt_period_timer (before 6.12)"),
        params: &[RT, FAIR, PRIORITY, BURST, LIMIT],
        group: |work| Some(hogs(work) + fair(work)),
        role: |work, pos| if pos < hogs(work) { "rt" } else { "fair" },
        affinity: |_| Affinity::SingleCpu,
        iteration: "burst",
        hists: &[COST],
        metrics: &[GUARD, RUNTIME, PERIOD],
        needs: &[
            Need::required(What::SysNice),
            // A hog that waited without one would never let go.
            Need::required(What::Feature(Feature::Futex)),
            // Fair tasks find a CPU of their own.
            Need::wanted(What::Rivals(|work, workers| {
                workers / (hogs(work) + fair(work)) * hogs(work)
            })),
        ],
        proof: doc("fair CPU share = 1 - runtime/period of a throttle, \
                    runtime/period of a server, 0 with no guard"),
        shared: |work, cpus| Shared {
            words: 1,
            cells: SAVED + if lifts(work) { 1 + cpus } else { 0 },
            ..Shared::NONE
        },
        ..Row::BASE
    },
    create,
    destroy,
    run,
    ..Workload::BASE
};

const RT: Param = Param::count(0, "rt_workers", 1, (1, 1024), "hogs");
const FAIR: Param = Param::count(1, "cfs_workers", 1, (1, 1024), "fair tasks");
const PRIORITY: Param =
    Param::count(2, "rt_priority", 50, (1, 99), "SCHED_FIFO priority");
const BURST: Param =
    Param::steps(3, "burst_iters", 1024, "spin steps of a burst");
const LIMIT: Param = Param::choice(
    4,
    "rt_limit",
    &["keep", "off"],
    "keep what protects fair tasks, or take it away for the run",
);
const LIMIT_OFF: usize = 1;

const COST: Hist = Hist::new(0, "cost", "wall time of one burst");

const GUARD: Metric = Metric::max(
    0,
    "guard",
    "what protects fair tasks: 0 nothing, 1 rt_throttle, 2 fair_server",
);
const RUNTIME: Metric = Metric::max(
    1,
    "guard_runtime_us",
    "what it grants in a period: the throttle to real-time tasks, the \
     server to fair ones",
);
const PERIOD: Metric = Metric::max(2, "guard_period_us", "its period");

/// The word that counts fair tasks that have begun.
const BEGUN: u32 = 0;
/// Cells of the metrics, each plus one, so that zero is "not told"; behind
/// them stands what was changed.
const CELLS: [(Metric, u32); 3] = [(GUARD, 0), (RUNTIME, 1), (PERIOD, 2)];
const SAVED: u32 = 3;

fn hogs(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&RT)).unwrap_or(u32::MAX)
}

fn fair(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&FAIR)).unwrap_or(u32::MAX)
}

fn lifts(work: &Work<'_>) -> bool {
    work.choice(&LIMIT) == LIMIT_OFF
}

fn create(instance: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    let init = getpid().is_init();
    if init {
        rt_guard::mount_debugfs();
    }
    if lifts(place.work) {
        if !init {
            return Err(Stop::skip(&"NOT_INIT: rt_limit=off is for PID 1"));
        }
        rt_guard::lift(place.cpus, &instance.cells[SAVED as usize..])?;
    }
    let cpu = place.cpus.iter().next_back().unwrap_or(0);
    let guard = Guard::of(cpu);
    let values = [Some(guard.kind.number()), guard.runtime_us, guard.period_us];
    for (cell, value) in instance.cells.iter().zip(values) {
        cell.store(value.map_or(0, |value| value + 1), Relaxed);
    }
    Ok(())
}

fn destroy(instance: &Instance<'_>, place: &Place<'_>) {
    let saved = instance.cells.get(SAVED as usize..).unwrap_or(&[]);
    rt_guard::restore(place.cpus, saved);
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let (begun, all) = (c.word(BEGUN), fair(c.work()));
    if c.pos() < hogs(c.work()) {
        let priority = u8::try_from(c.work().count(&PRIORITY)).unwrap_or(1);
        c.sched_setattr(Policy::Fifo(priority))
            .call(Op::SchedSetattr.name())?;
        c.start();
        // A fair task that is starved before it began would have no gap to
        // report.
        if c.wait_until(begun, |n| n >= all, |_, _| {}).is_none() {
            return Ok(());
        }
    } else {
        c.start();
        if begun.increment() >= all {
            c.wake(begun, hogs(c.work()));
        }
    }
    let burst = c.work().count(&BURST);
    while !c.stop() {
        let begin = now();
        c.spin(burst);
        let end = now();
        c.record(&COST, end - begin);
        c.iteration_at(end);
    }
    // Whoever was starved until the stop has its gap end here.
    c.checkpoint_at(now());
    report(c);
    Ok(())
}

/// At the end, for the end of a warm-up clears all metrics.
fn report(c: &Ctx<'_>) {
    for (metric, cell) in &CELLS {
        if let Some(value) = c.cell(*cell).load(Relaxed).checked_sub(1) {
            c.metric_max(metric, value);
        }
    }
    let served = c.cell(0).load(Relaxed) > 1;
    if served && c.cell(1).load(Relaxed) == 0 {
        c.degrade(Reason::NoCounter);
    }
}
