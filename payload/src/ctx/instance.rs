//! What an instance of a work type is made of.

use crate::kit::cells::{Gauge, Ring, Stamp, Word};
use crate::kit::cgroup::Base;
use crate::kit::cpus::Cpus;
use crate::kit::files::Files;
use crate::kit::histogram::Histogram;
use crate::kit::named::Named;
use crate::kit::slot::Slot;
use crate::row::Work;
use core::sync::atomic::AtomicU64;

/// The part of an instance that all its workers share.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'r> {
    /// Futex words.
    pub words: &'r [Word],
    /// Stamp slots.
    pub stamps: &'r [Stamp],
    /// Generation rings.
    pub rings: &'r [Ring],
    /// Guarded counters.
    pub gauges: &'r [Gauge],
    /// Plain memory.
    pub cells: &'r [AtomicU64],
    /// Named figures.
    pub named: &'r [Named],
    /// Open files.
    pub files: Files<'r>,
    /// Report slots of its workers and their further tasks: position times
    /// tasks per worker, plus the task.
    pub slots: &'r [Slot],
    /// Histograms of these tasks, a row of them each.
    pub hists: &'r [Histogram],
}

/// Where an instance is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'r> {
    /// The work type and its parameters.
    pub work: &'r Work<'r>,
    /// Number of the group in the run.
    pub group: u16,
    /// Number of the instance in the group.
    pub number: u32,
    /// CPUs its workers may use.
    pub cpus: &'r Cpus,
    /// Where cgroups can be made.
    pub cgroups: Option<&'r Base>,
    /// The first instance of the group, which keeps what all of the group
    /// share.
    pub lead: Instance<'r>,
}
