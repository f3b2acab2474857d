//! Waiting for others, waking them, and what is measured of it.
//!
//! A sample of a `wake` histogram is the wake that ended a sleep, so what has
//! to be known of a wait is whether it slept. `FUTEX_WAIT` says so: 0 is the
//! wake of another, everything else is not. A read does not, and is asked
//! about (`Switches`) where clock and stamp leave a doubt. Where only the
//! kernel wakes, its count of voluntary switches decides on each sampled step.
//!
//! No wait has a bound: the stop signal comes every 20 ms, and a timer to arm
//! and cancel would be a part of every wake that is measured.

use crate::ctx::Ctx;
use crate::kit::cells::{Ring, Stamp, Word};
use crate::kit::clock::{now, timespec};
use crate::kit::op::Op;
use crate::kit::reason::Reason;
use crate::kit::slot::add;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::task;
use crate::kit::wakes::Wakes;
use crate::row::Hist;
use crate::sys;
use rustix::io::Errno;
use rustix::thread::futex;

const NO_PIPE: Stop = Stop::fail(&"the type's row declares no pipes");
/// Bytes of a token in a pipe: the time of its write.
const TOKEN: usize = size_of::<u64>();

/// A sleep on a futex word that the wake of another ended.
#[derive(Debug, Clone, Copy)]
pub struct Sleep {
    /// What the word held.
    pub seen: u32,
    /// Right before the call that slept, in ns.
    pub block_ns: u64,
    /// When the task ran again, in ns.
    pub run_ns: u64,
}

impl Sleep {
    /// From the waker's stamp to running. A stamp from before the sleep is
    /// that of a waker who was on its way to the call: then the sleep's own
    /// beginning is nearer to the wake.
    #[inline]
    #[must_use]
    pub fn since(&self, stamp: u64) -> u64 {
        self.run_ns.saturating_sub(stamp.max(self.block_ns))
    }
}

/// A wait that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Waited {
    /// When the task ran, in ns.
    pub run_ns: u64,
    /// It had to sleep.
    pub slept: bool,
}

/// A token that came through a pipe.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// Right before it was written, in ns.
    pub stamp_ns: u64,
    /// Right before the read, in ns.
    pub block_ns: u64,
    /// When the task ran again, in ns.
    pub run_ns: u64,
    /// The read had to sleep.
    pub slept: bool,
}

impl Ctx<'_> {
    /// Records a wake: from `stamp` to running.
    #[inline(always)]
    pub fn record_wake(&self, hist: &Hist, sleep: &Sleep, stamp: u64) {
        self.record(hist, sleep.since(stamp));
    }

    /// Counts a wait that did not have to sleep.
    #[inline]
    pub fn nowait(&self) {
        add(&self.given.slot.nowait, 1);
    }

    /// Counts a wake of which the stamp is gone, so that it has no sample.
    pub fn stale(&self) {
        add(&self.given.slot.stale, 1);
        self.degrade(Reason::Stale);
    }

    /// Waits while `word` holds `value`. `None` if the stop came first.
    pub fn wait_while(&mut self, word: &Word, value: u32) -> Option<Waited> {
        self.wait_until(word, |seen| seen != value, |_, _| {})
    }

    /// Waits until `word` holds what `done` accepts; `woken` is told of each
    /// sleep that a wake has ended, whether or not that was the last. `None`
    /// if the stop came first.
    #[inline]
    pub fn wait_until(
        &mut self,
        word: &Word,
        done: impl Fn(u32) -> bool,
        woken: impl FnMut(&Self, &Sleep),
    ) -> Option<Waited> {
        self.wait_from(now, word, done, woken)
    }

    /// The same; `look` says when a sleep begins, in ns. Right behind another
    /// look at the clock that one does.
    #[inline(always)]
    pub fn wait_from(
        &mut self,
        mut look: impl FnMut() -> u64,
        word: &Word,
        done: impl Fn(u32) -> bool,
        mut woken: impl FnMut(&Self, &Sleep),
    ) -> Option<Waited> {
        let mut slept = None;
        loop {
            let seen = word.get();
            if done(seen) {
                let run_ns = slept.unwrap_or_else(now);
                let slept = slept.is_some();
                return Some(Waited { run_ns, slept });
            }
            if self.stop() {
                return None;
            }
            let sleep = self.block_on(word, seen, look(), None);
            // At the stop the supervisor wakes, who leaves no stamp.
            if let Some(sleep) = sleep.filter(|_| !self.stop()) {
                woken(self, &sleep);
                slept = Some(sleep.run_ns);
            }
        }
    }

    /// W1: waits until `word` holds what `done` accepts, and records each
    /// sleep on the way against `stamp`, which has one waker at a time.
    /// Returns when it ran, or `None` if the stop came first.
    #[inline]
    pub fn wait_stamped(
        &mut self,
        word: &Word,
        done: impl Fn(u32) -> bool,
        hist: &Hist,
        stamp: &Stamp,
    ) -> Option<u64> {
        let waited = self.wait_until(word, done, |c, sleep| {
            c.record_wake(hist, sleep, stamp.get());
        })?;
        if !waited.slept {
            self.nowait();
        }
        Some(waited.run_ns)
    }

    /// W2: records the end of a sleep on a generation in `word`, and returns
    /// whose broadcast it was and the sample. The next generation's wakes
    /// whoever blocked on this one, however many have followed by the time
    /// it runs; its own does only if it was still on its way to the call.
    pub fn record_broadcast(
        &self,
        hist: &Hist,
        (word, ring): (&Word, &Ring),
        sleep: &Sleep,
    ) -> Option<(u32, u64)> {
        let by = match word.get() {
            same if same == sleep.seen => same,
            _ => sleep.seen.wrapping_add(1),
        };
        let Some(stamp) = ring.get(by) else {
            self.stale();
            return None;
        };
        let ns = sleep.since(stamp);
        self.record(hist, ns);
        Some((by, ns))
    }

    /// W3: blocks once on `word` while it holds `value`, as one of many who
    /// are woken one by one. Returns whether it slept until a wake.
    pub fn block_among(
        &mut self,
        (word, value): (&Word, u32),
        wakes: &Wakes<'_>,
        hist: &Hist,
    ) -> bool {
        let (own, block_ns) = (self.pos() as usize, now());
        wakes.blocks(own, block_ns);
        let Some(sleep) = self.block_on(word, value, block_ns, None) else {
            wakes.goes_on(own);
            return false;
        };
        let stamp = wakes.take(own, sleep.block_ns, sleep.run_ns);
        match stamp {
            // It was the supervisor.
            _ if self.stop() => {}
            Some(stamp) => self.record_wake(hist, &sleep, stamp),
            None => self.stale(),
        }
        true
    }

    /// W3: wakes one of those who block on `word`.
    pub fn wake_among(&self, word: &Word, wakes: &Wakes<'_>) {
        let mark = wakes.mark(self.pos() as usize, now());
        if self.wake(word, 1) == 0 {
            wakes.unmark(mark);
        }
    }

    /// Blocks once on `word` while it holds `value`, at `block_ns`, for no
    /// longer than `bound_ns` if there is one. `None` if no wake ended it:
    /// the word held something else, or a signal or the bound came first.
    #[inline]
    pub fn block_on(
        &mut self,
        word: &Word,
        value: u32,
        block_ns: u64,
        bound_ns: Option<u64>,
    ) -> Option<Sleep> {
        let bound = bound_ns.map(timespec);
        let result =
            futex::wait(&word.0, self.futex_flags(), value, bound.as_ref());
        let run_ns = now();
        self.resumed_at(run_ns);
        match result {
            Ok(()) => Some(Sleep {
                seen: value,
                block_ns,
                run_ns,
            }),
            Err(Errno::AGAIN | Errno::INTR | Errno::TIMEDOUT) => None,
            Err(errno) => {
                self.failed(Op::FutexWait, errno);
                None
            }
        }
    }

    /// Wakes up to `n` waiters of `word`; returns how many.
    pub fn wake(&self, word: &Word, n: u32) -> u64 {
        // The kernel takes a signed count.
        let n = n.min(i32::MAX.unsigned_abs());
        match futex::wake(&word.0, self.futex_flags(), n) {
            Ok(woken) => woken as u64,
            Err(errno) => {
                self.failed(Op::FutexWake, errno);
                0
            }
        }
    }

    pub(super) fn futex_flags(&self) -> futex::Flags {
        match self.given.private {
            true => futex::Flags::PRIVATE,
            false => futex::Flags::empty(),
        }
    }

    /// Writes a token to the next position's pipe; it carries `stamp_ns`, so
    /// that each of several that are under way has its own.
    ///
    /// # Errors
    ///
    /// The partner is gone, or the type declares no pipes.
    pub fn pipe_write(&mut self, stamp_ns: u64) -> Result<(), Stop> {
        let pipe = self.given.pipe_out.ok_or(NO_PIPE)?;
        self.switches.wrote_ns = stamp_ns;
        loop {
            match rustix::io::write(pipe, &stamp_ns.to_ne_bytes()) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) if self.stop() => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno).call(Op::Write.name()),
            }
        }
    }

    /// Reads a token from its own pipe, blocking, right behind a look at the
    /// clock. `None` at the stop.
    ///
    /// # Errors
    ///
    /// The partner is gone, or the type declares no pipes.
    pub fn pipe_read(
        &mut self,
        mut block_ns: u64,
    ) -> Result<Option<Token>, Stop> {
        let pipe = self.given.pipe_in.ok_or(NO_PIPE)?;
        loop {
            self.switches.before(block_ns);
            let mut token = [0; TOKEN];
            let result = rustix::io::read(pipe, &mut token);
            let run_ns = now();
            self.resumed_at(run_ns);
            match result {
                // What is written at once is read at once.
                Ok(TOKEN) => {
                    let stamp_ns = u64::from_ne_bytes(token);
                    let span = (block_ns, run_ns);
                    let slept = self.switches.slept(span, stamp_ns, sys::nvcsw);
                    return Ok(Some(Token {
                        stamp_ns,
                        block_ns,
                        run_ns,
                        slept,
                    }));
                }
                Ok(_) | Err(Errno::INTR) if self.stop() => return Ok(None),
                Ok(_) => return Err(Errno::PIPE).call(Op::Read.name()),
                Err(Errno::INTR) => block_ns = run_ns,
                Err(errno) => return Err(errno).call(Op::Read.name()),
            }
        }
    }

    /// W1: records the wake by a token, or counts that none was needed.
    #[inline]
    pub fn record_token(&self, hist: &Hist, token: &Token) {
        match token.slept {
            true => {
                let since = token.stamp_ns.max(token.block_ns);
                self.record(hist, token.run_ns.saturating_sub(since));
            }
            false => self.nowait(),
        }
    }

    /// W4: runs `step`, and on every `rd_sample`-th call records by how much
    /// this task's `run_delay` grew over it, if it slept at all.
    pub fn run_delay_over<T>(
        &mut self,
        hist: &Hist,
        step: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.delay_steps += 1;
        if self.delay_steps < self.given.rd_sample {
            return step(self);
        }
        self.delay_steps = 0;
        let before = task::own_run_delay();
        let switches = sys::nvcsw();
        let result = step(self);
        if sys::nvcsw() == switches {
            self.nowait();
        } else if let (Some(before), Some(after)) =
            (before, task::own_run_delay())
        {
            self.record(hist, after.saturating_sub(before));
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::Sleep;

    #[test]
    fn a_waker_who_was_on_its_way_is_measured_from_the_sleep() {
        let sleep = Sleep {
            seen: 1,
            block_ns: 100,
            run_ns: 300,
        };
        assert_eq!((sleep.since(150), sleep.since(50)), (150, 200));
    }
}
