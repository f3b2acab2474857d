//! Changing the scheduling class of the task itself.

use crate::attr::Policy;
use crate::ctx::Ctx;
use crate::sys;
use rustix::io::Errno;

impl Ctx<'_> {
    /// Puts this task under `policy`, at the nice value it has.
    ///
    /// # Errors
    ///
    /// `EPERM`, `EBUSY` (deadline admission), `EACCES` (the sched_ext
    /// scheduler will not have it).
    pub fn change_policy(&self, policy: Policy) -> Result<(), Errno> {
        let nice = i8::try_from(sys::sched_getattr()?.nice).ok();
        sys::sched_setattr(policy.attr(nice))
    }
}
