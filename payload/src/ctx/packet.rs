//! Sending frames and receiving what comes back.

use super::Ctx;
use crate::ctx::nic::{Frame, Way, id};
use crate::kit::clock::{now, realtime};
use crate::kit::op::Op;
use crate::kit::stop::Stop;
use crate::row::{Hist, Metric, Param};
use crate::sys::packet::{Received, receive};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

impl Ctx<'_> {
    /// Between which interfaces frames go.
    #[must_use]
    pub fn way(&self) -> Way {
        Way::of(&self.given.instance)
    }

    /// Tells the frames of this instance from those of all others.
    #[must_use]
    pub fn frame_id(&self) -> u32 {
        id(self.given.group, self.given.index / self.given.size.max(1))
    }

    /// Sends frames until the stop: `bytes` long, with a pause of so many µs.
    /// Each that is accepted is a work unit. With `call` every attempt is an
    /// iteration and its duration a sample; otherwise frames are iterations.
    ///
    /// # Errors
    ///
    /// There is no socket to be had.
    pub fn send_frames(
        &mut self,
        (interval, bytes): (&Param, &Param),
        call: Option<&Hist>,
        overruns: &Metric,
    ) -> Result<(), Stop> {
        let way = self.way();
        let socket = way.sender()?;
        let bytes = usize::try_from(self.work().count(bytes)).unwrap_or(0);
        let mut frame = Frame::new(&way, self.frame_id(), bytes);
        let interval = self.work().count(interval) * 1000;
        self.start();
        let mut number = 0;
        let mut next = now();
        while !self.stop() {
            number += 1;
            frame.stamp(number, realtime());
            self.tried(Op::Sendto);
            let begin = now();
            let sent = frame.send(&socket);
            let end = now();
            if let Some(call) = call {
                self.record(call, end - begin);
            }
            if sent.is_ok() {
                self.units(1);
            }
            if sent.is_ok() || call.is_some() {
                self.iteration_at(end);
            }
            if let Err(errno) = sent {
                self.failed(Op::Sendto, errno);
            }
            next = self.sleep_period(next, interval, None, overruns);
        }
        Ok(())
    }

    /// Waits for a frame, and says whether it slept. `None` if none came
    /// before a signal.
    pub fn receive_frame(
        &mut self,
        socket: &OwnedFd,
        buf: &mut [u8],
    ) -> Option<(Received, bool)> {
        self.tried(Op::Recvmsg);
        self.switches.before(0);
        let received = receive(socket.as_fd(), buf);
        self.resumed_at(now());
        let slept = self.switches.grew();
        match received {
            Ok(received) => Some((received, slept)),
            Err(Errno::AGAIN | Errno::INTR) => None,
            Err(errno) => {
                self.failed(Op::Recvmsg, errno);
                None
            }
        }
    }
}
