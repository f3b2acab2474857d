//! One messenger wakes N receivers.

use crate::ctx::Ctx;
use crate::kit::clock::{MILLISECOND, now};
use crate::probe::Feature;
use crate::record::WakeRule;
use crate::workload::{
    Family, Hist, Metric, Need, Param, Shared, Stop, What, Work, Workload, doc,
};

pub(super) const WORKLOAD: Workload = Workload {
    name: "FutexFanOut",
    file: doc(file!()),
    family: Family::Wake,
    summary: doc("one messenger wakes many receivers"),
    path: doc("futex_wake over the hash bucket -> wake_up_q, serial"),
    params: &[FAN_OUT, SPIN, PACE],
    group: |work| Some(fan_out(work) + 1),
    iteration: "generation seen or sent",
    hists: &[WAKE, WAKE_CALL],
    metrics: &[CALLS, WOKEN, MISSED, STALE],
    needs: &[Need::required(What::Feature(Feature::Futex))],
    proof: doc("woken / calls = fan_out; nvcsw of the receivers"),
    shared: |_, _| Shared {
        words: 2,
        rings: 1,
        ..Shared::NONE
    },
    run,
    ..Workload::BASE
};

const FAN_OUT: Param =
    Param::count(0, "fan_out", 4, (1, 1024), "receivers per messenger");

const SPIN: Param =
    Param::steps(1, "spin_iters", 1024, "spin steps between two generations");

const PACE: Param = Param::choice(
    2,
    "pace",
    &["parked", "free"],
    "wait for all receivers to park before a wake, or do not",
);
const PACE_PARKED: usize = 0;

const WAKE: Hist = Hist::wake(
    0,
    WakeRule::Broadcast,
    "before FUTEX_WAKE of this generation to running",
);

const WAKE_CALL: Hist =
    Hist::new(1, "wake_call", "duration of FUTEX_WAKE over all receivers");

const CALLS: Metric = Metric::sum(0, "wake_calls", "FUTEX_WAKE calls");
const WOKEN: Metric =
    Metric::sum(1, "woken", "sum of what these calls returned");
const MISSED: Metric =
    Metric::sum(2, "missed", "generations a receiver never saw");
const STALE: Metric =
    Metric::sum(3, "stale", "wakes whose stamp had been overwritten");

/// The word that holds the generation.
const GENERATION: u32 = 0;
/// The word that counts parked receivers.
const PARKED: u32 = 1;

fn fan_out(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&FAN_OUT)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    match c.pos() {
        0 => messenger(c),
        _ => receiver(c),
    }
    Ok(())
}

fn messenger(c: &mut Ctx<'_>) {
    let spin = c.work().count(&SPIN);
    let receivers = fan_out(c.work());
    let parked_pace = c.work().choice(&PACE) == PACE_PARKED;
    let (word, parked) = (c.word(GENERATION), c.word(PARKED));
    while !c.stop() {
        c.spin(spin);
        if parked_pace {
            let deadline = now() + MILLISECOND;
            loop {
                let seen = parked.get();
                let left = deadline.saturating_sub(now());
                if seen >= receivers || left == 0 || c.stop() {
                    break;
                }
                c.block_on(parked, seen, left);
            }
        }
        parked.set(0);
        let generation = word.get().wrapping_add(1);
        let begin = now();
        c.ring(0).set(generation, begin);
        word.set(generation);
        let woken = c.wake(word, receivers);
        let end = now();
        c.record(&WAKE_CALL, end - begin);
        c.metric(&CALLS, 1);
        c.metric(&WOKEN, woken);
        c.spin(256);
        c.iteration();
    }
}

fn receiver(c: &mut Ctx<'_>) {
    let spin = c.work().count(&SPIN);
    let receivers = fan_out(c.work());
    let (word, parked) = (c.word(GENERATION), c.word(PARKED));
    let mut seen = word.get();
    loop {
        if parked.increment() == receivers {
            c.wake(parked, 1);
        }
        let Some(wakeup) = c.wait_while(word, seen) else {
            return;
        };
        let generation = word.get();
        c.metric(&MISSED, u64::from(generation.wrapping_sub(seen) - 1));
        seen = generation;
        match c.ring(0).get(generation) {
            Some(stamp) => c.record_wake(&WAKE, &wakeup, stamp),
            None => c.metric(&STALE, 1),
        }
        c.spin(spin);
        c.iteration();
    }
}
