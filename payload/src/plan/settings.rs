//! What a plan can set: for the boot, for a run, for a group.

use crate::attr::{Affinity, CloneMode, DURATION_RULE, Policy, parse_duration};
use crate::plan::error::{PlanError, Rule};
use crate::plan::token::Token;
use core::time::Duration;

/// Seed of a plan that names none.
pub const DEFAULT_SEED: u64 = 1;
/// Most workers in one group.
pub const MAX_WORKERS: u32 = 4096;
pub(super) const BOOT_KEYS: &[&str] = &[
    "plan",
    "console",
    "records",
    "burst",
    "output",
    "end",
    "schedstats",
    "progress",
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
    EXPECT,
];
/// The only key that may be repeated.
pub(super) const EXPECT: &str = "expect";
pub(super) const GROUP_KEYS: &[&str] =
    &["workers", "policy", "nice", "affinity"];
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
    /// `output=` names `records`; `None` if `output=` is absent.
    pub send_records: Option<bool>,
    /// `end=`.
    pub end: Option<End>,
    /// `schedstats=`: turn the kernel's scheduler statistics on.
    pub schedstats: bool,
    /// `progress=`: signs of life during runs; by default only with
    /// `records=`, to keep the console quiet while measuring.
    pub progress: Option<bool>,
}

impl Boot<'_> {
    /// What holds when the plan is silent.
    pub(super) const DEFAULT: Self = Self {
        plan: None,
        console: None,
        records: None,
        burst: None,
        ktap: true,
        send_records: None,
        end: None,
        schedstats: true,
        progress: None,
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
}

/// Settings of a group.
#[derive(Debug, Clone, Copy)]
pub struct GroupSettings {
    /// How many workers.
    pub workers: Workers,
    /// Scheduling policy; `None` makes no call.
    pub policy: Option<Policy>,
    /// Nice value; `None` makes no call.
    pub nice: Option<i8>,
    /// Where they may run; `None` leaves it to the work type.
    pub affinity: Option<Affinity>,
}

impl GroupSettings {
    /// What holds when the plan is silent.
    pub(super) const DEFAULT: Self = Self {
        workers: Workers::Default,
        policy: None,
        nice: None,
        affinity: None,
    };
}

/// Parses the value of a token or blames it with `rule`.
fn value<'t, T>(
    token: Token<'t>,
    rule: &'static str,
    parse: impl FnOnce(&'t str) -> Option<T>,
) -> Result<T, PlanError<'t>> {
    let text = token.value.ok_or_else(|| bad(token.text, Rule::KeyValue))?;
    parse(text).ok_or_else(|| bad(token.text, Rule::Is(rule)))
}

const ON_OFF: &str = "the value is `on` or `off`";
const PATH: &str = "the value is an absolute path";

impl<'t> Boot<'t> {
    pub(super) fn take(
        &mut self,
        token: Token<'t>,
    ) -> Result<bool, PlanError<'t>> {
        let path = |text: &'t str| text.starts_with('/').then_some(text);
        match token.key {
            "plan" => {
                let rule = "plan= names a plan";
                let named = |text: &'t str| {
                    (!text.is_empty() && !text.contains('/')).then_some(text)
                };
                self.plan = Some(value(token, rule, named)?);
            }
            "console" => self.console = Some(value(token, PATH, path)?),
            "records" => self.records = Some(value(token, PATH, path)?),
            "burst" => {
                let rule = "burst is 1 or 2";
                let parse = |text| match text {
                    "1" => Some(1),
                    "2" => Some(2),
                    _ => None,
                };
                self.burst = Some(value(token, rule, parse)?);
            }
            "output" => {
                let rule = "output is a list of ktap and records";
                let parse = |text: &'t str| {
                    let known = ["ktap", "records"];
                    let good = text.split(',').all(|p| known.contains(&p));
                    let has = |name| text.split(',').any(|p| p == name);
                    good.then(|| (has("ktap"), has("records")))
                };
                let (ktap, records) = value(token, rule, parse)?;
                (self.ktap, self.send_records) = (ktap, Some(records));
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
                self.end = Some(value(token, rule, parse)?);
            }
            "schedstats" => self.schedstats = value(token, ON_OFF, flag)?,
            "progress" => self.progress = Some(value(token, ON_OFF, flag)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl RunSettings {
    pub(super) fn take<'t>(
        &mut self,
        token: Token<'t>,
    ) -> Result<bool, PlanError<'t>> {
        // A day is far longer than any run and far inside every counter.
        const DAY: Duration = Duration::from_secs(86_400);
        let within = |low: u64| {
            move |text: &str| {
                parse_duration(text)
                    .filter(|d| *d >= Duration::from_nanos(low) && *d <= DAY)
            }
        };
        match token.key {
            "time" => self.time = value(token, DURATION_RULE, within(1))?,
            "warmup" => self.warmup = value(token, DURATION_RULE, within(0))?,
            "grace" => self.grace = value(token, DURATION_RULE, within(1))?,
            "repeat" => {
                let rule = "repeat is 1 to 10000";
                let parse = |text: &str| {
                    let n = u16::try_from(number(text)?).ok()?;
                    (1..=10_000).contains(&n).then_some(n)
                };
                self.repeat = value(token, rule, parse)?;
            }
            "seed" => {
                let rule = "a seed is a whole number below 2^64, decimal or \
                            0x and hexadecimal";
                let parse = |text: &str| match text.strip_prefix("0x") {
                    Some(hex) => u64::from_str_radix(hex, 16).ok(),
                    None => number(text),
                };
                self.seed = value(token, rule, parse)?;
            }
            "burn_clock" => {
                let rule = "burn_clock is wall or cpu";
                let parse = |text: &str| match text {
                    "wall" => Some(false),
                    "cpu" => Some(true),
                    _ => None,
                };
                self.burn_cpu = value(token, rule, parse)?;
            }
            "rd_sample" => {
                let rule = "rd_sample is a whole number from 1 to 1000000";
                let parse = |text: &str| {
                    let n = u32::try_from(number(text)?).ok()?;
                    (1..=1_000_000).contains(&n).then_some(n)
                };
                self.rd_sample = value(token, rule, parse)?;
            }
            "clone" => {
                let rule = "clone is fork or thread";
                self.clone = value(token, rule, CloneMode::parse)?;
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl GroupSettings {
    pub(super) fn take<'t>(
        &mut self,
        token: Token<'t>,
    ) -> Result<bool, PlanError<'t>> {
        let text = token.value.unwrap_or("");
        match token.key {
            "workers" => {
                let rule = "workers is a whole number from 1 to 4096, or so \
                            many per CPU as in 2xcpus";
                let parse = |text: &str| {
                    let per_cpu = text.strip_suffix("xcpus");
                    let n = number(per_cpu.unwrap_or(text))?;
                    let n = u32::try_from(n).ok()?;
                    let good = (1..=MAX_WORKERS).contains(&n);
                    good.then_some(match per_cpu {
                        Some(_) => Workers::PerCpu(n),
                        None => Workers::Count(n),
                    })
                };
                self.workers = value(token, rule, parse)?;
            }
            "policy" => {
                let policy = Policy::parse(text)
                    .map_err(|rule| bad(token.text, Rule::Is(rule)))?;
                self.policy = Some(policy);
            }
            "nice" => {
                let rule = "nice is -20 to 19";
                let parse = |text: &str| {
                    text.parse().ok().filter(|n| (-20..=19).contains(n))
                };
                self.nice = Some(value(token, rule, parse)?);
            }
            "affinity" => {
                let affinity = Affinity::parse(text)
                    .map_err(|rule| bad(token.text, Rule::Is(rule)))?;
                self.affinity = Some(affinity);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

pub(super) fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if digits { text.parse().ok() } else { None }
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "on" | "yes" => Some(true),
        "false" | "0" | "off" | "no" => Some(false),
        _ => None,
    }
}

pub(super) fn bad<'t>(token: &'t str, rule: Rule<'t>) -> PlanError<'t> {
    PlanError { token, rule }
}
