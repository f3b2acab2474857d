//! Attributes of a group: policy, affinity, clone mode; and durations.

pub mod cgroup;
pub mod mempolicy;
pub mod scx;

use crate::kit::cpus::{Cpus, MAX_CPUS};
use crate::kit::duration::parse_duration;
use crate::kit::text::digits;
use crate::sys::sched::{SCHED_FLAG_RESET_ON_FORK, SchedAttr};
use core::fmt;
use core::time::Duration;

/// A scheduling policy with its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// `SCHED_OTHER`.
    Normal,
    /// `SCHED_BATCH`.
    Batch,
    /// `SCHED_IDLE`.
    Idle,
    /// `SCHED_FIFO` with a priority of 1 to 99.
    Fifo(u8),
    /// `SCHED_RR` with a priority of 1 to 99.
    Rr(u8),
    /// `SCHED_DEADLINE`.
    Deadline {
        /// Runtime in ns, at least 1024.
        runtime_ns: u64,
        /// Relative deadline in ns.
        deadline_ns: u64,
        /// Period in ns.
        period_ns: u64,
    },
    /// `SCHED_EXT`.
    Ext,
}

impl Policy {
    /// Parses `normal`, `batch`, `idle`, `fifo:P`, `rr:P`,
    /// `deadline:R/D/P` or `ext`.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, figures) = text.split_once(':').unwrap_or((text, ""));
        match (name, figures) {
            ("normal", "") => Ok(Self::Normal),
            ("batch", "") => Ok(Self::Batch),
            ("idle", "") => Ok(Self::Idle),
            ("fifo", p) => with_priority(p, Self::Fifo),
            ("rr", p) => with_priority(p, Self::Rr),
            ("deadline", figures) => deadline(figures),
            ("ext", "") => Ok(Self::Ext),
            _ => Err("a policy is normal, batch, idle, fifo:P, rr:P, \
                      deadline:R/D/P or ext"),
        }
    }

    /// `SCHED_DEADLINE`; a period of 0 is the deadline.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn deadline(
        runtime: Duration,
        deadline: Duration,
        period: Duration,
    ) -> Result<Self, &'static str> {
        let period = if period.is_zero() { deadline } else { period };
        // What is too long for a number is too long for the kernel.
        let ns = |d: Duration| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX);
        let policy = Self::Deadline {
            runtime_ns: ns(runtime),
            deadline_ns: ns(deadline),
            period_ns: ns(period),
        };
        policy.check().map(|()| policy)
    }

    /// Checks that its figures are within their ranges.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn check(&self) -> Result<(), &'static str> {
        match *self {
            Self::Fifo(p) | Self::Rr(p) if !(1..=99).contains(&p) => {
                Err("the priority is 1 to 99, for example fifo:50")
            }
            Self::Deadline {
                runtime_ns,
                deadline_ns,
                period_ns,
            } => {
                if (runtime_ns | deadline_ns | period_ns) >> 63 != 0 {
                    Err("each duration is below 2^63 ns")
                } else if runtime_ns < 1024 {
                    Err("the runtime is at least 1024ns")
                } else if runtime_ns > deadline_ns || deadline_ns > period_ns {
                    Err("runtime <= deadline <= period must hold")
                } else {
                    Ok(())
                }
            }
            _ => Ok(()),
        }
    }

    /// As `sched_setattr(2)` takes it, with a nice value for fair policies.
    #[must_use]
    pub fn attr(self, nice: Option<i8>) -> SchedAttr {
        let mut attr = SchedAttr {
            // A deadline task could not fork without it.
            flags: SCHED_FLAG_RESET_ON_FORK,
            nice: nice.map_or(0, i32::from),
            ..SchedAttr::default()
        };
        match self {
            Self::Normal => {}
            Self::Batch => attr.policy = 3,
            Self::Idle => attr.policy = 5,
            Self::Fifo(p) => (attr.policy, attr.priority) = (1, p.into()),
            Self::Rr(p) => (attr.policy, attr.priority) = (2, p.into()),
            Self::Ext => attr.policy = 7,
            Self::Deadline {
                runtime_ns,
                deadline_ns,
                period_ns,
            } => {
                attr.policy = 6;
                attr.runtime_ns = runtime_ns;
                attr.deadline_ns = deadline_ns;
                attr.period_ns = period_ns;
            }
        }
        attr
    }

    /// Runs before every fair task.
    #[must_use]
    pub fn is_realtime(self) -> bool {
        matches!(self, Self::Fifo(_) | Self::Rr(_) | Self::Deadline { .. })
    }
}

fn with_priority(
    text: &str,
    policy: fn(u8) -> Policy,
) -> Result<Policy, &'static str> {
    let number = digits(text).and_then(|number| u8::try_from(number).ok());
    // 0 is no priority, and so is what is no such number.
    let policy = policy(number.unwrap_or(0));
    policy.check().map(|()| policy)
}

fn deadline(figures: &str) -> Result<Policy, &'static str> {
    const RULE: &str = "deadline:R/D/P takes three durations, for example \
                        deadline:1ms/10ms/10ms";
    let mut parts = figures.split('/').map(|part| match part {
        "0" => Some(Duration::ZERO),
        _ => parse_duration(part),
    });
    let (Some(Some(r)), Some(Some(d)), Some(Some(p)), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(RULE);
    };
    Policy::deadline(r, d, p)
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Normal => f.write_str("normal"),
            Self::Batch => f.write_str("batch"),
            Self::Idle => f.write_str("idle"),
            Self::Fifo(p) => write!(f, "fifo:{}", u32::from(p)),
            Self::Rr(p) => write!(f, "rr:{}", u32::from(p)),
            Self::Ext => f.write_str("ext"),
            Self::Deadline {
                runtime_ns,
                deadline_ns,
                period_ns,
            } => write!(
                f,
                "deadline:{runtime_ns}ns/{deadline_ns}ns/{period_ns}ns"
            ),
        }
    }
}

/// Where a group's workers may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Affinity {
    /// Wherever init may.
    Inherit,
    /// On these CPUs.
    Exact(Cpus),
    /// Each on its own draw of `count` CPUs out of `from`.
    RandomSubset {
        /// The pool.
        from: Cpus,
        /// CPUs per draw, at least 1.
        count: u32,
    },
    /// All on one CPU, the highest.
    SingleCpu,
    /// Wherever the cgroup lets them, as the kernel narrows it.
    CrossCgroup,
    /// On the CPUs of this node.
    NumaNode(u32),
    /// On the last-level cache that has most of the CPUs.
    LlcAligned,
    /// On two threads of one core, another core for each instance.
    SmtSiblingPair {
        /// Both positions on both threads, instead of one on each.
        shared: bool,
    },
}

impl Affinity {
    /// Parses `inherit`, `exact:LIST`, `random_subset:LIST/COUNT`,
    /// `single_cpu`, `llc_aligned` or `smt_sibling_pair`, which may be
    /// followed by `:split` (the default) or `:shared`.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (name, value) = text.split_once(':').unwrap_or((text, ""));
        match (name, value) {
            ("inherit", "") => Ok(Self::Inherit),
            ("single_cpu", "") => Ok(Self::SingleCpu),
            ("cross_cgroup", "") => Ok(Self::CrossCgroup),
            ("llc_aligned", "") => Ok(Self::LlcAligned),
            ("smt_sibling_pair", "" | "split") => {
                Ok(Self::SmtSiblingPair { shared: false })
            }
            ("smt_sibling_pair", "shared") => {
                Ok(Self::SmtSiblingPair { shared: true })
            }
            ("exact", list) => Cpus::parse(list).map(Self::Exact).ok_or(LIST),
            ("random_subset", value) => {
                let (list, count) = value
                    .split_once('/')
                    .ok_or("random_subset takes LIST/COUNT")?;
                let count =
                    digits(count).and_then(|count| u32::try_from(count).ok());
                let from = Cpus::parse(list).ok_or(LIST)?;
                let count = count.unwrap_or(0);
                let subset = Self::RandomSubset { from, count };
                subset.check().map(|()| subset)
            }
            _ => Err("an affinity is inherit, exact:LIST, \
                      random_subset:LIST/COUNT, single_cpu, cross_cgroup, \
                      llc_aligned or smt_sibling_pair[:split|:shared]"),
        }
    }
}

impl Affinity {
    /// Checks that it has CPUs, and figures within their ranges.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self::Exact(cpus) | Self::RandomSubset { from: cpus, .. }
                if cpus.is_empty() =>
            {
                Err(LIST)
            }
            Self::RandomSubset { count: 0, .. } => {
                Err("COUNT of random_subset is at least 1")
            }
            Self::NumaNode(node) if *node >= MAX_CPUS => {
                Err("numa_node is the number of a node, below 1024")
            }
            _ => Ok(()),
        }
    }
}

/// A list of CPUs is never empty.
const LIST: &str = "a CPU list looks like 0-3,8, with CPUs below 1024";

impl fmt::Display for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inherit => f.write_str("inherit"),
            Self::Exact(cpus) => write!(f, "exact:{cpus}"),
            Self::RandomSubset { from, count } => {
                write!(f, "random_subset:{from}/{count}")
            }
            Self::SingleCpu => f.write_str("single_cpu"),
            Self::CrossCgroup => f.write_str("cross_cgroup"),
            Self::NumaNode(node) => write!(f, "numa_node:{node}"),
            Self::LlcAligned => f.write_str("llc_aligned"),
            Self::SmtSiblingPair { shared: false } => {
                f.write_str("smt_sibling_pair:split")
            }
            Self::SmtSiblingPair { shared: true } => {
                f.write_str("smt_sibling_pair:shared")
            }
        }
    }
}

/// What a worker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloneMode {
    /// A process.
    Fork,
    /// A thread of one host process.
    Thread,
}

impl CloneMode {
    /// Parses `fork` or `thread`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "fork" => Some(Self::Fork),
            "thread" => Some(Self::Thread),
            _ => None,
        }
    }
}

impl fmt::Display for CloneMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fork => "fork",
            Self::Thread => "thread",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Affinity, Policy};
    use crate::kit::duration::{InGrammar, parse_duration};
    use core::time::Duration;
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::string::ToString;

    #[test]
    fn policies_keep_their_rules() {
        for good in ["normal", "batch", "idle", "fifo:1", "rr:99", "ext"] {
            assert_eq!(Policy::parse(good).unwrap().to_string(), good);
        }
        for bad in [
            "",
            "fifo",
            "fifo:0",
            "fifo:100",
            "rr:-1",
            "normal:1",
            "ext:1",
            "deadline:1ms",
            "deadline:1000ns/1ms/1ms",
            "deadline:2ms/1ms/1ms",
            "deadline:1ms/3ms/2ms",
            "deadline:1/2/3",
        ] {
            assert!(Policy::parse(bad).is_err(), "{bad}");
        }
        let Ok(Policy::Deadline { period_ns, .. }) =
            Policy::parse("deadline:1ms/10ms/0")
        else {
            panic!("P = 0 means D");
        };
        assert_eq!(period_ns, 10_000_000);
    }

    #[test]
    fn affinities_keep_their_rules() {
        for good in [
            "inherit",
            "single_cpu",
            "cross_cgroup",
            "exact:0-3,8",
            "random_subset:0-3/2",
            "llc_aligned",
            "smt_sibling_pair:split",
            "smt_sibling_pair:shared",
        ] {
            assert_eq!(Affinity::parse(good).unwrap().to_string(), good);
        }
        let bare = Affinity::parse("smt_sibling_pair");
        assert_eq!(bare, Ok(Affinity::SmtSiblingPair { shared: false }));
        for bad in [
            "",
            "exact",
            "exact:",
            "random_subset:0-3/0",
            "llc",
            "llc_aligned:1",
            "smt_sibling_pair:both",
        ] {
            assert!(Affinity::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn durations_come_back(ns in any::<u64>()) {
            let duration = Duration::from_nanos(ns);
            let text = InGrammar(duration).to_string();
            prop_assert_eq!(parse_duration(&text), Some(duration));
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _policy = Policy::parse(&text);
            let _affinity = Affinity::parse(&text);
            let _duration = parse_duration(&text);
        }
    }
}
