//! A boot as data: what `--json` prints and stored runs hold.
//!
//! The names and nesting are documented in `docs/json.md` and stable; fields
//! may join, none changes its meaning within one `schema`. What the kernel
//! did not tell is `null`, never 0.

mod absent;

use crate::decode::Boot;
use pidone::kit::histogram::{Sparse, Summary, bucket_range, percentile};
use pidone::record::{self, Counter, Exit, Record};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// A whole boot.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Report {
    /// Version of this form.
    pub schema: u32,
    /// The machine; absent if it never spoke.
    pub hello: Option<Hello>,
    /// Runs, in order.
    pub runs: Vec<Run>,
    /// The sched_ext scheduler that the plan asked for.
    #[serde(default)]
    pub scx: Option<Scx>,
    /// How many records are known to be lost.
    pub lost_records: u64,
    /// What contradicts itself in the records, one line each.
    pub errors: Vec<String>,
    /// `ok`, `fail`, `panic`, `hang`, `plan_error` or `no_boot`.
    pub outcome: String,
    /// What the outcome rests on.
    pub reason: String,
    /// SHA-256 over the result records; absent if any is lost, or if there
    /// are none.
    pub digest: Option<String>,
}

/// The payload, the kernel and the machine.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Hello, whose docs they are")]
pub struct Hello {
    pub pidone: String,
    pub kernel: String,
    pub kernel_build: String,
    pub machine: String,
    pub cpus: u32,
    pub nodes: u32,
    pub llcs: u32,
    pub cores: u32,
    pub mem_kib: u64,
    pub clock: String,
    pub clocksource: String,
    pub clock_ns: u32,
    pub spin_step_ps: u32,
    pub record_ps: u32,
    pub entered_ns: u64,
    pub ready_ns: u64,
    pub absent: Vec<String>,
    pub notes: Vec<String>,
    pub plan: Vec<String>,
}

/// A sched_ext scheduler before the first run and behind the last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scx {
    /// When it had been loaded, or had not.
    pub loaded: Scheduler,
    /// When it had been taken out; absent if the machine never got there.
    pub after: Option<Scheduler>,
}

/// What a scheduler was at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Scheduler, whose docs they are")]
pub struct Scheduler {
    pub name: String,
    pub state: String,
    pub switch_all: Option<bool>,
    pub enable_seq: Option<u64>,
    pub nr_rejected: Option<u64>,
    pub events: BTreeMap<String, u64>,
    pub output: Vec<String>,
    pub dropped: u64,
}

impl Scheduler {
    /// Its name, its state, and which tasks it has.
    #[must_use]
    pub fn summary(&self) -> String {
        let name = match self.name.as_str() {
            "" => "no scheduler",
            name => name,
        };
        let tasks = match self.switch_all.filter(|_| self.state == "enabled") {
            Some(true) => " for all tasks",
            Some(false) => " for tasks of policy ext",
            None => "",
        };
        let state = match self.state.as_str() {
            "" => "this kernel has no sched_ext",
            state => state,
        };
        format!("{name}, {state}{tasks}")
    }
}

/// One run.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Run, whose docs they are")]
pub struct Run {
    pub name: String,
    pub verdict: String,
    pub reasons: Vec<String>,
    pub wall_ns: u64,
    pub seed: u64,
    pub groups: Vec<Group>,
    pub intervals: Vec<Interval>,
    pub expect: Vec<Expect>,
    /// The sched_ext scheduler behind the run, where the plan asked for one.
    #[serde(default)]
    pub scx: Option<Scheduler>,
    pub kernel: Kernel,
    /// Its `Run` record is lost, and with it the verdict.
    #[serde(skip)]
    pub verdict_lost: bool,
}

impl Run {
    /// How many of its workers ended in the class of sched_ext, of how many.
    #[must_use]
    pub fn in_class(&self) -> (usize, usize) {
        let workers = || self.groups.iter().flat_map(|group| &group.workers);
        let on = workers().filter(|worker| worker.ext_enabled == Some(true));
        (on.count(), workers().count())
    }
}

/// A condition of `expect=`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Expect, whose docs they are")]
pub struct Expect {
    pub text: String,
    pub held: bool,
    /// In ns, per second, or plain, as the condition has it.
    pub value: Option<f64>,
}

/// Figures of a part of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Interval, whose docs they are")]
pub struct Interval {
    pub group: u16,
    pub end_ms: u64,
    pub values: BTreeMap<String, u64>,
}

/// What the kernel counted and said.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Run, whose docs they are")]
pub struct Kernel {
    pub counters: BTreeMap<String, u64>,
    pub messages: Vec<String>,
    pub dropped_messages: u32,
    pub taint: u64,
}

/// One group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[expect(missing_docs, reason = "as record::Group, whose docs they are")]
pub struct Group {
    pub work: String,
    pub group_idx: u16,
    pub args: Vec<String>,
    /// How many workers it had, though records of some may be lost.
    pub worker_count: u32,
    /// 0 unless `counted`, and then `null` in JSON.
    #[serde(deserialize_with = "absent::or_zero")]
    pub iterations: u64,
    /// As `iterations`.
    #[serde(deserialize_with = "absent::or_zero")]
    pub work_units: u64,
    pub nowait: u64,
    #[serde(default = "absent::counted")]
    pub counted: bool,
    pub hist: BTreeMap<String, Hist>,
    pub metrics: BTreeMap<String, u64>,
    pub workers: Vec<Worker>,
}

impl Group {
    /// The sum over the workers of a figure the kernel may not tell; `None`
    /// if it is absent for any.
    #[must_use]
    pub fn sum(&self, of: impl Fn(&Worker) -> Option<u64>) -> Option<u64> {
        self.workers.iter().map(of).sum()
    }
}

/// One histogram.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Hist, whose docs they are")]
pub struct Hist {
    pub rule: Option<String>,
    /// What a value counts; the `_ns` of the names holds for `ns` only.
    pub unit: String,
    pub count: u64,
    pub sum_ns: u64,
    pub min_ns: u64,
    pub max_ns: u64,
    #[serde(default)]
    pub p20_ns: u64,
    pub p50_ns: u64,
    pub p90_ns: u64,
    pub p99_ns: u64,
    pub p999_ns: u64,
    /// Smallest value and count of each occupied bucket.
    pub buckets: Vec<(u64, u64)>,
}

/// One worker.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(remote = "Self")]
#[expect(missing_docs, reason = "as record::Worker, whose docs they are")]
pub struct Worker {
    pub index: u32,
    pub pos: u32,
    pub role: String,
    pub tid: u32,
    pub tasks: u32,
    /// 0 unless `counted`, and then `null` in JSON.
    #[serde(deserialize_with = "absent::or_zero")]
    pub iterations: u64,
    /// As `iterations`.
    #[serde(deserialize_with = "absent::or_zero")]
    pub work_units: u64,
    #[serde(default = "absent::counted")]
    pub counted: bool,
    pub wall_ns: u64,
    pub cpu_ns: u64,
    pub nowait: u64,
    pub first_ns: u64,
    pub run_delay_ns: Option<u64>,
    pub run_count: Option<u64>,
    pub nvcsw: Option<u64>,
    pub nivcsw: Option<u64>,
    pub migrations: Option<u64>,
    pub nr_wakeups: Option<u64>,
    pub nr_wakeups_sync: Option<u64>,
    pub nr_wakeups_migrate: Option<u64>,
    pub nr_wakeups_remote: Option<u64>,
    pub minflt: Option<u64>,
    pub majflt: Option<u64>,
    pub migrations_seen: u64,
    pub cpus_used: Vec<u32>,
    pub max_gap_ns: u64,
    pub max_gap_cpu: u32,
    pub max_gap_at_ns: u64,
    pub max_cpu_gap_ns: u64,
    pub policy: Option<u8>,
    pub rt_priority: Option<u8>,
    pub nice: Option<i8>,
    pub cpus_allowed: Vec<u32>,
    pub mempolicy: Option<String>,
    pub ext_enabled: Option<bool>,
    /// Pages of its memory by node.
    pub numa_pages: BTreeMap<String, u64>,
    pub errors: BTreeMap<String, (u64, i32)>,
    pub completed: bool,
    pub exit: String,
}

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
        lost_verdicts(boot, &mut runs);
        let any = boot.records().any(|(_, _, r)| r.result_of().is_some());
        if any && boot.lost.is_empty() && boot.bye().is_some() {
            report.digest = Some(hex(&digest.finalize()));
        }
        if let Some((start, progress)) = boot.unfinished() {
            let run = runs.entry(start.run).or_default();
            start.name.clone_into(&mut run.name);
            "fail".clone_into(&mut run.verdict);
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
        report
    }

    fn take(&mut self, runs: &mut BTreeMap<u16, Run>, record: &Record<'_>) {
        match *record {
            Record::Hello(h) => self.hello = Some(hello(&h)),
            Record::Plan(plan) => {
                if let Some(hello) = &mut self.hello {
                    hello.plan = strings(plan.tokens);
                }
            }
            Record::Run(r) => {
                let run = runs.entry(r.run).or_default();
                r.name.clone_into(&mut run.name);
                r.verdict.name().clone_into(&mut run.verdict);
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
                group.counted = g.counted;
            }
            Record::Worker(w) => {
                group(runs, w.run, w.group).workers.push(worker(&w));
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
                let hists = &mut group(runs, h.run, h.group).hist;
                hists.insert(h.name.to_owned(), hist(&h));
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
        "fail".clone_into(&mut run.verdict);
        run.reasons = vec!["its verdict is lost".to_owned()];
        run.verdict_lost = true;
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

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

fn pairs(pairs: record::Pairs<'_>) -> impl Iterator<Item = (String, u64)> {
    pairs.iter().map(|(name, value)| (name.to_owned(), value))
}

fn cpus(bitmap: &[u8]) -> Vec<u32> {
    let bits = bitmap.iter().zip(0_u32..).flat_map(|(byte, at)| {
        (0..8)
            .filter(move |bit| byte >> bit & 1 == 1)
            .map(move |b| at * 8 + b)
    });
    bits.collect()
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
    }
}

fn hist(h: &record::Hist<'_>) -> Hist {
    let summary = Summary {
        count: h.count,
        sum_ns: h.sum_ns,
        min_ns: h.min_ns,
        max_ns: h.max_ns,
    };
    let buckets = || Sparse(h.buckets).buckets();
    let p = |num, den| percentile(buckets(), &summary, num, den);
    Hist {
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
    }
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

fn worker(w: &record::Worker<'_>) -> Worker {
    let k = &w.kernel;
    Worker {
        index: w.index,
        pos: w.pos,
        role: w.role.to_owned(),
        tid: w.tid,
        tasks: w.tasks,
        iterations: w.iterations,
        work_units: w.work_units,
        counted: w.counted,
        wall_ns: w.wall_ns,
        cpu_ns: w.cpu_ns,
        nowait: w.nowait,
        first_ns: w.first_ns,
        run_delay_ns: k[Counter::RunDelay],
        run_count: k[Counter::RunCount],
        nvcsw: k[Counter::Nvcsw],
        nivcsw: k[Counter::Nivcsw],
        migrations: k[Counter::Migrations],
        nr_wakeups: k[Counter::Wakeups],
        nr_wakeups_sync: k[Counter::WakeupsSync],
        nr_wakeups_migrate: k[Counter::WakeupsMigrate],
        nr_wakeups_remote: k[Counter::WakeupsRemote],
        minflt: k[Counter::Minflt],
        majflt: k[Counter::Majflt],
        migrations_seen: w.migrations_seen,
        cpus_used: cpus(w.cpus_used),
        max_gap_ns: w.max_gap_ns,
        max_gap_cpu: w.max_gap_cpu,
        max_gap_at_ns: w.max_gap_at_ns,
        max_cpu_gap_ns: w.max_cpu_gap_ns,
        policy: w.effective.map(|e| e.policy),
        rt_priority: w.effective.map(|e| e.rt_priority),
        nice: w.effective.map(|e| e.nice),
        cpus_allowed: w.effective.map_or_else(Vec::new, |e| cpus(e.cpus)),
        mempolicy: w.effective.and_then(|e| e.mempolicy).map(str::to_owned),
        ext_enabled: w.effective.and_then(|e| e.ext_enabled),
        numa_pages: pairs(w.numa_pages).collect(),
        errors: BTreeMap::new(),
        completed: w.completed,
        exit: match w.exit {
            Exit::Code(code) => format!("code {code}"),
            Exit::Signal(signal) => format!("signal {signal}"),
            Exit::Timeout => "timeout".to_owned(),
            Exit::Stuck => "stuck".to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Interval, Report, hex};
    use crate::decode::decode;
    use crate::testing::Stream;
    use pidone::record::{self, Pairs, Record};
    use sha2::{Digest, Sha256};

    #[test]
    fn conditions_and_intervals_are_carried() {
        let mut stream = Stream::sample();
        stream.records.pop();
        stream.records.push(Stream::encode(&Record::Interval(
            record::Interval {
                run: 0,
                group: 0,
                end_ms: 500,
                values: Pairs("requests=12"),
            },
        )));
        stream
            .records
            .push(Stream::encode(&Record::Expect(record::Expect {
                run: 1,
                text: "rate>1",
                held: false,
                milli: None,
            })));
        let stream = stream.closed();
        let report = Report::new(&decode(stream.once().as_bytes()).newest());
        let [one, two] = &report.runs[..] else {
            panic!("two runs");
        };
        let json = serde_json::to_value(&one.expect).unwrap();
        let expected = serde_json::json!(
            [{"text": "wake.p99<500us", "held": true, "value": 120.5}]
        );
        assert_eq!(json, expected);
        assert_eq!(two.expect[0].value, None);
        let [Interval { end_ms, values, .. }] = &one.intervals[..] else {
            panic!("one interval");
        };
        assert_eq!((*end_ms, values["requests"]), (500, 12));
    }

    #[test]
    fn a_scheduler_is_told_of_before_in_and_behind_runs() {
        let scheduler = |run, state: &'static str| {
            Stream::encode(&Record::Scheduler(record::Scheduler {
                run,
                name: "fifo",
                state,
                switch_all: Some(true),
                enable_seq: Some(1),
                nr_rejected: None,
                events: "SCX_EV_A 0\nSCX_EV_B 7\n",
                output: b"one\nt\xffo",
                dropped: 0,
            }))
        };
        let mut stream = Stream::sample();
        stream.records.pop();
        stream.records.insert(2, scheduler(None, "enabled"));
        stream.records.push(scheduler(Some(1), "enabled"));
        stream.records.push(scheduler(None, "disabled"));
        let stream = stream.closed();
        let report = Report::new(&decode(stream.once().as_bytes()).newest());
        let scx = report.scx.unwrap();
        assert_eq!(scx.loaded.state, "enabled");
        assert_eq!(scx.after.unwrap().state, "disabled");
        assert!(report.runs[0].scx.is_none());
        let run = report.runs[1].scx.as_ref().unwrap();
        assert_eq!((run.events["SCX_EV_A"], run.events["SCX_EV_B"]), (0, 7));
        assert_eq!(run.output, ["one", "t\u{fffd}o"]);
        // What is in no run does not enter the digest.
        let mut other = Stream::sample();
        other.records.pop();
        other.records.push(scheduler(Some(1), "enabled"));
        let other = decode(other.closed().once().as_bytes()).newest();
        assert_eq!(report.digest, Report::new(&other).digest);
    }

    #[test]
    fn the_digest_is_the_same_on_every_host() {
        let stream = Stream::sample();
        let mut all = Vec::new();
        for bytes in &stream.records {
            let record = Record::decode(bytes).unwrap();
            if record.result_of().is_some() {
                let len = u32::try_from(bytes.len()).unwrap();
                all.extend([&len.to_le_bytes()[..], bytes].concat());
            }
        }
        let digest = hex(&Sha256::digest(all));
        let report = Report::new(&decode(stream.once().as_bytes()).newest());
        assert_eq!(report.digest, Some(digest));
    }
}
