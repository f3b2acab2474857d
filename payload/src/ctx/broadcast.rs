//! One task wakes many, generation by generation.
//!
//! Types that do so have the generation in word 0 and its stamps in ring 0,
//! and begin their lists of histograms and metrics with the ones declared
//! here. Generations start at 1; word 1 counts receivers that have parked.

use crate::ctx::Ctx;
use crate::kit::clock::now;
use crate::row::{Hist, Metric, Param};
use crate::wire::record::WakeRule;

/// From the stamp of a generation to running.
pub const WAKE: Hist = Hist::wake(
    0,
    WakeRule::Broadcast,
    "before FUTEX_WAKE of the generation that ended the sleep to running",
);

/// What the waker spends in the call.
pub const WAKE_CALL: Hist =
    Hist::new(1, "wake_call", "duration of FUTEX_WAKE over all receivers");

/// Broadcasts.
pub const CALLS: Metric = Metric::sum(0, "wake_calls", "FUTEX_WAKE calls");

/// What the broadcasts returned.
pub const WOKEN: Metric =
    Metric::sum(1, "woken", "sum of what these calls returned");

/// Generations that passed while a receiver was busy.
pub const MISSED: Metric =
    Metric::sum(2, "missed", "generations a receiver never saw");

const GENERATION: u32 = 0;
const PARKED: u32 = 1;
const PACES: &[&str] = &["parked", "free"];
const PACE_PARKED: usize = 0;

/// The longest walk of the wake queue.
pub const WOKEN_MAX: Metric =
    Metric::max(3, "woken_max", "most that one of these calls returned");

/// All of these, in order.
pub const METRICS: &[Metric] = &[CALLS, WOKEN, MISSED, WOKEN_MAX];

/// Whether a messenger waits for its receivers, as the parameter at `index`.
#[must_use]
pub const fn pace(index: usize) -> Param {
    Param::choice(
        index,
        "pace",
        PACES,
        "wait for all receivers to park before a wake, or do not",
    )
}

/// A generation that a receiver has seen.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// The newest there is.
    pub generation: u32,
    /// When the receiver ran, in ns.
    pub run_ns: u64,
    /// The generation whose broadcast ended its sleep, and how long that
    /// took, in ns; `None` if it did not sleep, or the stamp was gone.
    pub woken: Option<(u32, u64)>,
}

impl Ctx<'_> {
    /// The generation the next broadcast will have.
    #[must_use]
    pub fn next_generation(&self) -> u32 {
        self.word(GENERATION).get().wrapping_add(1)
    }

    /// Stamps and publishes the next generation, and wakes up to `n` of its
    /// waiters in one call.
    pub fn broadcast(&mut self, n: u32) {
        let word = self.word(GENERATION);
        let generation = self.next_generation();
        let begin = now();
        self.ring(0).set(generation, begin);
        word.set(generation);
        let woken = self.wake(word, n);
        self.record(&WAKE_CALL, now() - begin);
        self.metric(&CALLS, 1);
        self.metric(&WOKEN, woken);
        self.metric_max(&WOKEN_MAX, woken);
    }

    /// Waits for a generation after `seen`, which is 0 at first, and records
    /// every sleep on the way. `None` at the stop.
    pub fn hear(&mut self, seen: u32) -> Option<Heard> {
        let (word, ring) = (self.word(GENERATION), self.ring(0));
        let mut woken = None;
        let waited = self.wait_until(
            word,
            |generation| generation != seen,
            |c, sleep| woken = c.record_broadcast(&WAKE, (word, ring), sleep),
        )?;
        if !waited.slept {
            self.nowait();
        }
        let generation = word.get();
        self.metric(&MISSED, u64::from(generation.wrapping_sub(seen) - 1));
        Some(Heard {
            generation,
            run_ns: waited.run_ns,
            woken,
        })
    }

    /// A messenger's broadcast to `receivers` that use [`Ctx::park_and_hear`];
    /// with a pace of `parked` it first waits for all of them to park.
    pub fn fan_out(&mut self, receivers: u32, pace: &Param) {
        let parked = self.word(PARKED);
        if self.work().choice(pace) == PACE_PARKED
            && self
                .wait_until(parked, |n| n >= receivers, |_, _| {})
                .is_none()
        {
            return;
        }
        parked.set(0);
        self.broadcast(receivers);
    }

    /// Announces that this one of `receivers` has parked, and hears.
    pub fn park_and_hear(
        &mut self,
        receivers: u32,
        seen: u32,
    ) -> Option<Heard> {
        let parked = self.word(PARKED);
        if parked.increment() == receivers {
            self.wake(parked, 1);
        }
        self.hear(seen)
    }
}
