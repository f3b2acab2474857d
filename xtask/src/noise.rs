//! What else the host did during a boot, other boots included.
//!
//! A machine under plain TCG or KVM shares its CPUs with everything else, and
//! measures it. A deterministic one does not, and needs none of this.

use core::ops::Range;
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::fs;
use std::time::Instant;

/// Ticks per second of the times in `/proc`, on all of Linux.
const HZ: f64 = 100.0;
/// Others may use this much of a CPU without a word.
const OTHERS: f64 = 0.5;
/// As may the host's own host.
const STEAL: f64 = 0.02;

/// What else the host did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Noise {
    /// Load average of the minute before.
    pub load: f64,
    /// CPUs that others than the machine kept busy, on average.
    pub others: f64,
    /// Share of time that the host itself did not get.
    pub steal: f64,
}

impl Noise {
    /// Whether it may have changed what was measured.
    #[must_use]
    pub fn loud(&self) -> bool {
        self.others > OTHERS || self.steal > STEAL
    }

    /// The loudest of each.
    #[must_use]
    pub fn most(&self, other: &Self) -> Self {
        Self {
            load: self.load.max(other.load),
            others: self.others.max(other.others),
            steal: self.steal.max(other.steal),
        }
    }
}

/// Watches the host from here on.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    begin: Instant,
    load: f64,
    times: Option<Times>,
    /// Ticks of the machine's own.
    machine: f64,
}

impl Watch {
    /// Begins.
    #[must_use]
    pub fn start() -> Self {
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let load = load.split(' ').next().and_then(|word| word.parse().ok());
        Self {
            begin: Instant::now(),
            load: load.unwrap_or(0.0),
            times: Times::read(),
            machine: 0.0,
        }
    }

    /// Takes the `stat` of the machine's processes, while there are any. What
    /// one of them leaves behind is its parent's.
    pub fn machine(&mut self, stats: &[String]) {
        let of = |stat: &String| used(stat, OWN..REAPED);
        let all: f64 = stats.iter().filter_map(of).sum();
        self.machine = self.machine.max(all);
    }

    /// Ends, when the machine has ended; `None` if `/proc` does not tell.
    #[must_use]
    pub fn end(self) -> Option<Noise> {
        let (begin, end) = (self.times?, Times::read()?);
        let seconds = self.begin.elapsed().as_secs_f64();
        let ours = end.ours - begin.ours + self.machine;
        let used = end.busy - begin.busy - ours;
        let all = end.all - begin.all;
        Some(Noise {
            load: self.load,
            others: (used / HZ / seconds.max(0.01)).max(0.0),
            steal: (end.steal - begin.steal) / all.max(1.0),
        })
    }
}

/// How long a process was ready to run and had no CPU: what the thread had to
/// wait that waited longest.
#[must_use]
pub fn starved(process: u32) -> Duration {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    let waits = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.path().join("schedstat")).ok()?;
        run_delay(&text)
    });
    waits.max().unwrap_or_default()
}

/// The second number of a `schedstat`.
fn run_delay(text: &str) -> Option<Duration> {
    let ns = text.split_whitespace().nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(ns))
}

/// Ticks since the start.
#[derive(Debug, Clone, Copy)]
struct Times {
    all: f64,
    busy: f64,
    steal: f64,
    /// Of this process alone: it may have waited for other machines.
    ours: f64,
}

fn ticks(words: &str) -> Vec<f64> {
    let words = words.split_whitespace();
    words.map_while(|word| word.parse().ok()).collect()
}

/// Where the times of a process are among the fields behind its state, and
/// where those end that it has of children that it waited for.
const OWN: usize = 10;
const CHILDREN: usize = 12;
const REAPED: usize = 14;

/// Ticks of a process in its `stat`. The name before the last parenthesis may
/// be anything.
fn used(stat: &str, fields: Range<usize>) -> Option<f64> {
    let (_, all) = stat.rsplit_once(") ")?;
    let all = ticks(all.split_once(' ')?.1);
    Some(all.get(fields)?.iter().sum())
}

impl Times {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        let mine = fs::read_to_string("/proc/self/stat").ok()?;
        Self::parse(&stat, &mine)
    }

    fn parse(stat: &str, mine: &str) -> Option<Self> {
        // user nice system idle iowait irq softirq steal; guest times are
        // in user and nice already.
        let cpu = ticks(stat.lines().next()?.strip_prefix("cpu ")?);
        let [user, nice, system, idle, iowait, irq, softirq, steal, ..] =
            cpu[..]
        else {
            return None;
        };
        let busy = user + nice + system + irq + softirq;
        Some(Self {
            all: busy + idle + iowait + steal,
            busy,
            steal,
            ours: used(mine, OWN..CHILDREN)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Times, Watch, run_delay};

    #[test]
    fn times_are_where_the_kernel_puts_them() {
        let stat = "cpu  100 20 30 400 50 6 7 8 9 0\ncpu0 1 2\n";
        let mine = "12 (a) b) R 1 2 3 -1 4 5 6 7 8 9 11 22 33 44 20 0 1 0\n";
        let times = Times::parse(stat, mine).unwrap();
        assert_eq!((times.busy, times.all), (163.0, 621.0));
        assert_eq!((times.steal, times.ours), (8.0, 33.0));
        assert!(Times::parse("cpu 1 2\n", mine).is_none());
        assert!(Times::parse(stat, "12 (a) R 1\n").is_none());
    }

    #[test]
    fn what_waits_for_a_cpu_is_the_second_of_three() {
        let text = "11467803 5000000001 36\n";
        assert_eq!(run_delay(text), Some(Duration::new(5, 1)));
        assert_eq!(run_delay("0\n"), None);
    }

    #[test]
    fn this_host_tells() {
        let noise = Watch::start().end().unwrap();
        assert!(noise.others >= 0.0 && noise.steal >= 0.0, "{noise:?}");
    }
}
