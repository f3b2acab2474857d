//! The memory moves from node to node, and the task stays.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::cpus::Cpus;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::topology::memory_nodes;
use crate::row::{
    Family, Feature, Fit, Hist, Metric, Need, Param, Row, What, Work, doc,
};
use core::sync::atomic::Ordering::Relaxed;
use rustix::io::Errno;
use rustix::param::page_size;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "NumaWorkingSetSweep",
        file: doc(file!()),
        family: Family::Memory,
        summary: doc("moves its memory from node to node and touches it"),
        path: doc("do_mbind -> migrate_pages"),
        params: &[REGION, PERIOD, TARGETS],
        iteration: "sweep: mbind to a node, and a touch of every page",
        unit: "page touched",
        hists: &[CALL, COST, TIMER],
        metrics: &[PAGE, ON, OFF, OVERRUNS],
        needs: &[
            Need::required(What::Fits(fits)),
            Need::required(What::Feature(Feature::Numa)),
            Need::required(What::Config(doc("CONFIG_MIGRATION"))),
            // One target that is named is a baseline.
            Need::required(What::MemoryNodes(2))
                .when(|work| targets(work).is_none_or(|nodes| nodes.len() > 1)),
            Need::required(What::Memory(|work, _| work.count(&REGION))),
        ],
        proof: doc("pgmigrate_success of /proc/vmstat >= pages x \
                    (iterations - 1); off_target = 0"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const REGION: Param = Param::count(
    0,
    "region_kib",
    4096,
    (4, 1_048_576),
    "KiB of the region, rounded up to whole pages",
);

const PERIOD: Param = Param::count(
    1,
    "sweep_period_ms",
    100,
    (0, 3_600_000),
    "milliseconds between two sweeps",
);

const TARGETS: Param = Param::text(
    2,
    "target_nodes",
    &"a list of nodes like 0-1, below 1024, all with memory if absent",
    |text| text.is_empty() || Cpus::parse(text).is_some(),
    "nodes to sweep over; one alone is a baseline",
);

const CALL: Hist = Hist::new(0, "call", "duration of mbind");

const COST: Hist = Hist::new(1, "cost", "a touch of every page");

const TIMER: Hist = Hist::new(2, "timer", "end of the period to running");

const PAGE: Metric = Metric::max(0, "page_bytes", "size of a page");

const ON: Metric =
    Metric::sum(1, "on_target", "pages found on the node of the sweep");

const OFF: Metric =
    Metric::sum(2, "off_target", "pages found on any other node");

const OVERRUNS: Metric = Metric::overruns(3);

/// Pages touched between two checkpoints.
const PIECE: usize = 1024;

/// The nodes that the plan names.
fn targets(work: &Work<'_>) -> Option<Cpus> {
    Cpus::parse(work.text(&TARGETS))
}

fn fits(work: &Work<'_>, fit: &Fit) -> Result<(), &'static str> {
    match targets(work) {
        Some(nodes) if nodes.and(&fit.mems) != nodes => {
            Err("its target_nodes names nodes that are not online, have no \
                 memory, or are not in its cpuset.mems")
        }
        _ => Ok(()),
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let page = page_size().max(1);
    let bytes = usize::try_from(c.work().count(&REGION) * 1024).unwrap_or(0);
    let pages = bytes.div_ceil(page);
    let region = c.memory(pages * page)?;
    region.small_pages().call(Op::Madvise.name())?;
    region.populate();
    if region.pages_on(0, page) == Err(Errno::NOSYS) {
        return Err(Stop::skip(&"NO_CONFIG:CONFIG_MIGRATION"));
    }
    let targets = targets(c.work()).unwrap_or_else(memory_nodes);
    let period = c.work().count(&PERIOD) * 1_000_000;
    c.start();
    let mut at = c.index();
    let mut next = now();
    'sweeps: while !c.stop() {
        let to = (at % targets.len().max(1)) as usize;
        let Some(node) = targets.iter().nth(to) else {
            break;
        };
        at += 1;
        let begin = now();
        region.move_to(node).call(Op::Mbind.name())?;
        let moved = now();
        c.record(&CALL, moved - begin);
        for first in (0..pages).step_by(PIECE) {
            if c.stop() {
                break 'sweeps;
            }
            let last = pages.min(first + PIECE);
            for n in first..last {
                if let Some(byte) = region.bytes().get(n * page) {
                    byte.store(1, Relaxed);
                }
            }
            c.units((last - first) as u64);
            c.checkpoint_at(now());
        }
        c.record(&COST, now() - moved);
        let there = region.pages_on(node, page).call(&"move_pages")?;
        c.metric(&ON, there);
        c.metric(&OFF, pages as u64 - there);
        c.iteration();
        next = c.sleep_period(next, period, Some(&TIMER), &OVERRUNS);
    }
    c.metric_max(&PAGE, page as u64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Fit, WORKLOAD, fits};
    use crate::kit::cpus::Cpus;
    use crate::row::Value;

    #[test]
    fn targets_are_nodes_that_can_be_had() {
        let mut work = WORKLOAD.row.work();
        let fit = Fit {
            workers: 1,
            mems: Cpus::parse("0-1").unwrap(),
        };
        for (list, good) in [("", true), ("1", true), ("1-2", false)] {
            work.set("target_nodes", Value::Text(list)).unwrap();
            assert_eq!(fits(&work, &fit).is_ok(), good, "{list}");
        }
        assert!(work.set("target_nodes", Value::Text("a")).is_err());
    }
}
