//! Whether a wait slept, as the count of voluntary context switches tells.

use crate::sys;

/// How a task knows that a read has slept without asking the kernel each
/// time.
///
/// A read as short as a write cannot have slept, and one whose token was
/// written well after it began must have: only in between is the kernel's
/// count of voluntary context switches compared with what it is known to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Switches {
    /// Voluntary context switches so far; `u64::MAX` if nobody asked yet.
    count: u64,
    /// When the last token was written, in ns.
    pub(super) wrote_ns: u64,
    /// The fastest write so far, in ns.
    write_ns: u64,
}

impl Switches {
    /// Nothing is known.
    pub(super) const UNKNOWN: Self = Self {
        count: u64::MAX,
        wrote_ns: u64::MAX,
        write_ns: u64::MAX,
    };

    /// A read is about to begin, behind the last write.
    pub(super) fn before(&mut self, block_ns: u64) {
        if self.count == u64::MAX {
            self.count = sys::nvcsw();
        }
        let took = block_ns.saturating_sub(self.wrote_ns);
        if took > 0 {
            self.write_ns = self.write_ns.min(took);
        }
    }

    /// Whether the task has slept since it was asked last, or since
    /// [`Self::before`] of its first wait.
    pub(super) fn grew(&mut self) -> bool {
        let count = sys::nvcsw();
        let grew = count > self.count;
        self.count = count;
        grew
    }

    /// Whether a read slept; `ask` is the count of switches.
    pub(super) fn slept(
        &mut self,
        (block_ns, run_ns): (u64, u64),
        stamp_ns: u64,
        ask: impl FnOnce() -> u64,
    ) -> bool {
        let short = self.write_ns.saturating_mul(2);
        if run_ns.saturating_sub(block_ns) <= short && short < u64::MAX {
            return false;
        }
        if stamp_ns >= block_ns.saturating_add(short) {
            self.count = self.count.wrapping_add(1);
            return true;
        }
        let count = ask();
        let slept = count > self.count;
        self.count = count;
        slept
    }
}

#[cfg(test)]
mod tests {
    use super::Switches;

    #[test]
    fn only_a_doubtful_read_asks_the_kernel() {
        let mut switches = Switches {
            count: 7,
            wrote_ns: 1000,
            write_ns: u64::MAX,
        };
        // A write of 500 ns: what is not longer than two of them is short.
        switches.before(1500);
        let never = || unreachable!();
        assert!(!switches.slept((1500, 2500), 1400, never), "short");
        assert!(switches.slept((1500, 9000), 2500, never), "well after");
        assert_eq!(switches.count, 8);
        assert!(switches.slept((1500, 9000), 1600, || 9));
        // The stamp of a writer who was held up behind it.
        assert!(switches.slept((1500, 9000), 10, || 10));
        // Preempted before it could sleep.
        assert!(!switches.slept((1500, 9000), 1600, || 10));
    }
}
