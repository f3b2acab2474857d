//! Exclusive single wakes from an epoll set.
//!
//! All consumers wait on one epoll set with one event counter in it. Each
//! write wakes one of them. Level-triggered, harvesting puts the counter
//! back on the ready list and wakes another, who finds it empty; `edge=true`
//! leaves that out. The counter does not block, so that the loser of a race
//! is not stuck at the stop. Losers go back to sleep in the kernel, so only
//! its own count of time spent waiting for a CPU knows all wakes.

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::clock::now;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{
    Family, Feature, Hist, Metric, Need, Param, Row, Shared, What, Work, doc,
};
use crate::wire::record::WakeRule;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};

pub(super) const WORKLOAD: Workload = Workload {
    row: &Row {
        name: "EpollStorm",
        file: doc(file!()),
        family: Family::Wake,
        summary: doc("producers wake consumers through one epoll set"),
        path: doc("eventfd_write -> ep_poll_callback -> __wake_up(&ep->wq) \
                   -> one ep_autoremove_wake_function; not sync"),
        params: &[PRODUCERS, CONSUMERS, BURST, GAP, EDGE],
        group: |work| {
            u32::try_from(producers(work) + work.count(&CONSUMERS)).ok()
        },
        role: |work, pos| match u64::from(pos) < producers(work) {
            true => "producer",
            false => "consumer",
        },
        iteration: "burst of a producer, read of a consumer",
        unit: "event",
        hists: &[WAKE],
        metrics: &[PRODUCED, CONSUMED, RESIDUE, SPURIOUS],
        needs: &[
            Need::required(What::Config(doc("CONFIG_EPOLL"))),
            Need::required(What::Config(doc("CONFIG_EVENTFD"))),
            Need::wanted(What::Feature(Feature::SchedInfo)),
        ],
        proof: doc("produced = consumed + residue; with edge the consumers' \
                    nr_wakeups <= produced, however many they are"),
        shared: |_, _| Shared {
            words: 1,
            files: 2,
            ..Shared::NONE
        },
        ..Row::BASE
    },
    create,
    run,
    ..Workload::BASE
};

const PRODUCERS: Param =
    Param::count(0, "producers", 1, (1, 1024), "tasks that write events");

const CONSUMERS: Param =
    Param::count(1, "consumers", 2, (1, 1024), "tasks that wait for events");

const BURST: Param =
    Param::count(2, "events_per_burst", 32, (1, 1_000_000), "writes in a row");

const GAP: Param = Param::count(
    3,
    "gap_us",
    100,
    (0, 10_000_000),
    "microseconds of sleep after each burst",
);

const EDGE: Param = Param::flag(4, "edge", "wait for edges instead of levels");

const WAKE: Hist = Hist::wake(
    0,
    WakeRule::KernelWaker,
    "growth of run_delay over one epoll_wait that slept",
);

const PRODUCED: Metric =
    Metric::sum(0, "produced", "events written, warm-up included");
const CONSUMED: Metric =
    Metric::sum(1, "consumed", "events read, warm-up included");
const RESIDUE: Metric =
    Metric::sum(2, "residue", "events in the counters at the end");
const SPURIOUS: Metric =
    Metric::sum(3, "spurious", "returns of epoll_wait with nothing to read");

/// Files of an instance.
const EVENTFD: usize = 0;
const EPOLL: usize = 1;
/// The word that counts tasks that have left their loop.
const LEFT: u32 = 0;

fn producers(work: &Work<'_>) -> u64 {
    work.count(&PRODUCERS)
}

fn create(instance: &Instance<'_>, place: &Place<'_>) -> Result<(), Stop> {
    let eventfd = eventfd(0, EventfdFlags::NONBLOCK).call(&"eventfd2")?;
    let epoll = epoll::create(CreateFlags::empty()).call(&"epoll_create1")?;
    let mut flags = EventFlags::IN;
    flags.set(EventFlags::ET, place.work.flag(&EDGE));
    epoll::add(&epoll, &eventfd, EventData::new_u64(0), flags)
        .call(&"epoll_ctl")?;
    instance.files.set(EVENTFD, eventfd);
    instance.files.set(EPOLL, epoll);
    Ok(())
}

fn run(c: &mut Ctx<'_>) -> Result<(), Stop> {
    c.start();
    match u64::from(c.pos()) < producers(c.work()) {
        true => producer(c)?,
        false => consumer(c)?,
    }
    if c.word(LEFT).increment() == c.size() {
        let residue = c.eventfd_read(c.file(EVENTFD)?)?;
        c.metric(&RESIDUE, residue.unwrap_or(0));
    }
    Ok(())
}

fn producer(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let burst = c.work().count(&BURST);
    let gap = c.work().count(&GAP) * 1000;
    let eventfd = c.file(EVENTFD)?;
    let mut produced = 0;
    while !c.stop() {
        for _ in 0..burst {
            if c.stop() {
                break;
            }
            c.eventfd_write(eventfd)?;
            produced += 1;
            c.units(1);
        }
        c.iteration();
        if gap > 0 {
            // A signal may end it early; the loop ends at the stop alone.
            let _early = c.sleep_until(now() + gap);
        }
    }
    c.metric(&PRODUCED, produced);
    Ok(())
}

fn consumer(c: &mut Ctx<'_>) -> Result<(), Stop> {
    let (eventfd, epoll) = (c.file(EVENTFD)?, c.file(EPOLL)?);
    let mut consumed = 0;
    while !c.stop() {
        if !c.run_delay_over(&WAKE, |c| c.epoll_wait(epoll))? {
            continue;
        }
        let Some(events) = c.eventfd_read(eventfd)? else {
            c.metric(&SPURIOUS, 1);
            continue;
        };
        consumed += events;
        c.units(events);
        c.spin_uncounted(256);
        c.iteration();
    }
    c.metric(&CONSUMED, consumed);
    Ok(())
}
