//! The task moves from node to node; what it has allocated stays behind.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::cpus::Cpus;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::topology::nodes_among;
use crate::row::{Family, Hist, Metric, Need, Param, Row, What, doc};
use heapless::Vec;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "NumaMigrationChurn",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("pins itself to the CPUs of one node after another"),
        path: doc("sched_setaffinity -> __set_cpus_allowed_ptr -> \
                   affine_move_task -> migration_cpu_stop; \
                   select_task_rq_fair, WF_MIGRATED when it sleeps"),
        params: &[PERIOD],
        iteration: "rotation to the next node",
        hists: &[CALL, TIMER],
        metrics: &[NODES, CHANGES, OVERRUNS],
        needs: &[Need::required(What::CpuNodes(2))],
        calls: &[Op::SchedSetaffinity],
        proof: doc("se.nr_migrations >= iterations; node_changes = iterations"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const PERIOD: Param = Param::count(
    0,
    "period_ms",
    100,
    (0, 3_600_000),
    "milliseconds between two rotations",
);

const CALL: Hist = Hist::new(
    0,
    "call",
    "duration of sched_setaffinity, with the stopper's work",
);

const TIMER: Hist = Hist::new(1, "timer", "end of the period to running");

const NODES: Metric =
    Metric::max(0, "nodes", "nodes with CPUs it rotates among, at most 64");

const CHANGES: Metric = Metric::sum(
    1,
    "node_changes",
    "rotations after which it was on another node than before",
);

const OVERRUNS: Metric = Metric::overruns(2);

/// Nodes it rotates among, at most.
const MOST: usize = 64;

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let all = c.sched_getaffinity()?;
    let mut nodes: Vec<Cpus, MOST> = Vec::new();
    nodes_among(&all, &mut |node| {
        // As many as there is room for.
        let _room = nodes.push(node);
    });
    let period = c.work().count(&PERIOD) * 1_000_000;
    c.start();
    let mut seen = node_of(&nodes, c.cpu());
    let mut to = seen.unwrap_or(0);
    let mut next = now();
    while !c.stop() {
        to = (to + 1) % nodes.len().max(1);
        let Some(node) = nodes.get(to) else {
            break;
        };
        c.tried(Op::SchedSetaffinity);
        let begin = now();
        let moved = c.sched_setaffinity(node);
        c.record(&CALL, now() - begin);
        c.spin(256);
        let here = node_of(&nodes, c.cpu());
        match moved {
            Ok(()) if here != Some(to) => {
                return Err(Stop::fail(&"it is not on the node it moved to"));
            }
            Ok(()) => {}
            Err(errno) => c.failed(Op::SchedSetaffinity, errno),
        }
        if here != seen {
            c.metric(&CHANGES, 1);
        }
        seen = here;
        c.iteration();
        next = c.sleep_period(next, period, Some(&TIMER), &OVERRUNS);
    }
    c.metric_max(&NODES, nodes.len() as u64);
    c.sched_setaffinity(&all).call(Op::SchedSetaffinity.name())
}

fn node_of(nodes: &[Cpus], cpu: u32) -> Option<usize> {
    nodes.iter().position(|node| node.contains(cpu))
}
