//! What is wrong with a plan, in one line.

use crate::kit::duration::{DURATION_RULE, InGrammar};
use crate::plan::expect::error::ExpectError;
use crate::plan::nearest;
use crate::row::{Kind, LONGEST, Param};
use crate::workloads;
use crate::workloads::custom::types::Registered;
use core::fmt;
use core::time::Duration;

/// The first thing wrong with a plan.
#[derive(Debug, Clone, Copy)]
pub struct PlanError<'t> {
    /// The word to blame.
    pub token: &'t str,
    /// The rule it breaks.
    pub rule: Rule<'t>,
}

/// Rules of the grammar.
#[derive(Debug, Clone, Copy)]
pub enum Rule<'t> {
    /// Every word is `key=value`.
    KeyValue,
    /// There is no such work type.
    Work(&'t str, Registered),
    /// There is no such plan.
    Plan(&'t str),
    /// The key is not valid here; these are.
    Key(
        &'t str,
        &'static [&'static [&'static str]],
        &'static [Param],
    ),
    /// The key belongs behind a `work=`.
    Misplaced(&'static str),
    /// One scope of one source has the key twice.
    Twice,
    /// In these words.
    Is(&'static str),
    /// A condition of `expect=`.
    Expect(ExpectError<'t>),
    /// A parameter's kind and range.
    Param(&'static Param),
    /// The number of workers does not fit the group size.
    GroupSize {
        /// The work type.
        work: &'static str,
        /// Its group size.
        size: u32,
        /// The next valid number.
        next: u32,
    },
    /// More than the payload has room for.
    TooMany(&'static str, usize),
    /// Two groups give their cgroup different values for this key.
    Leaf(&'static str),
    /// A packed module that the kernel does not load, with this error.
    Module(i32),
    /// More open files than this process may have.
    Descriptors {
        /// How many the run needs.
        need: u64,
        /// The limit that it cannot be raised above.
        most: u64,
    },
}

impl fmt::Display for PlanError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bad plan: `{}`: ", self.token)?;
        match self.rule {
            Rule::KeyValue => f.write_str("a plan is made of key=value words"),
            Rule::Work(name, works) => {
                write!(f, "no work type `{name}`")?;
                nearest::write(f, name, &|take| {
                    let rows = workloads::rows().chain(works.rows());
                    rows.for_each(|row| take(row.name));
                })
            }
            Rule::Plan(name) => write!(
                f,
                "no plan `{name}` is built in or packed; built in are \
                 smoke, all and latency"
            ),
            Rule::Key(key, sets, params) => {
                f.write_str("no such key here")?;
                nearest::write(f, key, &|take| {
                    sets.iter().copied().flatten().for_each(|key| take(key));
                    params.iter().for_each(|param| take(param.name));
                })
            }
            Rule::Misplaced(work) => write!(
                f,
                "a parameter of {work} stands behind its `work={work}`"
            ),
            Rule::Twice => f.write_str("given twice"),
            Rule::Is(rule) => f.write_str(rule),
            Rule::Expect(error) => error.fmt(f),
            Rule::Param(param) => range(f, param),
            Rule::GroupSize { work, size, next } => write!(
                f,
                "{work} works in groups of {size}; nearest is `{next}`"
            ),
            Rule::TooMany(what, most) => {
                write!(f, "at most {most} {what} are possible")
            }
            Rule::Leaf(key) => {
                write!(f, "two groups give their cgroup a different {key}")
            }
            Rule::Module(errno) => write!(
                f,
                "the kernel does not load this packed module, error {errno}; \
                 its log says more"
            ),
            Rule::Descriptors { need, most } => write!(
                f,
                "its run needs {need} open files, and at most {most} can be \
                 had: give it fewer workers, or raise the limit (`ulimit \
                 -Hn`, /proc/sys/fs/nr_open)"
            ),
        }
    }
}

impl core::error::Error for PlanError<'_> {}

fn list(
    f: &mut fmt::Formatter<'_>,
    intro: &str,
    names: impl Iterator<Item = &'static str>,
) -> fmt::Result {
    f.write_str(intro)?;
    for (i, name) in names.enumerate() {
        let comma = if i > 0 { ", " } else { "" };
        write!(f, "{comma}{name}")?;
    }
    Ok(())
}

fn range(f: &mut fmt::Formatter<'_>, param: &Param) -> fmt::Result {
    let name = param.name;
    match param.kind {
        Kind::Count { min, max, .. } => {
            write!(f, "{name} is a whole number from {min} to {max}")
        }
        Kind::CountOr { word, min, max } => {
            write!(f, "{name} is `{word}` or a number from {min} to {max}")
        }
        Kind::Duration { min_ns, .. } => write!(
            f,
            "{name} is {} to {}; {DURATION_RULE}",
            InGrammar(Duration::from_nanos(min_ns.into())),
            InGrammar(LONGEST)
        ),
        Kind::Flag { .. } => write!(f, "{name} is `true` or `false`"),
        Kind::Choice { names, .. } => {
            list(f, "valid are ", names.iter().copied())
        }
        Kind::Text { rule, .. } => write!(f, "{name} is {rule}"),
    }
}

pub(super) fn bad<'t>(token: &'t str, rule: Rule<'t>) -> PlanError<'t> {
    PlanError { token, rule }
}
