//! One messenger wakes N receivers, which think and then compute.
//!
//! Each receiver sleeps, as if it fetched something, and multiplies matrices
//! in memory of its own, so that where it runs decides how warm its cache
//! is. The messenger waits until all of them are back, so that a broadcast
//! always finds them asleep; with `pace=free` it does not.

use crate::ctx::Ctx;
use crate::ctx::broadcast::{METRICS, WAKE, WAKE_CALL, pace};
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::Stop;
use crate::row::{
    Family, Feature, Hist, Need, Param, Row, Shared, What, Work, doc,
};
use pidone_compute::matrix::{Matrices, words_of};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "FanOutCompute",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("woken receivers sleep and multiply matrices"),
        path: doc("futex_wake over the hash bucket -> wake_up_q, serial"),
        params: &[FAN_OUT, FOOTPRINT, OPERATIONS, SLEEP, PACE],
        group: |work| Some(fan_out(work) + 1),
        role: |_, pos| if pos == 0 { "messenger" } else { "receiver" },
        iteration: "generation seen or sent",
        unit: "product of a receiver, spin step of the messenger",
        hists: &[WAKE, WAKE_CALL, COST],
        metrics: METRICS,
        needs: &[Need::required(What::Feature(Feature::Futex))],
        proof: doc(
            "woken_max = fan_out; woken / wake_calls = fan_out where a pass \
             is below 1 ms; nvcsw of the receivers = wakes + sleeps",
        ),
        shared: |_, _| Shared {
            words: 2,
            rings: 1,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const FAN_OUT: Param =
    Param::count(0, "fan_out", 4, (1, 1024), "receivers per messenger");

// A product of the largest matrices takes about a second, within any grace.
const FOOTPRINT: Param = Param::count(
    1,
    "cache_footprint_kib",
    256,
    (1, 16 * 1024),
    "KiB of a receiver's three matrices",
);

const OPERATIONS: Param = Param::count(
    2,
    "operations",
    5,
    (0, 1_000_000),
    "products per generation",
);

const SLEEP: Param = Param::count(
    3,
    "sleep_usec",
    100,
    (0, 10_000_000),
    "microseconds of sleep before the products",
);

const PACE: Param = pace(4);

const COST: Hist = Hist::new(2, "cost", "wall time of a generation's products");

fn fan_out(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&FAN_OUT)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    if c.pos() > 0 {
        return receiver(c);
    }
    c.start();
    let receivers = fan_out(c.work());
    while !c.stop() {
        c.fan_out(receivers, &PACE);
        c.spin(256);
        c.iteration();
    }
    Ok(())
}

fn receiver(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let work = c.work();
    let receivers = fan_out(work);
    let (sleep, operations) =
        (work.count(&SLEEP) * 1000, work.count(&OPERATIONS));
    let footprint = work.count(&FOOTPRINT);
    let memory = c.memory(words_of(footprint) * size_of::<u64>())?;
    let matrices = Matrices::new(memory.words(), footprint);
    c.start();
    let mut seen = 0;
    while let Some(heard) = c.park_and_hear(receivers, seen) {
        seen = heard.generation;
        if sleep > 0 {
            // A signal may end it early; the loop ends at the stop alone.
            let _early = c.sleep_until(now() + sleep);
        }
        let begin = now();
        let mut end = begin;
        for _ in 0..operations {
            let mut at = 0;
            while at < matrices.elements() {
                if c.stop() {
                    return Ok(());
                }
                at = matrices.piece(at);
            }
            c.units(1);
            end = now();
            c.checkpoint_at(end);
        }
        if operations > 0 {
            c.record(&COST, end - begin);
        }
        c.iteration_at(end);
    }
    Ok(())
}
