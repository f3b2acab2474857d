//! Sampling the rate of requests, steering it, and injecting them.

use super::figures::{GOAL, INJECTED, RATE, SKIPPED};
use super::options::{AUTO_RPS, PACING, PACING_EVEN, RPS, WARMUP, ZERO};
use super::threads::Thread;
use crate::ctx::Ctx;
use crate::kit::clock::{SECOND, now};
use crate::kit::steer::{CpuTime, steer};
use crate::row::metric::scale;

/// Requests a worker may be given while it works through those before, until
/// it is passed over.
const MAX_PENDING: u64 = 128;
/// How long the injector pauses then, in ns.
const PAUSE_NS: u64 = 100_000;
/// The rate that steering starts from where the plan names none.
const FIRST_RATE: u64 = 10;

impl Thread {
    /// Samples the rate once a second, steers it, and zeroes the figures.
    pub(super) fn monitor(&mut self, c: &mut Ctx<'_>) {
        let work = c.work();
        let messages = u64::from(self.layout.messages);
        let target = work.count(&AUTO_RPS);
        let mut share = match work.count(&RPS) {
            0 if target > 0 => FIRST_RATE / messages,
            rate => rate / messages,
        };
        if target > 0 {
            share = share.max(1);
        }
        let set_share = |c: &Ctx<'_>, share| {
            let word = u32::try_from(share).unwrap_or(u32::MAX);
            self.layout.share(c).set(word);
            c.metric_set(&GOAL, share * messages);
        };
        set_share(c, share);
        c.start();
        set_share(c, share);
        let begin = now();
        let (warmup, zero) = (work.count(&WARMUP), work.count(&ZERO));
        let mut settled = target == 0;
        let (mut last, mut done) = (begin, 0);
        let mut cpu = CpuTime::read();
        let mut seconds = 0;
        if settled {
            // schbench has one at the very beginning.
            c.record(&RATE, 0);
        }
        while !c.stop() {
            let next = begin + (seconds + 1) * SECOND;
            let Some(time) = c.sleep_until(next) else {
                continue;
            };
            seconds += 1;
            c.checkpoint_at(time);
            let valid = !c.follow() && settled;
            let all = c.iterations_of_all();
            if let Some(more) = all.checked_sub(done).filter(|_| valid) {
                c.record(&RATE, scale(more, SECOND, time - last));
            }
            (last, done) = (time, all);
            if target > 0 {
                let after = CpuTime::read();
                if let (Some(before), Some(after)) = (&cpu, &after) {
                    let busy = after.busy_since(before);
                    let step = steer(share, target, busy);
                    share = step.rate.max(1);
                    settled |= step.settled;
                }
                cpu = after;
            }
            let again = zero > 0 && seconds % zero == 0;
            if seconds == warmup || again {
                let epoch = self.layout.epoch(c).increment();
                self.epoch = epoch;
                c.restart();
                done = 0;
            }
            let word = u32::try_from(share).unwrap_or(u32::MAX);
            self.layout.share(c).set(word);
            c.metric_set(&GOAL, share * messages);
        }
    }

    /// Queues a second's requests to the workers in turn, second by second.
    pub(super) fn injector(&mut self, c: &mut Ctx<'_>, i: u32) {
        c.start();
        let even = c.work().choice(&PACING) == PACING_EVEN;
        let mut turn = 0;
        let mut begin = now();
        while !c.stop() {
            let rate = u64::from(self.layout.share(c).get());
            for n in 0..rate {
                if c.stop() {
                    return;
                }
                self.renew(c);
                if even && c.sleep_until(begin + n * SECOND / rate).is_none() {
                    continue;
                }
                let w = i * self.layout.each + turn;
                turn = (turn + 1) % self.layout.each.max(1);
                let queue = self.layout.queue(c, w);
                let time = now();
                if queue.pending() > MAX_PENDING || !queue.push(time) {
                    c.metric(&SKIPPED, 1);
                    // The pause is over early at the stop only.
                    let _woken = c.sleep_until(time + PAUSE_NS);
                    continue;
                }
                c.metric(&INJECTED, 1);
                self.post(c, w, time);
                c.checkpoint_at(time);
            }
            begin += SECOND;
            // Without a signal it is the next second; with one, the stop.
            let _woken = c.sleep_until(begin);
            begin = begin.max(now() - SECOND / 2);
        }
    }
}
