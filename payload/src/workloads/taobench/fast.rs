//! Fast threads: they look up, and park what is not there.

use super::figures::{DROPPED, FAST, LOOKUPS, MISSES, SERVE, SERVICE, SLOW};
use super::layout::{MAX_SLOW_REQS, SHARDS};
use super::options::ARRIVAL_RATE;
use super::thread::Thread;
use crate::ctx::Ctx;
use crate::kit::clock::{SECOND, now};
use crate::kit::draw::exponential;
use crate::row::Metric;
use core::sync::atomic::Ordering::Relaxed;
use rand_core::Rng;
use rand_xoshiro::SplitMix64;

/// The requests of a fast thread.
struct Requests {
    /// The first of its own.
    first: u32,
    len: u32,
    /// Where it looked for a ready one last.
    cursor: u32,
    /// How many wait for a reply.
    parked: u32,
    /// Mean time between two arrivals in ns; `None` in a closed loop.
    apart_ns: Option<u64>,
    /// When the next one arrives, in an open loop.
    due_ns: u64,
    random: SplitMix64,
}

impl Thread {
    pub(super) fn fast(&mut self, c: &mut Ctx<'_>, number: u32) {
        let rate = c.work().count(&ARRIVAL_RATE);
        let fast = u64::from(self.layout.fast);
        let mut own = Requests {
            first: number * self.layout.slots,
            len: self.layout.slots,
            cursor: 0,
            parked: 0,
            apart_ns: (SECOND * fast).checked_div(rate),
            due_ns: 0,
            random: c.random(),
        };
        let left = self.layout.fast_left(c);
        left.increment();
        c.start();
        own.due_ns = now();
        // Every thread serves one request, even if the run is over by the
        // time it gets its CPU.
        loop {
            self.collect(c, &mut own);
            let begin = now();
            let due = match own.apart_ns {
                Some(_) => own.due_ns,
                None if own.parked < own.len => begin,
                None => u64::MAX,
            };
            if due <= begin {
                self.serve(c, &mut own, begin);
            } else {
                self.idle(c, due);
            }
            if c.stop() {
                break;
            }
        }
        // Replies to come find their thread here.
        while own.parked > 0 {
            self.idle(c, u64::MAX);
            self.collect(c, &mut own);
        }
        if left.decrement() == 0 {
            let first = self.layout.fast;
            let others = first..first + self.layout.dispatchers;
            others.for_each(|lane| self.notify(c, lane));
        }
    }

    /// Completes the requests whose replies have come.
    fn collect(&self, c: &mut Ctx<'_>, own: &mut Requests) {
        let replies = self.layout.list(c, self.lane);
        if replies.is_empty() {
            return;
        }
        for id in replies.take_in_order() {
            let request = self.layout.request(c, id);
            request.parked().store(0, Relaxed);
            own.parked -= 1;
            let start = request.start_ns().load(Relaxed);
            let arrival = request.arrival_ns().load(Relaxed);
            complete(c, own, Some(&SLOW), (start, arrival));
        }
    }

    /// Looks up one key, and completes the request or parks it.
    fn serve(&mut self, c: &mut Ctx<'_>, own: &mut Requests, begin: u64) {
        let mut arrival = begin;
        if let Some(apart) = own.apart_ns {
            arrival = own.due_ns;
            own.due_ns += exponential(apart, own.random.next_u64());
        }
        let number = own.random.next_u32() % SHARDS;
        let shard = self.layout.shard(c, number);
        let key = own.random.next_u64() % shard.keys().max(1);
        c.metric(&LOOKUPS, 1);
        if self.locked(c, number, || shard.read(key)) {
            complete(c, own, Some(&FAST), (begin, arrival));
            return;
        }
        c.metric(&MISSES, 1);
        let (fast, dispatchers) = (self.layout.fast, self.layout.dispatchers);
        let to = self.next(fast, dispatchers);
        let load = self.layout.load(c, to);
        let id = own.ready(|id| self.layout.request(c, id).parked());
        let Some(id) = id.filter(|_| load.increment() <= MAX_SLOW_REQS) else {
            if id.is_some() {
                load.decrement();
            }
            c.metric(&DROPPED, 1);
            complete(c, own, None, (begin, arrival));
            return;
        };
        let request = self.layout.request(c, id);
        for (cell, value) in [
            (request.parked(), 1),
            (request.shard(), number.into()),
            (request.key(), key),
            (request.start_ns(), begin),
            (request.arrival_ns(), arrival),
            (request.queued_ns(), now()),
            (request.dispatcher(), to.into()),
        ] {
            cell.store(value, Relaxed);
        }
        own.parked += 1;
        self.hand(c, id, to);
    }
}

impl Requests {
    /// The next request that waits for no reply.
    fn ready<'r>(
        &mut self,
        parked: impl Fn(u32) -> &'r core::sync::atomic::AtomicU64,
    ) -> Option<u32> {
        for _ in 0..self.len {
            self.cursor = (self.cursor + 1) % self.len;
            let id = self.first + self.cursor;
            if parked(id).load(Relaxed) == 0 {
                return Some(id);
            }
        }
        None
    }
}

fn complete(
    c: &mut Ctx<'_>,
    own: &Requests,
    how: Option<&Metric>,
    (start, arrival): (u64, u64),
) {
    let end = now();
    if let Some(how) = how {
        c.metric(how, 1);
    }
    c.record(&SERVICE, end.saturating_sub(start));
    if own.apart_ns.is_some() {
        c.record(&SERVE, end.saturating_sub(arrival));
    }
    c.units(1);
    c.iteration_at(end);
}
