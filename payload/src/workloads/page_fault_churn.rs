//! Faults in anonymous pages and gives them back.
//!
//! Each cycle writes to distinct pages in random order, so every write is a
//! fault, and then drops them all. Huge pages are declined, or one fault
//! would map many pages.

use crate::ctx::Ctx;
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::memory::{Region, SMALLEST_PAGE};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{Family, Hist, Metric, Need, Param, Row, What, Work, doc};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rand_core::Rng;
use rustix::mm::Advice;
use rustix::param::page_size;

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "PageFaultChurn",
        file: doc(file!()),
        family: Family::Memory,
        summary: doc("faults in anonymous pages and gives them back"),
        path: doc("do_anonymous_page; zap_page_range_single \
                   (zap_vma_range_batched in 7.2), TLB flush"),
        params: &[REGION, TOUCHES, SPIN],
        iteration: "cycle of touches and MADV_DONTNEED",
        unit: "touch or spin step",
        hists: &[FAULT, CALL],
        metrics: &[PAGE, RESOLVED],
        needs: &[Need::required(What::Memory(|work, _| kib(work)))],
        proof: doc("minflt = iterations x touches within 1 %; pgfault of \
                    /proc/vmstat"),
        check,
        ..Row::BASE
    },
    run,
    ..Workload::BASE
};

const REGION: Param = Param::count(
    0,
    "region_kib",
    4096,
    (SMALLEST_PAGE as u64 / 1024, 1_048_576),
    "KiB of the region",
);

const TOUCHES: Param = Param::count(
    1,
    "touches_per_cycle",
    256,
    (1, 1 << 18),
    "distinct pages written in a cycle",
);

const SPIN: Param =
    Param::steps(2, "spin_iters", 64, "spin steps after each cycle");

const FAULT: Hist =
    Hist::new(0, "fault", "duration of every 16th touch of a page");

const CALL: Hist = Hist::new(1, "call", "duration of MADV_DONTNEED");

const PAGE: Metric = Metric::max(0, "page_bytes", "size of a page");

const RESOLVED: Metric = Metric::max(
    1,
    "touches",
    "touches per cycle, no more than the region has pages",
);

/// Every so many touches one is timed.
const SAMPLE: usize = 16;

fn kib(work: &Work<'_>) -> u64 {
    work.count(&REGION)
}

fn check(work: &Work<'_>) -> Result<(), &'static str> {
    // By the smallest page there is, so that a plan is good or bad on every
    // machine alike.
    let pages = work.count(&REGION) * 1024 / SMALLEST_PAGE as u64;
    match work.count(&TOUCHES) <= pages {
        true => Ok(()),
        false => {
            Err("touches_per_cycle is at most the pages of region_kib, 4 \
                 KiB each")
        }
    }
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let page = page_size();
    let bytes = size(c.work().count(&REGION) * 1024).max(page);
    let pages = bytes / page;
    let touches = size(c.work().count(&TOUCHES)).min(pages);
    let order = Region::new(pages * size_of::<u64>()).call(Op::Mmap.name())?;
    (0..)
        .zip(order.words())
        .for_each(|(n, word)| word.store(n, Relaxed));
    let region = c.memory(bytes)?;
    region.small_pages().call(Op::Madvise.name())?;
    let spin = c.work().count(&SPIN);
    let mut random = c.random();
    c.start();
    while !c.stop() {
        let drawn = draw(order.words(), touches, &mut random);
        let mut touched = 0;
        for (at, n) in drawn.zip(0_usize..) {
            let Some(byte) = region.bytes().get(at * page) else {
                continue;
            };
            touched += 1;
            if !n.is_multiple_of(SAMPLE) {
                byte.store(1, Relaxed);
                continue;
            }
            if c.stop() {
                break;
            }
            let begin = now();
            byte.store(1, Relaxed);
            let end = now();
            c.record(&FAULT, end - begin);
            c.checkpoint_at(end);
        }
        c.units(touched);
        if c.stop() {
            break;
        }
        let begin = now();
        region
            .advise(Advice::LinuxDontNeed)
            .call(Op::Madvise.name())?;
        c.record(&CALL, now() - begin);
        c.spin(spin);
        c.iteration();
    }
    c.metric_max(&PAGE, page as u64);
    c.metric_max(&RESOLVED, touches as u64);
    Ok(())
}

/// Draws `n` of the numbers in `order`, each at most once, and shuffles them
/// to its front on the way: the first steps of a Fisher-Yates shuffle.
fn draw<'a>(
    order: &'a [AtomicU64],
    n: usize,
    random: &'a mut impl Rng,
) -> impl Iterator<Item = usize> + 'a {
    let all = order.len();
    (0..n.min(all)).map(move |at| {
        let other = at + size(random.next_u64() % (all - at) as u64);
        let (here, there) = (&order[at], &order[other]);
        let drawn = there.load(Relaxed);
        there.store(here.load(Relaxed), Relaxed);
        here.store(drawn, Relaxed);
        size(drawn)
    })
}

/// Nothing here is larger than memory.
fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::{WORKLOAD, check, draw};
    use crate::row::Value;
    use core::sync::atomic::AtomicU64;
    use rand_core::SeedableRng;
    use rand_xoshiro::SplitMix64;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    #[test]
    fn touches_are_no_more_than_the_pages() {
        let mut work = WORKLOAD.row.work();
        work.set("region_kib", Value::Count(64)).unwrap();
        for (touches, good) in [(16, true), (17, false)] {
            let value = Value::Count(touches);
            work.set("touches_per_cycle", value).unwrap();
            assert_eq!(check(&work).is_ok(), good, "{touches}");
        }
    }

    #[test]
    fn draws_are_distinct_and_reach_everything() {
        let order: Vec<AtomicU64> = (0..64).map(AtomicU64::new).collect();
        let mut random = SplitMix64::seed_from_u64(7);
        let mut reached = BTreeSet::new();
        for _ in 0..100 {
            let drawn: BTreeSet<usize> =
                draw(&order, 16, &mut random).collect();
            assert_eq!(drawn.len(), 16);
            reached.extend(drawn);
        }
        assert_eq!(reached, (0..64).collect());
    }
}
