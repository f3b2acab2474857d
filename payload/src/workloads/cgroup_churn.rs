//! Membership rotates between sibling cgroups.
//!
//! A move waits for a grace period of RCU while it takes the lock that keeps
//! forks out, so the cycle is a lower bound.

use crate::ctx::Ctx;
use crate::ctx::cgroup::name;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, What, Work, doc,
};
use heapless::Vec;
use rustix::fd::OwnedFd;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "CgroupChurn",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("a process moves from cgroup to cgroup"),
        path: doc("cgroup_procs_write -> cgroup_attach_task -> \
                   cpu_cgroup_attach -> sched_move_task, scx_cgroup_move_task \
                   (under sched_ext)"),
        params: &[GROUPS, CYCLE],
        iteration: "move",
        hists: &[CALL],
        metrics: &[CONFIRMED, OVERRUNS],
        needs: &[
            Need::required(What::Feature(Feature::CgroupSched)),
            Need::required(What::Controller(&"cpu")),
        ],
        proof: doc(
            "/proc/PID/cgroup names the new cgroup, on every eighth move",
        ),
        fork_only: true,
        ..Row::BASE
    },
    create,
    destroy,
    run,
    ..Workload::BASE
};

const GROUPS: Param =
    Param::count(0, "groups", 2, (2, MOST as u64), "cgroups to rotate among");

const CYCLE: Param = Param::count(
    1,
    "cycle_ms",
    100,
    (0, 3_600_000),
    "milliseconds between two moves, at least",
);

const CALL: Hist = Hist::new(0, "call", "duration of the write that moves");

const CONFIRMED: Metric =
    Metric::sum(0, "confirmed", "moves that /proc/PID/cgroup confirmed");

const OVERRUNS: Metric = Metric::overruns(1);

const MOST: usize = 64;
/// Every how many moves the kernel is asked.
const SAMPLE: usize = 8;

fn groups(work: &Work<'_>) -> usize {
    usize::try_from(work.count(&GROUPS)).unwrap_or(MOST)
}

fn create(_: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    // All instances share them.
    if place.number == 0 {
        let base = place.cgroups.ok_or(Stop::skip(&"NO_CGROUP2"))?;
        for i in 0..groups(place.work) {
            base.make(&name(format_args!("churn-{i}")))?;
        }
    }
    Ok(())
}

fn destroy(_: &Instance<'_>, place: &Place<'_>) {
    if let (0, Some(base)) = (place.number, place.cgroups) {
        for i in 0..groups(place.work) {
            base.remove(&name(format_args!("churn-{i}")));
        }
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let mut leaves: Vec<OwnedFd, MOST> = Vec::new();
    for i in 0..groups(c.work()) {
        let leaf = c.cgroup_procs(&name(format_args!("churn-{i}")))?;
        // No more than the parameter's range.
        let _room = leaves.push(leaf);
    }
    c.start();
    let cycle = c.work().count(&CYCLE) * 1_000_000;
    let own = c.own_process();
    let mut at = usize::try_from(c.index()).unwrap_or(0);
    let mut moves = 0;
    let mut next = now();
    while !c.stop() {
        at = (at + 1) % leaves.len();
        let Some(leaf) = leaves.get(at) else {
            break;
        };
        let begin = now();
        c.attach(leaf, own).call(Op::CgroupAttach.name())?;
        c.record(&CALL, now() - begin);
        if moves % SAMPLE == 0 {
            if !c.is_in_cgroup(&name(format_args!("churn-{at}"))) {
                return Err(Stop::fail(&"it is not where it was moved to"));
            }
            c.metric(&CONFIRMED, 1);
        }
        moves += 1;
        c.spin(256);
        c.iteration();
        next = c.sleep_period(next, cycle, None, &OVERRUNS);
    }
    Ok(())
}
