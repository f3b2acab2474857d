//! From slots to records, verdict and KTAP.

use crate::kit::counters::BAD_TAINT;
use crate::kit::duration::InGrammar;
use crate::kit::histogram::{Histogram, Sparse, Summary, percentile};
use crate::kit::named::{self, MAX_NAME};
use crate::kit::op::Op;
use crate::kit::shm::Arena;
use crate::kit::slot::Slot;
use crate::kit::text::{Cut, Human, pair};
use crate::plan::run::Run;
use crate::row::attr::Affinity;
use crate::row::attr::mempolicy::MemPolicy;
use crate::row::{Hist, Kind, Unit, Value};
use crate::run::crew::Crew;
use crate::run::expects::{Found, judge_expects};
use crate::run::figures::{self, PIECE, Percent, hists_of, total};
use crate::run::findings::Findings;
use crate::run::judge::{ENDED_EARLY, Many, judge};
use crate::run::kmsg::{Kmsg, Next, is_incident};
use crate::run::measured::{Measured, sum, with_worker};
use crate::run::output::Output;
use crate::wire::record::{
    self, CallError, Lines, MAX_RECORD, Metrics, Record, Verdict, pieces,
};
use core::cmp::Reverse;
use core::fmt::{self, Write};
use heapless::string::StringView;
use heapless::{String, Vec};

/// Kernel messages attached to one run, at most; incidents come first in
/// importance but lines come in order, so the rest is counted as dropped.
const MESSAGES: u32 = 64;

/// Most bytes of a histogram's buckets: a record, less its other fields. Those
/// below an hour are 2,368, so they have 6 bytes each.
const HIST: usize = MAX_RECORD - 512;
/// Roles of one type, at most.
const ROLES: usize = 8;

/// Names of a run's work types, joined by `+`.
#[must_use]
pub fn name(run: &Run<'_>) -> String<160> {
    let mut name = String::new();
    let _cut = write!(Cut(&mut name), "{run}");
    name
}

/// Reports a run for which no worker was measured.
pub fn skipped(
    run: &Run<'_>,
    number: u16,
    findings: &Findings,
    out: &mut Output<'_>,
) {
    let name = name(run);
    out.record(&Record::Run(record::Run {
        run: number,
        name: &name,
        verdict: findings.verdict,
        reasons: Lines(findings.reasons.trim_ascii_end()),
        started_ns: 0,
        wall_ns: 0,
        seed: run.settings.seed,
        taint: 0,
        dropped_messages: 0,
        groups: 0,
        workers: 0,
        hists: 0,
    }));
    out.flush();
    result_line(number, &name, findings, 0, out);
}

/// Reports a run that was carried out.
pub fn finished(
    measured: &Measured<'_>,
    findings: &mut Findings,
    out: &mut Output<'_>,
) {
    let mut crews = measured.crews.iter();
    if crews.all(|crew| measured.missed(crew, Many::All)) {
        // There is no time that its counts could be divided by.
        findings.add(Verdict::Skip, format_args!("{ENDED_EARLY}"));
        return skipped(measured.run, measured.number, findings, out);
    }
    for crew in measured.crews {
        judge(crew, measured, findings);
    }
    if measured.taint & BAD_TAINT != 0 {
        let taint = measured.taint;
        findings.add(Verdict::Fail, format_args!("TAINT:{taint:#x}"));
    }
    // The log is read before the verdict is sent, for an incident fails the
    // run, and its lines are sent behind it: hence two readers.
    let (incidents, total) = scan(measured.kmsg, findings);
    let judgements = judge_expects(measured, findings);
    let name = name(measured.run);
    let crews = measured.crews;
    let hists: usize = crews.iter().map(|c| c.group.row().hists.len()).sum();
    let workers = crews.iter().map(|crew| crew.workers).sum();
    out.record(&Record::Run(record::Run {
        run: measured.number,
        name: &name,
        verdict: findings.verdict,
        reasons: Lines(findings.reasons.trim_ascii_end()),
        started_ns: measured.begin,
        wall_ns: measured.end - measured.begin,
        seed: measured.run.settings.seed,
        taint: measured.taint,
        dropped_messages: total.saturating_sub(MESSAGES),
        groups: u16::try_from(crews.len()).unwrap_or(u16::MAX),
        workers,
        hists: u16::try_from(hists).unwrap_or(u16::MAX),
    }));
    for (expect, judged) in measured.run.expects().zip(&judgements) {
        out.record(&Record::Expect(record::Expect {
            run: measured.number,
            text: expect.text,
            held: judged.held,
            milli: judged.milli,
        }));
        if judged.held {
            let found = Found(expect.kind(), judged.milli);
            out.line(format_args!("# expect {}: {found}", expect.text));
        }
    }
    for crew in crews {
        group(measured, crew, out);
    }
    for crew in crews {
        (0..crew.workers).for_each(|i| worker(measured, crew, i, out));
    }
    for crew in crews {
        figures(measured, crew, out);
    }
    for values in pieces(measured.counters, PIECE) {
        let run = measured.number;
        out.record(&Record::Counters(record::Counters { run, values }));
    }
    if total > 0 {
        messages(measured, out);
    }
    if incidents > 0 {
        out.line(format_args!("# {incidents} kernel incidents"));
    }
    out.flush();
    let wall_ns = measured.end - measured.begin;
    result_line(measured.number, &name, findings, wall_ns, out);
}

fn result_line(
    number: u16,
    name: &str,
    findings: &Findings,
    wall_ns: u64,
    out: &Output<'_>,
) {
    for reason in findings.reasons.lines() {
        out.line(format_args!("# {}: {reason}", findings.verdict.name()));
    }
    // The kernel's lines land between the pieces that a serial port takes,
    // the first of which then has the verdict whole.
    out.drain_consoles();
    let n = u32::from(number) + 1;
    let first = findings.reasons.lines().next().unwrap_or("");
    let (ok, result, why) = match findings.verdict {
        Verdict::Ok | Verdict::Degraded => ("ok", "pass", ["", ""]),
        Verdict::Skip => ("ok", "skip", [" # SKIP ", first]),
        Verdict::Fail => ("not ok", "fail", ["", ""]),
    };
    let [skip, first] = why;
    out.line(format_args!("{ok} {n} {name}{skip}{first}"));
    out.case(format_args!("{name}"), result, wall_ns, "ns");
}

fn group(measured: &Measured<'_>, crew: &Crew<'_>, out: &mut Output<'_>) {
    let row = crew.group.row();
    let mut args: String<1024> = String::new();
    arguments(measured.run, crew, &mut args);
    out.record(&Record::Group(record::Group {
        run: measured.number,
        group: crew.number,
        work: row.name,
        args: Lines(args.trim_ascii_end()),
        size: crew.group.group_size().unwrap_or(0),
        workers: crew.workers,
        iteration: row.iteration,
        unit: row.unit,
        iterations: sum(crew.slots, |slot| &slot.iterations),
        work_units: sum(crew.slots, |slot| &slot.work_units),
        nowait: sum(crew.slots, |slot| &slot.nowait),
        counted: crew.slots.iter().all(Slot::counted),
        stale: sum(crew.slots, |slot| &slot.stale),
    }));
}

/// Every parameter and attribute as resolved, `key=value` a line.
fn arguments(run: &Run<'_>, crew: &Crew<'_>, text: &mut StringView) {
    let work = &crew.group.work;
    for param in work.params() {
        let (key, value) = (param.name, work.value(param));
        match (value, param.kind) {
            (Value::Count(n), _) => pair(text, key, &n),
            (Value::Duration(d), _) => pair(text, key, &InGrammar(d)),
            (Value::Flag(flag), _) => pair(text, key, &flag),
            (Value::Text(value), _) => pair(text, key, &value),
            (Value::Choice(i), Kind::Choice { names, .. }) => {
                pair(text, key, &names[i]);
            }
            (_, Kind::CountOr { word, .. }) => pair(text, key, &word),
            _ => pair(text, key, &""),
        }
    }
    let settings = &crew.group.settings;
    if let Some(policy) = settings.policy {
        pair(text, "policy", &policy);
    }
    if let Some(nice) = settings.nice {
        pair(text, "nice", &i32::from(nice));
    }
    match crew.affinity {
        Affinity::NumaNode(node) => pair(text, "numa_node", &node),
        affinity => pair(text, "affinity", &affinity),
    }
    attributes(run, crew, text);
    pair(text, "clone", &run.settings.clone);
}

/// Attributes that stand for themselves only where a plan sets them.
fn attributes(run: &Run<'_>, crew: &Crew<'_>, text: &mut StringView) {
    let settings = &crew.group.settings;
    let leaf = run.leaf(crew.group).unwrap_or_default();
    let names = [
        ("cgroup", leaf.name),
        ("comm", settings.comm),
        ("pcomm", settings.pcomm),
    ];
    for (key, name) in names {
        if let Some(name) = name {
            pair(text, key, &name);
        }
    }
    for (knob, value) in leaf.set() {
        pair(text, knob.key, &value);
    }
    if settings.mempolicy != MemPolicy::DEFAULT {
        pair(text, "mempolicy", &settings.mempolicy);
    }
    for (key, id) in [("uid", settings.uid), ("gid", settings.gid)] {
        if let Some(id) = id {
            pair(text, key, &id);
        }
    }
}

fn worker(
    measured: &Measured<'_>,
    crew: &Crew<'_>,
    index: u32,
    out: &mut Output<'_>,
) {
    with_worker(measured, crew, index, &mut |worker| {
        out.record(&Record::Worker(*worker));
    });
    let tasks = crew.tasks_of(index);
    for (op, name) in Op::ALL {
        let failures = tasks.iter().map(|slot| slot.failures_of(*op));
        let of_all = |a: (u64, i32), b: (u64, i32)| match b.0 {
            0 => a,
            more => (a.0 + more, b.1),
        };
        let (count, errno) = failures.fold((0, 0), of_all);
        if count > 0 {
            out.record(&Record::Error(CallError {
                run: measured.number,
                group: crew.number,
                index,
                op: name,
                count,
                errno,
            }));
        }
    }
}

/// Histograms and metrics of a group, and its headline on the console.
fn figures(measured: &Measured<'_>, crew: &Crew<'_>, out: &mut Output<'_>) {
    let row = crew.group.row();
    let wall_ms = (measured.end - measured.begin) / 1_000_000;
    let iterations = sum(crew.slots, |slot| &slot.iterations);
    let rate = iterations * 1000 / wall_ms.max(1);
    let (name, workers) = (row.name, crew.workers);
    match crew.slots.iter().all(Slot::counted) {
        true => {
            out.line(format_args!(
                "# {name}: {workers} workers, {iterations} iterations, {rate}/s"
            ));
            out.case(format_args!("{name}.rate"), "pass", rate, "1/s");
        }
        false => out.line(format_args!("# {name}: {workers} workers")),
    }
    let Ok(arena) = Arena::new(size_of::<Histogram>()) else {
        return;
    };
    let Ok(sum) = arena.one::<Histogram>() else {
        return;
    };
    for hist in row.hists {
        total(crew, hist.at(), sum);
        let summary = sum.summary();
        histogram(measured, crew, (hist, None), sum, out);
        if summary.count > 0 {
            let mut text: String<160> = String::new();
            let case = |what: &str, value| {
                let id = format_args!("{name}.{}.{what}", hist.name);
                out.case(id, "pass", value, hist.unit.name());
            };
            let _cut =
                headline(hist, sum, &summary, &case, &mut Cut(&mut text));
            let text = text.trim_ascii_end();
            out.line(format_args!("# {name}: {} {text}", hist.name));
        }
    }
    for hist in row.hists {
        by_worker(measured, crew, hist, sum, out);
    }
    let mut text: String<1024> = String::new();
    figures::metrics(crew, |name, value| {
        pair(&mut text, name, &value);
    });
    let mut metrics = |text: &str| {
        for values in pieces(text, PIECE) {
            let (run, group) = (measured.number, crew.number);
            out.record(&Record::Metrics(Metrics { run, group, values }));
        }
    };
    metrics(&text);
    named::sums(crew.named, &mut |name, sum| {
        let mut text: String<{ MAX_NAME + 24 }> = String::new();
        pair(&mut text, name, &sum);
        metrics(&text);
    });
}

/// Sends a histogram, of a group or of a worker.
fn histogram(
    measured: &Measured<'_>,
    crew: &Crew<'_>,
    (hist, worker): (&Hist, Option<u32>),
    samples: &Histogram,
    out: &mut Output<'_>,
) {
    let summary = samples.summary();
    let mut buf = [0; HIST];
    let len = Sparse::encode(samples.occupied(), &mut buf).unwrap_or(0);
    out.record(&Record::Hist(record::Hist {
        run: measured.number,
        group: crew.number,
        name: hist.name,
        rule: hist.rule,
        unit: hist.unit.name(),
        count: summary.count,
        sum_ns: summary.sum_ns,
        min_ns: summary.min_ns,
        max_ns: summary.max_ns,
        buckets: &buf[..len],
        worker,
    }));
}

/// Sends a histogram worker by worker; where records are on the console, only
/// wakes, and only those of the worker with the largest sample and of the one
/// with the fewest. Roles that take no such samples are left out.
fn by_worker(
    measured: &Measured<'_>,
    crew: &Crew<'_>,
    hist: &Hist,
    one: &Histogram,
    out: &mut Output<'_>,
) {
    if crew.workers < 2 {
        return;
    }
    let of = |worker| {
        let mine = hists_of(crew, hist.at(), worker).map(Histogram::summary);
        mine.fold((0, 0), |(count, max), s| {
            (count + s.count, s.max_ns.max(max))
        })
    };
    let row = crew.group.row();
    let role = |worker| (row.role)(&crew.group.work, worker % crew.size);
    let mut roles: Vec<&str, ROLES> = Vec::new();
    for worker in (0..crew.workers).filter(|&worker| of(worker).0 > 0) {
        if !roles.contains(&role(worker)) {
            // A type has no more roles.
            let _room = roles.push(role(worker));
        }
    }
    let takers = || (0..crew.workers).filter(|&w| roles.contains(&role(w)));
    let worst = takers().max_by_key(|&w| (of(w).1, Reverse(w)));
    let least = takers().min_by_key(|&w| of(w).0);
    let all = !out.is_slow();
    let shown = |w: &u32| {
        let named = [worst, least].contains(&Some(*w));
        all || hist.rule.is_some() && named
    };
    for worker in takers().filter(shown) {
        one.clear();
        hists_of(crew, hist.at(), worker).for_each(|h| h.add_to(one));
        histogram(measured, crew, (hist, Some(worker)), one, out);
    }
}

/// The percentiles of a histogram that go to the console, and its largest
/// sample.
fn headline(
    hist: &Hist,
    sum: &Histogram,
    summary: &Summary,
    case: &dyn Fn(&str, u64),
    text: &mut dyn Write,
) -> fmt::Result {
    let p = |tenths| percentile(sum.occupied(), summary, tenths, 1000);
    let all = hist.shown.tenths().iter().map(|&tenths| Some(tenths));
    for tenths in all.chain([None]) {
        let mut what: String<8> = String::new();
        let value = match tenths {
            Some(tenths) => {
                write!(what, "{}", Percent(tenths))?;
                p(tenths.into())
            }
            None => {
                what.write_str("max")?;
                summary.max_ns
            }
        };
        case(&what, value);
        write!(text, "{what} ")?;
        match hist.unit {
            Unit::Ns => write!(text, "{} ", Human(value))?,
            Unit::PerSecond => write!(text, "{value} ")?,
        }
    }
    Ok(())
}

/// Counts incidents and lines of the log, and lets incidents fail the run.
fn scan(kmsg: Option<&Kmsg>, findings: &mut Findings) -> (u32, u32) {
    let (mut incidents, mut total) = (0, 0);
    let mut buf = [0; 2048];
    let Some(log) = kmsg.map(Kmsg::judge) else {
        return (0, 0);
    };
    loop {
        match log.next(&mut buf) {
            Next::Line(line) => {
                total += 1;
                if is_incident(line.text) {
                    incidents += 1;
                    let text = line.text;
                    findings.add(Verdict::Fail, format_args!("kernel: {text}"));
                }
            }
            Next::Lost => total += 1,
            Next::End => return (incidents, total),
        }
    }
}

fn messages(measured: &Measured<'_>, out: &mut Output<'_>) {
    let Some(kmsg) = measured.kmsg else {
        return;
    };
    let mut buf = [0; 2048];
    for _ in 0..MESSAGES {
        match kmsg.send().next(&mut buf) {
            Next::Line(line) => {
                let mut text: String<300> = String::new();
                let _cut = Cut(&mut text).write_str(line.text);
                out.record(&Record::Message(record::Message {
                    run: measured.number,
                    level: line.level,
                    time_us: line.time_us,
                    incident: is_incident(line.text),
                    text: &text,
                }));
            }
            Next::Lost => {}
            Next::End => return,
        }
    }
    kmsg.skip();
}
