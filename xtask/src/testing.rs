//! Streams for tests, made with the payload's own encoder.

use crate::decode::decode;
use crate::finished::{FinishedBoot, Meta};
use crate::model::profile::{Function, Profile, Space};
use crate::model::{Outcome, Report};
use pidone::kit::exit::Exit;
use pidone::kit::histogram::{Sparse, bucket_of};
use pidone::kit::task::{Counter, TaskCounters};
use pidone::wire::frame::{CRC, StreamId, frames};
use pidone::wire::record::{
    Bye, CallError, Counters, Effective, Expect, Group, Hello, Hist, Lines,
    MAX_RECORD, Message, Metrics, Pairs, Plan, Progress, Record, Run, Start,
    Verdict, WakeRule, Worker,
};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The report of [`Stream::sample`], decoded once.
pub(crate) fn report() -> Report {
    static REPORT: LazyLock<Report> = LazyLock::new(|| {
        let log = Stream::sample().once();
        Report::new(&decode(log.as_bytes()).newest())
    });
    REPORT.clone()
}

/// A boot of a deterministic machine that ended well, with the runs of
/// [`report`]; PipeIo went round 48,210 times.
pub(crate) fn boot() -> FinishedBoot {
    let mut report = report();
    report.outcome = Outcome::Ok;
    FinishedBoot {
        report,
        meta: Meta {
            exit_code: crate::exit::Exit::Good,
            deterministic: Some(1),
            ..Meta::default()
        },
        ..FinishedBoot::default()
    }
}

/// A profile of ten iterations, with so many instructions in a function.
pub(crate) fn profile(instructions: u64) -> Profile {
    Profile {
        iterations: 10,
        instructions,
        functions: vec![Function {
            name: "try_to_wake_up".to_owned(),
            space: Space::Kernel,
            instructions,
            calls: 10,
        }],
    }
}

/// The records of one boot, encoded.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    pub(crate) id: StreamId,
    pub(crate) records: Vec<Vec<u8>>,
}

impl Stream {
    pub(crate) fn of(id: u32, records: &[Record<'_>]) -> Self {
        Self {
            id: StreamId::new(id),
            records: records.iter().map(Self::encode).collect(),
        }
    }

    pub(crate) fn encode(record: &Record<'_>) -> Vec<u8> {
        let mut buf = vec![0; MAX_RECORD];
        record.encode(&mut buf).unwrap().to_vec()
    }

    /// Closes the stream with a matching `Bye`.
    pub(crate) fn closed(mut self) -> Self {
        let end = Record::Bye(bye(&self.records));
        self.records.push(Self::encode(&end));
        self
    }

    /// Two runs, one of them with two groups, and everything they can have.
    pub(crate) fn sample() -> Self {
        let wake = wake_buckets();
        let mut records = vec![
            hello(),
            Record::Plan(Plan {
                tokens: Lines("time=1s\nwork=PipeIo\nwork=SpinWait"),
            }),
            start(0, "PipeIo"),
            progress(0, 500),
            run(0, "PipeIo", Verdict::Ok, ""),
            group(0, "PipeIo", 2),
            worker(0, 0),
            worker(0, 1),
            Record::Error(CallError {
                run: 0,
                group: 0,
                index: 1,
                op: "write",
                count: 2,
                errno: 4,
            }),
            hist(0, "wake", Some(WakeRule::Pair), &wake),
            Record::Metrics(Metrics {
                run: 0,
                group: 0,
                values: Pairs("missed=3\nlate=4"),
            }),
            Record::Counters(Counters {
                run: 0,
                values: Pairs("ctxt=1000\nyld_count=0"),
            }),
            Record::Message(Message {
                run: 0,
                level: 6,
                time_us: 12_345_678,
                incident: false,
                text: "usb 1-1: new device",
            }),
            Record::Expect(Expect {
                run: 0,
                text: "wake.p99<500us",
                held: true,
                milli: Some(120_500),
            }),
            start(1, "SpinWait"),
            run(1, "SpinWait", Verdict::Fail, "worker 0 was killed"),
            group(1, "SpinWait", 1),
        ];
        let mut killed = worker(1, 0);
        if let Record::Worker(worker) = &mut killed {
            worker.completed = false;
            worker.exit = Exit::Signal(9);
            worker.kernel[Counter::Wakeups] = None;
        }
        records.push(killed);
        Self::of(0x5e0c1f, &records).closed()
    }

    /// Every line with the number of its record, without line ends.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (u32, String)> {
        self.records.iter().zip(0..).flat_map(|(bytes, number)| {
            frames(self.id, number, bytes)
                .map(move |frame| (number, frame.line().to_string()))
        })
    }

    /// The burst, once.
    pub(crate) fn once(&self) -> String {
        self.lines().map(|(_, line)| line + "\n").collect()
    }

    /// A console with the burst twice, and a kernel around it.
    pub(crate) fn console(&self) -> String {
        let burst = self.once();
        format!(
            "[    0.000000] Linux version 6.12.117 (gcc)\r\n\
             [    0.812345] Run /init as init process\r\n\
             KTAP version 1\r\n{burst}{burst}\
             [    3.000000] reboot: Power down\r\n"
        )
    }
}

/// A closing record that fits `records`.
pub(crate) fn bye(records: &[Vec<u8>]) -> Bye {
    let mut verdicts = BTreeMap::new();
    for bytes in records {
        if let Ok(Record::Run(run)) = Record::decode(bytes) {
            *verdicts.entry(run.verdict).or_insert(0) += 1;
        }
    }
    let count = |v| verdicts.get(&v).copied().unwrap_or(0);
    Bye {
        records: u32::try_from(records.len()).unwrap(),
        crc: CRC.checksum(&records.concat()),
        passed: count(Verdict::Ok) + count(Verdict::Degraded),
        skipped: count(Verdict::Skip),
        failed: count(Verdict::Fail),
        plan_error: false,
    }
}

pub(crate) fn hello() -> Record<'static> {
    Record::Hello(Hello {
        schema: pidone::wire::record::SCHEMA,
        pidone: "0.1.0",
        kernel: "6.12.117",
        kernel_build: "#1 SMP PREEMPT_DYNAMIC",
        machine: "x86_64",
        pid1: true,
        cpus: 2,
        nodes: 1,
        llcs: 1,
        cores: 2,
        mem_kib: 498_112,
        clock: "vdso",
        clocksource: "tsc",
        clock_ns: 31,
        spin_step_ps: 12_345,
        record_ps: 9_000,
        entered_ns: 812_000_000,
        ready_ns: 815_000_000,
        taint: 0,
        runs: 2,
        absent: Lines("CONFIG_SCHEDSTATS"),
        notes: Lines(""),
    })
}

pub(crate) fn start(run: u16, name: &str) -> Record<'_> {
    Record::Start(Start {
        run,
        name,
        planned_ms: 1000,
        workers: 2,
    })
}

pub(crate) fn progress(run: u16, iterations: u64) -> Record<'static> {
    Record::Progress(Progress {
        run,
        elapsed_ms: 1000,
        iterations,
        work_units: iterations * 2,
        running: 2,
    })
}

pub(crate) fn run<'a>(
    run: u16,
    name: &'a str,
    verdict: Verdict,
    reasons: &'a str,
) -> Record<'a> {
    Record::Run(Run {
        run,
        name,
        verdict,
        reasons: Lines(reasons),
        started_ns: 820_000_000,
        wall_ns: 1_000_000_000,
        seed: 42,
        taint: 0,
        dropped_messages: 0,
        groups: 1,
        workers: if run == 0 { 2 } else { 1 },
        hists: u16::from(run == 0),
    })
}

pub(crate) fn group(run: u16, work: &str, workers: u32) -> Record<'_> {
    Record::Group(Group {
        run,
        group: 0,
        work,
        args: Lines("workers=2\npolicy=normal"),
        size: 2,
        workers,
        iteration: "round trip",
        unit: "byte",
        iterations: 48_210,
        work_units: 96_420,
        nowait: 10,
        counted: true,
        stale: 3,
    })
}

pub(crate) fn worker(run: u16, index: u32) -> Record<'static> {
    Record::Worker(Worker {
        run,
        group: 0,
        index,
        pos: index,
        role: "",
        tid: 100 + index,
        tasks: 1,
        iterations: 24_100 + u64::from(index) * 10,
        work_units: 48_210,
        wall_ns: 1_000_000_000,
        cpu_ns: 480_000_000,
        nowait: 5,
        first_ns: 820_001_000,
        kernel: TaskCounters::default()
            .with(Counter::RunDelay, Some(1_000_000))
            .with(Counter::Nvcsw, Some(24_000))
            .with(Counter::Nivcsw, Some(12))
            .with(Counter::Migrations, Some(1))
            .with(Counter::Wakeups, Some(24_000))
            .with(Counter::WakeupsSync, Some(23_990)),
        migrations_seen: 1,
        cpus_used: &[0b11],
        max_gap_ns: 4_000_000,
        max_gap_cpu: 1,
        max_gap_at_ns: 500_000_000,
        max_cpu_gap_ns: 900_000,
        effective: Some(Effective {
            policy: 0,
            rt_priority: 0,
            nice: 0,
            cpus: &[0b11],
            mempolicy: Some("default"),
            ext_enabled: None,
            timer_slack_ns: Some(50_000),
        }),
        numa_pages: Pairs("0=12"),
        completed: true,
        exit: Exit::Code(0),
        counted: true,
        stale: 0,
    })
}

/// 48,200 samples with a long tail.
pub(crate) fn wake_buckets() -> Vec<u8> {
    let counts: BTreeMap<usize, u64> = [
        (4_000, 200),
        (8_000, 30_000),
        (9_800, 15_000),
        (12_000, 2_500),
        (45_000, 450),
        (120_000, 49),
        (1_200_000, 1),
    ]
    .map(|(ns, count)| (bucket_of(ns), count))
    .into();
    let mut buf = [0; 256];
    let used = Sparse::encode(counts.into_iter(), &mut buf).unwrap();
    buf[..used].to_vec()
}

pub(crate) fn hist<'a>(
    run: u16,
    name: &'a str,
    rule: Option<WakeRule>,
    buckets: &'a [u8],
) -> Record<'a> {
    Record::Hist(Hist {
        run,
        group: 0,
        name,
        rule,
        unit: "ns",
        count: 48_200,
        sum_ns: 450_000_000,
        min_ns: 4_000,
        max_ns: 1_200_000,
        buckets,
        worker: None,
    })
}
