//! Ring of hops: waker-wakee affinity along a pipeline.
//!
//! One token goes round, so one task of the chain is runnable at a time and
//! CPUs stay idle by design. With `futex_broadcast` all stages wait on one
//! word that counts hops, and every hop wakes all of them: each such wake has
//! its sample, whoever's turn it is.

use crate::ctx::Ctx;
use crate::ctx::wait::Token;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use crate::wire::record::WakeRule;
use core::time::Duration;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "WakeChain",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("a token goes round a ring of tasks"),
        path: doc("pipe: pipe_write (anon_pipe_write in 7.2) -> \
                   __wake_up_sync_key; futex: futex_wake -> wake_up_q -> \
                   try_to_wake_up"),
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
            rings: u32::from(work.choice(&WAKE_BY) == BY_BROADCAST),
            pipes: work.choice(&WAKE_BY) == BY_PIPE,
            ..Shared::NONE
        },
        ..Row::BASE
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
    let by = c.work().choice(&WAKE_BY);
    let mut left = None;
    c.start();
    let mut end = now();
    if c.pos() == 0 {
        left = Some(end);
        pass(c, by, end)?;
        end = now();
    }
    while let Some(hop) = take(c, by, end)? {
        // What was measured is recorded when the token is gone, so that
        // without work one look at the clock is both ends.
        match work {
            0 => {
                c.units(1);
                pass(c, by, hop.run_ns)?;
            }
            work => {
                c.burn(work);
                pass(c, by, now())?;
            }
        }
        if let Some(token) = &hop.token {
            c.record_token(&WAKE, token);
        }
        if let Some(left) = &mut left {
            c.record(&RING, hop.run_ns.saturating_sub(*left));
            *left = hop.run_ns;
        }
        end = now();
        c.iteration_at(end);
        if c.stop() {
            break;
        }
    }
    Ok(())
}

/// The token is here.
struct Hop {
    /// When this stage ran, in ns.
    run_ns: u64,
    /// What came through a pipe; other wakes have been recorded.
    token: Option<Token>,
}

/// Waits for the token, right behind a look at the clock. `None` at the stop.
fn take(c: &mut Ctx<'_>, by: usize, since: u64) -> Result<Option<Hop>, Stop> {
    let pos = c.pos();
    let ran = match by {
        BY_PIPE => {
            return Ok(c.pipe_read(since)?.map(|token| Hop {
                run_ns: token.run_ns,
                token: Some(token),
            }));
        }
        BY_BROADCAST => {
            let (word, ring, depth) = (c.word(0), c.ring(0), c.size());
            let waited = c.wait_until(
                word,
                |hop| hop % depth == pos,
                |c, sleep| {
                    c.record_broadcast(&WAKE, (word, ring), sleep);
                },
            );
            if waited.is_some_and(|waited| !waited.slept) {
                c.nowait();
            }
            waited.map(|waited| waited.run_ns)
        }
        _ => {
            let (word, stamp) = (c.word(pos), c.stamp(pos));
            let ran = c.wait_stamped(word, |token| token > 0, &WAKE, stamp);
            word.set(0);
            ran
        }
    };
    Ok(ran.map(|run_ns| Hop {
        run_ns,
        token: None,
    }))
}

/// Hands the token to the next stage, right behind a look at the clock.
fn pass(c: &mut Ctx<'_>, by: usize, stamp: u64) -> Result<(), Stop> {
    let (word, value, wakees) = match by {
        BY_PIPE => return c.pipe_write(stamp),
        BY_BROADCAST => {
            // Only whoever has the token counts. Where the count wraps round,
            // the token may skip a part of the ring.
            let word = c.word(0);
            let hop = word.get().wrapping_add(1);
            c.ring(0).set(hop, stamp);
            (word, hop, u32::MAX)
        }
        _ => {
            let next = (c.pos() + 1) % c.size();
            c.stamp(next).set(stamp);
            (c.word(next), 1, 1)
        }
    };
    word.set(value);
    let woken = c.wake(word, wakees);
    c.metric(&CALLS, 1);
    c.metric(&WOKEN, woken);
    Ok(())
}
