//! Alternates phases of many and of few instructions per cycle.
//!
//! Stands for a task that a scheduler has classed by its behaviour and that
//! then changes it. The stop is seen between two pieces of a phase.

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::reason::Reason;
use crate::kit::simd::Chains;
use crate::kit::stop::Stop;
use crate::kit::topology::largest_l2_kib;
use crate::row::{
    Family, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rand_core::Rng;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "IpcVariance",
        file: doc(file!()),
        family: Family::Cpu,
        summary: doc("alternates high and low instructions per cycle"),
        path: doc("user space; cache misses"),
        params: &[HOT, COLD, PERIOD, KIB],
        iteration: "period_iters hot and cold phases",
        unit: "step or touch",
        hists: &[COST, COST_HOT, COST_COLD],
        needs: &[Need::required(What::Memory(|work, _| kib(work)))],
        proof: doc("cost_cold per touch far above cost_hot per step"),
        metrics: &[RESOLVED],
        shared: |_, _| Shared {
            cells: 1,
            ..Shared::NONE
        },
        check,
        ..Row::BASE
    },
    create,
    run,
    ..Workload::BASE
};

const HOT: Param =
    Param::steps(0, "hot_iters", 100_000, "steps of a hot phase");

const COLD: Param =
    Param::steps(1, "cold_iters", 1024, "touches of a cold phase");

const PERIOD: Param =
    Param::steps(2, "period_iters", 64, "hot and cold phases per iteration");

const KIB: Param = Param::count_or(
    3,
    "cold_kib",
    &"beyond_l2",
    (64, 1_048_576),
    "KiB that the cold phase touches; beyond_l2 is twice the largest L2",
);

const COST: Hist = Hist::new(0, "cost", "wall time of an iteration");

const COST_HOT: Hist = Hist::new(1, "cost_hot", "wall time of a hot phase");

const COST_COLD: Hist = Hist::new(2, "cost_cold", "wall time of a cold phase");

/// Words of a cache line.
const LINE: usize = 8;

const RESOLVED: Metric =
    Metric::max(0, "cold_kib", "KiB that the cold phase touched");

/// Where sysfs says nothing of caches: twice the largest that CPUs of today
/// have for one core.
const UNKNOWN_KIB: u64 = 8192;

/// The cell that holds the size, found once for all workers.
const SIZE: usize = 0;

fn kib(work: &Work<'_>) -> u64 {
    let size = work.count_or_word(&KIB);
    size.or_else(|| largest_l2_kib().map(|kib| 2 * kib))
        .unwrap_or(UNKNOWN_KIB)
}

fn create(it: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    let size = match place.number {
        0 => kib(place.work),
        _ => place.lead.cells[SIZE].load(Relaxed),
    };
    it.cells[SIZE].store(size, Relaxed);
    Ok(())
}

fn check(work: &Work<'_>) -> Result<(), &'static str> {
    let rules = [
        (
            &HOT,
            "with hot_iters=0 the hot phase would vanish; it is at least 1",
        ),
        (
            &COLD,
            "with cold_iters=0 the cold phase would vanish; it is at least 1",
        ),
        (
            &PERIOD,
            "with period_iters=0 both phases would vanish; it is at least 1",
        ),
    ];
    match rules.into_iter().find(|(param, _)| work.count(param) == 0) {
        None => Ok(()),
        Some((_, rule)) => Err(rule),
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let work = c.work();
    let (hot, cold) = (work.count(&HOT), work.count(&COLD));
    let period = work.count(&PERIOD);
    let kib = c.instance().cells[SIZE].load(Relaxed);
    let found = kib == UNKNOWN_KIB && work.count_or_word(&KIB).is_none();
    if found && largest_l2_kib().is_none() {
        c.degrade(Reason::NoCaches);
    }
    let region = c.memory_kib(kib)?;
    let mut random = c.random();
    c.start();
    loop {
        c.metric_max(&RESOLVED, kib);
        let begin = now();
        let mut phase = begin;
        for _ in 0..period {
            c.in_pieces(hot, |n| {
                Chains::SCALAR.steps(n);
            });
            if c.stop() {
                return Ok(());
            }
            let middle = now();
            c.record(&COST_HOT, middle - phase);
            c.in_pieces(cold, |n| touch(region.words(), &mut random, n));
            if c.stop() {
                return Ok(());
            }
            phase = now();
            c.record(&COST_COLD, phase - middle);
        }
        c.record(&COST, phase - begin);
        c.iteration_at(phase);
    }
}

/// Increments `n` words at the start of random lines. Each line depends on
/// what was found in the one before, so that no two misses overlap.
fn touch(words: &[AtomicU64], random: &mut impl Rng, n: u64) {
    let lines = (words.len() / LINE) as u128;
    let mut found = 0;
    for _ in 0..n {
        let draw = random.next_u64().wrapping_add(found << 32);
        // The upper half of the product: even, and without a division.
        let line = (u128::from(draw) * lines) >> 64;
        let line = usize::try_from(line).unwrap_or(0);
        if let Some(word) = words.get(line * LINE) {
            found = word.load(Relaxed).wrapping_add(1);
            word.store(found, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE, WORKLOAD, check, touch};
    use crate::row::Value;
    use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use rand_core::SeedableRng;
    use rand_xoshiro::SplitMix64;
    use std::vec::Vec;

    #[test]
    fn touches_reach_every_line_and_nothing_else() {
        let words: Vec<AtomicU64> =
            (0..64 * LINE).map(|_| AtomicU64::new(0)).collect();
        touch(&words, &mut SplitMix64::seed_from_u64(7), 4096);
        let mut sum = 0;
        for (at, word) in words.iter().enumerate() {
            let touches = word.load(Relaxed);
            assert_eq!(touches > 0, at % LINE == 0, "word {at}");
            sum += touches;
        }
        assert_eq!(sum, 4096);
    }

    #[test]
    fn a_phase_that_would_vanish_is_named() {
        for (key, phase) in [
            ("hot_iters", "the hot phase"),
            ("cold_iters", "the cold phase"),
            ("period_iters", "both phases"),
        ] {
            let mut work = WORKLOAD.row.work();
            work.set(key, Value::Count(0)).unwrap();
            let rule = check(&work).unwrap_err();
            assert!(rule.contains(key) && rule.contains(phase), "{rule}");
        }
    }
}
