//! Arithmetic at a high rate of instructions, in registers of any width.
//!
//! What differs between widths besides the rate is the state that a context
//! switch has to save and restore. Wide vectors lower the frequency of the
//! whole package: never compare groups that ran at the same time. The first
//! use of tiles traps, to allocate their state.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::reason::Reason;
use crate::kit::simd::{self, NAMES, Width};
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Metric, Param, Row, doc};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "AluHot",
        file: doc(file!()),
        family: Family::Cpu,
        summary: doc("multiply-adds in registers of a chosen width"),
        path: doc("user space; vector state saved and restored at switches"),
        params: &[WIDTH],
        iteration: "1024 steps",
        unit: "step of all chains",
        hists: &[COST],
        metrics: &[REQUESTED, RESOLVED, MULTIPLIES],
        proof: doc("multiplies/s rise with the width; AVX512_elapsed_ms of \
                    /proc/PID/arch_status >= 0 for vec512"),
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const WIDTH: Param = Param::last_choice(
    0,
    "width",
    &NAMES,
    "registers to use; one that is not there gives the next",
);

const COST: Hist = Hist::new(0, "cost", "wall time of 1024 steps");

const REQUESTED: Metric = Metric::max(
    0,
    "width_requested",
    "bits of a register as asked for; 0 for the widest",
);

const RESOLVED: Metric =
    Metric::max(1, "width_resolved", "bits of a register as used");

const MULTIPLIES: Metric =
    Metric::max(2, "multiplies_per_step", "multiplications in a step");

/// Steps per iteration.
const STEPS: u64 = 1024;

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let name = c.work().choice(&WIDTH);
    let (asked, chains) = (Width::chosen(name), simd::chains(name));
    if asked.is_some_and(|width| width != chains.width()) {
        c.degrade(Reason::Width);
    }
    c.start();
    let mut begin = now();
    while !c.stop() {
        chains.steps(STEPS);
        let end = now();
        c.units(STEPS);
        c.record(&COST, end - begin);
        c.iteration_at(end);
        begin = now();
    }
    c.metric_max(&REQUESTED, asked.map_or(0, Width::bits));
    c.metric_max(&RESOLVED, chains.width().bits());
    c.metric_max(&MULTIPLIES, chains.multiplies());
    Ok(())
}
