//! What tasks of one worker do with one another.

use super::Ctx;
use super::wait::{Sleep, Waited};
use crate::kit::cells::{Stamp, Word};
use crate::kit::clock::now;
use crate::kit::control::Phase;
use crate::kit::cpus::Cpus;
use crate::kit::stop::{CallExt, Stop};
use crate::row::Metric;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};
use core::sync::atomic::fence;
use rustix::thread::{sched_getaffinity, sched_getcpu};

/// A task that waits on its word, or is about to.
pub const BLOCKED: u32 = 0;
/// A task that runs, or has been told to.
pub const RUNNING: u32 = 1;

impl Ctx<'_> {
    /// Starts counting anew if the warm-up has ended, and returns whether it
    /// has; for tasks that count no iterations, which would do the same.
    pub fn follow(&mut self) -> bool {
        let phase = self.given.control.phase.load(Relaxed);
        if phase == self.phase {
            return false;
        }
        self.phase = phase;
        let measures = phase == Phase::Measure.number();
        if measures {
            self.begin();
        }
        measures
    }

    /// Forgets all it has counted.
    pub fn restart(&mut self) {
        self.begin();
    }

    /// Whether to leave a step that takes long: at the stop, but while this
    /// task has counted nothing only `patience_ns` after it, so that a short
    /// run of slow steps still counts some.
    #[must_use]
    pub fn give_up(&self, patience_ns: u64) -> bool {
        let since = &self.given.control.phase_ns;
        self.stop()
            && (self.given.slot.iterations.load(Relaxed) > 0
                || now() > since.load(Relaxed) + patience_ns)
    }

    /// Replaces one of the type's own figures.
    pub fn metric_set(&self, metric: &Metric, n: u64) {
        self.given.slot.metrics[metric.at()].store(n, Relaxed);
    }

    /// Iterations that tasks of this instance have counted so far.
    #[must_use]
    pub fn iterations_of_all(&self) -> u64 {
        let slots = self.given.instance.slots.iter();
        slots.map(|slot| slot.iterations.load(Relaxed)).sum()
    }

    /// The CPU it runs on.
    #[inline]
    #[must_use]
    pub fn cpu(&self) -> u32 {
        u32::try_from(sched_getcpu()).unwrap_or(0)
    }

    /// CPUs this task may run on, as the kernel says now.
    ///
    /// # Errors
    ///
    /// More CPUs than a set can hold.
    pub fn sched_getaffinity(&self) -> Result<Cpus, Stop> {
        let set = sched_getaffinity(None).call(&"sched_getaffinity")?;
        Ok(Cpus::from_set(&set))
    }

    /// Says that this task is about to wait on `own`. Whatever it reads
    /// afterwards was written before any [`Ctx::post`] that will wake it.
    pub fn mark_blocked(&self, own: &Word) {
        own.set(BLOCKED);
        fence(SeqCst);
    }

    /// Waits until somebody posts `own`; `woken` is told of each sleep.
    /// `None` if the stop came first.
    pub fn wait_for_post(
        &mut self,
        own: &Word,
        woken: impl FnMut(&Self, &Sleep),
    ) -> Option<Waited> {
        self.wait_until(own, |state| state != BLOCKED, woken)
    }

    /// Whether the task of `word` waits, or is about to. If it does not, it
    /// will see whatever was written before this call.
    #[must_use]
    pub fn waits(&self, word: &Word) -> bool {
        fence(SeqCst);
        word.get() == BLOCKED
    }

    /// Tells the task that waits on `word` to run; a system call only if it
    /// waits, or is about to. Returns whether it was one.
    pub fn post(&self, word: &Word) -> bool {
        let mine = self.waits(word) && word.replace(BLOCKED, RUNNING);
        if mine {
            self.wake(word, 1);
        }
        mine
    }

    /// As [`Ctx::post`], and leaves the time for the wakee's `wake` sample:
    /// of several who post, that of the one whose wake it is.
    pub fn post_stamped(&self, word: &Word, stamp: &Stamp) -> bool {
        let mine = self.waits(word) && word.replace(BLOCKED, RUNNING);
        if mine {
            stamp.set(now());
            self.wake(word, 1);
        }
        mine
    }
}
