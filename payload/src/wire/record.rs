//! The wire schema: what the machine tells the host.
//!
//! Every record is one postcard message that borrows from its bytes, so that
//! neither side allocates. Records are small and stand alone: a damaged line
//! costs one worker or one histogram, not the whole run. A record carries the
//! names of things (work types, histograms, counters), never their index in a
//! table, so an old log still decodes after the tables are reordered.
//!
//! Changing a field, an order or a variant changes the bytes: raise [`SCHEMA`]
//! and the golden bytes at the end of this file together.

mod lists;
mod run;
mod samples;

pub use lists::{Lines, Pairs, pieces};
pub use run::{
    CallError, Counters, Effective, Expect, Group, Hist, Interval, Metrics,
    Run, Verdict, WakeRule, Worker,
};
pub use samples::{Samples, Scope};

use serde::{Deserialize, Serialize};

/// Version of this schema, sent in every [`Hello`].
pub const SCHEMA: u32 = 2;

/// Most bytes one encoded record may have.
pub const MAX_RECORD: usize = 16 * 1024;

/// One message from the machine.
///
/// Records of one run come in the order `Start`, `Tunable`*, `Progress`*, then
/// after the measured window `Run`, `Group`*, `Worker`*, `Error`*, `Hist`*,
/// `Metrics`*, `Counters`*, `Message`*, `Expect`*, where events were recorded
/// `TraceText`*, `Trace`, and of a run that was sampled `Samples`*.
/// `Interval`* come where they were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record<'a> {
    /// The machine and the payload; first record of a boot.
    #[serde(borrow)]
    Hello(Hello<'a>),
    /// The whole plan as it will be executed.
    Plan(Plan<'a>),
    /// A run is about to start.
    Start(Start<'a>),
    /// Still alive, in the middle of a run.
    Progress(Progress),
    /// The verdict on a run.
    Run(Run<'a>),
    /// One group of a run.
    Group(Group<'a>),
    /// One worker of a group.
    Worker(Worker<'a>),
    /// Failed calls of one worker.
    Error(CallError<'a>),
    /// One histogram of a group, merged over its workers, or of a worker.
    Hist(Hist<'a>),
    /// Named figures of a group.
    Metrics(Metrics<'a>),
    /// Kernel counter deltas of a run.
    Counters(Counters<'a>),
    /// A kernel log line that arrived during a run.
    Message(Message<'a>),
    /// Last record: what should have arrived.
    Bye(Bye),
    /// A condition of `expect=` and whether it held.
    Expect(Expect<'a>),
    /// Figures of a part of a run.
    Interval(Interval<'a>),
    /// What became of the sched_ext scheduler that was asked for.
    Scheduler(Scheduler<'a>),
    /// A piece of what a run recorded of the kernel's events.
    TraceText(TraceText<'a>),
    /// All that a run recorded of the kernel's events, behind its pieces.
    Trace(Trace),
    /// What a run set of the kernel.
    Tunable(Tunable<'a>),
    /// Where the CPUs were during a run, as often as they were looked at.
    Samples(Samples<'a>),
}

impl Record<'_> {
    /// The run this record is a result of; `None` for `Hello`, `Plan`,
    /// `Start`, `Progress`, `TraceText`, `Trace`, `Samples` and `Bye`, for a
    /// `Scheduler` in no run, and for histograms of single workers, of which a
    /// console carries only some: they do not enter the digest.
    #[must_use]
    pub fn result_of(&self) -> Option<u16> {
        match self {
            Self::Hello(_)
            | Self::Plan(_)
            | Self::Start(_)
            | Self::Progress(_)
            | Self::TraceText(_)
            | Self::Trace(_)
            | Self::Samples(_)
            | Self::Bye(_) => None,
            Self::Run(r) => Some(r.run),
            Self::Group(r) => Some(r.run),
            Self::Worker(r) => Some(r.run),
            Self::Error(r) => Some(r.run),
            Self::Hist(r) => r.worker.is_none().then_some(r.run),
            Self::Metrics(r) => Some(r.run),
            Self::Counters(r) => Some(r.run),
            Self::Message(r) => Some(r.run),
            Self::Expect(r) => Some(r.run),
            Self::Interval(r) => Some(r.run),
            Self::Scheduler(r) => r.run,
            Self::Tunable(r) => Some(r.run),
        }
    }

    /// Encodes into `buf` and returns the bytes used.
    ///
    /// # Errors
    ///
    /// `SerializeBufferFull` if `buf` is too short.
    pub fn encode<'b>(
        &self,
        buf: &'b mut [u8],
    ) -> Result<&'b [u8], postcard::Error> {
        postcard::to_slice(self, buf).map(|used| &*used)
    }
}

impl<'a> Record<'a> {
    /// Decodes one record that fills `bytes` exactly.
    ///
    /// # Errors
    ///
    /// What postcard found wrong; trailing bytes are
    /// `DeserializeUnexpectedEnd`'s opposite and reported as
    /// `DeserializeBadEncoding`.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, postcard::Error> {
        let (record, rest) = postcard::take_from_bytes(bytes)?;
        if rest.is_empty() {
            Ok(record)
        } else {
            Err(postcard::Error::DeserializeBadEncoding)
        }
    }
}

/// The payload, the kernel and the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello<'a> {
    /// [`SCHEMA`] of the sender.
    pub schema: u32,
    /// Version of the payload.
    pub pidone: &'a str,
    /// `uname -r`.
    pub kernel: &'a str,
    /// `uname -v`.
    pub kernel_build: &'a str,
    /// `uname -m`.
    pub machine: &'a str,
    /// Ran as PID 1, with the machine to itself.
    pub pid1: bool,
    /// Online CPUs.
    pub cpus: u32,
    /// NUMA nodes with CPUs or memory; 1 where the kernel has no NUMA.
    pub nodes: u32,
    /// Last-level caches, 0 if sysfs does not tell.
    pub llcs: u32,
    /// Cores; less than `cpus` where there is SMT.
    pub cores: u32,
    /// `MemTotal` in KiB.
    pub mem_kib: u64,
    /// `vdso` or `syscall`: how `CLOCK_MONOTONIC` is read.
    pub clock: &'a str,
    /// The kernel's current clock source.
    pub clocksource: &'a str,
    /// Cost of one clock read, in ns.
    pub clock_ns: u32,
    /// Cost of one spin step, in ps.
    pub spin_step_ps: u32,
    /// Cost of recording one latency sample beyond the clock read, in ps.
    pub record_ps: u32,
    /// `CLOCK_MONOTONIC` at the first instruction of the payload, in ns.
    pub entered_ns: u64,
    /// `CLOCK_MONOTONIC` when the plan was ready to run, in ns.
    pub ready_ns: u64,
    /// Taint mask before the first run.
    pub taint: u64,
    /// Runs the plan has.
    pub runs: u16,
    /// Kernel options the probe found missing, `CONFIG_X` each.
    #[serde(borrow)]
    pub absent: Lines<'a>,
    /// Notes on what could not be set up, one each.
    pub notes: Lines<'a>,
}

/// The plan's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan<'a> {
    /// All tokens in order, one per line.
    #[serde(borrow)]
    pub tokens: Lines<'a>,
}

/// A run about to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start<'a> {
    /// Index of the run, from 0.
    pub run: u16,
    /// Its name.
    pub name: &'a str,
    /// Planned wall time of warm-up and measurement, in ms.
    pub planned_ms: u64,
    /// Workers it will have.
    pub workers: u32,
}

/// A sign of life, once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Index of the run.
    pub run: u16,
    /// Time since its start, in ms.
    pub elapsed_ms: u64,
    /// Iterations so far, over all workers.
    pub iterations: u64,
    /// Work units so far, over all workers.
    pub work_units: u64,
    /// Workers that have not finished.
    pub running: u32,
}

/// A kernel log line that arrived during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Index of the run.
    pub run: u16,
    /// syslog level, 0 to 7.
    pub level: u8,
    /// Time stamp of the kernel log, in µs.
    pub time_us: u64,
    /// It fails the run: a WARN, BUG, stall, lockup, hang or their like.
    pub incident: bool,
    /// The text, at most a few hundred bytes.
    pub text: &'a str,
}

/// The sched_ext scheduler that was asked for: once it was loaded, behind
/// each run, and once it was taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scheduler<'a> {
    /// Index of the run that has just ended; absent before the first and
    /// behind the last.
    pub run: Option<u16>,
    /// The name it was enabled with; empty if it never was.
    pub name: &'a str,
    /// `/sys/kernel/sched_ext/state`.
    pub state: &'a str,
    /// Whether all tasks of fair policies are switched to it.
    pub switch_all: Option<bool>,
    /// How many schedulers this kernel has enabled.
    pub enable_seq: Option<u64>,
    /// How many tasks schedulers did not let into the class.
    pub nr_rejected: Option<u64>,
    /// `name value` of each of its events since it was loaded, a line each,
    /// where the kernel counts them.
    pub events: &'a str,
    /// The end of what its program wrote since the record before.
    pub output: &'a [u8],
    /// Bytes of that which are left out.
    pub dropped: u64,
}

/// A piece of the text of tracefs' `trace`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceText<'a> {
    /// Index of the run.
    pub run: u16,
    /// Number of the piece in the run, from 0.
    pub block: u32,
    /// Bytes of text in it.
    pub len: u32,
    /// The text as one LZ4 block.
    pub lz4: &'a [u8],
}

/// What a run recorded of the kernel's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// Index of the run.
    pub run: u16,
    /// Size of the buffer of each CPU, in KiB.
    pub kib: u32,
    /// How many `TraceText` came before.
    pub blocks: u32,
    /// Bytes of text in them.
    pub bytes: u64,
    /// Lines of text in them, without the header's.
    pub lines: u64,
    /// Older lines that are not sent, since a console is slow.
    pub left_out: u64,
    /// Events that newer ones had overwritten.
    pub overrun: u64,
    /// Events that found no room.
    pub dropped: u64,
    /// A sample above the limit ended the recording before the window did.
    pub stopped: bool,
}

/// Something of the kernel that a run set, once it was set: a file, or all of
/// the scheduler's features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tunable<'a> {
    /// Index of the run.
    pub run: u16,
    /// The key of the plan.
    pub name: &'a str,
    /// What was read before.
    pub before: &'a str,
    /// What was read behind it.
    pub value: &'a str,
}

/// The end of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// Records sent before this one.
    pub records: u32,
    /// CRC-32 over the bytes of all records before this one, in order.
    pub crc: u32,
    /// Runs that ended `Ok` or `Degraded`.
    pub passed: u16,
    /// Runs that ended `Skip`.
    pub skipped: u16,
    /// Runs that ended `Fail`.
    pub failed: u16,
    /// The plan was refused: no run was started.
    pub plan_error: bool,
}

#[cfg(test)]
mod tests {
    use super::{
        Bye, Effective, Group, Hist, Lines, Pairs, Progress, Record, Run,
        Samples, Scheduler, Scope, Start, Trace, TraceText, Tunable, Verdict,
        WakeRule, Worker,
    };
    use crate::kit::exit::Exit;
    use crate::kit::task::{Counter, TaskCounters};

    /// Schema 2. If this fails, raise `SCHEMA` and write the new bytes here.
    #[test]
    fn golden_bytes() {
        let run = Record::Run(Run {
            run: 1,
            name: "PipeIo",
            verdict: Verdict::Degraded,
            reasons: Lines("NO_CAP"),
            started_ns: 300,
            wall_ns: 2,
            seed: 3,
            taint: 4,
            dropped_messages: 5,
            groups: 6,
            workers: 7,
            hists: 8,
        });
        let worker = Record::Worker(Worker {
            run: 1,
            group: 2,
            index: 3,
            pos: 4,
            role: "w",
            tid: 5,
            tasks: 1,
            iterations: 6,
            work_units: 7,
            wall_ns: 8,
            cpu_ns: 9,
            nowait: 10,
            first_ns: 11,
            kernel: TaskCounters::default().with(Counter::Nvcsw, Some(12)),
            migrations_seen: 13,
            cpus_used: &[3],
            max_gap_ns: 14,
            max_gap_cpu: 15,
            max_gap_at_ns: 16,
            max_cpu_gap_ns: 17,
            effective: Some(Effective {
                policy: 1,
                rt_priority: 2,
                nice: -1,
                cpus: &[3],
                mempolicy: None,
                ext_enabled: Some(true),
                timer_slack_ns: Some(300),
            }),
            numa_pages: Pairs("0=9"),
            completed: true,
            exit: Exit::Signal(9),
            counted: true,
            stale: 18,
        });
        let group = Record::Group(Group {
            run: 1,
            group: 2,
            work: "w",
            args: Lines("a=1"),
            size: 3,
            workers: 4,
            iteration: "i",
            unit: "u",
            iterations: 5,
            work_units: 6,
            nowait: 7,
            counted: false,
            stale: 8,
        });
        let hist = Record::Hist(Hist {
            run: 1,
            group: 2,
            name: "wake",
            rule: Some(WakeRule::Pair),
            unit: "ns",
            count: 3,
            sum_ns: 4,
            min_ns: 5,
            max_ns: 6,
            buckets: &[7, 8],
            worker: Some(9),
        });
        let start = Record::Start(Start {
            run: 1,
            name: "a",
            planned_ms: 2,
            workers: 3,
        });
        let progress = Record::Progress(Progress {
            run: 1,
            elapsed_ms: 2,
            iterations: 3,
            work_units: 4,
            running: 5,
        });
        let bye = Record::Bye(Bye {
            records: 1,
            crc: 2,
            passed: 3,
            skipped: 4,
            failed: 5,
            plan_error: false,
        });
        let scheduler = Record::Scheduler(Scheduler {
            run: Some(1),
            name: "s",
            state: "enabled",
            switch_all: Some(false),
            enable_seq: Some(2),
            nr_rejected: None,
            events: "e 3",
            output: b"o",
            dropped: 4,
        });
        let text = Record::TraceText(TraceText {
            run: 1,
            block: 2,
            len: 300,
            lz4: &[3, 4],
        });
        let trace = Record::Trace(Trace {
            run: 1,
            kib: 2,
            blocks: 3,
            bytes: 4,
            lines: 5,
            left_out: 6,
            overrun: 7,
            dropped: 8,
            stopped: true,
        });
        let tunable = Record::Tunable(Tunable {
            run: 1,
            name: "sched_features",
            before: "A",
            value: "NO_A",
        });
        let samples = Record::Samples(Samples {
            run: 1,
            hz: 300,
            cycles: true,
            scope: Scope::Workers,
            user: 2,
            kernel: 3,
            lost: 4,
            throttled: 5,
            no_room: 6,
            rows: 7,
            counts: Pairs("0x8=9"),
        });
        let golden: [(Record<'_>, &[u8]); 12] = [
            (
                run,
                b"\x04\x01\x06PipeIo\x01\x06NO_CAP\xac\x02\x02\x03\x04\x05\
                  \x06\x07\x08",
            ),
            (
                worker,
                b"\x06\x01\x02\x03\x04\x01w\x05\x01\x06\x07\x08\x09\x0a\x0b\0\
                  \0\x01\x0c\0\0\0\0\0\0\0\0\x0d\x01\x03\x0e\x0f\x10\x11\x01\
                  \x01\x02\xff\x01\x03\0\x01\x01\x01\xac\x02\x030=9\x01\x01\
                  \x09\x01\x12",
            ),
            (
                group,
                b"\x05\x01\x02\x01w\x03a=1\x03\x04\x01i\x01u\x05\x06\x07\0\x08",
            ),
            (
                hist,
                b"\x08\x01\x02\x04wake\x01\0\x02ns\x03\x04\x05\x06\x02\x07\x08\
                  \x01\x09",
            ),
            (start, b"\x02\x01\x01a\x02\x03"),
            (progress, b"\x03\x01\x02\x03\x04\x05"),
            (bye, b"\x0c\x01\x02\x03\x04\x05\0"),
            (
                scheduler,
                b"\x0f\x01\x01\x01s\x07enabled\x01\0\x01\x02\0\x03e 3\
                  \x01o\x04",
            ),
            (text, b"\x10\x01\x02\xac\x02\x02\x03\x04"),
            (trace, b"\x11\x01\x02\x03\x04\x05\x06\x07\x08\x01"),
            (tunable, b"\x12\x01\x0esched_features\x01A\x04NO_A"),
            (
                samples,
                b"\x13\x01\xac\x02\x01\x01\x02\x03\x04\x05\x06\x07\
                  \x050x8=9",
            ),
        ];
        for (record, bytes) in golden {
            let mut buf = [0; 256];
            assert_eq!(record.encode(&mut buf).unwrap(), bytes, "{record:?}");
            assert_eq!(Record::decode(bytes).unwrap(), record);
        }
    }

    #[test]
    fn trailing_bytes_are_refused() {
        assert!(Record::decode(b"\x03\x01\x02\x03\x04\x05\x00").is_err());
    }
}
