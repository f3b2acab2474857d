//! Tokens to a plan: the grammar of every place a plan can come from.
//!
//! A plan is a list of `key=value` words. The ones before the first `work=`
//! are boot keys and defaults; `work=NAME` starts a run, `with=NAME` adds a
//! group to it. Sources of higher precedence override the defaults of lower
//! ones, and the highest source with a run has all the runs. [`Plan::parse`]
//! checks all of it, and keeps the runs.

pub mod builder;
mod draft;
pub mod error;
pub mod expect;
pub mod group;
pub mod nearest;
pub mod run;
pub mod settings;
pub mod sources;
pub mod token;
pub mod trace;
pub mod tunables;
pub mod work_type;

use crate::kit::room::Room;
use crate::plan::draft::{Draft, Seen, take_expect};
use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::group::Group;
use crate::plan::run::{MAX_EXPECTS, Run};
use crate::plan::settings::{
    BOOT_KEYS, Boot, GROUP_KEYS, GroupSettings, RUN_KEYS, RunSettings, STARTS,
    taken,
};
use crate::plan::sources::Sources;
use crate::plan::token::{Source, Token, Tokens};
use crate::plan::trace::Trace;
use crate::plan::tunables::Tunables;
use crate::row::Param;
use crate::workloads;
use crate::workloads::custom::types::Registered;
use core::fmt;
use core::iter::{Peekable, repeat_n};
use heapless::Vec;

/// Writes the text of a built-in plan. `None` if there is none of that name
/// or it does not fit.
pub fn builtin(name: &str, text: &mut dyn fmt::Write) -> Option<()> {
    let (time, latency) = match name {
        "smoke" => ("200ms", false),
        "all" => ("1s", false),
        "latency" => ("2s", true),
        _ => return None,
    };
    write!(text, "time={time}").ok()?;
    for row in workloads::rows() {
        let measures = ["wake", "timer"];
        if !latency || row.hists.iter().any(|h| measures.contains(&h.name)) {
            write!(text, " work={} {}", row.name, row.example).ok()?;
        }
    }
    Some(())
}

/// A checked plan.
#[derive(Debug)]
pub struct Plan<'t> {
    /// What holds for the whole boot.
    pub boot: Boot<'t>,
    /// None if there is no memory for any.
    runs: Option<Room<Run<'t>>>,
    len: u16,
}

impl<'t> Plan<'t> {
    /// Checks everything that needs no machine.
    ///
    /// # Errors
    ///
    /// The first thing wrong, in order of precedence and position.
    pub fn parse(sources: &Sources<'t>) -> Result<Self, PlanError<'t>> {
        let rising = sources.rising();
        rising.iter().try_for_each(Source::check)?;
        let mut defaults = Defaults {
            boot: Boot::DEFAULT,
            run: RunSettings::DEFAULT,
            trace: Trace::NONE,
            tunables: Tunables::new(),
            group: GroupSettings::DEFAULT,
            expects: Vec::new(),
            works: sources.works,
        };
        let mut with_runs = sources.file;
        for source in rising {
            if defaults.take(source)? {
                with_runs = source;
            }
        }
        let boot = defaults.boot;
        if let Some(name) = boot.plan {
            with_runs = sources.file;
            if sources.file.tokens().next().is_none() {
                return Err(bad(name, Rule::Plan(name)));
            }
        }
        let mut runs = Room::new(with_runs.tokens().filter(is_start).count());
        let mut len = 0_u16;
        let mut tokens = with_runs.tokens().peekable();
        while tokens.next_if(|token| !is_start(token)).is_some() {}
        while let Some(start) = tokens.next() {
            let run = defaults.run(start, &mut tokens)?;
            let (repeat, most) = (run.settings.repeat, usize::from(u16::MAX));
            let full = || bad(start.text, Rule::TooMany("runs", most));
            len = len.checked_add(repeat).ok_or_else(full)?;
            let kept = runs.as_mut().is_some_and(|runs| runs.push(run).is_ok());
            kept.then_some(()).ok_or_else(full)?;
        }
        Ok(Self { boot, runs, len })
    }

    /// Number of runs, repetitions included.
    #[must_use]
    pub fn len(&self) -> u16 {
        self.len
    }

    /// Whether it has no run, which only an empty plan file can do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The runs, each once, in order.
    #[must_use]
    pub fn distinct(&self) -> &[Run<'t>] {
        self.runs.as_ref().map_or(&[], Room::values)
    }

    /// The runs, in order, repetitions included.
    pub fn runs(&self) -> impl Iterator<Item = &Run<'t>> {
        let each = self.distinct().iter();
        each.flat_map(|run| repeat_n(run, run.settings.repeat.into()))
    }
}

fn is_start(token: &Token<'_>) -> bool {
    token.key == "work"
}

/// What holds where a run says nothing else.
struct Defaults<'t> {
    boot: Boot<'t>,
    run: RunSettings,
    trace: Trace<'t>,
    tunables: Tunables<'t>,
    group: GroupSettings<'t>,
    expects: Vec<&'t str, MAX_EXPECTS>,
    works: Registered,
}

impl<'t> Defaults<'t> {
    /// Takes the boot keys and defaults of one source; whether it has runs.
    fn take(&mut self, source: Source<'t>) -> Result<bool, PlanError<'t>> {
        let mut seen = Seen::new();
        for token in source.tokens() {
            if is_start(&token) {
                if let Some(plan) = self.boot.plan.filter(|_| seen.has("plan"))
                {
                    let rule = "work= and plan= exclude each other";
                    return Err(bad(plan, Rule::Is(rule)));
                }
                return Ok(true);
            }
            if take_expect(&mut self.expects, token)? {
                continue;
            }
            seen.add(token)?;
            if !self.trace.take(token)?
                && !tunables::take(&mut self.tunables, token)?
                && !taken(token, self.set(token))?
            {
                return Err(unknown_default(token));
            }
        }
        Ok(false)
    }

    fn set(&mut self, token: Token<'t>) -> Result<bool, &'static str> {
        let (key, text) = (token.key, token.value.unwrap_or(""));
        Ok(self.boot.take(key, text)?
            || self.run.take(key, text)?
            || self.group.take(key, text)?)
    }

    /// The run that a word starts, and those behind it belong to.
    fn run(
        &self,
        start: Token<'t>,
        tokens: &mut Peekable<Tokens<'t>>,
    ) -> Result<Run<'t>, PlanError<'t>> {
        let run = Run {
            settings: self.run,
            trace: self.trace,
            tunables: self.tunables.clone(),
            groups: Vec::new(),
            expects: self.expects.clone(),
        };
        let mut draft = Draft::new(run, self.start(start)?, self.works);
        while let Some(token) = tokens.next_if(|token| !is_start(token)) {
            if token.key == "with" {
                draft.close()?;
                draft.open(self.start(token)?);
            } else {
                draft.take(token)?;
            }
        }
        draft.finish()
    }

    fn start(&self, token: Token<'t>) -> Result<Group<'t>, PlanError<'t>> {
        let name =
            token.value.ok_or_else(|| bad(token.text, Rule::KeyValue))?;
        let workload = workloads::find(name)
            .or_else(|| self.works.find(name))
            .ok_or_else(|| bad(token.text, Rule::Work(name, self.works)))?;
        Ok(Group {
            workload,
            work: workload.row.work(),
            settings: self.group,
            token: token.text,
        })
    }
}

fn unknown_default<'t>(token: Token<'t>) -> PlanError<'t> {
    let owns = |p: &Param| p.name == token.key;
    let owner = workloads::rows().find(|row| row.params.iter().any(owns));
    let sets = &[STARTS, BOOT_KEYS, RUN_KEYS, GROUP_KEYS];
    let rule = match (token.key, owner) {
        ("with", _) => Rule::Is("with= adds a group to a run: work= first"),
        (_, Some(row)) => Rule::Misplaced(row.name),
        (key, None) => Rule::Key(key, sets, &[]),
    };
    bad(token.text, rule)
}

#[cfg(test)]
mod tests;
