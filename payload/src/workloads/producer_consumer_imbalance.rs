//! Sustained back-pressure through a bounded queue.
//!
//! Producers keep to their deadlines and make up for every delay, so demand
//! does not yield to a full queue. A waiter reads the count of events before
//! it tests the queue: an event in between makes its wait return at once.

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::clock::{SECOND, now};
use crate::kit::queue::Queue;
use crate::kit::stop::Stop;
use crate::kit::wakes::Wakes;
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use crate::wire::record::WakeRule;
use core::sync::atomic::Ordering::{AcqRel, Relaxed};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "ProducerConsumerImbalance",
        file: doc(file!()),
        family: Family::Lock,
        summary: doc("a bounded queue between unequal sides"),
        path: doc(
            "futex_wake -> wake_up_q -> try_to_wake_up; futex_wait_queue \
             (futex_do_wait in 7.2); in both directions",
        ),
        params: &[PRODUCERS, CONSUMERS, RATE, CONSUME, CAPACITY],
        group: workers,
        role: |work, pos| match u64::from(pos) < producers(work) {
            true => "producer",
            false => "consumer",
        },
        iteration: "item pushed or popped",
        unit: "item pushed or popped",
        hists: &[QUEUE, WAKE],
        metrics: &[
            PUSHED, POPPED, DEPTH, DEPTH_MAX, DEPTH_NS, DEPTH_MEAN, FULL_NS,
        ],
        needs: &[Need::required(What::Feature(Feature::Futex))],
        proof: doc(
            "pushed = popped + depth; depth_max = queue_depth_target where \
             demand exceeds service",
        ),
        shared: |work, _| Shared {
            words: 3,
            cells: FIXED_CELLS + 2 * wakes(work) + Queue::cells(capacity(work)),
            ..Shared::NONE
        },
        ..Row::BASE
    },
    create,
    run,
    ..Workload::BASE
};

const PRODUCERS: Param =
    Param::count(0, "producers", 2, (1, 1024), "tasks that push");

const CONSUMERS: Param =
    Param::count(1, "consumers", 1, (1, 1024), "tasks that pop");

const RATE: Param = Param::count(
    2,
    "produce_rate_hz",
    0,
    (0, 1_000_000),
    "items a producer pushes each second; 0 is as many as it can",
);

const CONSUME: Param =
    Param::steps(3, "consume_iters", 4096, "spin steps for each item");

const CAPACITY: Param = Param::count(
    4,
    "queue_depth_target",
    1024,
    (2, 65_536),
    "items the queue holds",
);

const QUEUE: Hist = Hist::new(0, "queue", "push of an item to its pop");

const WAKE: Hist = Hist::wake(
    1,
    WakeRule::ManyWakers,
    "before the other side's FUTEX_WAKE to running",
);

const PUSHED: Metric =
    Metric::sum(0, "pushed", "items pushed, warm-up included");
const POPPED: Metric =
    Metric::sum(1, "popped", "items popped, warm-up included");
const DEPTH: Metric = Metric::sum(2, "depth", "items in the queues at the end");
const DEPTH_MAX: Metric =
    Metric::max(3, "depth_max", "most items that were in a queue");
const DEPTH_NS: Metric =
    Metric::sum(4, "depth_ns", "nanoseconds that items were in the queues");
const DEPTH_MEAN: Metric = Metric::sum(
    5,
    "depth_mean_milli",
    "thousandths of the time-weighted mean depth, summed over the queues",
);
const FULL_NS: Metric =
    Metric::sum(6, "full_ns", "nanoseconds for which the queues were full");

/// A reason to wait: the word that counts its events, and the wakes of who
/// waits for them.
const FILLED: u32 = 0;
const DRAINED: u32 = 1;
/// The word that counts tasks that have left their loop.
const LEFT: u32 = 2;
/// The cell that says since when the queue has been full, or 0.
const FULL_SINCE: u32 = 0;
/// Cells before those of wakes, behind which the queue has the rest.
const FIXED_CELLS: u32 = 1;

fn workers(work: &Work<'_>) -> Option<u32> {
    u32::try_from(producers(work) + work.count(&CONSUMERS)).ok()
}

fn producers(work: &Work<'_>) -> u64 {
    work.count(&PRODUCERS)
}

fn capacity(work: &Work<'_>) -> u32 {
    u32::try_from(work.count(&CAPACITY)).unwrap_or(u32::MAX)
}

/// Cells of those who wait for one event.
fn wakes(work: &Work<'_>) -> u32 {
    Wakes::cells(workers(work).unwrap_or(0))
}

fn wakes_of<'r>(c: &Ctx<'r>, event: u32) -> Wakes<'r> {
    let each = wakes(c.work());
    let first = (FIXED_CELLS + event * each) as usize;
    let cells = c.instance().cells.get(first..first + each as usize);
    Wakes::new(cells.unwrap_or(&[]))
}

fn queue<'r>(
    instance: &Instance<'r>,
    work: &Work<'_>,
) -> Result<Queue<'r>, Stop> {
    let first = (FIXED_CELLS + 2 * wakes(work)) as usize;
    let cells = instance.cells.get(first..).and_then(Queue::new);
    cells.ok_or(Stop::fail(&"the queue has no memory"))
}

fn create(instance: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    queue(instance, place.work)?.init();
    Ok(())
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let queue = queue(c.instance(), c.work())?;
    c.start();
    match u64::from(c.pos()) < producers(c.work()) {
        true => producer(c, queue),
        false => consumer(c, queue),
    }
    let end = now();
    if c.word(LEFT).increment() == c.size() {
        while let Some(pushed) = queue.pop() {
            c.metric(&DEPTH, 1);
            was_queued(c, pushed, end);
        }
        was_full(c, end);
    }
    let micros = (end - c.counting_since()) / 1000;
    c.metric(&DEPTH_MEAN, c.metric_so_far(&DEPTH_NS) / micros.max(1));
    Ok(())
}

fn producer(c: &mut Ctx<'_>, queue: Queue<'_>) {
    let period = SECOND.checked_div(c.work().count(&RATE));
    let mut next = now();
    let mut pushed = 0;
    while !c.stop() {
        if wait(c, DRAINED, || queue.push(now())).is_none() {
            break;
        }
        pushed += 1;
        let depth = queue.depth();
        c.metric_max(&DEPTH_MAX, depth);
        if depth == queue.capacity() {
            let since = c.cell(FULL_SINCE);
            // A queue that has been full for longer keeps its start.
            let _longer = since.compare_exchange(0, now(), AcqRel, Relaxed);
        }
        tell(c, FILLED);
        c.units(1);
        c.iteration();
        if let Some(period) = period {
            next += period;
            // A signal may end it early; the loop ends at the stop alone.
            let _early = c.sleep_until(next);
        }
    }
    c.metric(&PUSHED, pushed);
}

fn consumer(c: &mut Ctx<'_>, queue: Queue<'_>) {
    let steps = c.work().count(&CONSUME);
    let mut popped = 0;
    while !c.stop() {
        let Some(pushed) = wait(c, FILLED, || queue.pop()) else {
            break;
        };
        let end = now();
        popped += 1;
        was_full(c, end);
        was_queued(c, pushed, end);
        c.record(&QUEUE, end.saturating_sub(pushed));
        tell(c, DRAINED);
        c.spin_uncounted(steps);
        c.units(1);
        c.iteration();
    }
    c.metric(&POPPED, popped);
}

/// Repeats `attempt` with each `event` until it succeeds. `None` at the stop.
fn wait<T>(
    c: &mut Ctx<'_>,
    event: u32,
    attempt: impl Fn() -> Option<T>,
) -> Option<T> {
    let wakes = wakes_of(c, event);
    let mut slept = false;
    loop {
        let events = c.word(event).get();
        if let Some(result) = attempt() {
            if !slept {
                c.nowait();
            }
            return Some(result);
        }
        if c.stop() {
            return None;
        }
        slept |= c.block_among((c.word(event), events), &wakes, &WAKE);
    }
}

/// Counts an event and wakes one who waits for it.
fn tell(c: &Ctx<'_>, event: u32) {
    c.word(event).increment();
    c.wake_among(c.word(event), &wakes_of(c, event));
}

/// Adds the time an item was in the queue, as far as it is measured.
fn was_queued(c: &Ctx<'_>, pushed: u64, end: u64) {
    let since = pushed.max(c.counting_since());
    c.metric(&DEPTH_NS, end.saturating_sub(since));
}

/// Ends the time for which the queue was full, if it was.
fn was_full(c: &Ctx<'_>, end: u64) {
    let cell = c.cell(FULL_SINCE);
    if cell.load(Relaxed) == 0 {
        return;
    }
    let since = cell.swap(0, AcqRel);
    // Only one of several consumers ends it.
    if since != 0 {
        let since = since.max(c.counting_since());
        c.metric(&FULL_NS, end.saturating_sub(since));
    }
}
