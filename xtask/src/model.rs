//! A boot as data: what `--json` prints and stored runs hold.
//!
//! The names and nesting are documented in `docs/json.md` and stable; fields
//! may join, none changes its meaning within one `schema`. What the kernel
//! did not tell is `null`, never 0.

mod absent;
mod decoded;
pub mod exits;
mod plain;
pub mod profile;
pub mod sampled;
pub mod trace;
pub mod tunable;
mod worker;

use crate::exit;
use crate::model::profile::Profile;
use crate::model::sampled::Sampled;
use crate::model::trace::Trace;
use crate::model::tunable::Tunable;
use core::fmt;
use pidone::kit::exit::Exit;
use pidone::kit::histogram::Summary;
use pidone::plan::token::PREFIX;
use pidone::wire::record::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a word of a plan says only what is printed, and where: that is up
/// to the lab. A runner knows its ports, and LAVA reads lines of its own.
#[must_use]
pub fn only_prints(word: &str) -> bool {
    let key = word.strip_prefix(PREFIX).unwrap_or(word);
    key.starts_with("records=") || key.starts_with("output=")
}

/// A whole boot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub schema: u32,
    /// The machine; absent if it never spoke.
    pub hello: Option<Hello>,
    /// Runs, in order.
    pub runs: Vec<Run>,
    /// The sched_ext scheduler that the plan asked for.
    #[serde(default)]
    pub scx: Option<Scx>,
    /// How many records are known to be lost.
    pub lost_records: u64,
    /// What contradicts itself in the records, one line each.
    pub errors: Vec<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// What the outcome rests on.
    pub reason: String,
    /// SHA-256 over the result records; absent if any is lost, or if there
    /// are none.
    pub digest: Option<String>,
    /// What the kernel warned of before init was started.
    #[serde(default)]
    pub boot_warnings: Vec<String>,
    /// All of the payload's boots in a log that has several.
    #[serde(default)]
    pub boots: Vec<BootOutcome>,
}

/// What became of one of several boots in a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootOutcome {
    /// Which of the boots in the log, from 1.
    pub number: usize,
    /// What became of it.
    pub outcome: Outcome,
    /// What the outcome rests on.
    pub reason: String,
    /// The exit code it stands for.
    #[serde(rename = "exit_code")]
    pub exit: exit::Exit,
}

/// What became of a boot.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All runs were carried out, and none failed.
    Ok,
    /// A run failed, or is not known to have passed.
    Fail,
    /// The kernel panicked after the payload had begun.
    Panic,
    /// It did not end in time.
    Hang,
    /// The plan was refused.
    PlanError,
    /// The payload never spoke.
    #[default]
    NoBoot,
}

impl Outcome {
    /// The word of the formats.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Fail => "fail",
            Self::Panic => "panic",
            Self::Hang => "hang",
            Self::PlanError => "plan_error",
            Self::NoBoot => "no_boot",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The payload, the kernel and the machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Hello, whose docs they are")]
pub struct Hello {
    pub pidone: String,
    pub kernel: String,
    pub kernel_build: String,
    pub machine: String,
    pub cpus: u32,
    pub nodes: u32,
    pub llcs: u32,
    pub cores: u32,
    pub mem_kib: u64,
    pub clock: String,
    pub clocksource: String,
    pub clock_ns: u32,
    pub spin_step_ps: u32,
    pub record_ps: u32,
    pub entered_ns: u64,
    pub ready_ns: u64,
    pub absent: Vec<String>,
    pub notes: Vec<String>,
    pub plan: Vec<String>,
    /// Words of the plan from elsewhere than its runs: `pidone.key=value` of
    /// the kernel command line, `-- key=value` of arguments.
    #[serde(default)]
    pub set: Vec<String>,
}

/// A sched_ext scheduler before the first run and behind the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scx {
    /// When it had been loaded, or had not.
    pub loaded: Scheduler,
    /// When it had been taken out; absent if the machine never got there.
    pub after: Option<Scheduler>,
}

/// What a scheduler was at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Scheduler, whose docs they are")]
pub struct Scheduler {
    pub name: String,
    pub state: String,
    pub switch_all: Option<bool>,
    pub enable_seq: Option<u64>,
    pub nr_rejected: Option<u64>,
    pub events: BTreeMap<String, u64>,
    pub output: Vec<String>,
    pub dropped: u64,
}

impl Scheduler {
    /// Its name, its state, and which tasks it has.
    #[must_use]
    pub fn summary(&self) -> String {
        let name = match self.name.as_str() {
            "" => "no scheduler",
            name => name,
        };
        let tasks = match self.switch_all.filter(|_| self.state == "enabled") {
            Some(true) => " for all tasks",
            Some(false) => " for tasks of policy ext",
            None => "",
        };
        let state = match self.state.as_str() {
            "" => "this kernel has no sched_ext",
            state => state,
        };
        format!("{name}, {state}{tasks}")
    }
}

/// The verdicts by their names.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Verdict", rename_all = "lowercase")]
enum VerdictName {
    Ok,
    Degraded,
    Skip,
    Fail,
}

/// One run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Run, whose docs they are")]
pub struct Run {
    pub name: String,
    #[serde(with = "VerdictName")]
    pub verdict: Verdict,
    pub reasons: Vec<String>,
    /// 0, and then `null` in JSON, if its record is lost or was never sent.
    #[serde(
        serialize_with = "absent::zero_is_none",
        deserialize_with = "absent::or_zero"
    )]
    pub wall_ns: u64,
    pub seed: u64,
    pub groups: Vec<Group>,
    pub intervals: Vec<Interval>,
    pub expect: Vec<Expect>,
    /// What it set of the kernel, where the plan asked for it.
    #[serde(default)]
    pub tunables: Vec<Tunable>,
    /// The sched_ext scheduler behind the run, where the plan asked for one.
    #[serde(default)]
    pub scx: Option<Scheduler>,
    /// What it recorded of the kernel's events, where the plan asked for it.
    #[serde(default)]
    pub trace: Option<Trace>,
    /// Where its instructions went, exactly, where that was asked for.
    #[serde(default)]
    pub profile: Option<Profile>,
    /// Where the CPUs were, by samples, where the plan asked for it.
    #[serde(default)]
    pub sampled: Option<Sampled>,
    pub kernel: Kernel,
    /// Its `Run` record is lost, and no other sign of the verdict came.
    #[serde(skip)]
    pub verdict_lost: bool,
    /// Nothing of its results came, and no run began behind it.
    #[serde(skip)]
    pub unfinished: bool,
}

impl Run {
    /// How many of its workers ended in the class of sched_ext, of how many.
    #[must_use]
    pub fn in_class(&self) -> (usize, usize) {
        let workers = || self.groups.iter().flat_map(|group| &group.workers);
        let on = workers().filter(|worker| worker.ext_enabled == Some(true));
        (on.count(), workers().count())
    }
}

/// A condition of `expect=`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Expect, whose docs they are")]
pub struct Expect {
    pub text: String,
    pub held: bool,
    /// In ns, per second, or plain, as the condition has it.
    pub value: Option<f64>,
}

/// Figures of a part of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Interval, whose docs they are")]
pub struct Interval {
    pub group: u16,
    pub end_ms: u64,
    pub values: BTreeMap<String, u64>,
}

/// What the kernel counted and said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Run, whose docs they are")]
pub struct Kernel {
    pub counters: BTreeMap<String, u64>,
    pub messages: Vec<String>,
    pub dropped_messages: u32,
    pub taint: u64,
}

/// One group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[expect(missing_docs, reason = "as record::Group, whose docs they are")]
pub struct Group {
    pub work: String,
    pub group_idx: u16,
    pub args: Vec<String>,
    /// How many workers it had, though records of some may be lost.
    pub worker_count: u32,
    /// 0 unless `counted`, and then `null` in JSON.
    #[serde(deserialize_with = "absent::or_zero")]
    pub iterations: u64,
    /// As `iterations`.
    #[serde(deserialize_with = "absent::or_zero")]
    pub work_units: u64,
    pub nowait: u64,
    #[serde(default)]
    pub stale: u64,
    #[serde(default = "absent::counted")]
    pub counted: bool,
    pub hist: BTreeMap<String, Hist>,
    pub metrics: BTreeMap<String, u64>,
    pub workers: Vec<Worker>,
}

impl Group {
    /// The sum over the workers of a figure the kernel may not tell; `None`
    /// if it is absent for any.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&Worker) -> Option<u64>) -> Option<u64> {
        self.workers.iter().map(of).sum()
    }
}

/// One histogram.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Hist, whose docs they are")]
pub struct Hist {
    pub rule: Option<String>,
    /// What a value counts; the `_ns` of the names holds for `ns` only.
    pub unit: String,
    pub count: u64,
    pub sum_ns: u64,
    pub min_ns: u64,
    pub max_ns: u64,
    #[serde(default)]
    pub p20_ns: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    /// Smallest value and count of each occupied bucket.
    pub buckets: Vec<(u64, u64)>,
}

impl Hist {
    /// What the payload's code takes to tell percentiles of the buckets.
    #[must_use]
    pub(crate) fn summary(&self) -> Summary {
        Summary {
            count: self.count,
            sum_ns: self.sum_ns,
            min_ns: self.min_ns,
            max_ns: self.max_ns,
        }
    }
}

/// One worker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[expect(missing_docs, reason = "as record::Worker, whose docs they are")]
pub struct Worker {
    pub index: u32,
    pub pos: u32,
    pub role: String,
    pub tid: u32,
    pub tasks: u32,
    /// 0 unless `counted`, and then `null` in JSON.
    #[serde(deserialize_with = "absent::or_zero")]
    pub iterations: u64,
    /// As `iterations`.
    #[serde(deserialize_with = "absent::or_zero")]
    pub work_units: u64,
    #[serde(default = "absent::counted")]
    pub counted: bool,
    pub wall_ns: u64,
    pub cpu_ns: u64,
    pub nowait: u64,
    #[serde(default)]
    pub stale: u64,
    pub first_ns: u64,
    pub run_delay_ns: Option<u64>,
    pub run_count: Option<u64>,
    pub nvcsw: Option<u64>,
    pub nivcsw: Option<u64>,
    pub migrations: Option<u64>,
    pub nr_wakeups: Option<u64>,
    pub nr_wakeups_sync: Option<u64>,
    pub nr_wakeups_migrate: Option<u64>,
    pub nr_wakeups_remote: Option<u64>,
    pub minflt: Option<u64>,
    pub majflt: Option<u64>,
    pub migrations_seen: u64,
    pub cpus_used: Vec<u32>,
    pub max_gap_ns: u64,
    pub max_gap_cpu: u32,
    pub max_gap_at_ns: u64,
    pub max_cpu_gap_ns: u64,
    pub policy: Option<u8>,
    pub rt_priority: Option<u8>,
    pub nice: Option<i8>,
    pub cpus_allowed: Vec<u32>,
    pub mempolicy: Option<String>,
    pub ext_enabled: Option<bool>,
    /// Timer slack as read back before the start.
    pub timer_slack_ns: Option<u64>,
    /// Pages of its memory by node.
    pub numa_pages: BTreeMap<String, u64>,
    pub errors: BTreeMap<String, (u64, i32)>,
    /// Its histograms; absent of a worker that is alone in its group, and of
    /// most where the console had to carry them.
    #[serde(default)]
    pub hist: BTreeMap<String, Hist>,
    pub completed: bool,
    #[serde(with = "exits")]
    pub exit: Exit,
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
