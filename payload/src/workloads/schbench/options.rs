//! The options of schbench, and which of them exclude each other.

use crate::kit::cpus::Cpus;
use crate::kit::text::plain;
use crate::row::attr::Policy;
use crate::row::{Param, Work};

pub(super) const MESSAGES: Param = Param::count(
    0,
    "message_threads",
    1,
    (1, 1024),
    "threads that hand out requests (-m)",
);
pub(super) const WORKERS: Param = Param::count(
    1,
    "worker_threads",
    0,
    (0, 4096),
    "workers of each; 0 is all CPUs between them (-t)",
);
pub(super) const FOOTPRINT: Param = Param::count(
    2,
    "cache_footprint_kib",
    256,
    (1, 1 << 20),
    "size of a worker's matrices (-F)",
);
pub(super) const OPERATIONS: Param =
    Param::steps(3, "operations", 5, "products per request (-n)");
pub(super) const SLEEP: Param = Param::count(
    4,
    "sleep_usec",
    100,
    (0, 60_000_000),
    "think time of a request (-s)",
);
pub(super) const SKIP_LOCKING: Param =
    Param::flag(5, "skip_locking", "work without the CPU's lock (-L)");
pub(super) const RPS: Param = Param::count(
    6,
    "requests_per_sec",
    0,
    (0, 100_000_000),
    "requests injected in a second; 0 is message mode (-R)",
);
pub(super) const AUTO_RPS: Param = Param::count(
    7,
    "auto_rps",
    0,
    (0, 100),
    "steer the rate to this busy percentage; 0 is off (-A)",
);
pub(super) const PIPE: Param = Param::count(
    8,
    "pipe_transfer_bytes",
    0,
    (0, 1 << 20),
    "bytes copied per wake in place of work (-p)",
);
pub(super) const SPLIT: Param = Param::count_or(
    9,
    "split_percent",
    &"unset",
    (0, 100),
    "private share of footprint and operations; the rest is one shared matrix",
);
pub(super) const CALIBRATE: Param = Param::flag(
    10,
    "calibrate",
    "no locks, and requests without their think time (-C)",
);
pub(super) const MESSAGE_CPUS: Param =
    cpus(11, "message_cpus", "one CPU each (-M)");
pub(super) const WORKER_CPUS: Param =
    cpus(12, "worker_cpus", "all of them (-W)");
pub(super) const WARMUP: Param = Param::count(
    13,
    "warmup_s",
    0,
    (0, 86_400),
    "seconds after which the figures are zeroed once (-w)",
);
pub(super) const INTERVAL: Param = Param::count(
    14,
    "interval_s",
    10,
    (0, 86_400),
    "seconds between two intermediate reports; 0 is none (-i)",
);
pub(super) const ZERO: Param = Param::count(
    15,
    "zero_s",
    0,
    (0, 86_400),
    "seconds after which the figures are zeroed again and again (-z)",
);
pub(super) const LABEL: Param = Param::text(
    16,
    "label",
    &"at most 64 printable characters",
    |text| text.len() <= 64 && plain(text),
    "name of this setting in the report (-J)",
);
pub(super) const PACING: Param = Param::choice(
    17,
    "pacing",
    &["burst", "even"],
    "inject a second's requests at once, or spread them",
);
pub(super) const PACING_EVEN: usize = 1;
pub(super) const STRICT_STAMP: Param = Param::flag(
    18,
    "strict_stamp",
    "also measure each wake from a stamp of its own",
);

const fn cpus(
    index: usize,
    name: &'static str,
    summary: &'static str,
) -> Param {
    let rule = &"a CPU list such as 0-3,8, or auto";
    let list =
        |text: &str| matches!(text, "" | "auto") || Cpus::parse(text).is_some();
    Param::text(index, name, rule, list, summary)
}

/// Whether message threads inject requests.
pub(super) fn injects(work: &Work<'_>) -> bool {
    work.count(&AUTO_RPS) > 0
        || work.count(&RPS) / work.count(&MESSAGES).max(1) > 0
}

/// Whether a request takes the lock of its CPU.
pub(super) fn locks(work: &Work<'_>) -> bool {
    let without = work.flag(&SKIP_LOCKING) || work.flag(&CALIBRATE);
    !without && work.count(&PIPE) == 0
}

/// Values that exclude each other.
pub(super) fn check(work: &Work<'_>) -> Result<(), &'static str> {
    if work.count(&MESSAGES) * work.count(&WORKERS) > 16_384 {
        return Err("message_threads times worker_threads is at most 16384");
    }
    let rate = work.count(&RPS) + work.count(&AUTO_RPS);
    if work.count(&PIPE) > 0 && rate > 0 {
        return Err("pipe_transfer_bytes excludes requests_per_sec and \
                    auto_rps");
    }
    Ok(())
}

/// Policies under which a spinner would never let go.
pub(super) fn check_policy(
    work: &Work<'_>,
    policy: Policy,
) -> Result<(), &'static str> {
    let fixed = matches!(policy, Policy::Fifo(_) | Policy::Rr(_));
    if fixed && locks(work) {
        return Err("under fifo and rr a worker that spins on its CPU's lock \
                    never yields to the holder: skip_locking=1 is needed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::layout::{Layout, Role, kib, operations};
    use crate::plan::Plan;
    use crate::plan::sources::Sources;
    use crate::plan::token::Source;
    use crate::row::Value;
    use crate::workloads::find;
    use std::format;
    use std::string::{String, ToString};

    fn error(args: &str) -> String {
        let args = format!("work=Schbench {args}");
        let sources = Sources {
            args: Source::args(&args),
            ..Sources::default()
        };
        match Plan::parse(&sources) {
            Ok(_) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn what_excludes_each_other_is_refused() {
        for (args, part) in [
            ("pipe_transfer_bytes=1048577", "to 1048576"),
            ("pipe_transfer_bytes=9 requests_per_sec=9", "excludes"),
            ("auto_rps=9 pipe_transfer_bytes=9", "excludes"),
            ("policy=fifo:1", "skip_locking=1"),
            ("policy=rr:1", "skip_locking=1"),
            ("message_threads=1024 worker_threads=17", "16384"),
            ("worker_cpus=1-", "CPU list"),
            ("message_cpus=all", "CPU list"),
        ] {
            let error = error(args);
            assert!(error.contains(part), "{args}: {error}");
        }
        for args in [
            "policy=fifo:1 skip_locking=1",
            "policy=rr:1 calibrate=1",
            "policy=fifo:1 pipe_transfer_bytes=1048576",
            "policy=batch",
            "message_cpus=0-3,8 worker_cpus=auto",
        ] {
            assert_eq!(error(args), "", "{args}");
        }
    }

    #[test]
    fn every_task_has_its_role() {
        let mut work = find("Schbench").unwrap().row.work();
        work.set("message_threads", Value::Count(2)).unwrap();
        // Two message threads share five CPUs.
        let layout = Layout::new(&work, 5);
        assert_eq!((layout.workers(), layout.tasks()), (6, 9));
        assert_eq!(layout.role(0), Role::Monitor);
        assert_eq!(layout.role(2), Role::Message(1));
        assert_eq!(layout.role(8), Role::Worker(5));
        let again = Layout::of_tasks(&work, 9);
        assert_eq!(again.shared(), layout.shared());
    }

    #[test]
    fn a_split_adds_up() {
        let mut work = find("Schbench").unwrap().row.work();
        assert_eq!((kib(&work), operations(&work)), ((256, 0), (5, 0)));
        work.set("split_percent", Value::Count(25)).unwrap();
        assert_eq!((kib(&work), operations(&work)), ((64, 192), (1, 4)));
    }
}
