//! From slots to records, verdict and KTAP.

use crate::attr::InGrammar;
use crate::counters::{BAD_TAINT, pieces};
use crate::kit::histogram::{Histogram, Sparse, percentile};
use crate::kit::shm::Arena;
use crate::kit::slot::{CPU_WORDS, Slot, State};
use crate::kit::text::{Cut, Human};
use crate::kmsg::{Kmsg, Next, is_incident};
use crate::output::Output;
use crate::plan::Run;
use crate::record::{
    self, CallError, Effective, Exit, Lines, Metrics, Record, Verdict,
};
use crate::supervisor::{Findings, decode_exit};
use crate::worker::Crew;
use crate::workload::{Kind, Value, Work};
use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use heapless::String;

/// Kernel messages attached to one run, at most; incidents come first in
/// importance but lines come in order, so the rest is counted as dropped.
const MESSAGES: u32 = 64;
/// Bytes of pairs in one record: three frames.
const PIECE: usize = 150;

/// A run that was carried out.
#[derive(Debug)]
pub struct Measured<'r> {
    /// Its plan.
    pub run: &'r Run<'r>,
    /// Its number.
    pub number: u16,
    /// Its groups.
    pub crews: &'r [Crew<'r>],
    /// Start of the measured window, in ns.
    pub begin: u64,
    /// Its end, in ns.
    pub end: u64,
    /// Kernel counter deltas, `name=delta` a line.
    pub counters: &'r str,
    /// Taint bits that appeared.
    pub taint: u64,
    /// The kernel's log, standing where the run began.
    pub kmsg: Option<&'r Kmsg>,
}

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
        reasons: Lines(findings.reasons.trim_end()),
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
    result_line(number, &name, findings, out);
}

/// Reports a run that was carried out.
pub fn finished(
    measured: &Measured<'_>,
    findings: &mut Findings,
    out: &mut Output<'_>,
) {
    for crew in measured.crews {
        judge(crew, findings);
    }
    if measured.taint & BAD_TAINT != 0 {
        let taint = measured.taint;
        findings.add(Verdict::Fail, format_args!("TAINT:{taint:#x}"));
    }
    // The log is read before the verdict is sent, for an incident fails the
    // run, and its lines are sent behind it: hence two readers.
    let (incidents, total) = scan(measured.kmsg, findings);
    let name = name(measured.run);
    let crews = measured.crews;
    let hists: usize =
        crews.iter().map(|c| c.group.work.row().hists.len()).sum();
    let workers: usize = crews.iter().map(|c| c.slots.len()).sum();
    out.record(&Record::Run(record::Run {
        run: measured.number,
        name: &name,
        verdict: findings.verdict,
        reasons: Lines(findings.reasons.trim_end()),
        started_ns: measured.begin,
        wall_ns: measured.end - measured.begin,
        seed: measured.run.settings.seed,
        taint: measured.taint,
        dropped_messages: total.saturating_sub(MESSAGES),
        groups: u16::try_from(crews.len()).unwrap_or(u16::MAX),
        workers: u32::try_from(workers).unwrap_or(u32::MAX),
        hists: u16::try_from(hists).unwrap_or(u16::MAX),
    }));
    for crew in crews {
        group(measured, crew, out);
    }
    for crew in crews {
        for (slot, index) in crew.slots.iter().zip(0..) {
            worker(measured, crew, slot, index, out);
        }
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
    result_line(measured.number, &name, findings, out);
}

fn result_line(number: u16, name: &str, findings: &Findings, out: &Output<'_>) {
    for reason in findings.reasons.lines() {
        out.line(format_args!("# {}: {reason}", findings.verdict.name()));
    }
    let n = u32::from(number) + 1;
    let first = findings.reasons.lines().next().unwrap_or("");
    match findings.verdict {
        Verdict::Ok | Verdict::Degraded => {
            out.line(format_args!("ok {n} {name}"));
        }
        Verdict::Skip => {
            out.line(format_args!("ok {n} {name} # SKIP {first}"));
        }
        Verdict::Fail => out.line(format_args!("not ok {n} {name}")),
    }
}

fn judge(crew: &Crew<'_>, findings: &mut Findings) {
    let work = crew.group.work.row().name;
    let mut units = 0;
    for (slot, index) in crew.slots.iter().zip(0_u32..) {
        units += slot.work_units.load(Relaxed);
        let exit = decode_exit(slot.exit.load(Relaxed));
        let who = format_args!("{work} worker {index}");
        match (slot.state(), exit) {
            (State::Done, Exit::Code(0)) => {}
            (State::Failed, _) => findings.add(
                Verdict::Fail,
                format_args!(
                    "FAIL({}, {}): {who}",
                    slot.op().name(),
                    slot.step_errno.load(Relaxed)
                ),
            ),
            (_, Exit::Signal(signal)) => findings.add(
                Verdict::Fail,
                format_args!("{who} was killed by signal {signal}"),
            ),
            (_, Exit::Code(code)) => findings.add(
                Verdict::Fail,
                format_args!("{who} left with exit code {code}"),
            ),
            (_, Exit::Timeout) => findings.add(
                Verdict::Fail,
                format_args!("{who} did not stop within grace"),
            ),
            (_, Exit::Stuck) => findings
                .add(Verdict::Fail, format_args!("{who} could not be killed")),
        }
    }
    if units == 0 {
        findings.add(
            Verdict::Fail,
            format_args!("FAIL(no_progress): {work} did no work"),
        );
    }
}

fn sum(crew: &Crew<'_>, of: impl Fn(&Slot) -> &AtomicU64) -> u64 {
    crew.slots.iter().map(|slot| of(slot).load(Relaxed)).sum()
}

fn group(measured: &Measured<'_>, crew: &Crew<'_>, out: &mut Output<'_>) {
    let row = crew.group.work.row();
    let mut args: String<1024> = String::new();
    let _cut = arguments(measured.run, crew, &mut Cut(&mut args));
    out.record(&Record::Group(record::Group {
        run: measured.number,
        group: crew.number,
        work: row.name,
        args: Lines(args.trim_end()),
        size: crew.group.work.group_size().unwrap_or(0),
        workers: u32::try_from(crew.slots.len()).unwrap_or(u32::MAX),
        iteration: row.iteration,
        unit: row.unit,
        iterations: sum(crew, |slot| &slot.iterations),
        work_units: sum(crew, |slot| &slot.work_units),
        nowait: sum(crew, |slot| &slot.nowait),
    }));
}

/// Every parameter and attribute as resolved, `key=value` a line.
fn arguments(
    run: &Run<'_>,
    crew: &Crew<'_>,
    text: &mut dyn Write,
) -> core::fmt::Result {
    let work: &Work = &crew.group.work;
    for param in work.row().params {
        write!(text, "{}=", param.name)?;
        match (work.value(param), param.kind) {
            (Value::Count(n), _) => writeln!(text, "{n}")?,
            (Value::Duration(d), _) => writeln!(text, "{}", InGrammar(d))?,
            (Value::Flag(flag), _) => writeln!(text, "{flag}")?,
            (Value::Choice(i), Kind::Choice { names, .. }) => {
                writeln!(text, "{}", names[i])?;
            }
            (_, Kind::CountOr { word, .. }) => writeln!(text, "{word}")?,
            _ => writeln!(text)?,
        }
    }
    let settings = &crew.group.settings;
    if let Some(policy) = settings.policy {
        writeln!(text, "policy={policy}")?;
    }
    if let Some(nice) = settings.nice {
        writeln!(text, "nice={nice}")?;
    }
    writeln!(text, "affinity={}", settings.affinity)?;
    writeln!(text, "clone={}", run.settings.clone)
}

/// Little-endian bytes of a CPU bitmap without trailing zero bytes.
fn bitmap<'b>(
    words: &[AtomicU64; CPU_WORDS],
    buf: &'b mut [u8; CPU_WORDS * 8],
) -> &'b [u8] {
    for (bytes, word) in buf.chunks_exact_mut(8).zip(words) {
        bytes.copy_from_slice(&word.load(Relaxed).to_le_bytes());
    }
    let used = buf.iter().rposition(|&b| b != 0).map_or(0, |at| at + 1);
    &buf[..used]
}

fn worker(
    measured: &Measured<'_>,
    crew: &Crew<'_>,
    slot: &Slot,
    index: u32,
    out: &mut Output<'_>,
) {
    let load = |cell: &AtomicU64| cell.load(Relaxed);
    let (mut used, mut allowed) = ([0; CPU_WORDS * 8], [0; CPU_WORDS * 8]);
    let effective =
        slot.policy
            .load(Relaxed)
            .checked_sub(1)
            .map(|policy| Effective {
                policy: u8::try_from(policy).unwrap_or(u8::MAX),
                rt_priority: u8::try_from(slot.rt_priority.load(Relaxed))
                    .unwrap_or(u8::MAX),
                nice: i8::try_from(slot.nice.load(Relaxed)).unwrap_or(0),
                cpus: bitmap(&slot.allowed, &mut allowed),
            });
    let begin = load(&slot.begin_ns);
    let gap_at = load(&slot.max_gap_at_ns);
    out.record(&Record::Worker(record::Worker {
        run: measured.number,
        group: crew.number,
        index,
        pos: index % crew.size,
        tid: slot.tid.load(Relaxed),
        iterations: load(&slot.iterations),
        work_units: load(&slot.work_units),
        wall_ns: load(&slot.end_ns).saturating_sub(begin),
        cpu_ns: load(&slot.cpu_end_ns).saturating_sub(load(&slot.cpu_begin_ns)),
        nowait: load(&slot.nowait),
        first_ns: load(&slot.first_ns),
        kernel: slot.kernel_begin.until(&slot.kernel_end),
        migrations_seen: load(&slot.migrations_seen),
        cpus_used: bitmap(&slot.cpus_used, &mut used),
        max_gap_ns: load(&slot.max_gap_ns),
        max_gap_cpu: slot.max_gap_cpu.load(Relaxed),
        max_gap_at_ns: gap_at.saturating_sub(measured.begin),
        max_cpu_gap_ns: load(&slot.max_cpu_gap_ns),
        effective,
        completed: slot.state() == State::Done,
        exit: decode_exit(slot.exit.load(Relaxed)),
    }));
    for (op, count, errno) in slot.failures() {
        out.record(&Record::Error(CallError {
            run: measured.number,
            group: crew.number,
            index,
            op: op.name(),
            count,
            errno,
        }));
    }
}

/// Histograms and metrics of a group, and its headline on the console.
fn figures(measured: &Measured<'_>, crew: &Crew<'_>, out: &mut Output<'_>) {
    let row = crew.group.work.row();
    let wall_ms = (measured.end - measured.begin) / 1_000_000;
    let iterations = sum(crew, |slot| &slot.iterations);
    let rate = iterations * 1000 / wall_ms.max(1);
    out.line(format_args!(
        "# {}: {} workers, {iterations} iterations, {rate}/s",
        row.name,
        crew.slots.len(),
    ));
    let Ok(arena) = Arena::new(size_of::<Histogram>()) else {
        return;
    };
    let Ok(total) = arena.one::<Histogram>() else {
        return;
    };
    for hist in row.hists {
        total.clear();
        let mine = crew.hists.iter().skip(hist.index);
        mine.step_by(row.hists.len()).for_each(|h| h.add_to(total));
        let summary = total.summary();
        let mut buf = [0; 8192];
        let len = Sparse::encode(total.occupied(), &mut buf).unwrap_or(0);
        out.record(&Record::Hist(record::Hist {
            run: measured.number,
            group: crew.number,
            name: hist.name,
            rule: hist.rule,
            count: summary.count,
            sum_ns: summary.sum_ns,
            min_ns: summary.min_ns,
            max_ns: summary.max_ns,
            buckets: &buf[..len],
        }));
        if summary.count > 0 {
            let p = |num| percentile(total.occupied(), &summary, num, 100);
            out.line(format_args!(
                "# {}: {} p50 {} p99 {} max {}",
                row.name,
                hist.name,
                Human(p(50)),
                Human(p(99)),
                Human(summary.max_ns),
            ));
        }
    }
    let mut text: String<512> = String::new();
    for metric in row.metrics {
        let value = match crew.gauges.is_empty() || metric.index > 0 {
            true => sum(crew, |slot| &slot.metrics[metric.index]),
            false => crew.gauges.iter().map(|gauge| gauge.get()).sum(),
        };
        let _fits = writeln!(Cut(&mut text), "{}={value}", metric.name);
    }
    for values in pieces(&text, PIECE) {
        let (run, group) = (measured.number, crew.number);
        out.record(&Record::Metrics(Metrics { run, group, values }));
    }
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
