//! Work without a call: spin steps, and time that is burnt.

use crate::ctx::Ctx;
use crate::kit::clock::{self, now};
use crate::kit::steps::spin_steps;

/// Spin steps between two checkpoints.
pub(super) const CHECKPOINT_STEPS: u64 = 1024;
/// Spin steps between two looks at the clock in [`Ctx::burn`].
const BURN_STEPS: u64 = 256;

impl Ctx<'_> {
    /// `n` spin steps, one work unit each, with checkpoints in between. Ends
    /// early at the stop.
    #[inline]
    pub fn spin(&mut self, n: u64) {
        let mut left = n;
        while left > CHECKPOINT_STEPS {
            spin_steps(CHECKPOINT_STEPS);
            left -= CHECKPOINT_STEPS;
            self.units(CHECKPOINT_STEPS);
            self.checkpoint_at(now());
            if self.stop() {
                return;
            }
        }
        spin_steps(left);
        self.units(left);
    }

    /// Spins for `ns` on the burn clock, or until the stop.
    pub fn burn(&mut self, ns: u64) {
        self.burn_each(ns, |_, _| {});
    }

    /// The same; `each` is told the wall time, in ns, of each 256 steps.
    pub fn burn_each(&mut self, ns: u64, each: impl Fn(&Self, u64)) {
        let read = match self.given.burn_cpu {
            true => clock::thread_cpu,
            false => now,
        };
        let mut begin = now();
        let end = read() + ns;
        while !self.stop() {
            spin_steps(BURN_STEPS);
            self.units(BURN_STEPS);
            let time = read();
            let wall = if self.given.burn_cpu { now() } else { time };
            each(self, wall.saturating_sub(begin));
            begin = wall;
            self.checkpoint_at(wall);
            if time >= end {
                break;
            }
        }
    }

    /// `n` spin steps that are no work units, for types that count events.
    /// Ends early at the stop.
    pub fn spin_uncounted(&mut self, n: u64) {
        let mut left = n;
        while left > CHECKPOINT_STEPS {
            spin_steps(CHECKPOINT_STEPS);
            left -= CHECKPOINT_STEPS;
            self.checkpoint_at(now());
            if self.stop() {
                return;
            }
        }
        spin_steps(left);
    }
}
