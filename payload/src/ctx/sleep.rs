//! Giving the CPU away: to whoever is next, or until a time.

use crate::ctx::Ctx;
use crate::kit::clock::{self, now};
use crate::kit::op::Op;
use crate::row::{Hist, Metric};
use rustix::io::Errno;
use rustix::thread::sched_yield;

impl Ctx<'_> {
    /// `sched_yield`; returns when it ran again, in ns.
    #[inline]
    pub fn sched_yield(&mut self) {
        sched_yield();
    }

    /// Sleeps until `deadline_ns`. Returns when it ran again, or `None` if a
    /// signal or the stop came first.
    pub fn sleep_until(&mut self, deadline_ns: u64) -> Option<u64> {
        // Its signal may have come while the task ran, and the next one is
        // 20 ms away.
        if self.stop() {
            return None;
        }
        self.tried(Op::ClockNanosleep);
        let slept = clock::sleep_until(deadline_ns);
        let now = now();
        self.resumed_at(now);
        match slept {
            Ok(()) => Some(now),
            Err(errno) => {
                if errno != Errno::INTR {
                    self.failed(Op::ClockNanosleep, errno);
                }
                None
            }
        }
    }

    /// Sleeps to the end of a period that began at `begun`, through signals
    /// but the stop, and records how late it ran again. Returns that end; ends
    /// that have passed are left out and counted. A period of 0 makes no call.
    pub fn sleep_period(
        &mut self,
        begun: u64,
        period_ns: u64,
        late: Option<&Hist>,
        overruns: &Metric,
    ) -> u64 {
        if period_ns == 0 {
            return begun;
        }
        let (end, passed) = clock::next_deadline(begun, period_ns, now());
        self.metric(overruns, passed);
        loop {
            let woken = self.sleep_until(end);
            if let (Some(ran), Some(late)) = (woken, late) {
                self.record(late, ran.saturating_sub(end));
            }
            if woken.is_some() || self.stop() {
                return end;
            }
        }
    }
}
