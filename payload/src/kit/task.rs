//! What `/proc` says of one task.

use crate::kit::text::{around_last, digits, path, read_file, signed, word};
use core::ops::Range;
use core::ops::{Index, IndexMut};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use rustix::process::getpid;
use rustix::thread::gettid;
use serde::{Deserialize, Serialize};

/// What the kernel counted of one task, as deltas over the measured window;
/// absent where the kernel does not tell. On the wire they are in the order
/// of [`Counter`].
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize,
)]
pub struct TaskCounters(pub [Option<u64>; COUNTERS]);

/// One of [`TaskCounters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counter {
    /// Time runnable but not running, `schedstat` field 2, in ns.
    RunDelay,
    /// Times scheduled in, `schedstat` field 3.
    RunCount,
    /// Voluntary context switches.
    Nvcsw,
    /// Involuntary context switches.
    Nivcsw,
    /// `se.nr_migrations`.
    Migrations,
    /// `nr_wakeups`.
    Wakeups,
    /// `nr_wakeups_sync`.
    WakeupsSync,
    /// `nr_wakeups_migrate`.
    WakeupsMigrate,
    /// `nr_wakeups_remote`.
    WakeupsRemote,
    /// Minor faults.
    Minflt,
    /// Major faults.
    Majflt,
}

/// How many there are.
pub const COUNTERS: usize = Counter::Majflt as usize + 1;

impl TaskCounters {
    /// The same with this one as given.
    #[must_use]
    pub fn with(mut self, counter: Counter, n: Option<u64>) -> Self {
        self[counter] = n;
        self
    }
}

impl Index<Counter> for TaskCounters {
    type Output = Option<u64>;

    fn index(&self, counter: Counter) -> &Option<u64> {
        &self.0[counter as usize]
    }
}

impl IndexMut<Counter> for TaskCounters {
    fn index_mut(&mut self, counter: Counter) -> &mut Option<u64> {
        &mut self.0[counter as usize]
    }
}

/// Counters of the calling thread.
#[must_use]
pub fn read_own() -> TaskCounters {
    let pid = getpid().as_raw_nonzero().get().unsigned_abs();
    let tid = gettid().as_raw_nonzero().get().unsigned_abs();
    read(pid, tid)
}

/// Counters of a task; each is absent where the kernel does not tell.
#[must_use]
pub fn read(pid: u32, tid: u32) -> TaskCounters {
    let mut c = TaskCounters::default();
    let mut buf = [0; 8192];
    for (file, counters) in FILES {
        let file = path(format_args!("/proc/{pid}/task/{tid}/{file}"));
        let Some(text) = read_file(&file, &mut buf) else {
            continue;
        };
        for &(counter, place) in *counters {
            c[counter] = match place {
                Place::Word(at) => word(text, at),
                // The name is in parentheses and may hold anything.
                Place::Field(at) => around_last(text, b')')
                    .and_then(|(_, rest)| word(rest, at - 3)),
                Place::Key(key) => after(text, key),
            };
        }
    }
    c
}

/// Where a file has a counter.
#[derive(Clone, Copy)]
enum Place {
    /// The word after so many.
    Word(usize),
    /// This field of proc_pid_stat(5).
    Field(usize),
    /// The line of this name.
    Key(&'static str),
}

const FILES: &[(&str, &[(Counter, Place)])] = &[
    (
        "schedstat",
        &[
            (Counter::RunDelay, Place::Word(1)),
            (Counter::RunCount, Place::Word(2)),
        ],
    ),
    (
        "status",
        &[
            (Counter::Nvcsw, Place::Key("voluntary_ctxt_switches")),
            (Counter::Nivcsw, Place::Key("nonvoluntary_ctxt_switches")),
        ],
    ),
    (
        "stat",
        &[
            (Counter::Minflt, Place::Field(10)),
            (Counter::Majflt, Place::Field(12)),
        ],
    ),
    (
        "sched",
        &[
            (Counter::Migrations, Place::Key("se.nr_migrations")),
            (Counter::Wakeups, Place::Key("nr_wakeups")),
            (Counter::WakeupsSync, Place::Key("nr_wakeups_sync")),
            (Counter::WakeupsMigrate, Place::Key("nr_wakeups_migrate")),
            (Counter::WakeupsRemote, Place::Key("nr_wakeups_remote")),
        ],
    ),
];

/// The CPU a task runs on, or ran on last.
#[must_use]
pub fn last_cpu(pid: u32, tid: u32) -> Option<usize> {
    let mut buf = [0; 1024];
    let stat = path(format_args!("/proc/{pid}/task/{tid}/stat"));
    let (_, rest) = around_last(read_file(&stat, &mut buf)?, b')')?;
    // Field 39 (proc_pid_stat(5)); the first behind the name is 3.
    usize::try_from(word(rest, 39 - 3)?).ok()
}

/// Whether the calling thread runs in the sched_ext class; `None` on kernels
/// that do not have it.
#[must_use]
pub fn own_ext_enabled() -> Option<bool> {
    let mut buf = [0; 8192];
    let text = read_file("/proc/thread-self/sched", &mut buf)?;
    after(text, "ext.enabled").map(|enabled| enabled != 0)
}

/// Adds up the calling thread's pages on each node: those mapped in `range`
/// of its addresses, or all if it is empty. Left as they were where the
/// kernel has no `numa_maps`.
pub fn own_numa_pages(range: &Range<usize>, nodes: &[AtomicU64]) {
    let mut buf = [0; 16 * 1024];
    let Some(text) = read_file("/proc/thread-self/numa_maps", &mut buf) else {
        return;
    };
    for line in text.lines() {
        let (start, rest) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(start) = usize::from_str_radix(start, 16) else {
            continue;
        };
        if !range.is_empty() && !range.contains(&start) {
            continue;
        }
        for (node, pages) in rest.split(' ').filter_map(node_pages) {
            if let Some(sum) = nodes.get(node) {
                sum.fetch_add(pages, Relaxed);
            }
        }
    }
}

/// `N0=12`.
fn node_pages(word: &str) -> Option<(usize, u64)> {
    let (node, pages) = word.strip_prefix('N')?.split_once('=')?;
    Some((usize::try_from(digits(node)?).ok()?, digits(pages)?))
}

/// `run_delay` of the calling thread, in ns.
#[must_use]
pub fn own_run_delay() -> Option<u64> {
    let mut buf = [0; 64];
    let text = read_file("/proc/thread-self/schedstat", &mut buf)?;
    word(text, 1)
}

/// The real-time priority at which the calling thread runs, inherited ones
/// included; 0 outside the real-time classes.
#[must_use]
pub fn own_running_priority() -> Option<u64> {
    let mut buf = [0; 512];
    running_priority(read_file("/proc/thread-self/stat", &mut buf)?)
}

/// Field 18 of proc_pid_stat(5): -1 minus the real-time priority, or 0 and
/// more.
fn running_priority(stat: &str) -> Option<u64> {
    let (_, rest) = around_last(stat, b')')?;
    let field = rest.split_ascii_whitespace().nth(18 - 3)?;
    let priority = signed(field)?;
    Some(u64::try_from(-1 - priority).unwrap_or(0))
}

/// The number in the line `key : number`. Some kernels print statistics as
/// `se.statistics.KEY`, others as `KEY`.
fn after(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let name = name.trim_ascii();
        let name = name.strip_prefix("se.statistics.").unwrap_or(name);
        (name == key).then(|| digits(value.trim_ascii()))?
    })
}

#[cfg(test)]
mod tests {
    use super::{Counter, after, node_pages, read_own, running_priority};

    #[test]
    fn own_counters_grow() {
        let before = read_own();
        rustix::thread::sched_yield();
        let after = read_own();
        assert!(
            before[Counter::Nvcsw].is_some()
                && before[Counter::Minflt].is_some()
        );
        assert!(after[Counter::Minflt] >= before[Counter::Minflt]);
    }

    #[test]
    fn pages_of_a_node() {
        assert_eq!(node_pages("N3=70"), Some((3, 70)));
        assert_eq!(node_pages("anon=70"), None);
    }

    #[test]
    fn priorities_of_stat() {
        let stat = |priority| {
            let head = "7 (a) b) S 1 7 7 0 -1 64 1 0 0 0 0 0 0 0";
            running_priority(&std::format!("{head} {priority} 0 1"))
        };
        assert_eq!(stat(-71), Some(70));
        assert_eq!(stat(20), Some(0));
        assert_eq!(running_priority("7 (a) S 1"), None);
    }

    #[test]
    fn both_spellings_of_sched() {
        let text = "se.nr_migrations     :   3\nnr_wakeups : 7\n\
                    se.statistics.nr_wakeups_sync : 5\n";
        assert_eq!(after(text, "se.nr_migrations"), Some(3));
        assert_eq!(after(text, "nr_wakeups"), Some(7));
        assert_eq!(after(text, "nr_wakeups_sync"), Some(5));
        assert_eq!(after(text, "nr_wakeups_migrate"), None);
    }
}
