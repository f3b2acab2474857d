//! A program of one's own, under the contract of `docs/custom.md`.
//!
//! The worker sets itself up like any other and then becomes the program, so
//! that policy, affinity and process group are those of the plan. A type in
//! Rust that the payload's own crate registered takes this row's place
//! before the run.

pub mod config;
pub mod page;
pub mod program;
pub mod report;
pub mod types;

use crate::ctx::Ctx;
use crate::ctx::exec::Program;
use crate::ctx::workload::Workload;
use crate::kit::stop::Stop;
use crate::row::{Family, Feature, Hist, Need, Row, Shared, What, doc};
use crate::wire::record::WakeRule;
use crate::workloads::custom::config::{CUSTOM, EXEC, PARAMS, START};
use crate::workloads::custom::program::{PAGE, REGION, REPORT};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: CUSTOM,
        file: doc(file!()),
        family: Family::Compound,
        summary: doc("a program or a Rust function of one's own"),
        path: doc("whatever the program calls"),
        params: PARAMS,
        iteration: "what the program counts as one",
        unit: "what the program counts as one",
        hists: &[WAKE, COST],
        metrics: &[config::LOST],
        needs: &[
            Need::required(What::Feature(Feature::MemfdCreate)),
            Need::required(What::Feature(Feature::Tmpfs)),
        ],
        proof: doc(
            "nvcsw, nivcsw and CPU time of /proc without the program's \
             help; what it reports beside what was counted",
        ),
        shared: |_, _| Shared {
            cells: program::CELLS,
            files: program::FILES,
            named: 64,
            ..Shared::NONE
        },
        check: config::check,
        example: &"custom.exec=/bin/custom",
        fork_only: true,
        ..Row::BASE
    },
    create: program::create,
    tend: Some(program::tend),
    run,
    ..Workload::BASE
};

const WAKE: Hist =
    Hist::wake(0, WakeRule::Pair, "the program's own samples of wakes");

const COST: Hist = Hist::new(1, "cost", "the program's own samples of work");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let file = |at| c.instance().files.get(at);
    let program = Program {
        path: c.work().text(&EXEC),
        args: config::args(c.work()),
        files: [file(PAGE), file(REPORT), file(REGION)],
        before_start: c.work().choice(&START) == 1,
    };
    Err(c.exec(program))
}
