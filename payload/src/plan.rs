//! Tokens to a plan: the grammar of every place a plan can come from.
//!
//! A plan is a list of `key=value` words. The ones before the first `work=`
//! are boot keys and defaults; `work=NAME` starts a run, `with=NAME` adds a
//! group to it. Sources of higher precedence override the defaults of lower
//! ones, and the highest source with a run has all the runs. Nothing is
//! stored but borrowed text: the whole plan is checked by [`Plan::parse`],
//! and [`Plan::runs`] parses each run again when it is needed.

pub mod error;
pub mod expect;
pub mod group;
pub mod nearest;
pub mod run;
pub mod settings;
pub mod sources;
pub mod token;
pub mod trace;

use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::expect::Expect;
use crate::plan::group::{Group, check, take_param};
use crate::plan::run::{MAX_EXPECTS, Run};
use crate::plan::settings::{
    BOOT_KEYS, Boot, EXCLUSIVE, EXPECT, GROUP_KEYS, GroupSettings, RUN_KEYS,
    RunSettings, STARTS, Workers, taken,
};
use crate::plan::sources::Sources;
use crate::plan::token::{Source, Token, Tokens};
use crate::plan::trace::Trace;
use crate::row::{MAX_GROUPS, Param};
use crate::workloads;
use crate::workloads::custom::types::{self, Registered};
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
                if let Some(plan) = self.boot.plan.filter(|_| seen.plan) {
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
            seen.plan |= token.key == "plan";
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
        let mut run = Run {
            settings: self.run,
            trace: self.trace,
            groups: Vec::new(),
            expects: self.expects.clone(),
        };
        let mut seen_run = Seen::new();
        let mut seen = Seen::new();
        let mut group = self.start(start)?;
        while let Some(token) = self.tokens.next_if(|t| t.key != "work") {
            let text = token.value.unwrap_or("");
            if token.key == "with" {
                push(&mut run, group, self.works)?;
                group = self.start(token)?;
                seen = Seen::new();
            } else if take_expect(&mut run.expects, token)? {
                // It may be repeated.
            } else if run.trace.take(token)?
                || taken(token, run.settings.take(token.key, text))?
            {
                seen_run.add(token)?;
            } else {
                seen.add(token)?;
                take_param(&mut group, token)?;
            }
            if matches!(token.key, "workers" | "workers_pct") {
                group.token = token.text;
            }
        }
        push(&mut run, group, self.works)?;
        run.check()?;
        run.check_expects()?;
        run.trace.check(&run.groups)?;
        Ok(run)
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

/// Takes an `expect=` word; whether it is one.
fn take_expect<'t>(
    expects: &mut Vec<&'t str, MAX_EXPECTS>,
    token: Token<'t>,
) -> Result<bool, PlanError<'t>> {
    if token.key != EXPECT {
        return Ok(false);
    }
    let text = token.value.ok_or_else(|| bad(token.text, Rule::KeyValue))?;
    for expect in Expect::list(text) {
        expect.map_err(|error| bad(token.text, Rule::Expect(error)))?;
    }
    let most = Rule::TooMany("expect= words", MAX_EXPECTS);
    expects.push(text).map_err(|_| bad(token.text, most))?;
    Ok(true)
}

fn push<'t>(
    run: &mut Run<'t>,
    mut group: Group<'t>,
    works: Registered,
) -> Result<(), PlanError<'t>> {
    let named = types::named(&group.work);
    if let Some(name) = named.filter(|_| !works.0.is_empty()) {
        let workload = works
            .find(name)
            .ok_or_else(|| bad(name, Rule::Work(name, works)))?;
        (group.row().check)(&group.work)
            .map_err(|rule| bad(group.token, Rule::Is(rule)))?;
        group.work = types::registered(&group.work, workload.row);
        group.workload = workload;
    }
    let token = group.token;
    check(&group).map_err(|rule| bad(token, Rule::Is(rule)))?;
    let workers = group.settings.workers;
    if !matches!(workers, Workers::PerCpu(_) | Workers::Percent(_)) {
        group.workers(1)?;
    }
    run.groups
        .push(group)
        .map_err(|_| bad(token, Rule::TooMany("groups", MAX_GROUPS)))
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

/// Keys seen in one scope.
struct Seen<'t> {
    keys: Vec<&'t str, 48>,
    plan: bool,
}

impl<'t> Seen<'t> {
    fn new() -> Self {
        Self {
            keys: Vec::new(),
            plan: false,
        }
    }

    fn add(&mut self, token: Token<'t>) -> Result<(), PlanError<'t>> {
        let twice = self.keys.contains(&token.key);
        if twice || self.keys.push(token.key).is_err() {
            return Err(bad(token.text, Rule::Twice));
        }
        let seen = |key: &&str| self.keys.contains(key);
        let both = EXCLUSIVE.iter().find(|(a, b, _)| seen(a) && seen(b));
        both.map_or(Ok(()), |both| Err(bad(token.text, Rule::Is(both.2))))
    }
}

#[cfg(test)]
mod tests;
