//! Broadcast wake of a herd.
//!
//! One call wakes every waiter, so a long wake queue is walked in one go. The
//! waker never waits for the herd: a waiter that is still on its way when
//! the next batch comes has missed it.

use crate::ctx::Ctx;
use crate::ctx::broadcast::{CALLS, METRICS, WAKE, WAKE_CALL};
use crate::ctx::workload::Workload;
use crate::kit::clock::{MILLISECOND, now};
use crate::kit::stop::Stop;
use crate::row::{
    Family, Feature, Hist, Need, Param, Row, Shared, What, Work, doc,
};
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "ThunderingHerd",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("one call wakes a whole herd"),
        path: doc("one futex_wake(INT_MAX) -> long wake_up_q"),
        params: &[WAITERS, BATCHES, INTER_BATCH],
        group: |work| Some(waiters(work) + 1),
        role: |_, pos| if pos == 0 { "waker" } else { "waiter" },
        iteration: "batch",
        unit: "wake of a waiter, spin step of the waker",
        hists: &[WAKE, WAKE_CALL, SPREAD],
        metrics: METRICS,
        needs: &[Need::required(What::Feature(Feature::Futex))],
        proof: doc(
            "woken / wake_calls = waiters; nvcsw of the waiters = woken",
        ),
        shared: |_, _| Shared {
            words: 2,
            rings: 1,
            cells: BATCHES_KEPT * BATCH_CELLS,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

// With the waker they are as many workers as a group can have.
const WAITERS: Param =
    Param::count(0, "waiters", 7, (1, 4095), "tasks that one call wakes");

const BATCHES: Param = Param::count(
    1,
    "batches",
    1000,
    (0, 1_000_000_000),
    "wakes of the measured window until the instance ends; 0 is never",
);

const INTER_BATCH: Param = Param::count(
    2,
    "inter_batch_ms",
    5,
    (0, 10_000),
    "milliseconds of sleep before each wake",
);

const SPREAD: Hist = Hist::new(
    2,
    "spread",
    "first to last waiter running, of batches that woke them all",
);

/// The word that holds the generation after the last batch.
const FINISHED: u32 = 1;
/// Batches whose first and last waiter are kept.
const BATCHES_KEPT: u32 = 1024;
/// Waiters that ran, shortest latency, longest latency.
const BATCH_CELLS: u32 = 3;
/// Bits of a value in such a cell: 18 minutes in ns.
const VALUE_BITS: u32 = 40;
/// The largest of them.
const LONGEST: u64 = (1 << VALUE_BITS) - 1;

fn waiters(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&WAITERS)).unwrap_or(u32::MAX)
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    match c.pos() {
        0 => waker(c),
        _ => waiter(c),
    }
    Ok(())
}

fn waker(c: &mut Ctx<'_>) {
    let gap = c.work().count(&INTER_BATCH) * MILLISECOND;
    let batches = c.work().count(&BATCHES);
    while !c.stop() {
        if gap > 0 && c.sleep_until(now() + gap).is_none() {
            continue;
        }
        let generation = c.next_generation();
        batch(c, generation).open(generation);
        c.broadcast(u32::MAX);
        c.spin(256);
        c.iteration();
        if batches > 0 && c.measures() && c.metric_so_far(&CALLS) >= batches {
            c.word(FINISHED).set(c.next_generation());
            c.broadcast(u32::MAX);
            return;
        }
    }
}

fn waiter(c: &mut Ctx<'_>) {
    let herd = waiters(c.work());
    let mut seen = 0;
    while let Some(heard) = c.hear(seen) {
        seen = heard.generation;
        if seen == c.word(FINISHED).get() {
            return;
        }
        if let Some((by, latency)) = heard.woken {
            let last = batch(c, by).join(by, latency, herd);
            if let Some(spread) = last {
                c.record(&SPREAD, spread);
            }
        }
        c.units(1);
        c.iteration_at(heard.run_ns);
    }
}

fn batch<'r>(c: &Ctx<'r>, generation: u32) -> Batch<'r> {
    let (at, len) = (generation % BATCHES_KEPT, BATCH_CELLS as usize);
    let cells = c.instance().cells.get(at as usize * len..);
    Batch(cells.unwrap_or(&[]))
}

/// Who of a batch ran first and last.
///
/// Each cell has the lower bits of the generation in front of its value, so
/// that a waiter that is many batches late changes nothing.
#[derive(Clone, Copy)]
struct Batch<'r>(&'r [AtomicU64]);

impl Batch<'_> {
    /// Begins a batch, in place of an old one.
    fn open(self, generation: u32) {
        for (cell, value) in self.0.iter().zip([0, LONGEST, 0]) {
            cell.store(tagged(generation, value), Release);
        }
    }

    /// A waiter ran. Returns the spread if all of the `herd` now have.
    fn join(self, generation: u32, latency: u64, herd: u32) -> Option<u64> {
        let [ran, first, last] = self.0.get(..3)? else {
            return None;
        };
        let latency = latency.min(LONGEST);
        change(first, generation, |first| first.min(latency))?;
        change(last, generation, |last| last.max(latency))?;
        // Behind the others, so that whoever is last sees them all.
        let count = change(ran, generation, |ran| ran + 1)?;
        let of = |cell: &AtomicU64| value(cell.load(Acquire));
        (count == herd.into()).then(|| of(last).saturating_sub(of(first)))
    }
}

/// Changes the value of a cell and returns the new one, unless the cell is
/// of another generation.
fn change(
    cell: &AtomicU64,
    generation: u32,
    to: impl Fn(u64) -> u64,
) -> Option<u64> {
    let mine = |old: u64| old & !LONGEST == tagged(generation, 0);
    let new = |old| mine(old).then(|| tagged(generation, to(value(old))));
    let old = cell.fetch_update(AcqRel, Acquire, new).ok()?;
    Some(to(value(old)))
}

fn tagged(generation: u32, value: u64) -> u64 {
    u64::from(generation) << VALUE_BITS | value
}

fn value(cell: u64) -> u64 {
    cell & LONGEST
}

#[cfg(test)]
mod tests {
    use super::Batch;
    use core::sync::atomic::AtomicU64;

    #[test]
    fn the_last_of_the_herd_knows_the_spread() {
        let cells = [const { AtomicU64::new(0) }; 3];
        let batch = Batch(&cells);
        batch.open(7);
        assert_eq!(batch.join(7, 500, 3), None);
        assert_eq!(batch.join(7, 200, 3), None);
        assert_eq!(batch.join(7, 900, 3), Some(700));
    }

    #[test]
    fn latecomers_change_nothing() {
        let cells = [const { AtomicU64::new(0) }; 3];
        let batch = Batch(&cells);
        batch.open(23);
        assert_eq!(batch.join(7, 1, 1), None);
        assert_eq!(batch.join(23, 5, 1), Some(0));
    }
}
