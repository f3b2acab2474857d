//! Pipe wakes of a task whose working set is in the cache.
//!
//! As `PipeIo`, with memory instead of arithmetic between two exchanges: a
//! wake on another CPU pays for the refill, which `cost` shows.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Need, Param, Row, Shared, What, doc};
use crate::wire::record::WakeRule;
use crate::workloads::cache_pressure::{SIZE, kib};
use pidone_compute::bytes::Walk;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "CachePipe",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("two cache-hot tasks exchange bytes through pipes"),
        path: doc("pipe_write (anon_pipe_write in 7.2) -> __wake_up_sync_key \
                   -> try_to_wake_up(WF_SYNC)"),
        params: &[SIZE, BURST],
        group: |_| Some(2),
        iteration: "exchange",
        unit: "access",
        hists: &[WAKE, COST],
        needs: &[Need::required(What::Memory(|work, _| kib(work)))],
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
    Param::steps(1, "burst_iters", 1024, "accesses before each exchange");

const WAKE: Hist =
    Hist::wake(0, WakeRule::Pair, "before the partner's write to running");

const COST: Hist = Hist::new(1, "cost", "wall time of burst_iters accesses");

/// Bytes from one access to the next: a cache line.
const STRIDE: u64 = 64;

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let region = c.memory_kib(c.work().count(&SIZE))?;
    let burst = c.work().count(&BURST);
    let mut walk = Walk::default();
    c.start();
    while !c.stop() {
        let begin = now();
        c.rmw(&mut walk, &region, STRIDE, burst);
        let stamp = now();
        c.record(&COST, stamp - begin);
        c.pipe_write(stamp)?;
        let Some(token) = c.pipe_read(now())? else {
            break;
        };
        c.record_token(&WAKE, &token);
        c.iteration_at(token.run_ns);
    }
    Ok(())
}
