//! What is wrong with a condition, in one line.

use crate::plan::expect::totals::FIGURES;
use crate::plan::nearest;
use crate::row::Row;
use crate::workloads;
use core::fmt;

pub(super) const COMPARES: &str = "a condition is a figure, one of < <= > >= = \
                                   !=, and a value, for example \
                                   wake.p99<500us; a shell needs quotes round \
                                   it";
pub(super) const FIGURE_FIRST: &str =
    "a figure stands before the comparison, a value behind it";
pub(super) const TERMS: &str =
    "a side is up to 4 figures and numbers joined by * and /";
pub(super) const NAME: &str = "a figure is made of letters, digits, _ and \
                               dots, for example iterations, g1.wake.p99 or \
                               kernel.ctxt";
pub(super) const NUMBER: &str = "a value is a number, a percentage or a \
                                 duration, for example 1000, 0.5, 95% or 1.5ms";
pub(super) const ZERO: &str = "nothing is divided by 0";
pub(super) const STAT: &str = "a histogram has .count, .sum, .mean, .min, .max \
                               and percentiles such as .p50, .p99 and .p99.9";
pub(super) const TWO_GROUPS: &str =
    "the run has several groups of this type; say which as in g0";
pub(super) const PERCENT: &str =
    "a percentage is of a ratio, as in nivcsw/iterations<5%";

/// What is wrong with a condition.
#[derive(Debug, Clone, Copy)]
pub struct ExpectError<'t> {
    /// The part of it to blame.
    pub part: &'t str,
    /// The rule it breaks.
    pub rule: Rule<'t>,
}

/// Rules of a condition.
#[derive(Debug, Clone, Copy)]
pub enum Rule<'t> {
    /// In these words.
    Is(&'static str),
    /// These sides do not compare.
    Kinds {
        /// The left one, and what it is.
        left: (&'t str, &'static str),
        /// The right one, and what it is.
        right: (&'t str, &'static str),
        /// What would compare.
        hint: Option<&'static str>,
    },
    /// There is no such name; these are.
    Name(Names),
    /// There is no such group, but so many.
    Group(usize),
}

/// Valid names.
#[derive(Debug, Clone, Copy)]
pub enum Names {
    /// Work types.
    Works,
    /// Figures of this type.
    Figures(&'static Row),
    /// Histograms of this type.
    Hists(&'static Row),
    /// Kernel counters, by index.
    Counters(fn(usize) -> Option<&'static str>),
}

impl Names {
    /// Refuses a name that is not of them.
    ///
    /// # Errors
    ///
    /// It with the names that there are.
    #[inline(never)]
    pub fn hold(self, part: &str) -> Result<(), ExpectError<'_>> {
        if self.iter().any(|name| name == part) {
            return Ok(());
        }
        let rule = Rule::Name(self);
        Err(ExpectError { part, rule })
    }

    /// They, in order.
    pub fn iter(self) -> impl Iterator<Item = &'static str> + Clone {
        (0..).map_while(move |at: usize| match self {
            Self::Works => workloads::rows().nth(at).map(|row| row.name),
            Self::Figures(row) => match at.checked_sub(FIGURES.len()) {
                None => Some(FIGURES[at].name),
                Some(at) => row.metrics.get(at).map(|metric| metric.name),
            },
            Self::Hists(row) => row.hists.get(at).map(|hist| hist.name),
            Self::Counters(name) => name(at),
        })
    }
}

pub(super) fn is<'t>(part: &'t str, rule: &'static str) -> ExpectError<'t> {
    let rule = Rule::Is(rule);
    ExpectError { part, rule }
}

impl fmt::Display for ExpectError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = self.part;
        match self.rule {
            Rule::Is(rule) => write!(f, "`{part}`: {rule}"),
            Rule::Kinds { left, right, hint } => {
                let ((left, is), (right, other)) = (left, right);
                write!(f, "`{left}` is {is} and `{right}` {other}")?;
                match hint {
                    Some(hint) => write!(f, "; {hint}"),
                    None => Ok(()),
                }
            }
            Rule::Name(names) => {
                let (of, what) = match names {
                    Names::Works => ("pidone", "work type"),
                    Names::Figures(row) => (row.name, "figure"),
                    Names::Hists(row) => (row.name, "histogram"),
                    Names::Counters(_) => ("kernel", "counter"),
                };
                write!(f, "`{part}`: {of} has no such {what}")?;
                nearest::write(f, part, &|take| names.iter().for_each(take))
            }
            Rule::Group(groups) => write!(
                f,
                "`{part}`: the run has no such group; its groups are g0 to \
                 g{}",
                groups.saturating_sub(1)
            ),
        }
    }
}
