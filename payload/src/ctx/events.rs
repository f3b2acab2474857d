//! Event counters and epoll sets, which a row's `create` has opened.

use crate::ctx::Ctx;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::kit::stop::{CallExt, Stop};
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

    /// Waits for one event of an epoll set; whether there was one before a
    /// signal.
    ///
    /// # Errors
    ///
    /// The wait failed.
    pub fn epoll_wait(&mut self, epoll: BorrowedFd<'_>) -> Result<bool, Stop> {
        let mut event = [Event {
            flags: EventFlags::empty(),
            data: EventData::new_u64(0),
        }];
        let result = epoll::wait(epoll, &mut event, None);
        self.resumed_at(now());
        match result {
            Ok(events) => Ok(events > 0),
            Err(Errno::INTR) => Ok(false),
            Err(errno) => Err(errno).call(Op::EpollWait.name()),
        }
    }
}
