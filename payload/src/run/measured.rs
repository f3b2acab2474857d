//! A run that was carried out, and the report of each of its workers.

use crate::kit::cpus::Cpus;
use crate::kit::exit::decode_exit;
use crate::kit::slot::{CPU_WORDS, Slot, State};
use crate::kit::task::TaskCounters;
use crate::kit::text::Cut;
use crate::plan::run::Run;
use crate::row::attr::mempolicy::MemPolicy;
use crate::run::crew::Crew;
use crate::run::kmsg::Kmsg;
use crate::wire::record::{self, Effective};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use heapless::String;

/// A run that was carried out.
#[derive(Debug)]
pub struct Measured<'r> {
    /// Its plan.
    pub run: &'r Run<'r>,
    /// Its number.
    pub number: u16,
    /// Its groups.
    pub crews: &'r [Crew<'r>],
    /// Every worker got through its set-up, so that it was measured.
    pub ready: bool,
    /// Start of the measured window, in ns.
    pub begin: u64,
    /// Its end, in ns.
    pub end: u64,
    /// Kernel counter deltas, `name=delta` a line.
    pub counters: &'r str,
    /// Taint bits that appeared.
    pub taint: u64,
    /// The kernel's log, standing where the run began.
    pub kmsg: Option<&'r Kmsg>,
}

impl Measured<'_> {
    /// How far a kernel counter went, where the kernel tells.
    pub(super) fn counter(&self, name: &str) -> Option<u64> {
        let mut counters = record::Pairs(self.counters).iter();
        Some(counters.find(|counter| counter.0 == name)?.1)
    }
}

/// What a cell of a slot holds.
pub(super) fn load(cell: &AtomicU64) -> u64 {
    cell.load(Relaxed)
}

/// The sum over these tasks.
pub(super) fn sum(slots: &[Slot], of: impl Fn(&Slot) -> &AtomicU64) -> u64 {
    slots.iter().map(|slot| of(slot).load(Relaxed)).sum()
}

fn max(slots: &[Slot], of: impl Fn(&Slot) -> &AtomicU64) -> u64 {
    let values = slots.iter().map(|slot| of(slot).load(Relaxed));
    values.max().unwrap_or(0)
}

/// The CPUs that any of the tasks was seen on.
fn bitmap_of_all<'b>(
    tasks: &[Slot],
    buf: &'b mut [u8; CPU_WORDS * 8],
) -> &'b [u8] {
    let all: [AtomicU64; CPU_WORDS] = core::array::from_fn(|word| {
        let words = tasks.iter().filter_map(|slot| slot.cpus_used.get(word));
        words.fold(0, |all, w| all | w.load(Relaxed)).into()
    });
    bitmap(&all, buf)
}

/// Little-endian bytes of a CPU bitmap without trailing zero bytes.
pub(super) fn bitmap<'b>(
    words: &[AtomicU64; CPU_WORDS],
    buf: &'b mut [u8; CPU_WORDS * 8],
) -> &'b [u8] {
    for (bytes, word) in buf.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
    }
    let used = buf.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
    &buf[..used]
}

/// Hands over the report of one worker.
pub fn with_worker(
    measured: &Measured<'_>,
    crew: &Crew<'_>,
    index: u32,
    take: &mut dyn FnMut(&record::Worker<'_>),
) {
    let tasks = crew.tasks_of(index);
    let Some(own) = tasks.first() else {
        return;
    };
    // Gaps are the longest of any task, with where and when it ended.
    let gap = tasks.iter().max_by_key(|slot| load(&slot.max_gap_ns));
    let gap = gap.unwrap_or(own);
    let gap_at = load(&gap.max_gap_at_ns).saturating_sub(measured.begin);
    let cpu = |slot: &Slot| {
        load(&slot.cpu_end_ns).saturating_sub(load(&slot.cpu_begin_ns))
    };
    let (mut used, mut allowed) = ([0; CPU_WORDS * 8], [0; CPU_WORDS * 8]);
    let mut pages: String<256> = String::new();
    for (node, pages_there) in own.numa_pages.iter().map(load).enumerate() {
        if pages_there > 0 {
            let _fits = writeln!(Cut(&mut pages), "{node}={pages_there}");
        }
    }
    let mut memory: String<256> = String::new();
    let mempolicy = own.mempolicy.load(Relaxed).checked_sub(1);
    let mempolicy = mempolicy.and_then(|number| {
        let nodes = Cpus::from_words(own.mempolicy_nodes.each_ref().map(load));
        MemPolicy::from_number(number, nodes)
    });
    if let Some(policy) = mempolicy {
        let _cut = write!(Cut(&mut memory), "{policy}");
    }
    let policy = own.policy.load(Relaxed).checked_sub(1);
    let effective = policy.map(|policy| Effective {
        policy: u8::try_from(policy).unwrap_or(u8::MAX),
        rt_priority: u8::try_from(own.rt_priority.load(Relaxed))
            .unwrap_or(u8::MAX),
        nice: i8::try_from(own.nice.load(Relaxed)).unwrap_or(0),
        cpus: bitmap(&own.allowed, &mut allowed),
        mempolicy: mempolicy.is_some().then_some(memory.as_str()),
        ext_enabled: match own.ext_enabled.load(Relaxed) {
            0 => None,
            told => Some(told == 2),
        },
        timer_slack_ns: load(&own.timer_slack).checked_sub(1),
    });
    let pos = index % crew.size;
    let begin = load(&own.begin_ns);
    take(&record::Worker {
        run: measured.number,
        group: crew.number,
        index,
        pos,
        role: (crew.group.row().role)(&crew.group.work, pos),
        tid: own.tid.load(Relaxed),
        tasks: crew.lanes,
        iterations: sum(tasks, |slot| &slot.iterations),
        work_units: sum(tasks, |slot| &slot.work_units),
        wall_ns: max(tasks, |slot| &slot.end_ns).saturating_sub(begin),
        cpu_ns: tasks.iter().map(cpu).sum(),
        nowait: sum(tasks, |slot| &slot.nowait),
        first_ns: load(&own.first_ns),
        kernel: kernel(tasks),
        migrations_seen: sum(tasks, |slot| &slot.migrations_seen),
        cpus_used: bitmap_of_all(tasks, &mut used),
        max_gap_ns: load(&gap.max_gap_ns),
        max_gap_cpu: gap.max_gap_cpu.load(Relaxed),
        max_gap_at_ns: gap_at,
        max_cpu_gap_ns: max(tasks, |slot| &slot.max_cpu_gap_ns),
        effective,
        numa_pages: record::Pairs(pages.trim_ascii_end()),
        completed: tasks.iter().all(|slot| slot.state() == State::Done),
        exit: decode_exit(own.exit.load(Relaxed)),
        counted: tasks.iter().all(Slot::counted),
        stale: sum(tasks, |slot| &slot.stale),
    });
}

/// The sum over the tasks of a worker of what the kernel counted.
fn kernel(tasks: &[Slot]) -> TaskCounters {
    let mut sums = TaskCounters::default();
    for (counter, sum) in sums.0.iter_mut().enumerate() {
        *sum = tasks.iter().map(|task| task.kernel(counter)).sum();
    }
    sums
}
