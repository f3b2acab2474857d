//! Figures of a report by name, for everything that compares or judges.
//!
//! A metric is what one side of a condition of `expect=` may be: a figure
//! (`wake.p99`, `kernel.ctxt`) or a product or quotient of some
//! (`run_delay/run_count`). It is evaluated by the payload's own code, so a
//! report is judged here as the machine judged itself. In front of it may
//! stand the run that is meant, by number or name: `2:rate`, `PipeIo:rate`.

use crate::model::{Group, Hist, Report, Run, Worker};
use anyhow::{Result, anyhow, bail};
use pidone::kit::exit::Exit;
use pidone::kit::histogram::{Summary, bucket_of};
use pidone::kit::task::{Counter, TaskCounters};
use pidone::plan::Plan;
use pidone::plan::expect::figure::{Figures, Stat};
use pidone::plan::expect::kind::Kind;
use pidone::plan::expect::totals::{Totals, names};
use pidone::plan::expect::{Expect, Judged, Side};
use pidone::plan::sources::Sources;
use pidone::plan::token::Source;
use pidone::wire::record::{self, Pairs};
use pidone::{kit::counters, run::collect, workloads};

/// A figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// As `expect=` has it: `wake.p99`, `g1.rate`, `kernel.ctxt`.
    pub name: String,
    /// In ns, per second or plain.
    pub value: f64,
    /// `ns`, `/s`, what a histogram counts, or nothing.
    pub unit: String,
    /// Which way is better.
    pub better: Better,
    /// It is one of those to judge by, unless others are asked for.
    pub judged: bool,
    /// How far the seed of a deterministic machine was ever seen to move it,
    /// as a share; absent if it moves it a lot, as it does whatever depends on
    /// a placement that is left to the scheduler.
    pub steady: Option<f64>,
    /// Smaller differences than this share are made by rounding.
    pub resolution: f64,
}

impl Metric {
    /// The smallest share that counts as a difference, where as little as
    /// `asked` would.
    #[must_use]
    pub fn margin(&self, asked: f64) -> f64 {
        asked.max(self.resolution)
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// More is.
    Higher,
    /// Less is.
    Lower,
    /// Neither is.
    Neither,
}

impl Better {
    fn inverse(self) -> Self {
        match self {
            Self::Higher => Self::Lower,
            Self::Lower => Self::Higher,
            Self::Neither => Self::Neither,
        }
    }

    /// Of a product; neither if its factors pull both ways.
    fn times(self, other: Self) -> Self {
        match (self, other) {
            (Self::Neither, one) | (one, Self::Neither) => one,
            (a, b) if a == b => a,
            _ => Self::Neither,
        }
    }
}

/// The metrics of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunMetrics {
    /// Its name, with `#2` and so on behind it where an earlier run has the
    /// same.
    pub run: String,
    /// What it has: group by group, then the kernel's counters.
    pub metrics: Vec<Metric>,
}

/// What is known of a metric.
struct Known {
    /// A figure or a statistic, or else a product of some.
    name: &'static str,
    better: Better,
    /// To judge by.
    judged: bool,
    /// Range over seeds as a share, where the seed does not move workers to
    /// other CPUs; `docs/compare.md` has the measurement.
    steady: Option<f64>,
}

/// How far neighbouring buckets of a histogram are apart, as a share: a
/// percentile moves by that or not at all.
const RESOLUTION: f64 = 0.032;

/// Every metric about which something is known. What is not here is better
/// neither way, unless its terms are, and depends on the seed.
const KNOWN: &[Known] = &[
    known("rate", Better::Higher).judged(0.015),
    known("iterations", Better::Higher).steady(0.015),
    known("work_units", Better::Higher).steady(0.015),
    known("cpu/iterations", Better::Lower).judged(0.035),
    known("wake.p50", Better::Lower).judged(RESOLUTION),
    known("timer.p50", Better::Lower).judged(RESOLUTION),
    known("run_delay", Better::Lower),
    known("max_gap", Better::Lower),
    known("max_cpu_gap", Better::Lower),
    known("majflt", Better::Lower),
    known("mean", Better::Lower),
    known("min", Better::Lower),
    known("p50", Better::Lower),
    known("p90", Better::Lower),
    known("p99", Better::Lower),
    known("p999", Better::Lower),
    known("max", Better::Lower),
    known("overruns", Better::Lower),
    known("missed", Better::Lower),
];

const fn known(name: &'static str, better: Better) -> Known {
    Known {
        name,
        better,
        judged: false,
        steady: None,
    }
}

impl Known {
    const fn steady(mut self, share: f64) -> Self {
        self.steady = Some(share);
        self
    }

    const fn judged(self, share: f64) -> Self {
        let mut steady = self.steady(share);
        steady.judged = true;
        steady
    }
}

/// Quotients that every group has beside its figures.
const QUOTIENTS: &[[&str; 2]] = &[
    ["cpu", "iterations"],
    ["run_delay", "run_count"],
    ["nvcsw", "iterations"],
    ["nivcsw", "iterations"],
    ["migrations", "iterations"],
];

/// Statistics that every histogram has.
const STATISTICS: &[&str] =
    &["count", "mean", "min", "p50", "p90", "p99", "p999", "max"];

/// The metrics of every run, in order. A run without results, and a figure
/// that the kernel did not tell, has none.
#[must_use]
pub fn of_report(report: &Report) -> Vec<RunMetrics> {
    let labels = labels(report);
    let of = |(run, label): (&Run, String)| RunMetrics {
        run: label,
        metrics: of_run(run),
    };
    report.runs.iter().zip(labels).map(of).collect()
}

/// What each run is called where it must differ from the others.
#[must_use]
pub fn labels(report: &Report) -> Vec<String> {
    let label = |(at, run): (usize, &Run)| {
        let before = report.runs[..at].iter();
        match before.filter(|other| other.name == run.name).count() {
            0 => run.name.clone(),
            n => format!("{}#{}", run.name, n + 1),
        }
    };
    report.runs.iter().enumerate().map(label).collect()
}

fn of_run(run: &Run) -> Vec<Metric> {
    let figures = RunFigures::new(run);
    let mut all = Vec::new();
    for group in &run.groups {
        let prefix = match group.group_idx {
            0 => String::new(),
            n => format!("g{n}."),
        };
        let mut of_group: Vec<String> = Vec::new();
        of_group.extend(names().map(|name| format!("{prefix}{name}")));
        for [above, below] in QUOTIENTS {
            of_group.push(format!("{prefix}{above}/{prefix}{below}"));
        }
        for name in group.hist.keys() {
            let stats = STATISTICS.iter();
            of_group.extend(stats.map(|s| format!("{prefix}{name}.{s}")));
        }
        let metrics = group.metrics.keys();
        of_group.extend(metrics.map(|name| format!("{prefix}{name}")));
        all.extend(of_group);
    }
    let counters = run.kernel.counters.keys();
    all.extend(counters.map(|name| format!("kernel.{name}")));
    let metric = |name: &String| metric(name, run, &figures);
    all.iter().filter_map(metric).collect()
}

/// One metric of a run; `None` if the run does not have it.
fn metric(name: &str, run: &Run, figures: &RunFigures<'_>) -> Option<Metric> {
    let side = Side::parse(name).ok()?;
    Some(Metric {
        name: name.to_owned(),
        value: side.value(figures)?,
        unit: unit(name, &side, run),
        better: better(name),
        judged: find(name).is_some_and(|known| known.judged),
        steady: find(name)
            .and_then(|known| known.steady)
            .filter(|_| placed(run)),
        resolution: match is_percentile(name) {
            true => RESOLUTION,
            false => 0.0,
        },
    })
}

/// Which way a metric is better.
#[must_use]
pub fn better(name: &str) -> Better {
    if let Some(known) = find(name) {
        return known.better;
    }
    let mut all = Better::Neither;
    for (divides, term) in terms(name) {
        let of = find(term).map_or(Better::Neither, |known| known.better);
        all = all.times(if divides { of.inverse() } else { of });
    }
    all
}

/// Whether the scheduler has no choice of CPU for any worker.
fn placed(run: &Run) -> bool {
    let mut workers = run.groups.iter().flat_map(|group| &group.workers);
    workers.all(|worker| worker.cpus_allowed.len() == 1)
}

/// The terms of a metric, and whether each of them divides.
fn terms(name: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut divides = false;
    name.split_inclusive(['*', '/']).map(move |term| {
        let now = divides;
        divides = term.ends_with('/');
        (now, term.trim_end_matches(['*', '/']))
    })
}

/// What is known of a metric as a whole: `wake.p50` before `p50`.
fn find(name: &str) -> Option<&'static Known> {
    // A kernel counter is nobody's figure.
    if name.contains("kernel.") {
        return None;
    }
    let of = |take: &dyn Fn(&str) -> String| {
        let plain: Vec<String> = name.split('/').map(take).collect();
        let plain = plain.join("/");
        KNOWN.iter().find(|known| known.name == plain)
    };
    let placeless = |term: &str| match term.split_once('.') {
        Some((place, rest)) if is_place(place) => rest.to_owned(),
        _ => term.to_owned(),
    };
    let last = |term: &str| {
        let placeless = placeless(term);
        placeless.rsplit('.').next().unwrap_or_default().to_owned()
    };
    of(&placeless).or_else(|| of(&last))
}

/// Whether a percentile is in it.
fn is_percentile(name: &str) -> bool {
    terms(name).any(|(_, term)| {
        let mut parts = term.split('.').skip(1);
        parts.any(|part| {
            let digits = part.strip_prefix('p').unwrap_or("");
            digits.starts_with(|c: char| c.is_ascii_digit())
        })
    })
}

/// `g1` or a work type, in front of a figure.
fn is_place(word: &str) -> bool {
    let number = word.strip_prefix('g').unwrap_or("");
    word.starts_with(|c: char| c.is_ascii_uppercase())
        || number.starts_with(|c: char| c.is_ascii_digit())
}

fn unit(name: &str, side: &Side<'_>, run: &Run) -> String {
    match side.kind() {
        Kind::Rate => "/s".to_owned(),
        Kind::Duration => {
            let of_hist = hist_of(name, run).map(|hist| hist.unit.clone());
            of_hist.unwrap_or_else(|| "ns".to_owned())
        }
        Kind::Number | Kind::Other => String::new(),
    }
}

/// The histogram whose statistic a metric is.
fn hist_of<'r>(name: &str, run: &'r Run) -> Option<&'r Hist> {
    let mut parts = name.rsplit('.').skip(1);
    let hist = parts.next()?;
    let group = parts.next().and_then(|place| place.strip_prefix('g'));
    let group: u16 = group.map_or(Ok(0), str::parse).ok()?;
    let mut groups = run.groups.iter();
    groups.find(|g| g.group_idx == group)?.hist.get(hist)
}

/// A metric as a user asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selector {
    /// Of which run; of every one if absent.
    pub run: Option<String>,
    /// The metric.
    pub name: String,
}

impl Selector {
    /// Parses `[RUN:]METRIC`.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self> {
        let (run, name) = split_run(text);
        let side = Side::parse(name).map_err(|error| anyhow!("{error}"))?;
        if side.constant() {
            bail!("`{name}`: a metric has a figure, such as wake.p99 or rate");
        }
        if side.kind() == Kind::Other {
            bail!("`{name}` is no number, duration or rate per second");
        }
        Ok(Self {
            run: run.map(str::to_owned),
            name: name.to_owned(),
        })
    }

    /// The metric in each run that is meant, with the label of the run.
    ///
    /// # Errors
    ///
    /// There is no such run, or none of them can have such a figure, with the
    /// nearest there is. A figure that a kernel did not tell is no error, and
    /// not there.
    pub fn of(&self, report: &Report) -> Result<Vec<(String, Metric)>> {
        let (mut found, mut wrong) = (Vec::new(), None);
        let runs = runs(self.run.as_deref(), report)?;
        let (labels, all) = (labels(report), runs.len());
        let mut refused = 0;
        for at in runs {
            let run = &report.runs[at];
            if let Err(error) = self.check(run) {
                refused += 1;
                wrong.get_or_insert(error);
            } else if let Some(metric) =
                metric(&self.name, run, &RunFigures::new(run))
            {
                found.push((labels[at].clone(), metric));
            }
        }
        match wrong {
            Some(error) if refused == all => Err(error),
            _ => Ok(found),
        }
    }

    /// Checks that a run can have the metric. What a run of work types of
    /// another release can have is not known.
    fn check(&self, run: &Run) -> Result<()> {
        let groups = &run.groups;
        let row = |n: usize| workloads::row(&groups.get(n)?.work);
        let known = (0..groups.len()).all(|n| row(n).is_some());
        if groups.is_empty() || !known {
            return Ok(());
        }
        let side = Side::parse(&self.name);
        let checked = side.and_then(|s| s.check(&row, counters::name));
        checked.map_err(|error| anyhow!("{error}"))
    }
}

/// Checks metrics before a boot: whether the runs of a plan can have them. Of
/// a plan that is packed, or wrong in itself, nothing is said.
///
/// # Errors
///
/// No such run in the plan, or no such figure, with the nearest there is.
pub fn check(metrics: &[Selector], plan: &str) -> Result<()> {
    let sources = Sources {
        args: Source::args(plan),
        ..Sources::default()
    };
    let Ok(plan) = Plan::parse(&sources) else {
        return Ok(());
    };
    let group = |(work, group_idx): (&str, u16)| Group {
        work: work.to_owned(),
        group_idx,
        ..Group::default()
    };
    let runs = plan.runs().map(|run| Run {
        name: collect::name(&run).to_string(),
        groups: run
            .groups
            .iter()
            .map(|group| group.row().name)
            .zip(0..)
            .map(group)
            .collect(),
        ..Run::default()
    });
    let expected = Report {
        runs: runs.collect(),
        ..Report::default()
    };
    if expected.runs.is_empty() {
        return Ok(());
    }
    metrics.iter().try_for_each(|metric| {
        metric.of(&expected)?;
        Ok(())
    })
}

/// Judges `[RUN:]CONDITION` on a report: the label of each run that is meant
/// and what became of it there.
///
/// # Errors
///
/// The condition is none, or there is no such run.
pub fn judge(text: &str, report: &Report) -> Result<Vec<(String, Judged)>> {
    let (run, condition) = split_run(text);
    let expect = Expect::parse(condition).map_err(|e| anyhow!("{e}"))?;
    let mut all = Vec::new();
    for at in runs(run, report)? {
        let judged = expect.evaluate(&RunFigures::new(&report.runs[at]));
        all.push((labels(report).swap_remove(at), judged));
    }
    Ok(all)
}

/// Splits `[RUN:]TEXT`.
#[must_use]
pub fn split_run(text: &str) -> (Option<&str>, &str) {
    match text.split_once(':') {
        Some((run, text)) => (Some(run), text),
        None => (None, text),
    }
}

/// Indices of the runs of this number from 1, label or name; of all without.
fn runs(which: Option<&str>, report: &Report) -> Result<Vec<usize>> {
    let labels = labels(report);
    let Some(which) = which else {
        return Ok((0..labels.len()).collect());
    };
    let number = which.parse::<usize>().ok();
    let is = |at: &usize| {
        number == Some(at + 1)
            || labels[*at] == which
            || report.runs[*at].name == which
    };
    let found: Vec<usize> = (0..labels.len()).filter(is).collect();
    if found.is_empty() {
        let labels = labels.join(", ");
        bail!("no run `{which}`; runs are {labels}, or a number from 1");
    }
    Ok(found)
}

/// The figures of a run, for [`Expect`] and [`Side`].
#[derive(Debug)]
pub struct RunFigures<'r> {
    run: &'r Run,
    /// Of each group; absent where records of workers are lost.
    totals: Vec<Option<Totals>>,
}

impl<'r> RunFigures<'r> {
    /// Those of `run`.
    #[must_use]
    pub fn new(run: &'r Run) -> Self {
        let totals = run.groups.iter().map(|group| {
            let mut totals = Totals::new(run.wall_ns);
            for worker in &group.workers {
                totals.add(&as_record(worker));
            }
            let count = usize::try_from(group.worker_count).ok()?;
            (group.workers.len() == count).then_some(totals)
        });
        let totals = totals.collect();
        Self { run, totals }
    }
}

impl Figures for RunFigures<'_> {
    fn work(&self, group: usize) -> Option<&str> {
        Some(&self.run.groups.get(group)?.work)
    }

    fn hist(&self, group: usize, name: &str, stat: Stat) -> Option<u64> {
        let hist = self.run.groups.get(group)?.hist.get(name)?;
        let summary = Summary {
            count: hist.count,
            sum_ns: hist.sum_ns,
            min_ns: hist.min_ns,
            max_ns: hist.max_ns,
        };
        let buckets = hist.buckets.iter();
        stat.of(&summary, buckets.map(|&(low, n)| (bucket_of(low), n)))
    }

    fn figure(&self, group: usize, name: &str) -> Option<u64> {
        let of_type = &self.run.groups.get(group)?.metrics;
        let total = self.totals.get(group)?.as_ref()?.get(name);
        total.or_else(|| of_type.get(name).copied())
    }

    fn counter(&self, name: &str) -> Option<u64> {
        self.run.kernel.counters.get(name).copied()
    }
}

/// A worker as it came over the wire, as far as figures are made of it.
fn as_record(w: &Worker) -> record::Worker<'_> {
    record::Worker {
        run: 0,
        group: 0,
        index: w.index,
        pos: w.pos,
        role: &w.role,
        tid: w.tid,
        tasks: w.tasks,
        iterations: w.iterations,
        work_units: w.work_units,
        wall_ns: w.wall_ns,
        cpu_ns: w.cpu_ns,
        nowait: w.nowait,
        stale: w.stale,
        first_ns: w.first_ns,
        kernel: TaskCounters::default()
            .with(Counter::RunDelay, w.run_delay_ns)
            .with(Counter::RunCount, w.run_count)
            .with(Counter::Nvcsw, w.nvcsw)
            .with(Counter::Nivcsw, w.nivcsw)
            .with(Counter::Migrations, w.migrations)
            .with(Counter::Wakeups, w.nr_wakeups)
            .with(Counter::WakeupsSync, w.nr_wakeups_sync)
            .with(Counter::WakeupsMigrate, w.nr_wakeups_migrate)
            .with(Counter::WakeupsRemote, w.nr_wakeups_remote)
            .with(Counter::Minflt, w.minflt)
            .with(Counter::Majflt, w.majflt),
        migrations_seen: w.migrations_seen,
        cpus_used: &[],
        max_gap_ns: w.max_gap_ns,
        max_gap_cpu: w.max_gap_cpu,
        max_gap_at_ns: w.max_gap_at_ns,
        max_cpu_gap_ns: w.max_cpu_gap_ns,
        effective: None,
        numa_pages: Pairs(""),
        completed: w.completed,
        exit: Exit::Code(0),
        counted: w.counted,
    }
}

#[cfg(test)]
mod tests {
    use super::{Better, Selector, better, check, judge, labels, of_report};
    use crate::decode::decode;
    use crate::model::Report;
    use crate::testing::Stream;

    fn report() -> Report {
        let log = Stream::sample().once();
        Report::new(&decode(log.as_bytes()).newest())
    }

    fn value(text: &str) -> f64 {
        let found = Selector::parse(text).unwrap().of(&report()).unwrap();
        found[0].1.value
    }

    #[test]
    fn a_report_is_a_list_of_named_figures() {
        let all = of_report(&report());
        assert_eq!(all[0].run, "PipeIo");
        let find = |name: &str| {
            let mut metrics = all[0].metrics.iter();
            metrics.find(|metric| metric.name == name).unwrap()
        };
        for (name, value, unit, better) in [
            ("iterations", 48_210.0, "", Better::Higher),
            ("rate", 48_210.0, "/s", Better::Higher),
            ("cpu", 960_000_000.0, "ns", Better::Neither),
            ("run_delay", 2_000_000.0, "ns", Better::Lower),
            ("wake.count", 48_200.0, "", Better::Neither),
            ("wake.max", 1_200_000.0, "ns", Better::Lower),
            ("late", 4.0, "", Better::Neither),
            ("kernel.ctxt", 1000.0, "", Better::Neither),
        ] {
            let found = find(name);
            assert_eq!(found.value, value, "{name}");
            assert_eq!(found.unit, unit, "{name}");
            assert_eq!(found.better, better, "{name}");
        }
        let cost = find("cpu/iterations").value;
        assert!((cost - 960_000_000.0 / 48_210.0).abs() < 1e-9);
        // What the kernel did not tell is not there.
        let absent = |m: &super::Metric| m.name == "nr_wakeups_remote";
        assert!(!all[0].metrics.iter().any(absent));
    }

    #[test]
    fn which_way_is_better_follows_from_the_terms() {
        for (name, way) in [
            ("wake.p99", Better::Lower),
            ("PipeIo.wake.p99", Better::Lower),
            ("g1.rate", Better::Higher),
            ("iterations/wall", Better::Higher),
            ("cpu/iterations", Better::Lower),
            ("run_delay/run_count", Better::Lower),
            ("g1.rate/g0.rate", Better::Neither),
            ("wake.p99/wake.p50", Better::Neither),
            ("nvcsw", Better::Neither),
            ("kernel.ctxt", Better::Neither),
        ] {
            assert_eq!(better(name), way, "{name}");
        }
    }

    #[test]
    fn what_is_judged_by_default_is_in_the_table() {
        let all = of_report(&report());
        let judged = |m: &&super::Metric| m.judged;
        let judged = all[0].metrics.iter().filter(judged);
        let names: Vec<&str> = judged.map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["rate", "cpu/iterations", "wake.p50"]);
        // Two CPUs to choose from.
        assert!(all[0].metrics.iter().all(|m| m.steady.is_none()));
        let mut pinned = report();
        for worker in &mut pinned.runs[0].groups[0].workers {
            worker.cpus_allowed = vec![1];
        }
        let steady = |text: &str| {
            let found = Selector::parse(text).unwrap().of(&pinned).unwrap();
            found[0].1.steady.is_some()
        };
        assert!(steady("PipeIo:rate") && steady("1:g0.cpu/g0.iterations"));
        assert!(steady("PipeIo:PipeIo.wake.p50"));
        assert!(!steady("PipeIo:wake.p99") && !steady("1:kernel.ctxt"));
        let resolution = |text: &str| {
            let found = Selector::parse(text).unwrap().of(&pinned).unwrap();
            found[0].1.resolution
        };
        assert!(resolution("1:wake.p99.9") > 0.0);
        assert_eq!(resolution("1:wake.mean"), 0.0);
    }

    #[test]
    fn what_is_asked_for_is_of_the_grammar_of_conditions() {
        assert_eq!(value("wake.p50"), value("1:wake.p50"));
        assert_eq!(value("PipeIo:iterations*2"), 96_420.0);
        for (text, why) in [
            ("3", "a metric has a figure"),
            ("cpu*wall", "is no number, duration or rate"),
            ("wake..p99", "a histogram has .count"),
            ("", "a side is up to 4 figures"),
        ] {
            let error = Selector::parse(text).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
        for (text, why) in [
            ("SpinWait:wake.p99", "SpinWait has no such histogram"),
            ("PipeIo:wak.p99", "nearest is `wake`"),
            ("Nope:rate", "no run `Nope`; runs are PipeIo, SpinWait"),
            ("3:rate", "no run `3`"),
        ] {
            let selector = Selector::parse(text).unwrap();
            let error = selector.of(&report()).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn metrics_are_checked_against_a_plan() {
        let check = |text: &str, plan: &str| {
            let metric = Selector::parse(text).unwrap();
            check(&[metric], plan).map_err(|error| error.to_string())
        };
        let plan = "time=1s work=PipeIo with=SpinWait work=TimerLatency";
        for good in ["timer.p99", "wake.p50", "g1.rate", "2:overruns", "rate"] {
            assert_eq!(check(good, plan), Ok(()), "{good}");
        }
        for (bad, why) in [
            ("wak.p50", "nearest is `wake`"),
            ("2:wake.p50", "TimerLatency has no such histogram"),
            ("3:rate", "no run `3`; runs are PipeIo"),
            ("g2.rate", "the run has no such group"),
            ("kernel.ctx", "nearest is `ctxt`"),
        ] {
            let said = check(bad, plan).unwrap_err();
            assert!(said.contains(why), "{bad}: {said}");
        }
        // Said by others, or not known before the boot.
        assert_eq!(check("wak.p50", "work=Nope"), Ok(()));
        assert_eq!(check("wak.p50", "plan=mine"), Ok(()));
    }

    #[test]
    fn a_report_is_judged_as_the_machine_judges_itself() {
        let judged = judge("PipeIo:wake.p99<500us", &report()).unwrap();
        assert!(judged.len() == 1 && judged[0].1.held);
        let judged = judge("iterations>48220", &report()).unwrap();
        assert_eq!(judged.len(), 2);
        assert!(!judged[0].1.held);
        assert_eq!(judged[0].1.milli, Some(48_210_000));
        assert!(judge("rate", &report()).is_err());
    }

    #[test]
    fn runs_of_one_name_are_told_apart() {
        let mut report = report();
        report.runs[1].name = "PipeIo".to_owned();
        assert_eq!(labels(&report), ["PipeIo", "PipeIo#2"]);
        let found = Selector::parse("PipeIo#2:iterations").unwrap();
        assert_eq!(found.of(&report).unwrap().len(), 1);
        let both = Selector::parse("PipeIo:iterations").unwrap();
        assert_eq!(both.of(&report).unwrap().len(), 2);
    }
}
