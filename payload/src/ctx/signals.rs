//! Signals between the workers of an instance.

use crate::ctx::Ctx;
use crate::kit::cells::Stamp;
use crate::kit::clock::{now, timespec};
use crate::kit::handled::{self, Handled};
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
use crate::row::{Hist, Metric};
use crate::sys::signal::{SIGUSR2, tgkill};
use core::sync::atomic::Ordering::Relaxed;
use rustix::event::poll;
use rustix::io::Errno;

impl Ctx<'_> {
    /// Runs `work` with SIGUSR2 to this task counted in `count`; `hist` gets
    /// the time from `stamp`, if there is one, to its handler. To be entered
    /// before [`Ctx::start`], behind which others send.
    ///
    /// # Errors
    ///
    /// The handler could not be set up, or `work` failed.
    pub fn with_signals(
        &mut self,
        stamp: &Stamp,
        hist: &Hist,
        count: &Metric,
        work: impl FnOnce(&mut Self) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let given = self.given;
        let handled = Handled {
            stamp,
            hist: &given.hists[hist.at()],
            alarm: given.alarm,
            count: &given.slot.metrics[count.at()],
        };
        handled::scope(&handled, || work(self)).call(Op::Sigaction.name())?
    }

    /// Sends SIGUSR2 to the worker at position `pos` of this instance;
    /// whether it was still there.
    pub fn signal(&self, pos: u32) -> bool {
        let at = (pos * self.given.lanes) as usize;
        let Some(slot) = self.given.instance.slots.get(at) else {
            return false;
        };
        let (pid, tid) = (slot.pid.load(Relaxed), slot.tid.load(Relaxed));
        self.tried(Op::Tgkill);
        match tgkill(pid, tid, SIGUSR2) {
            Ok(()) => true,
            Err(Errno::SRCH) => false,
            Err(errno) => {
                self.failed(Op::Tgkill, errno);
                false
            }
        }
    }

    /// `ppoll` of nothing for `timeout_ns`, or until a signal.
    pub fn ppoll(&mut self, timeout_ns: u64) {
        let result = poll(&mut [], Some(&timespec(timeout_ns)));
        self.resumed_at(now());
        match result {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => self.failed(Op::Ppoll, errno),
        }
    }
}
