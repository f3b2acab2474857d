//! What a worker is told of its run.

use crate::ctx::instance::Instance;
use crate::kit::alarm::Alarm;
use crate::kit::cgroup::Base;
use crate::kit::control::Control;
use crate::kit::histogram::Histogram;
use crate::kit::slot::Slot;
use crate::row::Work;
use rustix::fd::BorrowedFd;

/// Everything a worker is given.
#[derive(Debug, Clone, Copy)]
pub struct Given<'r> {
    /// The work type and its parameters.
    pub work: &'r Work<'r>,
    /// Shared by all workers of the run.
    pub control: &'r Control,
    /// Where this worker, or this task of it, reports.
    pub slot: &'r Slot,
    /// Its histograms, in the order of the row.
    pub hists: &'r [Histogram],
    /// What it shares with its partners.
    pub instance: Instance<'r>,
    /// Number of the group in the run.
    pub group: u16,
    /// Index in the group.
    pub index: u32,
    /// Workers in the group.
    pub workers: u32,
    /// The measured time that is planned, in ns.
    pub time_ns: u64,
    /// Position in the instance.
    pub pos: u32,
    /// Workers per instance, at least 1.
    pub size: u32,
    /// Which task of the worker it is: 0 for the worker itself.
    pub lane: u32,
    /// Tasks per worker.
    pub lanes: u32,
    /// Seed of random numbers, different for every task.
    pub seed: u64,
    /// Futexes are private to the process: thread mode, or the tasks of one
    /// worker among themselves.
    pub private: bool,
    /// `burn` counts CPU time instead of wall time.
    pub burn_cpu: bool,
    /// Every how many blocking steps `run_delay` is read.
    pub rd_sample: u32,
    /// The kernel has the sched_ext class.
    pub sched_ext: bool,
    /// Ends the recording of kernel events at a sample above the limit.
    pub alarm: Option<Alarm<'r>>,
    /// Where cgroups can be made.
    pub cgroups: Option<&'r Base>,
    /// The end of the pipe ring this position reads.
    pub pipe_in: Option<BorrowedFd<'r>>,
    /// The end of the pipe ring this position writes.
    pub pipe_out: Option<BorrowedFd<'r>>,
}
