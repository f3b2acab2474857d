//! Reports of decoded boots.

use super::sampled::Pieces;
use super::{
    Expect, Group, Hello, Hist, Interval, Report, Run, Scheduler, Scx, Worker,
    hex, trace,
};
use crate::decode::Boot;
use crate::decode::ktap::Console;
use crate::model::tunable::Tunable;
use pidone::kit::histogram::{
    Sparse, Summary, bucket_of, bucket_range, percentile,
};
use pidone::plan::token::PREFIX;
use pidone::wire::record::{self, Record, Verdict};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

impl Report {
    /// Everything the records of a boot say; outcome and reason are for the
    /// caller, who knows how the machine ended.
    #[must_use]
    pub fn new(boot: &Boot) -> Self {
        let mut report = Self {
            schema: 1,
            lost_records: boot.lost_records(),
            errors: boot.errors.clone(),
            ..Self::default()
        };
        let mut digest = Sha256::new();
        let mut runs: BTreeMap<u16, Run> = BTreeMap::new();
        for (_, bytes, record) in boot.records() {
            if record.result_of().is_some() {
                // A record is far shorter than 4 GiB.
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                digest.update(len.to_le_bytes());
                digest.update(bytes);
            }
            report.take(&mut runs, &record);
        }
        report.take_samples(boot, &mut runs);
        lost_verdicts(boot, &mut runs);
        let console = boot.console();
        told_on_console(boot, &console, &mut runs);
        report.boot_warnings.clone_from(&console.boot_warnings);
        let any = boot.records().any(|(_, _, r)| r.result_of().is_some());
        if any && boot.lost.is_empty() && boot.bye().is_some() {
            report.digest = Some(hex(&digest.finalize()));
        }
        let unfinished = boot.unfinished().filter(|(start, _)| {
            let number = u32::from(start.run) + 1;
            !console.results.contains_key(&number)
        });
        if let Some((start, progress)) = unfinished {
            let run = runs.entry(start.run).or_default();
            run.unfinished = true;
            start.name.clone_into(&mut run.name);
            run.verdict = Verdict::Fail;
            let counted = match progress {
                Some(p) => format!(
                    "{} iterations after {} ms",
                    p.iterations, p.elapsed_ms
                ),
                None => "nothing counted was sent".to_owned(),
            };
            let reason = format!("the machine stopped in this run: {counted}");
            run.reasons = vec![reason];
            run.verdict_lost = false;
        }
        report.runs = runs.into_values().collect();
        report.name_traces();
        report.plain()
    }

    /// Makes a profile of the samples of each run.
    fn take_samples(&mut self, boot: &Boot, runs: &mut BTreeMap<u16, Run>) {
        let mut all: BTreeMap<u16, Pieces> = BTreeMap::new();
        for (_, _, record) in boot.records() {
            if let Record::Samples(samples) = record {
                let new = || Pieces::new(&samples);
                let pieces = all.entry(samples.run).or_insert_with(new);
                pieces.take(&samples);
            }
        }
        for (number, pieces) in all {
            let run = runs.entry(number).or_default();
            let each = run.groups.iter().map(|group| group.iterations);
            let iterations = each.fold(0, u64::saturating_add);
            let program = |arg: &String| arg.starts_with("custom.exec=");
            let mut args = run.groups.iter().flat_map(|group| &group.args);
            match pieces.whole(iterations, args.any(program)) {
                Ok(sampled) => run.sampled = Some(sampled),
                Err(why) => self.errors.push(format!(
                    "the sampled profile of run {}: {why}; it is left out",
                    u32::from(number) + 1
                )),
            }
        }
    }

    /// Gives each trace a file.
    fn name_traces(&mut self) {
        let all = self.runs.iter().filter(|run| run.trace.is_some()).count();
        for (run, number) in self.runs.iter_mut().zip(1..) {
            if let Some(trace) = &mut run.trace {
                trace.file = trace::file_name(number, all);
            }
        }
    }

    /// The report without histograms that cannot be, with a line for each,
    /// [plain](Self::plain), and with names of files that are ours: what was
    /// stored is as little to be relied on as what comes of a console.
    #[must_use]
    pub fn checked(mut self) -> Self {
        let sane = |name: &str, hist: &Hist| {
            let lows = hist.buckets.iter();
            let ranges = lows.map(|&(low, _)| bucket_range(bucket_of(low)));
            fault(&hist.summary(), ranges).map(|why| (name.to_owned(), why))
        };
        let mut errors = Vec::new();
        for (run, number) in self.runs.iter_mut().zip(1..) {
            for group in &mut run.groups {
                let workers = group.workers.iter_mut();
                let hists = workers.map(|worker| &mut worker.hist);
                for hists in hists.chain([&mut group.hist]) {
                    hists.retain(|name, hist| match sane(name, hist) {
                        None => true,
                        Some((name, why)) => {
                            let work = &group.work;
                            errors.push(left_out(&name, work, number, why));
                            false
                        }
                    });
                }
            }
        }
        self.errors.extend(errors);
        self.name_traces();
        self.plain()
    }

    fn take(&mut self, runs: &mut BTreeMap<u16, Run>, record: &Record<'_>) {
        match *record {
            Record::Hello(h) => self.hello = Some(hello(&h)),
            Record::Plan(plan) => {
                if let Some(hello) = &mut self.hello {
                    let of_runs = |word: &String| {
                        !(word.starts_with(PREFIX) || word.starts_with("-- "))
                    };
                    let (plan, set) =
                        strings(plan.tokens).into_iter().partition(of_runs);
                    let plan: Vec<String> = plan;
                    let set: Vec<String> = set;
                    hello.plan.extend(plan);
                    hello.set.extend(set);
                }
            }
            Record::Run(r) => {
                let run = runs.entry(r.run).or_default();
                r.name.clone_into(&mut run.name);
                run.verdict = r.verdict;
                run.reasons = strings(r.reasons);
                (run.wall_ns, run.seed) = (r.wall_ns, r.seed);
                run.kernel.taint = r.taint;
                run.kernel.dropped_messages = r.dropped_messages;
            }
            Record::Group(g) => {
                let group = group(runs, g.run, g.group);
                g.work.clone_into(&mut group.work);
                group.args = strings(g.args);
                group.worker_count = g.workers;
                group.iterations = g.iterations;
                group.work_units = g.work_units;
                group.nowait = g.nowait;
                group.stale = g.stale;
                group.counted = g.counted;
            }
            Record::Worker(w) => {
                group(runs, w.run, w.group).workers.push(Worker::new(&w));
            }
            Record::Error(e) => {
                let workers = &mut group(runs, e.run, e.group).workers;
                let mine = workers.iter_mut().find(|w| w.index == e.index);
                if let Some(worker) = mine {
                    let entry = (e.count, e.errno);
                    worker.errors.insert(e.op.to_owned(), entry);
                }
            }
            Record::Hist(h) => {
                let group = group(runs, h.run, h.group);
                match (hist(&h), h.worker) {
                    (Ok(hist), None) => {
                        group.hist.insert(h.name.to_owned(), hist);
                    }
                    (Ok(hist), Some(index)) => {
                        let mut workers = group.workers.iter_mut();
                        if let Some(worker) = workers.find(|w| w.index == index)
                        {
                            worker.hist.insert(h.name.to_owned(), hist);
                        }
                    }
                    (Err(why), _) => self.errors.push(left_out(
                        h.name,
                        &group.work,
                        u32::from(h.run) + 1,
                        why,
                    )),
                }
            }
            Record::Metrics(m) => {
                let metrics = &mut group(runs, m.run, m.group).metrics;
                metrics.extend(pairs(m.values));
            }
            Record::Counters(c) => {
                let run = runs.entry(c.run).or_default();
                run.kernel.counters.extend(pairs(c.values));
            }
            Record::Message(m) => {
                let run = runs.entry(m.run).or_default();
                run.kernel.messages.push(m.text.to_owned());
            }
            Record::Expect(e) => {
                let run = runs.entry(e.run).or_default();
                run.expect.push(expect(&e));
            }
            Record::Interval(i) => interval(runs, &i),
            Record::Scheduler(s) => match (s.run, &mut self.scx) {
                (Some(run), _) => {
                    runs.entry(run).or_default().scx = Some(scheduler(&s));
                }
                (None, Some(scx)) => scx.after = Some(scheduler(&s)),
                (None, scx) => {
                    let (loaded, after) = (scheduler(&s), None);
                    *scx = Some(Scx { loaded, after });
                }
            },
            Record::Tunable(t) => {
                let run = runs.entry(t.run).or_default();
                run.tunables.push(Tunable::new(&t));
            }
            Record::TraceText(t) => {
                let run = runs.entry(t.run).or_default();
                run.trace.get_or_insert_default().take(&t);
            }
            Record::Trace(t) => {
                let run = runs.entry(t.run).or_default();
                run.trace.get_or_insert_default().close(&t);
            }
            // They are taken together, when the groups are known.
            Record::Samples(_) => {}
            Record::Start(_) | Record::Progress(_) | Record::Bye(_) => {}
        }
    }
}

/// Gives every run that was carried out and whose `Run` record did not arrive
/// a verdict that says so: no run may pass for want of a record.
fn lost_verdicts(boot: &Boot, runs: &mut BTreeMap<u16, Run>) {
    let judged: BTreeSet<u16> = boot.runs().map(|run| run.run).collect();
    for (_, _, record) in boot.records() {
        if let Record::Start(start) = record {
            let run = runs.entry(start.run).or_default();
            if run.name.is_empty() {
                start.name.clone_into(&mut run.name);
            }
        }
    }
    let counted = boot.bye().map_or(0, |bye| {
        bye.passed
            .saturating_add(bye.skipped)
            .saturating_add(bye.failed)
    });
    for number in 0..counted {
        runs.entry(number).or_default();
    }
    for (number, run) in runs {
        if judged.contains(number) {
            continue;
        }
        if run.name.is_empty() {
            let works: Vec<&str> =
                run.groups.iter().map(|g| g.work.as_str()).collect();
            run.name = match works.iter().all(|work| work.is_empty()) {
                true => format!("run {}", u32::from(*number) + 1),
                false => works.join("+"),
            };
        }
        run.verdict = Verdict::Fail;
        run.reasons = vec!["its verdict is lost".to_owned()];
        run.verdict_lost = true;
    }
}

/// Gives every run whose record did not come the verdict that stands on the
/// console: by that alone one without records is judged.
fn told_on_console(
    boot: &Boot,
    console: &Console,
    runs: &mut BTreeMap<u16, Run>,
) {
    if boot.foreign.is_some() {
        return;
    }
    let judged: BTreeSet<u16> = boot.runs().map(|run| run.run).collect();
    for (number, told) in &console.results {
        let number = number.checked_sub(1).map(u16::try_from);
        let Some(Ok(number)) = number else {
            continue;
        };
        if judged.contains(&number) {
            continue;
        }
        let run = runs.entry(number).or_default();
        if boot.stream.is_none() || run.groups.is_empty() {
            run.name.clone_from(&told.name);
        }
        run.verdict = match (told.ok, &told.skip) {
            (_, Some(_)) => Verdict::Skip,
            (true, None) => Verdict::Ok,
            (false, None) => Verdict::Fail,
        };
        run.verdict_lost = false;
        run.reasons = match (&told.skip, boot.stream) {
            (Some(why), _) => vec![why.clone()],
            (None, Some(_)) => {
                vec!["its record is lost; its verdict is the console's".into()]
            }
            (None, None) => Vec::new(),
        };
    }
}

/// Adds to the interval that ended then: its pairs come in pieces.
fn interval(runs: &mut BTreeMap<u16, Run>, i: &record::Interval<'_>) {
    let all = &mut runs.entry(i.run).or_default().intervals;
    let same = |old: &Interval| (old.group, old.end_ms);
    if all.last().map(same) != Some((i.group, i.end_ms)) {
        all.push(Interval {
            group: i.group,
            end_ms: i.end_ms,
            ..Interval::default()
        });
    }
    if let Some(last) = all.last_mut() {
        last.values.extend(pairs(i.values));
    }
}

fn group(runs: &mut BTreeMap<u16, Run>, run: u16, index: u16) -> &mut Group {
    let groups = &mut runs.entry(run).or_default().groups;
    let at = match groups.iter().position(|g| g.group_idx == index) {
        Some(at) => at,
        None => {
            groups.push(Group {
                group_idx: index,
                ..Group::default()
            });
            groups.len() - 1
        }
    };
    &mut groups[at]
}

fn scheduler(s: &record::Scheduler<'_>) -> Scheduler {
    let event = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    let output = String::from_utf8_lossy(s.output);
    Scheduler {
        name: s.name.to_owned(),
        state: s.state.to_owned(),
        switch_all: s.switch_all,
        enable_seq: s.enable_seq,
        nr_rejected: s.nr_rejected,
        events: s.events.lines().filter_map(event).collect(),
        output: output.lines().map(str::to_owned).collect(),
        dropped: s.dropped,
    }
}

fn strings(lines: record::Lines<'_>) -> Vec<String> {
    lines.iter().map(str::to_owned).collect()
}

pub(super) fn pairs(
    pairs: record::Pairs<'_>,
) -> impl Iterator<Item = (String, u64)> {
    pairs.iter().map(|(name, value)| (name.to_owned(), value))
}

fn hello(h: &record::Hello<'_>) -> Hello {
    Hello {
        pidone: h.pidone.to_owned(),
        kernel: h.kernel.to_owned(),
        kernel_build: h.kernel_build.to_owned(),
        machine: h.machine.to_owned(),
        cpus: h.cpus,
        nodes: h.nodes,
        llcs: h.llcs,
        cores: h.cores,
        mem_kib: h.mem_kib,
        clock: h.clock.to_owned(),
        clocksource: h.clocksource.to_owned(),
        clock_ns: h.clock_ns,
        spin_step_ps: h.spin_step_ps,
        record_ps: h.record_ps,
        entered_ns: h.entered_ns,
        ready_ns: h.ready_ns,
        absent: strings(h.absent),
        notes: strings(h.notes),
        plan: Vec::new(),
        set: Vec::new(),
    }
}

fn left_out(name: &str, work: &str, run: u32, why: &str) -> String {
    format!("histogram {name} of {work} in run {run} is left out: {why}")
}

/// Why a histogram of these buckets cannot be.
fn fault(
    summary: &Summary,
    ranges: impl Iterator<Item = (u64, u64)>,
) -> Option<&'static str> {
    if summary.min_ns > summary.max_ns {
        return Some("its lowest value is above its highest");
    }
    ranges.into_iter().find_map(|(low, high)| {
        if low > summary.max_ns {
            Some("a bucket is above its highest value")
        } else if high < summary.min_ns {
            Some("a bucket is below its lowest value")
        } else {
            None
        }
    })
}

/// A histogram; or why it cannot be one.
fn hist(h: &record::Hist<'_>) -> Result<Hist, &'static str> {
    let summary = Summary {
        count: h.count,
        sum_ns: h.sum_ns,
        min_ns: h.min_ns,
        max_ns: h.max_ns,
    };
    let buckets = || Sparse(h.buckets).buckets();
    let ranges = buckets().map(|(bucket, _)| bucket_range(bucket));
    if let Some(fault) = fault(&summary, ranges) {
        return Err(fault);
    }
    let p = |num, den| percentile(buckets(), &summary, num, den);
    Ok(Hist {
        rule: h.rule.map(|rule| rule.name().to_owned()),
        unit: h.unit.to_owned(),
        count: h.count,
        sum_ns: h.sum_ns,
        min_ns: h.min_ns,
        max_ns: h.max_ns,
        p20_ns: p(20, 100),
        p50_ns: p(50, 100),
        p90_ns: p(90, 100),
        p99_ns: p(99, 100),
        p999_ns: p(999, 1000),
        buckets: buckets().map(|(b, n)| (bucket_range(b).0, n)).collect(),
    })
}

fn expect(e: &record::Expect<'_>) -> Expect {
    // Exact below 2^53, which is 104 days in ns.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let value = e.milli.map(|milli| milli as f64 / 1000.0);
    Expect {
        text: e.text.to_owned(),
        held: e.held,
        value,
    }
}

#[cfg(test)]
mod tests;
