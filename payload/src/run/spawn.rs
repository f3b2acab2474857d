//! A run carried out by any program, be it one with threads and a standard
//! library, and its report.
//!
//! The supervisor is a child of its own, so that nothing is left changed
//! behind a run: limits, signals, priority and children of the caller stay as
//! they are. Its records come back in memory that both share.

#![expect(unsafe_code, reason = "shares memory with a child")]

use crate::kit::histogram::{Sparse, Summary, percentile};
use crate::kit::shm::Scratch;
use crate::kit::text::Cut;
use crate::plan::error::PlanError;
use crate::plan::run::Run;
use crate::run::descriptors::reserve;
use crate::run::fits::fits;
use crate::run::machine;
use crate::run::output::{Output, kept};
use crate::run::supervisor;
use crate::sys::process::{self, die_with};
use crate::wire::record::{Group, Hist, Record, Verdict, Worker};
use core::fmt::{self, Write};
use heapless::String;
use rustix::io::Errno;
use rustix::process::getpid;

/// Room for records: those of 4,096 workers with all of their histograms.
/// The kernel fills it page by page.
const ROOM: usize = 256 << 20;
/// Longest message of a refusal.
const MESSAGE: usize = 512;

/// How the supervisor ended, in the last byte of the memory: an exit code is
/// lost where `SIGCHLD` is ignored. 0 is one that died.
const DONE: u8 = 1;
const INTERRUPTED: u8 = 2;
const REFUSED: u8 = 3;
const FULL: u8 = 4;

/// Carries a run out and waits for its end, as often as it is to be repeated.
///
/// The caller needs no privilege; what a run needs of them, it is skipped
/// without. A run that failed is a report all the same.
///
/// ```
/// use core::time::Duration;
/// use pidone::plan::builder::RunBuilder;
/// use pidone::plan::work_type::WorkType;
/// use pidone::run::spawn::spawn;
/// use pidone::wire::record::Verdict;
///
/// let run = RunBuilder::new(WorkType::pipe_io(64)?)
///     .time(Duration::from_millis(50))
///     .build()?;
/// let report = spawn(&run)?;
/// assert_eq!(report.verdict(), Verdict::Ok);
/// let group = report.groups().next().unwrap();
/// assert!(group.iterations > 0);
/// assert_eq!(report.workers().count(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// This machine has no room for the run, or the supervisor could not do its
/// work.
pub fn spawn(run: &Run<'_>) -> Result<Report, SpawnError<'static>> {
    let log = apart(ROOM, |log| {
        if let Some((how, room)) = log.split_last_mut() {
            *how = supervise(run, room);
        }
    });
    let log = log.map_err(SpawnError::Call)?;
    match log.read().last() {
        Some(&DONE) => Ok(Report { log }),
        Some(&INTERRUPTED) => Err(SpawnError::Interrupted),
        Some(&REFUSED) => Err(SpawnError::Refused(Refusal { log })),
        Some(&FULL) => Err(SpawnError::Full),
        _ => Err(SpawnError::Died),
    }
}

/// Does something in a child, which writes what came of it into zeroed memory
/// of that length: nothing of the caller's is changed by it, however it ends.
///
/// # Errors
///
/// There is no such memory, or no process.
pub(crate) fn apart(
    len: usize,
    work: impl FnOnce(&mut [u8]),
) -> Result<Scratch, Errno> {
    // SAFETY: the child alone uses them until it is reaped below.
    let log = unsafe { Scratch::shared(len) };
    let mut log = log.ok_or(Errno::NOMEM)?;
    let parent = getpid();
    let Some(child) = process::fork()? else {
        let _end = End;
        // It ends at once if the parent is gone; there is no other error.
        let _mortal = die_with(parent);
        work(log.bytes());
        process::exit_group(0)
    };
    // Where SIGCHLD is ignored, a child is gone when it has ended.
    while matches!(process::reap(child, false), Ok(None) | Err(Errno::INTR)) {}
    Ok(log)
}

/// Ends a process whose panic unwinds: neither the supervisor nor a worker may
/// become a second caller.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        process::exit_group(254)
    }
}

/// The supervisor's life, and how it ended.
fn supervise(run: &Run<'_>, log: &mut [u8]) -> u8 {
    let machine = machine::probe(false, false);
    let room = fits(run, &machine).and_then(|()| reserve(run, &machine));
    if let Err(error) = room {
        refuse(&error, log);
        return REFUSED;
    }
    // Without a priority of its own it is only less exact.
    let _first = supervisor::settle();
    let mut out = Output::keeping(log);
    for number in 0..run.settings.repeat {
        if supervisor::run(&machine, run, number, &mut out).interrupted {
            return INTERRUPTED;
        }
    }
    if out.has_all() { DONE } else { FULL }
}

fn refuse(error: &PlanError<'_>, log: &mut [u8]) {
    let mut text: String<MESSAGE> = String::new();
    let _cut = write!(Cut(&mut text), "{error}");
    if let Some(room) = log.get_mut(..text.len()) {
        room.copy_from_slice(text.as_bytes());
    }
}

/// Why there is no report.
#[derive(Debug)]
pub enum SpawnError<'t> {
    /// There is no such run: it breaks a rule.
    Plan(PlanError<'t>),
    /// This machine has no room for it.
    Refused(Refusal),
    /// There was no memory or no process for the supervisor.
    Call(Errno),
    /// A signal asked the supervisor to end (`SIGINT`, `SIGTERM`).
    Interrupted,
    /// There were more records than room for them.
    Full,
    /// The supervisor was killed.
    Died,
}

/// What a supervisor said in place of a report.
#[derive(Debug)]
pub struct Refusal {
    log: Scratch,
}

impl Refusal {
    /// The rule that the run breaks on this machine.
    #[must_use]
    pub fn rule(&self) -> &str {
        let mut parts = self.log.read().split(|&byte| byte == 0);
        let text = parts.next().unwrap_or(&[]);
        core::str::from_utf8(text).unwrap_or("")
    }
}

impl fmt::Display for SpawnError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plan(error) => error.fmt(f),
            Self::Refused(refusal) => f.write_str(refusal.rule()),
            Self::Call(errno) => {
                write!(f, "no supervisor could be made: {errno}")
            }
            Self::Interrupted => f.write_str("the run was interrupted"),
            Self::Full => f.write_str("the report is too long"),
            Self::Died => f.write_str("the supervisor was killed"),
        }
    }
}

impl core::error::Error for SpawnError<'_> {}

impl<'t> From<PlanError<'t>> for SpawnError<'t> {
    fn from(error: PlanError<'t>) -> Self {
        Self::Plan(error)
    }
}

/// What a run gave, as the records that a boot sends (`docs/wire.md`).
#[derive(Debug)]
pub struct Report {
    log: Scratch,
}

impl Report {
    /// All records, in order.
    pub fn records(&self) -> impl Iterator<Item = Record<'_>> {
        kept(self.log.read())
    }

    /// The worst verdict of any repetition.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let verdicts = self.records().filter_map(|record| match record {
            Record::Run(run) => Some(run.verdict),
            _ => None,
        });
        verdicts.max().unwrap_or_default()
    }

    /// Why the verdict is not `Ok`, one reason each.
    pub fn reasons(&self) -> impl Iterator<Item = &str> {
        self.records()
            .filter_map(|record| match record {
                Record::Run(run) => Some(run.reasons.iter()),
                _ => None,
            })
            .flatten()
    }

    /// The groups of all repetitions.
    pub fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        self.records().filter_map(|record| match record {
            Record::Group(group) => Some(group),
            _ => None,
        })
    }

    /// The workers of all groups.
    pub fn workers(&self) -> impl Iterator<Item = Worker<'_>> {
        self.records().filter_map(|record| match record {
            Record::Worker(worker) => Some(worker),
            _ => None,
        })
    }

    /// The histogram of that name of a group, of its first repetition and all
    /// of its workers.
    #[must_use]
    pub fn hist(&self, group: u16, name: &str) -> Option<Hist<'_>> {
        self.records().find_map(|record| match record {
            Record::Hist(hist)
                if hist.group == group
                    && hist.name == name
                    && hist.worker.is_none() =>
            {
                Some(hist)
            }
            _ => None,
        })
    }
}

/// The value below or at which the share `num/den` of a histogram's samples
/// lies; 0 without samples.
#[must_use]
pub fn share(hist: &Hist<'_>, num: u64, den: u64) -> u64 {
    let summary = Summary {
        count: hist.count,
        sum_ns: hist.sum_ns,
        min_ns: hist.min_ns,
        max_ns: hist.max_ns,
    };
    percentile(Sparse(hist.buckets).buckets(), &summary, num, den)
}

#[cfg(test)]
mod tests {
    use super::{SpawnError, share, spawn};
    use crate::ctx::Ctx;
    use crate::ctx::workload::Workload;
    use crate::kit::cpus::Cpus;
    use crate::kit::stop::Stop;
    use crate::plan::builder::RunBuilder;
    use crate::plan::work_type::WorkType;
    use crate::row::attr::Affinity;
    use crate::sys::process;
    use crate::wire::record::Verdict;
    use crate::workloads::custom::types::workload;
    use core::time::Duration;
    use rustix::process::{Resource, getrlimit};
    use std::string::ToString;
    use std::vec::Vec;

    const TIME: Duration = Duration::from_millis(20);

    #[test]
    fn every_repetition_is_reported() {
        let run = RunBuilder::new(WorkType::futex_ping_pong(64).unwrap())
            .with(WorkType::spin_wait().unwrap())
            .workers(2)
            .repeat(2)
            .time(TIME);
        let report = spawn(&run.build().unwrap()).unwrap();
        let groups: Vec<_> = report.groups().collect();
        let all = groups.iter().map(|g| (g.run, g.work, g.workers));
        let both = [("FutexPingPong", 2), ("SpinWait", 2)];
        let expected = [0, 1].map(|run| both.map(|(work, n)| (run, work, n)));
        assert_eq!(all.collect::<Vec<_>>(), expected.concat());
        assert!(groups.iter().all(|group| group.iterations > 0));
        assert_eq!(report.workers().count(), 8);
        let wake = report.hist(0, "wake").unwrap();
        let median = share(&wake, 1, 2);
        assert!((wake.min_ns..=wake.max_ns).contains(&median), "{wake:?}");
        assert!(report.hist(0, "weak").is_none());
    }

    #[test]
    fn a_caller_keeps_its_children_and_limits() {
        let core = || getrlimit(Resource::Core).current;
        let before = core();
        let Some(child) = process::fork().unwrap() else {
            process::exit_group(7)
        };
        let run = RunBuilder::new(WorkType::spin_wait().unwrap()).time(TIME);
        spawn(&run.build().unwrap()).unwrap();
        let ended = process::reap(child, false).unwrap().unwrap();
        assert_eq!(ended.code, 7);
        assert_eq!(core(), before);
    }

    #[test]
    fn what_the_machine_lacks_is_refused_with_its_rule() {
        let far = Affinity::Exact(Cpus::parse("1023").unwrap());
        let run = RunBuilder::new(WorkType::spin_wait().unwrap())
            .affinity(far)
            .build()
            .unwrap();
        let error = spawn(&run).unwrap_err();
        assert!(matches!(error, SpawnError::Refused(_)), "{error:?}");
        let rule = "its affinity names CPUs this machine does not have";
        assert!(error.to_string().contains(rule), "{error}");
    }

    fn panics(c: &mut Ctx<'_>) -> Result<(), Stop> {
        c.start();
        c.iteration();
        // Without the message that others would take for theirs.
        std::panic::resume_unwind(std::boxed::Box::new(()));
    }

    #[test]
    fn a_worker_that_unwinds_does_not_return() {
        static PANICS: Workload = workload(&crate::fn_work!("panics", panics));
        let run = RunBuilder::new(WorkType::of(&PANICS)).time(TIME);
        let report = spawn(&run.build().unwrap()).unwrap();
        assert_eq!(report.verdict(), Verdict::Fail);
        let reasons: Vec<_> = report.reasons().collect();
        let said = "panics worker 0 left with exit code 254";
        assert!(reasons.contains(&said), "{reasons:?}");
    }
}
