//! Children of a worker: forked, and waited for.

use crate::ctx::Ctx;
use crate::kit::cells::Stamp;
use crate::kit::clock::now;
use crate::kit::op::Op;
use crate::sys::process;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

impl Ctx<'_> {
    /// Forks a child that writes the time of its first instruction into
    /// `born` and exits. `None` if the fork failed, which is counted.
    pub fn fork_exit(&self, born: &Stamp) -> Option<Pid> {
        self.tried(Op::Clone);
        match process::fork() {
            Ok(Some(child)) => Some(child),
            Ok(None) => {
                born.set(now());
                process::exit_group(0)
            }
            Err(errno) => {
                self.failed(Op::Clone, errno);
                None
            }
        }
    }

    /// Waits for that child, which the stop ends; whether it was reaped.
    pub fn reap(&mut self, child: Pid) -> bool {
        self.tried(Op::Wait4);
        loop {
            let result = process::reap(child, false);
            self.resumed_at(now());
            match result {
                Ok(_) => return true,
                Err(Errno::INTR) if self.stop() => {
                    // One that is gone already is as good.
                    let _gone = kill_process(child, Signal::KILL);
                }
                Err(Errno::INTR) => {}
                Err(errno) => {
                    self.failed(Op::Wait4, errno);
                    return false;
                }
            }
        }
    }
}
