//! Workers rewrite the CPU masks of their siblings.
//!
//! Siblings are all tasks of the worker's cgroup, whatever group of the run
//! they belong to.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::cpus::Cpus;
use crate::kit::memory::Region;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{
    Family, Feature, Hist, MAX_GROUPS, MAX_WORKERS, Metric, Need, Param, Row,
    What, doc,
};
use core::sync::atomic::Ordering::Relaxed;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "CrossAffinityChurn",
        file: doc(file!()),
        family: Family::LifeCycle,
        summary: doc("workers rewrite the CPU masks of their siblings"),
        path: doc("sched_setaffinity of another task -> \
                   __set_cpus_allowed_ptr -> affine_move_task; \
                   ops.set_cpumask (under sched_ext)"),
        params: &[SPIN],
        iteration: "round over all siblings",
        unit: "accepted sched_setaffinity",
        hists: &[CALL],
        metrics: &[NARROW, WIDE],
        needs: &[
            Need::required(What::Feature(Feature::Cgroups)),
            Need::required(What::Cgroup2),
            Need::required(What::Cpus(2)),
        ],
        calls: &[Op::SchedSetaffinity],
        proof: doc(
            "narrow and wide masks of siblings are both read back; their \
             nr_migrations",
        ),
        in_cgroup: true,
        example: &"cgroup=smoke workers=2",
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const SPIN: Param =
    Param::steps(0, "spin_iters", 1024, "spin steps before each round");

const CALL: Hist = Hist::new(0, "call", "duration of sched_setaffinity");

const NARROW: Metric =
    Metric::sum(0, "narrow", "sampled masks without the last CPU");
const WIDE: Metric = Metric::sum(1, "wide", "sampled masks with it");

/// Every how many rounds a mask is read back: odd, or it would always be
/// after the same half of the toggle.
const SAMPLE: u64 = 15;
/// Most tasks a run can have in one cgroup, hosts of threads included.
const TASKS: usize = MAX_GROUPS * (MAX_WORKERS as usize + 1);

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let region = Region::new(TASKS * size_of::<u64>()).call(&"mmap")?;
    c.start();
    let count = c.cgroup_siblings(region.words())?;
    let siblings = region.words().get(..count).unwrap_or(&[]);
    let Some(first) = siblings.first() else {
        // Whoever runs for the first time after the stop may find that the
        // others are gone.
        return match c.stop() {
            true => Ok(()),
            false => Err(Stop::skip(&"NO_SIBLINGS")),
        };
    };
    let spin = c.work().count(&SPIN);
    let wide = c.allowed();
    let narrow = without_last(&wide);
    let mut round = 0_u64;
    while !c.stop() {
        c.spin_uncounted(spin);
        if round % SAMPLE == SAMPLE - 1
            && let Some(mask) = c.sched_getaffinity_of(first.load(Relaxed))
        {
            let metric = if mask == narrow { &NARROW } else { &WIDE };
            c.metric(metric, 1);
        }
        round += 1;
        let mask = if round % 2 == 1 { &narrow } else { &wide };
        for sibling in siblings {
            if c.stop() {
                break;
            }
            let begin = now();
            let set = c.sched_setaffinity_of(sibling.load(Relaxed), mask);
            c.record(&CALL, now() - begin);
            match set {
                Ok(()) => c.units(1),
                Err(errno) => c.failed(Op::SchedSetaffinity, errno),
            }
        }
        c.sched_yield();
        c.iteration();
    }
    // The host of threads goes on after this worker.
    c.sched_setaffinity(&wide).call(Op::SchedSetaffinity.name())
}

fn without_last(cpus: &Cpus) -> Cpus {
    let mut rest = Cpus::EMPTY;
    let last = cpus.iter().next_back();
    for cpu in cpus.iter().filter(|cpu| Some(*cpu) != last) {
        // It was in a set, so it fits into one.
        let _fits = rest.insert(cpu);
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::without_last;
    use crate::kit::cpus::Cpus;

    #[test]
    fn the_last_cpu_is_left_out() {
        let cpus = Cpus::parse("0-2,7").unwrap();
        assert_eq!(without_last(&cpus), Cpus::parse("0-2").unwrap());
    }
}
