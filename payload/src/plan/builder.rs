//! A run made of values in place of words, with every check of a plan.

use crate::plan::draft::Draft;
use crate::plan::error::PlanError;
use crate::plan::group::Group;
use crate::plan::run::Run;
use crate::plan::settings::{
    GroupSettings, RunSettings, Workers, checked_span, count_of_repeats,
    count_of_workers, nice_value,
};
use crate::plan::token::Token;
use crate::plan::trace::Trace;
use crate::plan::tunables::Tunables;
use crate::plan::work_type::WorkType;
use crate::row::attr::{Affinity, CloneMode, Policy};
use crate::workloads::custom::types::Registered;
use core::time::Duration;
use heapless::Vec;

/// A run in the making. What belongs to a group (workers, policy and the like)
/// belongs to the one that was named last, as in a plan. The first fault is
/// kept, and [`build`](Self::build) returns it.
///
/// ```
/// use core::time::Duration;
/// use pidone::plan::builder::RunBuilder;
/// use pidone::plan::work_type::WorkType;
/// use pidone::row::attr::{Affinity, Policy};
///
/// let ms = Duration::from_millis;
/// let run = RunBuilder::new(WorkType::bursty(ms(5), ms(10))?)
///     .workers(4)
///     .policy(Policy::Batch)
///     .with(WorkType::pipe_io(1024)?)
///     .affinity(Affinity::SingleCpu)
///     .set("cgroup", "pipes")
///     .set("cpu.weight", "50")
///     .time(ms(500))
///     .expect("g1.wake.p99<10ms")
///     .build()?;
/// assert_eq!(run.to_string(), "Bursty+PipeIo");
///
/// let wrong = RunBuilder::new(WorkType::pipe_io(1024)?).workers(3).build();
/// let rule = wrong.unwrap_err().to_string();
/// assert!(rule.contains("works in groups of 2; nearest is `4`"));
/// # Ok::<(), pidone::plan::error::PlanError<'_>>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct RunBuilder<'t>(Result<Draft<'t>, PlanError<'t>>);

impl<'t> RunBuilder<'t> {
    /// A run of one group, with what holds where a plan is silent.
    pub fn new(work: WorkType<'t>) -> Self {
        let run = Run {
            settings: RunSettings::DEFAULT,
            trace: Trace::NONE,
            tunables: Tunables::new(),
            groups: Vec::new(),
            expects: Vec::new(),
        };
        Self(Ok(Draft::new(run, group(work), Registered::default())))
    }

    /// Another group beside it (`with=`).
    pub fn with(self, work: WorkType<'t>) -> Self {
        self.and(|draft| {
            draft.close()?;
            draft.open(group(work));
            Ok(())
        })
    }

    /// The measured time, 10 s unless it is set.
    pub fn time(self, time: Duration) -> Self {
        self.run("time", |run| {
            run.time = checked_span(1, time)?;
            Ok(())
        })
    }

    /// The time before it that is not counted.
    pub fn warmup(self, time: Duration) -> Self {
        self.run("warmup", |run| {
            run.warmup = checked_span(0, time)?;
            Ok(())
        })
    }

    /// The time workers have to stop.
    pub fn grace(self, time: Duration) -> Self {
        self.run("grace", |run| {
            run.grace = checked_span(1, time)?;
            Ok(())
        })
    }

    /// How often the run is repeated.
    pub fn repeat(self, times: u16) -> Self {
        self.run("repeat", |run| {
            run.repeat = count_of_repeats(times.into())?;
            Ok(())
        })
    }

    /// The seed of random numbers.
    pub fn seed(self, seed: u64) -> Self {
        self.run("seed", |run| {
            run.seed = seed;
            Ok(())
        })
    }

    /// What workers are.
    pub fn clone_mode(self, mode: CloneMode) -> Self {
        self.run("clone", |run| {
            run.clone = mode;
            Ok(())
        })
    }

    /// The number of workers of the group.
    pub fn workers(self, workers: u32) -> Self {
        self.group("workers", |group| {
            group.workers = Workers::Count(count_of_workers(workers.into())?);
            Ok(())
        })
    }

    /// Its scheduling policy.
    pub fn policy(self, policy: Policy) -> Self {
        self.group("policy", |group| {
            policy.check()?;
            group.policy = Some(policy);
            Ok(())
        })
    }

    /// Its nice value.
    pub fn nice(self, nice: i8) -> Self {
        self.group("nice", |group| {
            group.nice = Some(nice_value(nice.into())?);
            Ok(())
        })
    }

    /// Where its workers may run.
    pub fn affinity(self, affinity: Affinity) -> Self {
        let key = match affinity {
            Affinity::NumaNode(_) => "numa_node",
            _ => "affinity",
        };
        self.group(key, |group| {
            affinity.check()?;
            group.affinity = Some(affinity);
            Ok(())
        })
    }

    /// A condition that the run must meet (`docs/expect.md`).
    pub fn expect(self, condition: &'t str) -> Self {
        self.set("expect", condition)
    }

    /// Any other key of a run or a group, with its value as a plan has it
    /// (`docs/plan.md`): `cgroup`, `cpu.max`, `mempolicy`, `comm`, `uid`,
    /// `trace` and so on.
    pub fn set(self, key: &'t str, value: &'t str) -> Self {
        self.and(|draft| draft.take(Token::of(key, value)))
    }

    /// The run, if all of it goes together.
    ///
    /// # Errors
    ///
    /// The first rule that was broken. What depends on the machine, such as
    /// CPUs that it does not have, is checked when the run is carried out.
    pub fn build(self) -> Result<Run<'t>, PlanError<'t>> {
        self.0?.finish()
    }

    fn run(
        self,
        key: &'static str,
        set: impl FnOnce(&mut RunSettings) -> Result<(), &'static str>,
    ) -> Self {
        self.and(|draft| draft.set_run(key, set))
    }

    fn group(
        self,
        key: &'static str,
        set: impl FnOnce(&mut GroupSettings<'t>) -> Result<(), &'static str>,
    ) -> Self {
        self.and(|draft| draft.set_group(key, set))
    }

    fn and(
        self,
        set: impl FnOnce(&mut Draft<'t>) -> Result<(), PlanError<'t>>,
    ) -> Self {
        Self(self.0.and_then(|mut draft| {
            set(&mut draft)?;
            Ok(draft)
        }))
    }
}

fn group(work: WorkType<'_>) -> Group<'_> {
    Group {
        workload: work.workload,
        work: work.work,
        settings: GroupSettings::DEFAULT,
        token: work.name(),
    }
}
