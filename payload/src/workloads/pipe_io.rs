//! Cross-CPU pipe wakes with a CPU burst.
//!
//! Two tokens circulate, one in each direction, so both partners burst in
//! parallel. The pipe's wake is synchronous: the waker promises to sleep
//! soon, which is what wake placement does with it.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Param, Row, Shared, doc};
use crate::wire::record::WakeRule;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "PipeIo",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("two tasks exchange bytes through pipes"),
        path: doc("pipe_write (anon_pipe_write in 7.2) -> __wake_up_sync_key \
                   -> try_to_wake_up(WF_SYNC)"),
        params: &[BURST],
        group: |_| Some(2),
        iteration: "exchange",
        hists: &[WAKE, WAKE_CALL, BLOCK],
        proof: doc("nr_wakeups_sync/nr_wakeups > 0.95; wake count + nowait = \
                    iterations"),
        shared: |_, _| Shared {
            pipes: true,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const BURST: Param =
    Param::steps(0, "burst_iters", 1024, "spin steps before each exchange");

const WAKE: Hist =
    Hist::wake(0, WakeRule::Pair, "before the partner's write to running");

const WAKE_CALL: Hist = Hist::new(1, "wake_call", "duration of the write");

const BLOCK: Hist = Hist::new(2, "block", "call of read to its return");

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    let burst = c.work().count(&BURST);
    while !c.stop() {
        c.spin(burst);
        let begin = now();
        c.pipe_write(begin)?;
        let end = now();
        c.record(&WAKE_CALL, end - begin);
        let Some(token) = c.pipe_read(end)? else {
            break;
        };
        c.record_token(&WAKE, &token);
        c.record(&BLOCK, token.run_ns - token.block_ns);
        c.iteration_at(token.run_ns);
    }
    Ok(())
}
