//! What a plan can set: for the boot, for a run, for a group.

use crate::kit::duration::{DURATION_RULE, parse_duration};
use crate::kit::text::{digits, signed};
use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::token::Token;
use crate::row::MAX_WORKERS;
use crate::row::attr::cgroup::{KNOBS, Leaf, is_name};
use crate::row::attr::mempolicy::{FLAGS_RULE, MemPolicy};
use crate::row::attr::scx::{SCX_RULE, Scx};
use crate::row::attr::{Affinity, CloneMode, Policy};
use core::time::Duration;

/// Seed of a plan that names none.
pub const DEFAULT_SEED: u64 = 1;
/// What begins a run, and another group of it.
pub(super) const STARTS: &[&str] = &["work", "with"];
pub(super) const BOOT_KEYS: &[&str] = &[
    "plan",
    "console",
    "records",
    "burst",
    "output",
    "end",
    "schedstats",
    "progress",
    "boot_warnings",
    "scx",
    "scx_load",
];
pub(super) const RUN_KEYS: &[&str] = &[
    "time",
    "warmup",
    "repeat",
    "seed",
    "grace",
    "burn_clock",
    "rd_sample",
    "clone",
    "sample",
    EXPECT,
    TRACE_KEYS[0],
    TRACE_KEYS[1],
    TRACE_KEYS[2],
    TUNABLES[0],
    TUNABLES[1],
    TUNABLES[2],
];
/// The scheduler's features.
pub const SCHED_FEATURES: &str = "sched_features";
/// What a run sets of the kernel; of two, the beginnings of keys.
pub(super) const TUNABLES: [&str; 3] =
    [SCHED_FEATURES, "sched.FILE", "sysctl.NAME"];
/// Those that say what is recorded of the kernel's events.
pub(super) const TRACE_KEYS: [&str; 3] = ["trace", "trace_kib", "trace_stop"];
/// The only key that may be repeated.
pub(super) const EXPECT: &str = "expect";
pub(super) const GROUP_KEYS: &[&str] = &[
    "workers",
    "policy",
    "require_ext",
    "nice",
    "affinity",
    "workers_pct",
    "numa_node",
    "cgroup",
    KNOBS[0].key,
    KNOBS[1].key,
    KNOBS[2].key,
    KNOBS[3].key,
    KNOBS[4].key,
    "mempolicy",
    "mpol_flags",
    "comm",
    "pcomm",
    "uid",
    "gid",
];
/// Keys that say the same in two ways: one scope has one of them at most.
pub(super) const EXCLUSIVE: &[(&str, &str, &str)] = &[
    (
        "workers",
        "workers_pct",
        "workers and workers_pct exclude each other",
    ),
    (
        "affinity",
        "numa_node",
        "affinity and numa_node exclude each other",
    ),
];
/// What holds for the whole boot.
#[derive(Debug, Clone, Copy)]
pub struct Boot<'t> {
    /// `plan=`: a built-in or packed plan.
    pub plan: Option<&'t str>,
    /// `console=`: where KTAP goes.
    pub console: Option<&'t str>,
    /// `records=`: a device of its own for the records.
    pub records: Option<&'t str>,
    /// `burst=`: how often each burst of records is sent; by default twice
    /// on the console and once on a device of its own.
    pub burst: Option<u8>,
    /// `output=` names `ktap`.
    pub ktap: bool,
    /// `output=` names `lava`.
    pub lava: bool,
    /// `output=` names `records`; `None` if `output=` is absent.
    pub send_records: Option<bool>,
    /// `end=`.
    pub end: Option<End>,
    /// `schedstats=`: turn the kernel's scheduler statistics on.
    pub schedstats: bool,
    /// `progress=`: signs of life during runs; by default only with
    /// `records=`, to keep the console quiet while measuring.
    pub progress: Option<bool>,
    /// `scx=`: the sched_ext scheduler of all runs.
    pub scx: Option<Scx<'t>>,
    /// `scx_load=`: how long a program may take to load it.
    pub scx_load: Duration,
}

impl Boot<'_> {
    /// What holds when the plan is silent.
    pub const DEFAULT: Self = Self {
        plan: None,
        console: None,
        records: None,
        burst: None,
        ktap: true,
        lava: false,
        send_records: None,
        end: None,
        schedstats: true,
        progress: None,
        scx: None,
        scx_load: Duration::from_secs(30),
    };
}

/// How the machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Powers off.
    Poweroff,
    /// Restarts.
    Reboot,
    /// Halts.
    Halt,
    /// Lets the kernel panic.
    Panic,
    /// Stays up, doing nothing.
    Wait,
}

/// Settings of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunSettings {
    /// Measured time.
    pub time: Duration,
    /// Time before it that is not counted.
    pub warmup: Duration,
    /// How often the run is repeated.
    pub repeat: u16,
    /// Seed of random numbers.
    pub seed: u64,
    /// Time workers have to stop.
    pub grace: Duration,
    /// Bursts last CPU time, not wall time.
    pub burn_cpu: bool,
    /// Every how many blocking steps `run_delay` is read.
    pub rd_sample: u32,
    /// What workers are.
    pub clone: CloneMode,
    /// How often a second each CPU is looked at; 0 for never.
    pub sample: u32,
}

impl RunSettings {
    /// What holds when the plan is silent.
    pub(super) const DEFAULT: Self = Self {
        time: Duration::from_secs(10),
        warmup: Duration::ZERO,
        repeat: 1,
        seed: DEFAULT_SEED,
        grace: Duration::from_secs(2),
        burn_cpu: false,
        rd_sample: 16,
        clone: CloneMode::Fork,
        sample: 0,
    };
}

/// How many workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workers {
    /// One instance.
    Default,
    /// So many.
    Count(u32),
    /// So many for each CPU.
    PerCpu(u32),
    /// This share of the CPUs, in thousandths of a percent, rounded up.
    Percent(u32),
}

/// Settings of a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupSettings<'t> {
    /// How many workers.
    pub workers: Workers,
    /// Scheduling policy; `None` makes no call.
    pub policy: Option<Policy>,
    /// Whether policy `ext` needs a scheduler that is loaded, as it does
    /// when the plan is silent.
    pub require_ext: Option<bool>,
    /// Nice value; `None` makes no call.
    pub nice: Option<i8>,
    /// Where they may run; `None` leaves it to the work type.
    pub affinity: Option<Affinity>,
    /// Its cgroup.
    pub cgroup: Leaf<'t>,
    /// Memory policy.
    pub mempolicy: MemPolicy,
    /// Name of each worker's task.
    pub comm: Option<&'t str>,
    /// Name of the process whose threads the workers are.
    pub pcomm: Option<&'t str>,
    /// User to become; `None` makes no call.
    pub uid: Option<u32>,
    /// Group to become; `None` makes no call.
    pub gid: Option<u32>,
}

impl GroupSettings<'_> {
    /// What holds when the plan is silent.
    pub(super) const DEFAULT: Self = Self {
        workers: Workers::Default,
        policy: None,
        require_ext: None,
        nice: None,
        affinity: None,
        cgroup: Leaf::NONE,
        mempolicy: MemPolicy::DEFAULT,
        comm: None,
        pcomm: None,
        uid: None,
        gid: None,
    };
}

/// What a `take` said of a token: whether its key was known, or the rule for
/// its value.
///
/// # Errors
///
/// The token broke the rule, or has no value.
pub(super) fn taken<'t>(
    token: Token<'t>,
    taken: Result<bool, &'static str>,
) -> Result<bool, PlanError<'t>> {
    match taken {
        Ok(false) => Ok(false),
        _ if token.value.is_none() => Err(bad(token.text, Rule::KeyValue)),
        Ok(true) => Ok(true),
        Err(rule) => Err(bad(token.text, Rule::Is(rule))),
    }
}

const ON_OFF: &str = "the value is `on` or `off`";
const PATH: &str = "the value is an absolute path";

impl<'t> Boot<'t> {
    pub(super) fn take(
        &mut self,
        key: &str,
        text: &'t str,
    ) -> Result<bool, &'static str> {
        let path = |text: &'t str| text.starts_with('/').then_some(text);
        match key {
            "plan" => {
                let rule = "plan= names a plan";
                let named = |text: &'t str| {
                    (!text.is_empty() && !text.contains('/')).then_some(text)
                };
                self.plan = Some(named(text).ok_or(rule)?);
            }
            "console" => self.console = Some(path(text).ok_or(PATH)?),
            "records" => self.records = Some(path(text).ok_or(PATH)?),
            "burst" => {
                let rule = "burst is 1 or 2";
                let parse = |text| match text {
                    "1" => Some(1),
                    "2" => Some(2),
                    _ => None,
                };
                self.burst = Some(parse(text).ok_or(rule)?);
            }
            "output" => {
                let (mut ktap, mut lava, mut records) = (false, false, false);
                for part in text.split(',') {
                    *match part {
                        "ktap" => &mut ktap,
                        "lava" => &mut lava,
                        "records" => &mut records,
                        _ => {
                            return Err(
                                "output is a list of ktap, lava and records",
                            );
                        }
                    } = true;
                }
                (self.ktap, self.lava) = (ktap, lava);
                self.send_records = Some(records);
            }
            "end" => {
                let rule = "end is poweroff, reboot, halt, panic or wait";
                let parse = |text| match text {
                    "poweroff" => Some(End::Poweroff),
                    "reboot" => Some(End::Reboot),
                    "halt" => Some(End::Halt),
                    "panic" => Some(End::Panic),
                    "wait" => Some(End::Wait),
                    _ => None,
                };
                self.end = Some(parse(text).ok_or(rule)?);
            }
            "schedstats" => self.schedstats = flag(text).ok_or(ON_OFF)?,
            "progress" => self.progress = Some(flag(text).ok_or(ON_OFF)?),
            "boot_warnings" => {
                // The host judges by it, from the console of the boot.
                if !["list", "fail"].contains(&text) {
                    return Err("boot_warnings is list or fail");
                }
            }
            "scx" => self.scx = Some(Scx::parse(text).ok_or(SCX_RULE)?),
            "scx_load" => self.scx_load = span(1, text)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RunSettings {
    pub(super) fn take(
        &mut self,
        key: &str,
        text: &str,
    ) -> Result<bool, &'static str> {
        match key {
            "time" => self.time = span(1, text)?,
            "warmup" => self.warmup = span(0, text)?,
            "grace" => self.grace = span(1, text)?,
            "repeat" => {
                self.repeat = count_of_repeats(digits(text).unwrap_or(0))?;
            }
            "seed" => {
                let rule = "a seed is a whole number below 2^64, decimal or \
                            0x and hexadecimal";
                let parse = |text: &str| match text.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => digits(text),
                };
                self.seed = parse(text).ok_or(rule)?;
            }
            "burn_clock" => {
                let rule = "burn_clock is wall or cpu";
                let parse = |text: &str| match text {
                    "wall" => Some(false),
                    "cpu" => Some(true),
                    _ => None,
                };
                self.burn_cpu = parse(text).ok_or(rule)?;
            }
            "rd_sample" => {
                let rule = "rd_sample is a whole number from 1 to 1000000";
                let parse = |text: &str| {
                    let n = u32::try_from(digits(text)?).ok()?;
                    (1..=1_000_000).contains(&n).then_some(n)
                };
                self.rd_sample = parse(text).ok_or(rule)?;
            }
            "clone" => {
                let rule = "clone is fork or thread";
                self.clone = CloneMode::parse(text).ok_or(rule)?;
            }
            "sample" => {
                let rule = "sample is `off`, or samples a second of each \
                            CPU, from 1 to 100000";
                let parse = |text: &str| match text {
                    "off" => Some(0),
                    text => {
                        let n = u32::try_from(digits(text)?).ok()?;
                        (1..=100_000).contains(&n).then_some(n)
                    }
                };
                self.sample = parse(text).ok_or(rule)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'t> GroupSettings<'t> {
    pub(super) fn take(
        &mut self,
        key: &str,
        text: &'t str,
    ) -> Result<bool, &'static str> {
        match key {
            "workers" => {
                let per_cpu = text.strip_suffix("xcpus");
                let n = digits(per_cpu.unwrap_or(text)).unwrap_or(0);
                let n = count_of_workers(n)?;
                self.workers = match per_cpu {
                    Some(_) => Workers::PerCpu(n),
                    None => Workers::Count(n),
                };
            }
            "policy" => {
                self.policy = Some(Policy::parse(text)?);
            }
            "require_ext" => {
                let rule = "require_ext is `true` or `false`";
                self.require_ext = Some(flag(text).ok_or(rule)?);
            }
            "nice" => {
                // What is no number is no nice value either.
                let nice = signed(text).unwrap_or(i64::MAX);
                self.nice = Some(nice_value(nice)?);
            }
            "affinity" => {
                self.affinity = Some(Affinity::parse(text)?);
            }
            "numa_node" => {
                let n = digits(text).and_then(|n| u32::try_from(n).ok());
                let node = Affinity::NumaNode(n.unwrap_or(u32::MAX));
                node.check()?;
                self.affinity = Some(node);
            }
            "workers_pct" => {
                let rule = "workers_pct is a share of the CPUs above 0 and \
                            up to 1000000, with three decimals at most, as \
                            in 150 or 12.5";
                let share = percent(text).ok_or(rule)?;
                self.workers = Workers::Percent(share);
            }
            "cgroup" => {
                let rule = "cgroup is a name of 1 to 32 letters, digits, _ \
                            and -, or root for none";
                let parse = |text: &'t str| match text {
                    "root" => Some(None),
                    text => is_name(text).then_some(Some(text)),
                };
                self.cgroup.name = parse(text).ok_or(rule)?;
            }
            "mempolicy" => {
                self.mempolicy = self.mempolicy.parse(text)?;
            }
            "mpol_flags" => {
                let parse = MemPolicy::parse_flags;
                self.mempolicy.flags = parse(text).ok_or(FLAGS_RULE)?;
            }
            "comm" => self.comm = Some(comm(text).ok_or(COMM_RULE)?),
            "pcomm" => self.pcomm = Some(comm(text).ok_or(COMM_RULE)?),
            "uid" => self.uid = Some(id(text).ok_or(ID_RULE)?),
            "gid" => self.gid = Some(id(text).ok_or(ID_RULE)?),
            key => {
                let found = KNOBS.iter().position(|knob| knob.key == key);
                let Some(at) = found else {
                    return Ok(false);
                };
                let (knob, cell) = (&KNOBS[at], &mut self.cgroup.values[at]);
                let parse = |text| knob.accepts(text).then_some(text);
                *cell = Some(parse(text).ok_or(knob.rule)?);
            }
        }
        Ok(true)
    }

    /// Refuses what is fine by itself but not together.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        self.mempolicy.check()?;
        if self.require_ext.is_some() && self.policy != Some(Policy::Ext) {
            return Err("require_ext needs policy=ext");
        }
        if self.cgroup.name.is_none() && self.cgroup.set().next().is_some() {
            return Err("settings of a cgroup need a cgroup=NAME");
        }
        Ok(())
    }
}

/// A length of time, of `low` ns at least.
pub(super) fn checked_span(
    low: u64,
    span: Duration,
) -> Result<Duration, &'static str> {
    // A day is far longer than any run and far inside every counter.
    const DAY: Duration = Duration::from_secs(86_400);
    let good = (Duration::from_nanos(low)..=DAY).contains(&span);
    good.then_some(span).ok_or(
        "time, grace and scx_load are above 0s; with warmup, each is at most \
         1440m",
    )
}

/// The same, as a plan has it.
fn span(low: u64, text: &str) -> Result<Duration, &'static str> {
    checked_span(low, parse_duration(text).ok_or(DURATION_RULE)?)
}

/// How often a run is carried out.
pub(super) fn count_of_repeats(n: u64) -> Result<u16, &'static str> {
    let good = u16::try_from(n).ok().filter(|n| (1..=10_000).contains(n));
    good.ok_or("repeat is 1 to 10000")
}

/// How many workers, in all or for each CPU.
pub(super) fn count_of_workers(n: u64) -> Result<u32, &'static str> {
    let n = u32::try_from(n).ok();
    n.filter(|n| (1..=MAX_WORKERS).contains(n)).ok_or(
        "workers is a whole number from 1 to 4096, or so many per CPU as in \
         2xcpus",
    )
}

/// A nice value.
pub(super) fn nice_value(nice: i64) -> Result<i8, &'static str> {
    let good = i8::try_from(nice).ok().filter(|n| (-20..=19).contains(n));
    good.ok_or("nice is -20 to 19")
}

const COMM_RULE: &str = "a task's name has 1 to 15 bytes, none of them NUL";
const ID_RULE: &str = "an id is a whole number from 0 to 4294967294";

fn comm(text: &str) -> Option<&str> {
    let fits = (1..=15).contains(&text.len()) && !text.contains('\0');
    fits.then_some(text)
}

fn id(text: &str) -> Option<u32> {
    // The highest number stands for "as it is".
    u32::try_from(digits(text)?)
        .ok()
        .filter(|&id| id < u32::MAX)
}

/// A percentage in thousandths.
fn percent(text: &str) -> Option<u32> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let scale =
        10_u64.pow(u32::try_from(3_usize.checked_sub(part.len())?).ok()?);
    let whole = digits(whole).filter(|n| *n <= 1_000_000)?;
    let all = whole * 1000 + digits(part)? * scale;
    u32::try_from(all).ok().filter(|&all| all > 0)
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}
