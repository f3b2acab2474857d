//! Tokens to a plan: the grammar of every place a plan can come from.
//!
//! A plan is a list of `key=value` words. The ones before the first `work=`
//! are boot keys and defaults; `work=NAME` starts a run, `with=NAME` adds a
//! group to it. Sources of higher precedence override the defaults of lower
//! ones, and the highest source with a run has all the runs. Nothing is
//! stored but borrowed text: the whole plan is checked by [`Plan::parse`],
//! and [`Plan::runs`] parses each run again when it is needed.

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
pub mod work_type;

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
use crate::row::Param;
use crate::workloads;
use crate::workloads::custom::types::Registered;
use core::fmt;
use core::iter::Peekable;
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
#[derive(Debug, Clone)]
pub struct Plan<'t> {
    /// What holds for the whole boot.
    pub boot: Boot<'t>,
    run: RunSettings,
    trace: Trace<'t>,
    group: GroupSettings<'t>,
    expects: Vec<&'t str, MAX_EXPECTS>,
    runs: Source<'t>,
    works: Registered,
    len: u16,
}

impl<'t> Plan<'t> {
    /// Checks everything that needs no machine.
    ///
    /// # Errors
    ///
    /// The first thing wrong, in order of precedence and position.
    pub fn parse(sources: &Sources<'t>) -> Result<Self, PlanError<'t>> {
        for source in sources.rising() {
            source.check()?;
        }
        let mut plan = Self {
            boot: Boot::DEFAULT,
            run: RunSettings::DEFAULT,
            trace: Trace::NONE,
            group: GroupSettings::DEFAULT,
            expects: Vec::new(),
            runs: sources.file,
            works: sources.works,
            len: 0,
        };
        for source in sources.rising() {
            plan.defaults(source)?;
        }
        if let Some(name) = plan.boot.plan {
            plan.runs = sources.file;
            if sources.file.tokens().next().is_none() {
                let (token, rule) = (name, Rule::Plan(name));
                return Err(PlanError { token, rule });
            }
        }
        let mut len = 0_u32;
        let mut last = "";
        let mut runs = plan.parser();
        while let Some(run) = runs.next_run() {
            let run = run?;
            len += u32::from(run.settings.repeat);
            last = run.groups.first().map_or("", |group| group.token);
        }
        let most = usize::from(u16::MAX);
        plan.len = u16::try_from(len).map_err(|_| PlanError {
            token: last,
            rule: Rule::TooMany("runs", most),
        })?;
        Ok(plan)
    }

    /// Takes the boot keys and defaults of one source.
    fn defaults(&mut self, source: Source<'t>) -> Result<(), PlanError<'t>> {
        let mut seen = Seen::new();
        for token in source.tokens() {
            if token.key == "work" {
                if let Some(plan) = self.boot.plan.filter(|_| seen.has("plan"))
                {
                    let rule = "work= and plan= exclude each other";
                    return Err(bad(plan, Rule::Is(rule)));
                }
                self.runs = source;
                return Ok(());
            }
            if take_expect(&mut self.expects, token)? {
                continue;
            }
            seen.add(token)?;
            if !self.trace.take(token)? && !taken(token, self.default(token))? {
                return Err(unknown_default(token));
            }
        }
        Ok(())
    }

    fn default(&mut self, token: Token<'t>) -> Result<bool, &'static str> {
        let (key, text) = (token.key, token.value.unwrap_or(""));
        Ok(self.boot.take(key, text)?
            || self.run.take(key, text)?
            || self.group.take(key, text)?)
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

    /// The runs, in order, repetitions included.
    pub fn runs(&self) -> impl Iterator<Item = Run<'t>> + '_ {
        let mut parser = self.parser();
        let (mut run, mut left) = (None, 0);
        core::iter::from_fn(move || {
            while left == 0 {
                // `parse` has seen every run, so none is an error here.
                let next = parser.next_run()?.ok()?;
                left = next.settings.repeat;
                run = Some(next);
            }
            left -= 1;
            run.clone()
        })
    }

    fn parser(&self) -> Runs<'t> {
        let mut tokens = self.runs.tokens().peekable();
        while tokens.next_if(|token| token.key != "work").is_some() {}
        Runs {
            tokens,
            run: self.run,
            trace: self.trace,
            group: self.group,
            expects: self.expects.clone(),
            works: self.works,
        }
    }
}

struct Runs<'t> {
    tokens: Peekable<Tokens<'t>>,
    run: RunSettings,
    trace: Trace<'t>,
    group: GroupSettings<'t>,
    expects: Vec<&'t str, MAX_EXPECTS>,
    works: Registered,
}

impl<'t> Runs<'t> {
    fn next_run(&mut self) -> Option<Result<Run<'t>, PlanError<'t>>> {
        let start = self.tokens.next()?;
        Some(self.run_from(start))
    }

    fn run_from(&mut self, start: Token<'t>) -> Result<Run<'t>, PlanError<'t>> {
        let run = Run {
            settings: self.run,
            trace: self.trace,
            groups: Vec::new(),
            expects: self.expects.clone(),
        };
        let mut draft = Draft::new(run, self.start(start)?, self.works);
        while let Some(token) = self.tokens.next_if(|t| t.key != "work") {
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
