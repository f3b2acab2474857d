//! The workers of a group, as the supervisor holds them: what they share.

use crate::ctx::given::Given;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Moment;
use crate::kit::alarm::Alarm;
use crate::kit::cells::{Gauge, Ring, Stamp, Word, wake_all};
use crate::kit::cgroup::Base;
use crate::kit::control::Control;
use crate::kit::cpus::Cpus;
use crate::kit::files::Files;
use crate::kit::histogram::Histogram;
use crate::kit::named::Named;
use crate::kit::op::Op;
use crate::kit::pipes::Pipes;
use crate::kit::shm::Arena;
use crate::kit::slot::{MAX_METRICS, Slot};
use crate::kit::stop::{CallExt, Stop};
use crate::plan::group::{Group, Host};
use crate::plan::settings::RunSettings;
use crate::row::attr::Affinity;
use crate::row::{MAX_HISTS, Shared};
use crate::run::affinity::{Within, pool};
use crate::run::inherit::Inheritance;
use crate::run::leaves::Leaves;
use crate::sys;
use crate::sys::process;
use core::sync::atomic::AtomicU64;
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::process::Pid;

/// What is remembered of a group from one interval to the next: its
/// iterations, its work units, its metrics and the samples of its histograms.
pub const MARKS: usize = 2 + MAX_METRICS + MAX_HISTS;

/// A group in memory: its plan and all that its workers share.
#[derive(Debug)]
pub struct Crew<'r> {
    /// What the plan says.
    pub group: &'r Group<'r>,
    /// Number of the group in the run.
    pub number: u16,
    /// Workers.
    pub workers: u32,
    /// Workers per instance, at least 1.
    pub size: u32,
    /// Tasks per worker, at least 1.
    pub lanes: u32,
    /// Where they run.
    pub affinity: Affinity,
    /// CPUs they may use.
    pub cpus: Cpus,
    /// What its affinity is resolved in.
    pub(super) within: Within,
    /// Directory of their cgroup.
    cgroup: Option<BorrowedFd<'r>>,
    /// Where others can be made.
    cgroups: Option<&'r Base>,
    /// Report slots, those of each worker's tasks together.
    pub slots: &'r [Slot],
    /// Histograms, a row of them per task.
    pub hists: &'r [Histogram],
    /// Guarded counters of all instances.
    gauges: &'r [Gauge],
    words: &'r [Word],
    stamps: &'r [Stamp],
    rings: &'r [Ring],
    cells: &'r [AtomicU64],
    /// Figures that the run named, those of all instances.
    pub named: &'r [Named],
    files: Files<'r>,
    pub(super) pipes: Option<Pipes<'r>>,
    shared: Shared,
    /// What had been counted at the end of the last interval.
    pub marks: &'r [AtomicU64],
}

impl<'r> Crew<'r> {
    /// Bytes of shared memory that `workers` of this group take, at most,
    /// on `cpus` CPUs.
    #[must_use]
    pub fn bytes(group: &Group<'_>, workers: u32, cpus: u32) -> usize {
        let work = &group.work;
        let row = group.row();
        let shared = (row.shared)(work, cpus);
        let lines = shared.words
            + shared.stamps
            + shared.gauges
            + shared.files
            + if shared.pipes { 2 } else { 0 };
        let task = size_of::<Slot>() + row.hists.len() * size_of::<Histogram>();
        let each = (row.tasks)(work, cpus) as usize * task
            + lines as usize * size_of::<Word>()
            + shared.rings as usize * size_of::<Ring>()
            + shared.cells as usize * size_of::<u64>()
            + shared.named as usize * size_of::<Named>();
        workers as usize * each + size_of::<[u64; MARKS]>() + 4096
    }

    /// Makes everything the group shares.
    ///
    /// # Errors
    ///
    /// The call that failed: `ENOMEM`, `EMFILE`; or what the type's own
    /// `create` said.
    pub fn new(
        arena: &'r Arena,
        group: &'r Group<'r>,
        number: u16,
        workers: u32,
        within: Within,
        leaves: &'r Leaves<'r>,
    ) -> Result<Self, Stop> {
        let mmap = Op::Mmap.name();
        let work = &group.work;
        let row = group.row();
        let intent = group.intent();
        let size = group.group_size().unwrap_or(1);
        let cpus = pool(&intent, &within, workers, size);
        let lanes = (row.tasks)(work, cpus.len()).max(1);
        let shared = (row.shared)(work, cpus.len());
        let n = |each: u32| (workers / size) as usize * each as usize;
        let tasks = (workers * lanes) as usize;
        let ends = if shared.pipes { 2 * workers } else { 0 };
        let ends = arena.slice(ends as usize).call(mmap)?;
        let pipes = match shared.pipes {
            true => Some(Pipes::new(ends).call(&"pipe2")?),
            false => None,
        };
        let hists = tasks * row.hists.len();
        let crew = Self {
            group,
            number,
            workers,
            size,
            lanes,
            affinity: intent,
            cpus,
            within,
            cgroup: leaves.of(group),
            cgroups: leaves.base(),
            slots: arena.slice(tasks).call(mmap)?,
            hists: arena.slice(hists).call(mmap)?,
            gauges: arena.slice(n(shared.gauges)).call(mmap)?,
            words: arena.slice(n(shared.words)).call(mmap)?,
            stamps: arena.slice(n(shared.stamps)).call(mmap)?,
            rings: arena.slice(n(shared.rings)).call(mmap)?,
            cells: arena.slice(n(shared.cells)).call(mmap)?,
            named: arena.slice(n(shared.named)).call(mmap)?,
            files: Files::new(arena.slice(n(shared.files)).call(mmap)?),
            pipes,
            shared,
            marks: arena.slice(MARKS).call(mmap)?,
        };
        for number in 0..workers / size {
            (group.workload.create)(
                &crew.instance(number),
                &crew.place(number),
            )?;
        }
        Ok(crew)
    }

    /// Makes a process in the group's cgroup; `None` in the child.
    ///
    /// # Errors
    ///
    /// See [`process::fork`] and [`sys::cgroup::fork_into`].
    pub fn fork(&self) -> Result<Option<Pid>, Errno> {
        match self.cgroup {
            Some(directory) => sys::cgroup::fork_into(directory),
            None => process::fork(),
        }
    }

    /// The slots of one worker's tasks, its own first.
    #[must_use]
    pub fn tasks_of(&self, index: u32) -> &'r [Slot] {
        let first = (index * self.lanes) as usize;
        &self.slots[first..first + self.lanes as usize]
    }

    /// What the workers of one instance share.
    pub(super) fn instance(&self, number: u32) -> Instance<'r> {
        let hists = self.group.row().hists.len();
        // A row has a few dozen at most.
        let hists = u32::try_from(hists).unwrap_or(0);
        let of = |each: u32| {
            let first = number as usize * each as usize;
            first..first + each as usize
        };
        Instance {
            words: &self.words[of(self.shared.words)],
            stamps: &self.stamps[of(self.shared.stamps)],
            rings: &self.rings[of(self.shared.rings)],
            gauges: &self.gauges[of(self.shared.gauges)],
            cells: &self.cells[of(self.shared.cells)],
            named: &self.named[of(self.shared.named)],
            files: self.files.range(of(self.shared.files)),
            slots: &self.slots[of(self.size * self.lanes)],
            hists: &self.hists[of(self.size * self.lanes * hists)],
        }
    }

    fn place(&self, number: u32) -> Place<'_> {
        Place {
            work: &self.group.work,
            group: self.number,
            number,
            cpus: &self.cpus,
            cgroups: self.cgroups,
            lead: self.instance(0),
        }
    }

    /// Whether the type wants to be told of moments.
    #[must_use]
    pub fn is_tended(&self) -> bool {
        self.group.workload.tend.is_some()
    }

    /// Tells the type of a moment, for the instances that one of whose slots
    /// is of interest. Returns how many of them say that a worker which
    /// cannot say so itself is ready.
    pub fn tend(&self, moment: Moment, of: impl Fn(&Slot) -> bool) -> u32 {
        let Some(tend) = self.group.workload.tend else {
            return 0;
        };
        let instances = (0..self.workers / self.size).map(|number| {
            let instance = self.instance(number);
            let told = instance.slots.iter().any(&of);
            let ready = told && tend(&instance, &self.place(number), moment);
            u32::from(ready)
        });
        instances.sum()
    }

    /// Wakes everyone who waits on a futex of the group.
    pub fn wake_all(&self) {
        self.words.iter().for_each(|word| wake_all(&word.0));
    }

    /// Sets the limit of one of its histograms, in all tasks.
    pub fn set_limit(&self, hist: usize, ns: u64) {
        let each = self.group.row().hists.len().max(1);
        let mine = self.hists.iter().skip(hist).step_by(each);
        mine.for_each(|hist| hist.set_limit(ns));
    }

    /// The sum over the instances of one of their guarded counters.
    #[must_use]
    pub fn gauge_sum(&self, index: usize) -> u64 {
        let each = (self.shared.gauges as usize).max(1);
        let mine = self.gauges.iter().skip(index).step_by(each);
        mine.map(Gauge::get).sum()
    }

    /// Where worker `index` writes in the ring of pipes.
    pub(super) fn next(&self, index: u32) -> u32 {
        let pos = index % self.size;
        index - pos + (pos + 1) % self.size
    }

    /// What one task of a worker is given.
    pub(super) fn given(
        &'r self,
        team: &Team<'r>,
        (index, lane): (u32, u32),
    ) -> Given<'r> {
        let settings = team.settings;
        let row = self.group.row();
        let task = (index * self.lanes + lane) as usize;
        let hists = row.hists.len();
        let pipes = self.pipes.as_ref();
        let next = self.next(index) as usize;
        Given {
            work: &self.group.work,
            control: team.control,
            sched_ext: team.sched_ext,
            alarm: team.alarm,
            slot: &self.slots[task],
            hists: &self.hists[task * hists..(task + 1) * hists],
            instance: self.instance(index / self.size),
            group: self.number,
            index,
            workers: self.workers,
            time_ns: u64::try_from(settings.time.as_nanos())
                .unwrap_or(u64::MAX),
            pos: index % self.size,
            size: self.size,
            lane,
            lanes: self.lanes,
            seed: self.seed(settings, index) ^ u64::from(lane) << 52,
            // The tasks of one worker are always threads of one process.
            private: self.group.host(settings.clone).is_some()
                || (self.size == 1 && self.lanes > 1),
            burn_cpu: settings.burn_cpu,
            rd_sample: settings.rd_sample,
            cgroups: self.cgroups,
            pipe_in: pipes.and_then(|p| p.read_end(index as usize)),
            pipe_out: pipes.and_then(|p| p.write_end(next)),
        }
    }

    pub(super) fn seed(&self, settings: &RunSettings, index: u32) -> u64 {
        settings.seed ^ u64::from(self.number) << 32 ^ u64::from(index) << 40
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for number in 0..self.workers / self.size {
            let (instance, place) = (self.instance(number), self.place(number));
            (self.group.workload.destroy)(&instance, &place);
        }
        self.files.close_all();
    }
}

/// What all workers of a run share.
#[derive(Debug, Clone, Copy)]
pub struct Team<'r> {
    /// Settings of the run.
    pub settings: &'r RunSettings,
    /// Start and stop.
    pub control: &'r Control,
    /// The groups.
    pub crews: &'r [Crew<'r>],
    /// The kernel has the sched_ext class.
    pub sched_ext: bool,
    /// What its tasks are given in place of what they would inherit.
    pub inheritance: Inheritance,
    /// Ends the recording of kernel events at a sample above the limit.
    pub alarm: Option<Alarm<'r>>,
}

impl<'r> Team<'r> {
    /// The process whose threads the workers of a group are.
    #[must_use]
    pub fn host(&self, crew: &Crew<'r>) -> Option<Host<'r>> {
        crew.group.host(self.settings.clone)
    }

    /// The groups whose workers are threads of the same process as this
    /// group's.
    pub fn threads_of(
        &self,
        crew: &Crew<'r>,
    ) -> impl Iterator<Item = &'r Crew<'r>> + use<'r> {
        let (team, host) = (*self, self.host(crew));
        let crews = team.crews.iter();
        crews.filter(move |crew| host.is_some() && team.host(crew) == host)
    }
}
