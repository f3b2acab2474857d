//! What a task does to its own scheduling class and weight.

use crate::ctx::Ctx;
use crate::sys::sched::{self, SchedAttr};
use rustix::io::Errno;
use rustix::process::setpriority_process;

impl Ctx<'_> {
    /// `sched_getattr` of this task.
    ///
    /// # Errors
    ///
    /// None that is known.
    pub fn sched_getattr(&self) -> Result<SchedAttr, Errno> {
        sched::sched_getattr()
    }

    /// `sched_setattr` of this task, with all there is to set.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EBUSY` (deadline admission), `EINVAL` (a policy that the
    /// kernel does not have).
    pub fn sched_setattr_to(&self, attr: SchedAttr) -> Result<(), Errno> {
        sched::sched_setattr(attr)
    }

    /// `setpriority` of this task.
    ///
    /// # Errors
    ///
    /// `EACCES`: a lower value than it has takes `CAP_SYS_NICE`.
    pub fn setpriority(&self, nice: i32) -> Result<(), Errno> {
        // To the kernel, "this process" is the calling thread.
        setpriority_process(None, nice)
    }
}
