//! A worker of a report and its record. What both have is listed once.

use super::Worker;
use super::decoded::pairs;
use pidone::kit::task::{Counter, TaskCounters};
use pidone::wire::record::{self, Pairs};

/// Hands on fields that a record has as well, by the same name, and those of
/// what the kernel counted.
macro_rules! of_both {
    ($make:ident, $from:expr) => {
        $make!(
            $from,
            [
                index, pos, tid, tasks, iterations, work_units, counted,
                wall_ns, cpu_ns, nowait, stale, first_ns, migrations_seen,
                max_gap_ns, max_gap_cpu, max_gap_at_ns, max_cpu_gap_ns,
                completed, exit
            ],
            [
                run_delay_ns: RunDelay,
                run_count: RunCount,
                nvcsw: Nvcsw,
                nivcsw: Nivcsw,
                migrations: Migrations,
                nr_wakeups: Wakeups,
                nr_wakeups_sync: WakeupsSync,
                nr_wakeups_migrate: WakeupsMigrate,
                nr_wakeups_remote: WakeupsRemote,
                minflt: Minflt,
                majflt: Majflt
            ]
        )
    };
}

macro_rules! worker {
    ($w:expr, [$($same:ident),*], [$($field:ident: $counter:ident),*]) => {
        Worker {
            $($same: $w.$same,)*
            $($field: $w.kernel[Counter::$counter],)*
            role: $w.role.to_owned(),
            cpus_used: cpus($w.cpus_used),
            numa_pages: pairs($w.numa_pages).collect(),
            ..Worker::default()
        }
    };
}

macro_rules! record {
    ($w:expr, [$($same:ident),*], [$($field:ident: $counter:ident),*]) => {
        record::Worker {
            $($same: $w.$same,)*
            kernel: TaskCounters::default()
                $(.with(Counter::$counter, $w.$field))*,
            run: 0,
            group: 0,
            role: &$w.role,
            cpus_used: &[],
            effective: None,
            numa_pages: Pairs(""),
        }
    };
}

impl Worker {
    /// What a record says; errors and histograms have records of their own.
    pub(super) fn new(w: &record::Worker<'_>) -> Self {
        let mut worker = of_both!(worker, w);
        if let Some(e) = w.effective {
            worker.policy = Some(e.policy);
            worker.rt_priority = Some(e.rt_priority);
            worker.nice = Some(e.nice);
            worker.cpus_allowed = cpus(e.cpus);
            worker.mempolicy = e.mempolicy.map(str::to_owned);
            worker.ext_enabled = e.ext_enabled;
            worker.timer_slack_ns = e.timer_slack_ns;
        }
        worker
    }

    /// The record, as far as the payload's code makes figures of it.
    pub(crate) fn as_record(&self) -> record::Worker<'_> {
        of_both!(record, self)
    }
}

fn cpus(bitmap: &[u8]) -> Vec<u32> {
    let bits = bitmap.iter().zip(0_u32..).flat_map(|(byte, at)| {
        (0..8)
            .filter(move |bit| byte >> bit & 1 == 1)
            .map(move |b| at * 8 + b)
    });
    bits.collect()
}
