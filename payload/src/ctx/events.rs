//! Event counters and epoll sets, which a row's `create` has opened.

use crate::ctx::{Ctx, MAX_BLOCK_NS, Wakeup};
use crate::kit::clock::{now, timespec};
use crate::kit::slot::Op;
use crate::workload::{CallExt, Stop};
use rustix::event::epoll::{self, Event, EventData, EventFlags};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;

impl Ctx<'_> {
    /// Adds one event to a counter.
    ///
    /// # Errors
    ///
    /// The write failed.
    pub fn eventfd_write(&self, eventfd: BorrowedFd<'_>) -> Result<(), Stop> {
        let one = 1_u64.to_ne_bytes();
        rustix::io::write(eventfd, &one)
            .map(drop)
            .call(Op::Write.name())
    }

    /// Takes all events of a counter that does not block. `None` if another
    /// task was faster.
    ///
    /// # Errors
    ///
    /// The read failed.
    pub fn eventfd_read(
        &self,
        eventfd: BorrowedFd<'_>,
    ) -> Result<Option<u64>, Stop> {
        let mut events = [0; 8];
        match rustix::io::read(eventfd, &mut events) {
            Ok(_) => Ok(Some(u64::from_ne_bytes(events))),
            Err(Errno::AGAIN) => Ok(None),
            Err(errno) => Err(errno).call(Op::Read.name()),
        }
    }

    /// Waits for one event of an epoll set. `None` if a signal, or the bound
    /// on every wait, came first.
    ///
    /// # Errors
    ///
    /// The wait failed.
    pub fn epoll_wait(
        &mut self,
        epoll: BorrowedFd<'_>,
    ) -> Result<Option<Wakeup>, Stop> {
        let mut event = [Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }];
        let bound = timespec(MAX_BLOCK_NS);
        let block_ns = Some(now());
        let result = epoll::wait(epoll, &mut event, Some(&bound));
        let run_ns = now();
        self.resumed_at(run_ns);
        match result {
            Ok(0) | Err(Errno::INTR) => Ok(None),
            Ok(_) => Ok(Some(Wakeup { block_ns, run_ns })),
            Err(errno) => Err(errno).call(Op::EpollWait.name()),
        }
    }
}
