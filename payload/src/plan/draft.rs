//! A run in the making: what each word adds to it, and what is checked when
//! a group of it, and when all of it, is complete.

use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::expect::Expect;
use crate::plan::group::{Group, check, take_param};
use crate::plan::run::{MAX_EXPECTS, Run};
use crate::plan::settings::{
    EXCLUSIVE, EXPECT, GroupSettings, RunSettings, Workers, taken,
};
use crate::plan::token::Token;
use crate::plan::tunables;
use crate::row::MAX_GROUPS;
use crate::workloads::custom::types::{self, Registered};
use heapless::Vec;

/// A run, and the group that is added to it next.
#[derive(Debug, Clone)]
pub(super) struct Draft<'t> {
    run: Run<'t>,
    group: Group<'t>,
    works: Registered,
    of_run: Seen<'t>,
    of_group: Seen<'t>,
}

impl<'t> Draft<'t> {
    /// A run without groups, and the first of them.
    pub(super) fn new(
        run: Run<'t>,
        first: Group<'t>,
        works: Registered,
    ) -> Self {
        Self {
            run,
            group: first,
            works,
            of_run: Seen::new(),
            of_group: Seen::new(),
        }
    }

    /// Checks the group that is complete, and adds it.
    pub(super) fn close(&mut self) -> Result<(), PlanError<'t>> {
        push(&mut self.run, self.group, self.works)
    }

    /// Begins the next group, once the last one is closed.
    pub(super) fn open(&mut self, group: Group<'t>) {
        self.group = group;
        self.of_group = Seen::new();
    }

    /// Takes a word that begins neither a run nor a group.
    pub(super) fn take(
        &mut self,
        token: Token<'t>,
    ) -> Result<(), PlanError<'t>> {
        let text = token.value.unwrap_or("");
        if take_expect(&mut self.run.expects, token)? {
            // It may be repeated.
        } else if self.run.trace.take(token)?
            || tunables::take(&mut self.run.tunables, token)?
            || taken(token, self.run.settings.take(token.key, text))?
        {
            self.of_run.add(token)?;
        } else {
            self.of_group.add(token)?;
            take_param(&mut self.group, token)?;
        }
        if matches!(token.key, "workers" | "workers_pct") {
            self.group.token = token.text;
        }
        Ok(())
    }

    /// Sets what holds for the run, without text.
    pub(super) fn set_run(
        &mut self,
        key: &'static str,
        set: impl FnOnce(&mut RunSettings) -> Result<(), &'static str>,
    ) -> Result<(), PlanError<'t>> {
        self.of_run.add(Token::of(key, ""))?;
        set(&mut self.run.settings).map_err(|rule| bad(key, Rule::Is(rule)))
    }

    /// Sets what holds for the group, without text.
    pub(super) fn set_group(
        &mut self,
        key: &'static str,
        set: impl FnOnce(&mut GroupSettings<'t>) -> Result<(), &'static str>,
    ) -> Result<(), PlanError<'t>> {
        self.of_group.add(Token::of(key, ""))?;
        set(&mut self.group.settings).map_err(|rule| bad(key, Rule::Is(rule)))
    }

    /// The run with all of its groups, if they go with each other.
    pub(super) fn finish(mut self) -> Result<Run<'t>, PlanError<'t>> {
        self.close()?;
        let run = self.run;
        run.check()?;
        run.check_expects()?;
        run.trace.check(&run.groups)?;
        Ok(run)
    }
}

/// Takes an `expect=` word; whether it is one.
pub(super) fn take_expect<'t>(
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

/// Keys seen in one scope.
#[derive(Debug, Clone)]
pub(super) struct Seen<'t> {
    keys: Vec<&'t str, 48>,
}

impl<'t> Seen<'t> {
    pub(super) fn new() -> Self {
        Self { keys: Vec::new() }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.keys.contains(&key)
    }

    pub(super) fn add(
        &mut self,
        token: Token<'t>,
    ) -> Result<(), PlanError<'t>> {
        if self.has(token.key) || self.keys.push(token.key).is_err() {
            return Err(bad(token.text, Rule::Twice));
        }
        let both = EXCLUSIVE
            .iter()
            .find(|(a, b, _)| self.has(a) && self.has(b));
        both.map_or(Ok(()), |both| Err(bad(token.text, Rule::Is(both.2))))
    }
}
