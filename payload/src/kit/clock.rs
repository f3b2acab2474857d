//! Clocks, in nanoseconds.

use rustix::io::Errno;
use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;
/// Nanoseconds in a millisecond.
pub const MILLISECOND: u64 = 1_000_000;

/// `CLOCK_MONOTONIC`, through the vDSO where there is one.
#[inline]
#[must_use]
pub fn now() -> u64 {
    nanos(clock_gettime(ClockId::Monotonic))
}

/// `CLOCK_REALTIME`, which may be set back.
#[must_use]
pub fn realtime() -> u64 {
    nanos(clock_gettime(ClockId::Realtime))
}

/// CPU time of this thread; always a system call.
#[must_use]
pub fn thread_cpu() -> u64 {
    nanos(clock_gettime(ClockId::ThreadCPUTime))
}

/// Sleeps until `CLOCK_MONOTONIC` reads `deadline_ns`.
///
/// # Errors
///
/// `EINTR` when a signal came first.
pub fn sleep_until(deadline_ns: u64) -> Result<(), Errno> {
    clock_nanosleep_absolute(ClockId::Monotonic, &timespec(deadline_ns))
}

/// The deadline behind the one at `last` and how many were left out, for they
/// had passed: a delay is not made up for, as in cyclictest.
#[must_use]
pub fn next_deadline(last: u64, period_ns: u64, now: u64) -> (u64, u64) {
    let next = last + period_ns;
    match now.checked_sub(next) {
        None => (next, 0),
        Some(late) => {
            let passed = late / period_ns.max(1) + 1;
            (next + passed * period_ns, passed)
        }
    }
}

/// A duration as the kernel takes it.
#[inline]
#[must_use]
pub fn timespec(ns: u64) -> Timespec {
    // Both parts of a u64 of nanoseconds are far inside an i64.
    Timespec {
        tv_sec: i64::try_from(ns / SECOND).unwrap_or(i64::MAX),
        tv_nsec: i64::try_from(ns % SECOND).unwrap_or(0),
    }
}

#[inline]
fn nanos(time: Timespec) -> u64 {
    // These clocks never read negative.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * SECOND + nanos
}

#[cfg(test)]
mod tests {
    use super::next_deadline;

    #[test]
    fn deadlines_that_have_passed_are_left_out() {
        assert_eq!(next_deadline(100, 10, 105), (110, 0));
        assert_eq!(next_deadline(100, 10, 109), (110, 0));
        assert_eq!(next_deadline(100, 10, 110), (120, 1));
        assert_eq!(next_deadline(100, 10, 139), (140, 3));
        assert_eq!(next_deadline(100, 10, 140), (150, 4));
    }
}
