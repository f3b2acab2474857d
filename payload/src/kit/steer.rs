//! Steering a rate of requests to a busy share of the CPUs.
//!
//! Shares and ratios are in millionths: the payload has no floats.

use crate::kit::text::{digits, read_file};

const ONE: u64 = 1_000_000;

/// What the next second is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// Requests per second.
    pub rate: u64,
    /// The busy share is close enough to its target for the rate to count.
    pub settled: bool,
}

/// The next rate, when `rate` made the CPUs `busy` (millionths) and
/// `target_pct` percent are wanted.
#[must_use]
pub fn steer(rate: u64, target_pct: u64, busy: u64) -> Step {
    let target = target_pct * (ONE / 100);
    let ratio = match busy {
        0 => u64::MAX,
        _ => target * ONE / busy,
    };
    if busy < target {
        let by = match ratio {
            0..1_200_000 => ONE + (ratio - ONE) / 8,
            1_200_000..1_500_000 => ONE + (ratio - ONE) / 4,
            _ => ratio.min(3 * ONE),
        };
        let more = (rate * by).div_ceil(ONE);
        // Where more requests do not make the CPUs busier, there are too
        // few workers to ever reach the target.
        let rate = if more < 1 << 31 { more } else { rate };
        let settled = ratio < 1_200_000;
        return Step { rate, settled };
    }
    let by = match ratio {
        0..300_000 => 300_000,
        300_000..=800_000 => ratio,
        800_001..=900_000 => ratio + (ONE - ratio) / 4,
        _ => ratio + (ONE - ratio) / 8,
    };
    Step {
        rate: rate * by / ONE,
        // The ratio whose shortfall, cut by an eighth, leaves 0.95.
        settled: ratio > 942_857,
    }
}

/// CPU time of the machine in ticks, all CPUs together.
#[derive(Debug, Clone, Copy)]
pub struct CpuTime {
    all: u64,
    idle: u64,
}

impl CpuTime {
    /// Reads `/proc/stat`; `None` where there is none.
    #[must_use]
    pub fn read() -> Option<Self> {
        let mut buf = [0; 256];
        Self::parse(read_file("/proc/stat", &mut buf)?)
    }

    fn parse(text: &str) -> Option<Self> {
        let words = text.lines().next()?.strip_prefix("cpu ")?;
        let words = words.split_ascii_whitespace();
        let (mut all, mut idle) = (0, 0);
        // The two fields after these eight repeat what user and nice have.
        for (word, field) in words.take(8).zip(0..) {
            let ticks = digits(word)?;
            all += ticks;
            if field == 3 {
                idle = ticks;
            }
        }
        Some(Self { all, idle })
    }

    /// The share of the time since `before` in which CPUs were not idle.
    #[must_use]
    pub fn busy_since(&self, before: &Self) -> u64 {
        let all = self.all.saturating_sub(before.all);
        let idle = self.idle.saturating_sub(before.idle).min(all);
        (all - idle) * ONE / all.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{CpuTime, steer};

    #[test]
    fn a_rate_rises_at_most_threefold_and_gently_near_the_target() {
        let step = |busy| {
            let step = steer(1000, 60, busy);
            (step.rate, step.settled)
        };
        assert_eq!(step(0), (3000, false));
        assert_eq!(step(100_000), (3000, false));
        // 0.6 / 0.3 = 2; 0.6 / 0.48 = 1.25; 0.6 / 0.54 = 1.111.
        assert_eq!(step(300_000), (2000, false));
        assert_eq!(step(480_000), (1063, false));
        assert_eq!(step(540_000), (1014, true));
        assert_eq!(step(600_000), (1000, true));
    }

    #[test]
    fn a_rate_falls_at_most_to_three_tenths() {
        let step = |busy| {
            let step = steer(1000, 20, busy);
            (step.rate, step.settled)
        };
        assert_eq!(step(1_000_000), (300, false));
        assert_eq!(step(400_000), (500, false));
        // 0.2 / 0.235 = 0.851; 0.2 / 0.21 = 0.952.
        assert_eq!(step(235_000), (888, false));
        assert_eq!(step(210_000), (958, true));
    }

    #[test]
    fn a_rate_that_does_nothing_stays() {
        assert_eq!(steer(1 << 30, 90, 100_000).rate, 1 << 30);
    }

    #[test]
    fn all_but_idle_is_busy() {
        let read = |text| CpuTime::parse(text).unwrap();
        let before = read("cpu  10 0 10 100 0 0 0 0 5 5\ncpu0 1\n");
        let after = read("cpu  20 0 20 160 20 0 0 0 9 9\n");
        assert_eq!(after.busy_since(&before), 400_000);
        assert!(CpuTime::parse("intr 5").is_none());
    }
}
