//! Figures of a run: which there are, and how one is written.

use crate::kit::histogram::{Summary, percentile};
use crate::kit::text::digits;
use crate::plan::expect::error::{
    ExpectError, NAME, Names, Rule, STAT, TWO_GROUPS, is,
};
use crate::plan::expect::kind::{Kind, decimal, split_dot};
use crate::plan::expect::totals::{FIGURES, ITERATIONS, RATE, WALL};
use crate::row::Row;

/// The figures of a finished run.
pub trait Figures {
    /// Name of a group's work type; `None` behind the last group.
    fn work(&self, group: usize) -> Option<&str>;

    /// A statistic of a histogram; [`Stat::of`] finds it.
    fn hist(&self, group: usize, name: &str, stat: Stat) -> Option<u64>;

    /// A figure of `Totals`, or else a metric of the group's type.
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
        row: &dyn Fn(usize) -> Option<&'static Row>,
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
