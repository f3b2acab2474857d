//! Children are moved to another cgroup while they exit.
//!
//! That a child is gone before it could be moved (`ESRCH`) is the race at
//! work, not an error.

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::kit::text::around_last;
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use core::sync::atomic::Ordering::Relaxed;
use rustix::io::Errno;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "CgroupAttachStorm",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("exiting children are moved to another cgroup"),
        path: doc("cgroup_attach_task over the thread group, against do_exit"),
        params: &[DEST, REAP, DELAY],
        iteration: "fork",
        unit: "completed attempt to move",
        hists: &[CALL, BLOCK],
        metrics: &[ACCEPTED, RACED, MOVED],
        needs: &[
            Need::required(What::Feature(Feature::Cgroups)),
            Need::required(What::Cgroup2),
            Need::wanted(What::Controller(&"cpu")),
        ],
        calls: &[Op::Clone, Op::CgroupAttach],
        proof: doc(
            "accepted + raced = work_units, both above 0 under sig_ign; \
             moved = accepted with children that live on; \
             processes of /proc/stat grows by at least iterations",
        ),
        shared: |_, _| Shared {
            cells: 1,
            ..Shared::NONE
        },
        fork_only: true,
        in_cgroup: true,
        example: &"cgroup=smoke",
        ..Row::BASE
    },
    create,
    destroy,
    run,
    ..Workload::BASE
};

const DEST: Param = Param::text(
    0,
    "dest",
    &"a relative path of up to 16 cgroups without . and .., storm-dest if \
      absent",
    is_path,
    "cgroup the children are moved to",
);
const DEFAULT_DEST: &str = "storm-dest";

const REAP: Param = Param::choice(
    1,
    "reap",
    &["sig_ign", "waitpid"],
    "the kernel reaps the children, or the worker does",
);
const REAP_WAITPID: usize = 1;

const DELAY: Param = Param::count(
    2,
    "child_delay_us",
    0,
    (0, 1_000_000),
    "microseconds a child sleeps before it exits",
);

const CALL: Hist = Hist::new(0, "call", "duration of the write that moves");
const BLOCK: Hist = Hist::new(1, "block", "call of wait4 to its return");

const ACCEPTED: Metric = Metric::sum(
    0,
    "accepted",
    "writes without an error; the kernel passes over a child that exits",
);
const RACED: Metric = Metric::sum(1, "raced", "children gone before it");
const MOVED: Metric = Metric::sum(
    2,
    "moved",
    "children that /proc/PID/cgroup then showed there",
);

fn is_path(text: &str) -> bool {
    let good = |name: &str| {
        !matches!(name, "" | "." | "..")
            && name.bytes().all(|b| b.is_ascii_graphic())
    };
    text.is_empty()
        || text.len() <= 128
            && text.split('/').all(good)
            && text.split('/').count() <= 16
}

fn dest<'t>(work: &Work<'t>) -> &'t str {
    match work.text(&DEST) {
        "" => DEFAULT_DEST,
        dest => dest,
    }
}

/// The path and its parents, the longest last.
fn parents(dest: &str) -> impl Iterator<Item = &str> {
    let ends = dest.match_indices('/').map(|(at, _)| at);
    let parents = ends.filter_map(|end| dest.get(..end));
    parents.chain(core::iter::once(dest))
}

fn create(it: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    // All instances share it.
    if place.number > 0 {
        return Ok(());
    }
    let base = place.cgroups.ok_or(Stop::skip(&"NO_CGROUP2"))?;
    for (path, bit) in parents(dest(place.work)).zip(0..) {
        let new = u64::from(base.make(path)?);
        it.cells[0].fetch_or(new << bit, Relaxed);
    }
    Ok(())
}

fn destroy(it: &Instance<'_>, place: &Place<'_>) {
    let made = it.cells.first().map_or(0, |made| made.load(Relaxed));
    let dest = dest(place.work);
    let mut path = dest;
    for bit in (0..parents(dest).count()).rev() {
        if let (1, Some(base)) = (made >> bit & 1, place.cgroups) {
            base.remove(path);
        }
        path = around_last(path, b'/').map_or("", |(parent, _)| parent);
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let waits = c.work().choice(&REAP) == REAP_WAITPID;
    let delay = c.work().count(&DELAY) * 1000;
    let dest = dest(c.work());
    let last = around_last(dest, b'/').map_or(dest, |(_, last)| last);
    let dest = c.cgroup_procs(dest)?;
    if !waits {
        // Here and not in the supervisor, which must see its children end.
        c.ignore_children()?;
    }
    c.start();
    while !c.stop() {
        if let Some(child) = c.fork_for(delay) {
            let begin = now();
            let moved = c.attach(&dest, child);
            c.record(&CALL, now() - begin);
            let outcome = match moved {
                Ok(()) => Some(&ACCEPTED),
                Err(Errno::SRCH) => Some(&RACED),
                Err(errno) => {
                    c.failed(Op::CgroupAttach, errno);
                    None
                }
            };
            if let Some(metric) = outcome {
                c.metric(metric, 1);
                c.units(1);
            }
            if moved.is_ok() && c.confirms_cgroup(child, last) {
                c.metric(&MOVED, 1);
            }
            let called = now();
            if waits && c.reap(child) {
                c.record(&BLOCK, now() - called);
            }
        }
        c.iteration();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{is_path, parents};
    use std::vec::Vec;

    #[test]
    fn paths_stay_inside() {
        for good in ["", "a", "storm-dest", "a/b.c/d"] {
            assert!(is_path(good), "{good}");
        }
        for bad in ["/a", "a/", "a//b", ".", "..", "a/../b", "./a", "a b"] {
            assert!(!is_path(bad), "{bad}");
        }
        assert!(!is_path(&"a/".repeat(16)));
        assert!(!is_path(&"a".repeat(129)));
    }

    #[test]
    fn parents_come_first() {
        let all: Vec<_> = parents("a/b/c").collect();
        assert_eq!(all, ["a", "a/b", "a/b/c"]);
    }
}
