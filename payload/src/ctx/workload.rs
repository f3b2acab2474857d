//! A work type: its row, its loop, and what is done around that.

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::kit::stop::Stop;
use crate::row::Row;
use core::fmt;

/// One work type, as each file in `workloads/` declares it.
#[derive(Clone, Copy)]
pub struct Workload {
    /// All that is data.
    pub row: &'static Row,
    /// Runs in the supervisor for each instance before the first worker is
    /// cloned: opens what the instance shares, changes kernel settings.
    pub create: fn(&Instance<'_>, &Place<'_>) -> Result<(), Stop>,
    /// Runs in the supervisor for each instance after the last worker is
    /// gone, however it went, and undoes what `create` changed.
    pub destroy: fn(&Instance<'_>, &Place<'_>),
    /// Runs in the supervisor for each instance at these moments, for types
    /// whose workers become other programs. What it returns counts at
    /// [`Moment::SetUp`] only: whether a worker that cannot say so itself
    /// has finished its set-up.
    pub tend: Option<fn(&Instance<'_>, &Place<'_>, Moment) -> bool>,
    /// The worker: sets itself up, meets the others at [`Ctx::start`], and
    /// loops until [`Ctx::stop`].
    pub run: fn(&mut Ctx<'_>) -> Result<(), Stop>,
}

impl Workload {
    /// What a type need not say: nothing is done around its loop.
    pub const BASE: Self = Self {
        row: &Row::BASE,
        create: |_, _| Ok(()),
        destroy: |_, _| {},
        tend: None,
        run: |_| Ok(()),
    };
}

impl fmt::Debug for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workload").field(&self.row.name).finish()
    }
}

/// When the supervisor tends an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Workers are setting themselves up; comes again and again.
    SetUp,
    /// The loops begin, before the measured window.
    WarmUp,
    /// The measured window begins.
    Measure,
    /// It goes on; comes again and again.
    Look,
    /// All are asked to leave.
    Stop,
    /// A worker of the instance has ended and is not reaped yet.
    Ended,
}
