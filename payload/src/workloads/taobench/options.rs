//! The options of taobench, and its two profiles.

use crate::kit::duration::parse_duration;
use crate::row::{Param, Work};
use core::time::Duration;

pub(super) const PROFILE: Param = Param::choice(
    0,
    "profile",
    &["standard", "dcperf"],
    "where slow_sleep_us, wait and compress come from if not given",
);
const DCPERF: usize = 1;
pub(super) const FAST_THREADS: Param =
    threads(1, "fast_threads", "threads that look up; 0 is 0.75 x CPUs");
pub(super) const DISPATCHERS: Param =
    threads(2, "dispatchers", "threads between; 0 is 0.25 x fast");
pub(super) const SLOW_THREADS: Param =
    threads(3, "slow_threads", "threads that fetch; 0 is 3 x fast");
pub(super) const CONNS: Param = Param::count(
    4,
    "conns_per_fast",
    16,
    (1, 4096),
    "closed-loop connections of a fast thread",
);
pub(super) const CACHE_MIB: Param =
    Param::count(5, "cache_mib", 64, (32, 16_384), "size of the cache");
pub(super) const TARGET_HIT: Param = Param::count(
    6,
    "target_hit_pct",
    90,
    (1, 99),
    "share of lookups that are to hit",
);
pub(super) const SLOW_SLEEP: Param = by_profile(
    7,
    "slow_sleep_us",
    2_000_000,
    "median fetch time; standard 100, dcperf 0",
);
pub(super) const SLOW_P99: Param = Param::count(
    8,
    "slow_p99_us",
    0,
    (0, 2_000_000),
    "99th percentile of the fetch time; 0 is no tail",
);
pub(super) const WAIT: Param = Param::text(
    9,
    "wait",
    &"futex, or poll:D with D up to 1s, for example poll:100ns",
    |text| text.is_empty() || wait_of(text).is_some(),
    "how idle threads wait; standard futex, dcperf poll:100ns",
);
pub(super) const COMPRESS: Param = by_profile(
    10,
    "compress",
    1,
    "compress what was fetched; standard 0, dcperf 1",
);
pub(super) const INTERVAL: Param = Param::count(
    11,
    "interval_s",
    5,
    (0, 86_400),
    "seconds between two intermediate reports; 0 is none",
);
pub(super) const PIN: Param =
    Param::flag(12, "pin", "pin each thread to a CPU, in turn");
pub(super) const ARRIVAL_RATE: Param = Param::count(
    13,
    "arrival_rate",
    0,
    (0, 1_000_000_000),
    "requests per second that arrive by themselves; 0 is a closed loop",
);

const fn threads(
    index: usize,
    name: &'static str,
    summary: &'static str,
) -> Param {
    Param::count(index, name, 0, (0, 4096), summary)
}

const fn by_profile(
    index: usize,
    name: &'static str,
    max: u32,
    summary: &'static str,
) -> Param {
    Param::count_or(index, name, &"profile", (0, max), summary)
}

fn is_dcperf(work: &Work<'_>) -> bool {
    work.choice(&PROFILE) == DCPERF
}

/// How idle threads wait: `None` on a futex, else they poll so often.
fn wait_of(text: &str) -> Option<Option<Duration>> {
    if text == "futex" {
        return Some(None);
    }
    let every = parse_duration(text.strip_prefix("poll:")?)?;
    let valid = Duration::from_nanos(1)..=Duration::from_secs(1);
    valid.contains(&every).then_some(Some(every))
}

/// Every how many ns idle threads poll; `None` if they wait on a futex.
pub(super) fn poll_ns(work: &Work<'_>) -> Option<u64> {
    let every = match work.text(&WAIT) {
        "" if is_dcperf(work) => Some(Duration::from_nanos(100)),
        text => wait_of(text).flatten(),
    };
    every.and_then(|every| u64::try_from(every.as_nanos()).ok())
}

/// Median fetch time in ns.
pub(super) fn sleep_ns(work: &Work<'_>) -> u64 {
    let default = if is_dcperf(work) { 0 } else { 100 };
    work.count_or_word(&SLOW_SLEEP).unwrap_or(default) * 1000
}

/// Whether what was fetched is compressed.
pub(super) fn compresses(work: &Work<'_>) -> bool {
    let default = u64::from(is_dcperf(work));
    work.count_or_word(&COMPRESS).unwrap_or(default) > 0
}

/// Values that exclude each other.
pub(super) fn check(work: &Work<'_>) -> Result<(), &'static str> {
    let (median, p99) = (sleep_ns(work), work.count(&SLOW_P99) * 1000);
    if p99 > 0 && (median == 0 || p99 <= median) {
        return Err("slow_p99_us is above slow_sleep_us, which is not 0");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Layout, Role};
    use super::{check, compresses, poll_ns, sleep_ns, wait_of};
    use crate::row::{Value, Work};
    use crate::workloads::find;

    fn work(set: &[(&str, Value<'static>)]) -> Work<'static> {
        let mut work = find("Taobench").unwrap().row.work();
        for &(name, value) in set {
            work.set(name, value).unwrap();
        }
        work
    }

    #[test]
    fn profiles_give_what_the_plan_does_not() {
        let all = |w: &Work<'_>| (sleep_ns(w), poll_ns(w), compresses(w));
        let dcperf = ("profile", Value::Choice(1));
        assert_eq!(all(&work(&[])), (100_000, None, false));
        assert_eq!(all(&work(&[dcperf])), (0, Some(100), true));
        let given = [
            dcperf,
            ("slow_sleep_us", Value::Count(7)),
            ("wait", Value::Text("futex")),
            ("compress", Value::Count(0)),
        ];
        assert_eq!(all(&work(&given)), (7000, None, false));
        for bad in ["poll", "poll:", "poll:0ns", "poll:2s", "spin"] {
            assert_eq!(wait_of(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_tail_is_above_its_median() {
        let p99 = |n| ("slow_p99_us", Value::Count(n));
        assert!(check(&work(&[p99(101)])).is_ok());
        assert!(check(&work(&[p99(100)])).is_err());
        let none = ("slow_sleep_us", Value::Count(0));
        assert!(check(&work(&[p99(5), none])).is_err());
    }

    #[test]
    fn threads_follow_from_the_cpus() {
        let layout = Layout::new(&work(&[]), 16);
        let threads = (layout.fast, layout.dispatchers, layout.slow);
        assert_eq!(threads, (12, 3, 36));
        assert_eq!(Layout::new(&work(&[]), 1).tasks(), 5);
        let again = Layout::of_tasks(&work(&[]), 51);
        assert_eq!(again.shared(), layout.shared());
        assert_eq!(layout.role(11), Role::Fast(11));
        assert_eq!(layout.role(12), Role::Dispatcher);
        assert_eq!(layout.role(15), Role::Slow);
    }
}
