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
pub mod nearest;
pub mod settings;
pub mod token;
pub mod trace;

use crate::ctx::workload::Workload;
use crate::kit::counters;
use crate::kit::cpus::Cpus;
use crate::kit::duration::parse_duration;
use crate::kit::text::digits;
use crate::plan::error::{PlanError, Rule};
use crate::plan::expect::Expect;
use crate::plan::settings::{
    BOOT_KEYS, Boot, EXCLUSIVE, EXPECT, GROUP_KEYS, GroupSettings, RUN_KEYS,
    RunSettings, Workers, bad, flag, taken,
};
use crate::plan::token::{PREFIX, Source, Token, Tokens};
use crate::plan::trace::Trace;
use crate::row::MAX_GROUPS;
use crate::row::MAX_WORKERS;
use crate::row::attr::cgroup::Leaf;
use crate::row::attr::{Affinity, CloneMode};
use crate::row::{Kind, Param, Row, Value, Work};
use crate::workloads;
use crate::workloads::custom::types::{self, Registered};
use core::fmt;
use core::iter::Peekable;
use heapless::Vec;
/// Most conditions that one run has.
pub const MAX_CONDITIONS: usize = 64;
/// Most `expect=` words that hold for one run.
pub const MAX_EXPECTS: usize = 16;

const STARTS: &[&str] = &["work", "with"];

/// One group of a run.
#[derive(Debug, Clone, Copy)]
pub struct Group<'t> {
    /// Its work type.
    pub workload: &'static Workload,
    /// The type's parameters.
    pub work: Work<'t>,
    /// Everything else.
    pub settings: GroupSettings<'t>,
    /// The word that started it.
    pub token: &'t str,
}

impl<'t> Group<'t> {
    /// What its work type declares.
    #[must_use]
    pub fn row(&self) -> &'static Row {
        self.workload.row
    }

    /// Workers per instance, if the type is grouped.
    #[must_use]
    pub fn group_size(&self) -> Option<u32> {
        self.row().group_size(&self.work)
    }

    /// Where its workers run: what the plan says, or else the work type.
    #[must_use]
    pub fn intent(&self) -> Affinity {
        let typical = || (self.row().affinity)(&self.work);
        self.settings.affinity.unwrap_or_else(typical)
    }

    /// The number of workers where `cpus` CPUs may be used.
    ///
    /// # Errors
    ///
    /// The group-size rule, or too many workers.
    pub fn workers(&self, cpus: u32) -> Result<u32, PlanError<'t>> {
        let size = self.group_size().unwrap_or(1);
        let workers = match self.settings.workers {
            Workers::Default => match self.row().workers {
                Some(typical) => typical(&self.work, cpus),
                None => size,
            },
            Workers::Count(n) => n,
            Workers::PerCpu(n) => n.saturating_mul(cpus),
            Workers::Percent(share) => {
                let workers = u64::from(share) * u64::from(cpus);
                u32::try_from(workers.div_ceil(100_000)).unwrap_or(u32::MAX)
            }
        };
        let token = self.token;
        if workers > MAX_WORKERS {
            let rule = Rule::TooMany("workers", MAX_WORKERS as usize);
            return Err(PlanError { token, rule });
        }
        if !workers.is_multiple_of(size) {
            let rule = Rule::GroupSize {
                work: self.row().name,
                size,
                next: workers.next_multiple_of(size),
            };
            return Err(PlanError { token, rule });
        }
        Ok(workers)
    }

    /// What the process whose threads its workers are is known by; `None`
    /// where each is a process of its own.
    #[must_use]
    pub fn host(&self, clone: CloneMode) -> Option<Host<'t>> {
        let pcomm = self.settings.pcomm;
        let threads = clone == CloneMode::Thread || pcomm.is_some();
        threads.then_some((pcomm, self.settings.cgroup.name))
    }
}

/// Name and cgroup of a process whose threads are workers.
pub type Host<'t> = (Option<&'t str>, Option<&'t str>);

/// One run of a plan.
#[derive(Debug, Clone)]
pub struct Run<'t> {
    /// Its settings.
    pub settings: RunSettings,
    /// What it records of the kernel's events.
    pub trace: Trace<'t>,
    /// Its groups, at least one.
    pub groups: Vec<Group<'t>, MAX_GROUPS>,
    expects: Vec<&'t str, MAX_EXPECTS>,
}

impl<'t> Run<'t> {
    /// The conditions it must meet.
    pub fn expects(&self) -> impl Iterator<Item = Expect<'t>> + '_ {
        let mut texts = self.expects.iter();
        let mut list = Expect::list("");
        // The adapters of `flat_map` and `flatten` are larger. The parser has
        // checked each condition, so what is no condition is no text.
        core::iter::from_fn(move || {
            loop {
                match list.next() {
                    Some(Ok(expect)) => return Some(expect),
                    Some(Err(_)) => {}
                    None => list = Expect::list(texts.next()?),
                }
            }
        })
    }

    /// Checks that the run has all the figures its conditions name.
    fn check_expects(&self) -> Result<(), PlanError<'t>> {
        let row = |at: usize| Some(self.groups.get(at)?.row());
        let mut left = MAX_CONDITIONS;
        for token in &self.expects {
            for expect in Expect::list(token) {
                let most = Rule::TooMany("conditions", MAX_CONDITIONS);
                left = left.checked_sub(1).ok_or_else(|| bad(token, most))?;
                expect
                    .and_then(|e| e.check(&row, counters::name))
                    .map_err(|error| bad(token, Rule::Expect(error)))?;
            }
        }
        Ok(())
    }
}

impl<'t> Run<'t> {
    /// The cgroup of one of its groups, with what any group says of it.
    ///
    /// # Errors
    ///
    /// The key for which two groups differ.
    pub fn leaf(&self, group: &Group<'t>) -> Result<Leaf<'t>, &'static str> {
        let mut leaf = group.settings.cgroup;
        if leaf.name.is_some() {
            for other in &self.groups {
                if other.settings.cgroup.name == leaf.name {
                    leaf.unite(&other.settings.cgroup)?;
                }
            }
        }
        Ok(leaf)
    }

    /// Which CPUs one of its groups may use: `cpus`, or those of `online`
    /// that its cpuset names.
    #[must_use]
    pub fn usable(
        &self,
        group: &Group<'t>,
        cpus: &Cpus,
        online: &Cpus,
    ) -> Cpus {
        // Whether groups differ was checked when the plan was parsed.
        let confined = self.leaf(group).ok().and_then(|leaf| leaf.cpus());
        confined.map_or(*cpus, |confined| confined.and(online))
    }

    /// Which of the memory nodes `mems` one of its groups may use.
    #[must_use]
    pub fn mems(&self, group: &Group<'t>, mems: &Cpus) -> Cpus {
        let confined = self.leaf(group).ok().and_then(|leaf| leaf.mems());
        confined.map_or(*mems, |confined| confined.and(mems))
    }

    /// Refuses groups that are each fine but not together.
    fn check(&self) -> Result<(), PlanError<'t>> {
        let clone = self.settings.clone;
        let mut threads_in = None;
        for group in &self.groups {
            let refuse = |rule| Err(bad(group.token, rule));
            let row = group.row();
            let host = group.host(clone);
            if row.fork_only && host.is_some() {
                return refuse(Rule::Is(match group.settings.pcomm {
                    None => {
                        "this type acts on its whole process and runs with \
                         clone=fork only"
                    }
                    Some(_) => {
                        "this type acts on its whole process and runs \
                         without pcomm only"
                    }
                }));
            }
            if let Err(key) = self.leaf(group) {
                return refuse(Rule::Leaf(key));
            }
            if let Some((None, cgroup)) = host
                && *threads_in.get_or_insert(cgroup) != cgroup
            {
                let rule = "with clone=thread all groups are threads of one \
                            process and so in one cgroup; pcomm gives a \
                            group a process of its own";
                return refuse(Rule::Is(rule));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Run<'_> {
    /// Names of the work types, joined by `+`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in self.groups.iter().enumerate() {
            let plus = if i > 0 { "+" } else { "" };
            write!(f, "{plus}{}", group.row().name)?;
        }
        Ok(())
    }
}

/// Where a plan may come from, in rising precedence.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sources<'t> {
    /// A packed plan file, or a built-in plan.
    pub file: Source<'t>,
    /// Arguments.
    pub args: Source<'t>,
    /// Words of the kernel command line.
    pub kernel: Source<'t>,
    /// Work types beside the built-in ones.
    pub works: Registered,
}

impl<'t> Sources<'t> {
    fn rising(&self) -> [Source<'t>; 3] {
        [self.file, self.args, self.kernel]
    }

    /// Which of [`Self::rising`] has the runs.
    fn with_runs(&self) -> usize {
        let has = |source: &Source<'t>, key: &str| {
            source.tokens().any(|token| token.key == key)
        };
        let rising = self.rising();
        match rising.iter().any(|source| has(source, "plan")) {
            true => 0,
            false => rising
                .iter()
                .rposition(|source| has(source, "work"))
                .unwrap_or(0),
        }
    }

    /// All words, those of the source that has the runs first. The others
    /// begin with `pidone.` if they are of the kernel command line, and with
    /// `-- ` if they are arguments, so that what ran can be held against
    /// what was asked for.
    pub fn words(
        &self,
    ) -> impl Iterator<Item = (&'static str, &'t str)> + use<'t> {
        let (rising, runs) = (self.rising(), self.with_runs());
        let rest = (0..rising.len()).filter(move |&at| at != runs);
        core::iter::once(runs).chain(rest).flat_map(move |at| {
            let before = match at {
                at if at == runs => "",
                1 => "-- ",
                _ => PREFIX,
            };
            rising[at].tokens().map(move |token| (before, token.text))
        })
    }

    /// The words that were given, from the kernel command line and as
    /// arguments.
    pub fn given(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let all = self.kernel.tokens().chain(self.args.tokens());
        all.map(|token| token.text)
    }

    /// The plan these sources ask for by name, or `smoke` if they hold no
    /// run at all. The caller loads its text into [`Sources::file`].
    #[must_use]
    pub fn plan_name(&self) -> Option<&'t str> {
        let find = |key: &str| {
            let mut sources = self.rising().into_iter().rev();
            sources.find_map(|s| s.tokens().find(|token| token.key == key))
        };
        match find("plan") {
            Some(token) => token.value,
            None if find("work").is_none() => Some("smoke"),
            None => None,
        }
    }
}

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

/// Refuses what is fine by itself but not together.
fn check(group: &Group<'_>) -> Result<(), &'static str> {
    let (work, settings) = (&group.work, &group.settings);
    let row = group.row();
    (row.check)(work).and_then(|()| match settings.policy {
        Some(policy) => (row.check_policy)(work, policy),
        None => Ok(()),
    })?;
    settings.check()?;
    if row.in_cgroup && settings.cgroup.name.is_none() {
        return Err(
            "this type acts on all of its cgroup and needs one of its \
                    own, cgroup=NAME",
        );
    }
    Ok(())
}

fn take_param<'t>(
    group: &mut Group<'t>,
    token: Token<'t>,
) -> Result<(), PlanError<'t>> {
    let text = token.value.unwrap_or("");
    if taken(token, group.settings.take(token.key, text))? {
        return Ok(());
    }
    let row = group.row();
    let Some(param) = row.params.iter().find(|p| p.name == token.key) else {
        let rule = if BOOT_KEYS.contains(&token.key) {
            Rule::Is("a boot key stands before the first work=")
        } else {
            let sets = &[STARTS, RUN_KEYS, GROUP_KEYS];
            Rule::Key(token.key, sets, row.params)
        };
        return Err(bad(token.text, rule));
    };
    let text = token.value.ok_or_else(|| bad(token.text, Rule::KeyValue))?;
    let value = value_of(&param.kind, text);
    value
        .and_then(|value| group.work.set(param.name, value).ok())
        .ok_or_else(|| bad(token.text, Rule::Param(param)))
}

fn value_of<'t>(kind: &Kind, text: &'t str) -> Option<Value<'t>> {
    Some(match kind {
        Kind::Count { .. } => Value::Count(digits(text)?),
        Kind::CountOr { word, .. } if **word == text => Value::Word,
        Kind::CountOr { .. } => Value::Count(digits(text)?),
        Kind::Duration { .. } => Value::Duration(parse_duration(text)?),
        Kind::Flag { .. } => Value::Flag(flag(text)?),
        Kind::Text { .. } => Value::Text(text),
        Kind::Choice { names, .. } => {
            Value::Choice(names.iter().position(|name| *name == text)?)
        }
    })
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
