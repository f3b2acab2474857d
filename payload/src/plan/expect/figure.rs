//! Figures of a run: which there are, and how one is written.

use crate::kit::histogram::{Summary, percentile};
use crate::kit::text::digits;
use crate::plan::expect::error::{
    ExpectError, NAME, Names, Rule, STAT, TWO_GROUPS, is,
};
use crate::plan::expect::{Kind, decimal, split_dot};
use crate::row::Workload;
use crate::wire::record::{Counter, Worker};

/// The figures of a finished run.
pub trait Figures {
    /// Name of a group's work type; `None` behind the last group.
    fn work(&self, group: usize) -> Option<&str>;

    /// A statistic of a histogram; [`Stat::of`] finds it.
    fn hist(&self, group: usize, name: &str, stat: Stat) -> Option<u64>;

    /// A figure of [`Totals`], or else a metric of the group's type.
    fn figure(&self, group: usize, name: &str) -> Option<u64>;

    /// A kernel counter's delta.
    fn counter(&self, name: &str) -> Option<u64>;
}

/// A statistic of a histogram. The mean is sum over count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stat {
    /// Samples.
    Count,
    /// Their sum.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// The one at this share, numerator and denominator.
    Percentile(u64, u64),
}

impl Stat {
    /// The statistic of a histogram with these totals and occupied buckets;
    /// `None` where an empty histogram has none.
    #[must_use]
    pub fn of(
        self,
        summary: &Summary,
        buckets: impl Iterator<Item = (usize, u64)>,
    ) -> Option<u64> {
        match self {
            Self::Count => Some(summary.count),
            Self::Sum => Some(summary.sum_ns),
            _ if summary.count == 0 => None,
            Self::Min => Some(summary.min_ns),
            Self::Max => Some(summary.max_ns),
            Self::Percentile(num, den) => {
                Some(percentile(buckets, summary, num, den))
            }
        }
    }
}

/// The figures that every group has, summed over its workers.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    wall_ns: u64,
    values: [Option<u64>; FIGURES.len()],
}

impl Totals {
    /// Those of no worker yet, in a measured window of `wall_ns`.
    #[must_use]
    pub fn new(wall_ns: u64) -> Self {
        Self {
            wall_ns,
            values: [Some(0); FIGURES.len()],
        }
    }

    /// Adds a worker. What is absent for one is absent for all.
    pub fn add(&mut self, worker: &Worker<'_>) {
        for (total, figure) in self.values.iter_mut().zip(FIGURES) {
            let value = match figure.of {
                Of::Sum(of) => of(worker),
                Of::Most(of) => Some(of(worker)),
                Of::Kernel(counter) => worker.kernel[counter],
                Of::Run => None,
            };
            *total = total.zip(value).map(|(total, value)| match figure.of {
                Of::Most(_) => total.max(value),
                _ => total.saturating_add(value),
            });
        }
    }

    /// The figure of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<u64> {
        if name == WALL {
            return Some(self.wall_ns);
        }
        let mut named = self.values.iter().zip(FIGURES);
        *named.find(|(_, figure)| figure.name == name)?.0
    }
}

/// A figure that every group has.
pub(super) struct GroupFigure {
    pub(super) name: &'static str,
    kind: Kind,
    of: Of,
}

enum Of {
    /// The sum over the workers.
    Sum(fn(&Worker<'_>) -> Option<u64>),
    /// The sum over the workers of what the kernel counted.
    Kernel(Counter),
    /// The largest of the workers.
    Most(fn(&Worker<'_>) -> u64),
    /// Not of the workers.
    Run,
}

const ITERATIONS: &str = "iterations";
const WALL: &str = "wall";
const RATE: &str = "rate";

pub(super) const FIGURES: &[GroupFigure] = &[
    number(ITERATIONS, |w| w.counted.then_some(w.iterations)),
    number("work_units", |w| w.counted.then_some(w.work_units)),
    figure(RATE, Kind::Rate, Of::Run),
    figure(WALL, Kind::Duration, Of::Run),
    number("workers", |_| Some(1)),
    number("nowait", |w| Some(w.nowait)),
    number("stale", |w| Some(w.stale)),
    duration("cpu", |w| Some(w.cpu_ns)),
    figure("run_delay", Kind::Duration, Of::Kernel(Counter::RunDelay)),
    kernel("run_count", Counter::RunCount),
    kernel("nvcsw", Counter::Nvcsw),
    kernel("nivcsw", Counter::Nivcsw),
    kernel("migrations", Counter::Migrations),
    number("migrations_seen", |w| Some(w.migrations_seen)),
    kernel("nr_wakeups", Counter::Wakeups),
    kernel("nr_wakeups_sync", Counter::WakeupsSync),
    kernel("nr_wakeups_migrate", Counter::WakeupsMigrate),
    kernel("nr_wakeups_remote", Counter::WakeupsRemote),
    kernel("minflt", Counter::Minflt),
    kernel("majflt", Counter::Majflt),
    figure("max_gap", Kind::Duration, Of::Most(|w| w.max_gap_ns)),
    figure(
        "max_cpu_gap",
        Kind::Duration,
        Of::Most(|w| w.max_cpu_gap_ns),
    ),
];

/// Names of the figures that every group has.
pub fn names() -> impl Iterator<Item = &'static str> {
    FIGURES.iter().map(|figure| figure.name)
}

const fn figure(name: &'static str, kind: Kind, of: Of) -> GroupFigure {
    GroupFigure { name, kind, of }
}

const fn number(
    name: &'static str,
    of: fn(&Worker<'_>) -> Option<u64>,
) -> GroupFigure {
    figure(name, Kind::Number, Of::Sum(of))
}

const fn duration(
    name: &'static str,
    of: fn(&Worker<'_>) -> Option<u64>,
) -> GroupFigure {
    figure(name, Kind::Duration, Of::Sum(of))
}

const fn kernel(name: &'static str, counter: Counter) -> GroupFigure {
    figure(name, Kind::Number, Of::Kernel(counter))
}

/// A figure as written.
pub(super) struct Figure<'t> {
    place: Place<'t>,
    name: &'t str,
    part: Part,
}

enum Place<'t> {
    Kernel,
    Group(usize),
    Work(&'t str),
}

/// What is asked of the name.
enum Part {
    Whole,
    Mean,
    Stat(Stat),
}

impl<'t> Figure<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Self, &'static str> {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let (place, rest) = match split_dot(text) {
            (prefix, Some(rest)) => match Place::parse(prefix) {
                Some(place) => (place, rest),
                None => (Place::Group(0), text),
            },
            _ => (Place::Group(0), text),
        };
        let (name, part) = match split_dot(rest) {
            (_, Some(_)) if matches!(place, Place::Kernel) => {
                return Err(NAME);
            }
            (name, Some(part)) => (name, Part::parse(part).ok_or(STAT)?),
            (name, None) => (name, Part::Whole),
        };
        if name.is_empty() || !name.bytes().all(good) {
            return Err(NAME);
        }
        Ok(Self { place, name, part })
    }

    /// The name alone tells, so that a log of another version does too.
    pub(super) fn kind(&self) -> Kind {
        let mut known = FIGURES.iter();
        match (&self.part, &self.place) {
            (Part::Stat(Stat::Count), _) | (_, Place::Kernel) => Kind::Number,
            (Part::Mean | Part::Stat(_), _) => Kind::Duration,
            _ => match known.find(|figure| figure.name == self.name) {
                Some(figure) => figure.kind,
                None if self.name.ends_with("_ns") => Kind::Duration,
                None => Kind::Number,
            },
        }
    }

    /// Checks that the run has this figure, written as `text`.
    pub(super) fn check(
        &self,
        text: &'t str,
        row: &dyn Fn(usize) -> Option<&'static Workload>,
        counter: fn(usize) -> Option<&'static str>,
    ) -> Result<(), ExpectError<'t>> {
        let name = self.name;
        let rows = || (0..).map_while(row);
        let found = match self.place {
            Place::Kernel => return Names::Counters(counter).hold(name),
            _ => self.place.group(rows().map(|row| row.name)),
        };
        let Some(row) = found.ok().and_then(row) else {
            if found == Err(true) {
                return Err(is(text, TWO_GROUPS));
            }
            if let Place::Work(work) = self.place {
                Names::Works.hold(work)?;
            }
            let (part, rule) = (text, Rule::Group(rows().count()));
            return Err(ExpectError { part, rule });
        };
        match (&self.part, Names::Hists(row).hold(name)) {
            (Part::Whole, Ok(())) => Err(is(text, STAT)),
            (Part::Whole, _) => Names::Figures(row).hold(name),
            (_, held) => held,
        }
    }

    /// Its numerator and denominator.
    pub(super) fn value(&self, figures: &dyn Figures) -> Option<(u64, u64)> {
        let name = self.name;
        if matches!(self.place, Place::Kernel) {
            return Some((figures.counter(name)?, 1));
        }
        let works = (0..).map_while(|group| figures.work(group));
        let group = self.place.group(works).ok()?;
        let hist = |stat| figures.hist(group, name, stat);
        Some(match self.part {
            Part::Mean => (hist(Stat::Sum)?, hist(Stat::Count)?),
            Part::Stat(stat) => (hist(stat)?, 1),
            Part::Whole if name == RATE => (
                figures.figure(group, ITERATIONS)?,
                figures.figure(group, WALL)?,
            ),
            Part::Whole => (figures.figure(group, name)?, 1),
        })
    }
}

impl<'t> Place<'t> {
    fn parse(prefix: &'t str) -> Option<Self> {
        let number = prefix.strip_prefix('g').unwrap_or("");
        if prefix == "kernel" {
            Some(Self::Kernel)
        } else if prefix.starts_with(|c: char| c.is_ascii_uppercase()) {
            Some(Self::Work(prefix))
        } else if number.starts_with(|c: char| c.is_ascii_digit()) {
            usize::try_from(digits(number)?).ok().map(Self::Group)
        } else {
            None
        }
    }

    /// The index of the group; failing that, whether there are several.
    fn group(
        &self,
        mut works: impl Iterator<Item: AsRef<str>>,
    ) -> Result<usize, bool> {
        match *self {
            Self::Kernel => Err(false),
            Self::Group(n) => works.nth(n).map(|_| n).ok_or(false),
            Self::Work(name) => {
                let mut next = || works.position(|w| w.as_ref() == name);
                let first = next().ok_or(false)?;
                match next().is_some() {
                    true => Err(true),
                    false => Ok(first),
                }
            }
        }
    }
}

impl Part {
    fn parse(text: &str) -> Option<Self> {
        Some(Self::Stat(match text {
            "count" => Stat::Count,
            "sum" => Stat::Sum,
            "min" => Stat::Min,
            "max" => Stat::Max,
            "mean" => return Some(Self::Mean),
            _ => {
                // p100 would be 10.0 by the rule of two digits, and nobody
                // would mean that.
                let share = text.strip_prefix('p')?;
                let (whole, decimals) = match split_dot(share) {
                    (_, Some("")) => return None,
                    (whole, Some(decimals)) => (whole, decimals),
                    _ if share.starts_with("100") => return None,
                    _ => share.split_at_checked(2).unwrap_or((share, "")),
                };
                let (num, over) = decimal(whole, decimals)?;
                if whole.len() > 2 || num == 0 {
                    return None;
                }
                Stat::Percentile(num, over * 100)
            }
        }))
    }
}
