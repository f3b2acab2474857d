//! Ring of hops: waker-wakee affinity along a pipeline.
//!
//! One token goes round, so one task of the chain is runnable at a time and
//! CPUs stay idle by design. With `futex_broadcast` all stages wait on one
//! word that says whose turn it is, and every hop wakes all of them.

use crate::ctx::{Ctx, Wakeup};
use crate::kit::clock::now;
use crate::probe::Feature;
use crate::record::WakeRule;
use crate::workload::{
    Family, Hist, Metric, Need, Param, Shared, Stop, What, Work, Workload, doc,
};
use core::time::Duration;

pub(super) const WORKLOAD: Workload = Workload {
    name: "WakeChain",
    file: doc(file!()),
    family: Family::Wake,
    summary: doc("a token goes round a ring of tasks"),
    path: doc(
        "pipe: pipe_write -> wake_up_interruptible_sync_poll; futex: \
           futex_wake -> wake_up_q -> try_to_wake_up",
    ),
    params: &[DEPTH, WAKE_BY, WORK],
    group: |work| Some(depth(work)),
    role: |_, pos| if pos == 0 { "first" } else { "" },
    iteration: "hop",
    unit: "spin step; hop, if it has no work",
    hists: &[WAKE, RING],
    metrics: &[CALLS, WOKEN],
    needs: &[Need::required(What::Feature(Feature::Futex))
        .when(|work| work.choice(&WAKE_BY) != BY_PIPE)],
    proof: doc(
        "hops are equal +- 1 across stages; nr_wakeups_sync/nr_wakeups \
            > 0.95 (pipe) or = 0 (futex); woken/wake_calls = 1 (futex) or \
            depth - 1 (futex_broadcast)",
    ),
    shared: |work, _| Shared {
        words: depth(work),
        stamps: depth(work),
        pipes: work.choice(&WAKE_BY) == BY_PIPE,
        ..Shared::NONE
    },
    run,
    ..Workload::BASE
};

const DEPTH: Param =
    Param::count(0, "depth", 4, (2, 1024), "stages of the chain");

const WAKE_BY: Param = Param::choice(
    1,
    "wake",
    &["pipe", "futex", "futex_broadcast"],
    "how a stage wakes the next",
);
const BY_PIPE: usize = 0;
const BY_BROADCAST: usize = 2;

const WORK: Param = Param::duration(
    2,
    "work_per_hop",
    100,
    Duration::ZERO,
    "burn time of a stage that has the token",
);

const WAKE: Hist = Hist::wake(
    0,
    WakeRule::Pair,
    "before the predecessor's wake to running",
);

const RING: Hist = Hist::new(
    1,
    "ring",
    "the token at the first stage to its next time there",
);

const CALLS: Metric =
    Metric::sum(0, "wake_calls", "FUTEX_WAKE calls, one a hop");
const WOKEN: Metric =
    Metric::sum(1, "woken", "sum of what these calls returned");

fn depth(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&DEPTH)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let work = c.work().duration_ns(&WORK);
    let mut left = None;
    c.start();
    if c.pos() == 0 {
        left = Some(now());
        pass(c)?;
    }
    while let Some(wakeup) = take(c)? {
        c.record_wake(&WAKE, &wakeup, c.stamp(c.pos()).get());
        if let Some(left) = &mut left {
            c.record(&RING, wakeup.run_ns.saturating_sub(*left));
            *left = wakeup.run_ns;
        }
        match work {
            0 => c.units(1),
            work => c.burn(work),
        }
        pass(c)?;
        c.iteration();
        if c.stop() {
            break;
        }
    }
    Ok(())
}

/// Waits for the token. `None` at the stop.
fn take(c: &mut Ctx<'_>) -> Result<Option<Wakeup>, Stop> {
    let pos = c.pos();
    match c.work().choice(&WAKE_BY) {
        BY_PIPE => c.pipe_read(),
        BY_BROADCAST => Ok(c.wait_until(c.word(0), |turn| turn == pos)),
        _ => {
            let wakeup = c.wait_while(c.word(pos), 0);
            c.word(pos).set(0);
            Ok(wakeup)
        }
    }
}

/// Hands the token to the next stage.
fn pass(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let next = (c.pos() + 1) % c.size();
    c.stamp(next).set(now());
    let (word, value, wakees) = match c.work().choice(&WAKE_BY) {
        BY_PIPE => return c.pipe_write(),
        BY_BROADCAST => (c.word(0), next, u32::MAX),
        _ => (c.word(next), 1, 1),
    };
    word.set(value);
    let woken = c.wake(word, wakees);
    c.metric(&CALLS, 1);
    c.metric(&WOKEN, woken);
    Ok(())
}
