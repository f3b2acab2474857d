//! A worker that becomes another program.

use super::{Ctx, effective};
use crate::kit::op::Op;
use crate::kit::slot::State;
use crate::kit::stop::{Stop, ThinStr};
use crate::kit::text::{entry, read_file};
use crate::sys;
use crate::sys::signal::{self, Disposition};
use core::fmt::{self, Write};
use core::sync::atomic::{Ordering::SeqCst, fence};
use heapless::String;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::{Errno, fcntl_dupfd_cloexec};

/// Version of the contract.
pub const ABI: u32 = 1;

/// Most bytes of a command, and of an environment.
const TEXTS: usize = 4096;

const OVER: ThinStr = &"FAIL(no_progress): the run was over before it began";

/// What a worker becomes, and what it is given.
#[derive(Debug)]
pub struct Program<'p, A> {
    /// Where it is.
    pub path: &'p str,
    /// Its arguments.
    pub args: A,
    /// Files, by the number that they get: 3 and up.
    pub files: [Option<BorrowedFd<'p>>; 3],
    /// It sets itself up before the start, and says when it has; else the
    /// worker meets the others and becomes the program at the start.
    pub before_start: bool,
}

impl Ctx<'_> {
    /// Becomes a program: returns only if that failed, or if the stop came
    /// first.
    pub fn exec<'p, A>(&mut self, program: Program<'p, A>) -> Stop
    where
        A: Iterator<Item = &'p str>,
    {
        self.try_exec(program).unwrap_or_else(|(call, errno)| {
            let call = call.name();
            Stop::broken(call, errno)
        })
    }

    fn try_exec<'p, A>(
        &mut self,
        program: Program<'p, A>,
    ) -> Result<Stop, (Op, Errno)>
    where
        A: Iterator<Item = &'p str>,
    {
        let too_big = |_| (Op::Execve, Errno::TOOBIG);
        let mut command: String<TEXTS> = String::new();
        write!(command, "{}\0", program.path).map_err(too_big)?;
        for arg in program.args {
            write!(command, "{arg}\0").map_err(too_big)?;
        }
        let mut environment: String<TEXTS> = String::new();
        self.environment(&mut environment).map_err(too_big)?;
        for (number, file) in (3..).zip(program.files) {
            // By way of a number that no other file is to have: they may
            // stand in each other's place.
            if let Some(file) = file {
                let high = fcntl_dupfd_cloexec(file, 64);
                high.and_then(|high| sys::exec::place(high.as_fd(), number))
                    .map_err(|errno| (Op::Open, errno))?;
            }
        }
        // Handlers go with the program that had them; what is ignored would
        // stay so.
        for signal in [signal::SIGPIPE, signal::SIGINT] {
            signal::set_signal(signal, Disposition::Default)
                .map_err(|errno| (Op::Sigaction, errno))?;
        }
        match program.before_start {
            true => effective(self.given.slot, self.given.sched_ext),
            false => self.start(),
        }
        self.given.slot.set_state(State::Replaced);
        // Either the supervisor sees this state and sends no stop signal,
        // which would kill the program, or the stop is seen here.
        fence(SeqCst);
        if self.stop() {
            return Ok(Stop::fail(OVER));
        }
        Err((Op::Execve, sys::exec::execve(&command, &environment)))
    }

    fn environment(&self, text: &mut dyn Write) -> fmt::Result {
        let given = &self.given;
        let mut buf = [0; 512];
        let cgroup = read_file("/proc/self/cgroup", &mut buf).unwrap_or("");
        let cgroup = cgroup.lines().find_map(|line| line.strip_prefix("0::"));
        let entries: [(&str, &dyn fmt::Display); 9] = [
            ("PIDONE_ABI", &ABI),
            ("PIDONE_GROUP", &given.group),
            ("PIDONE_INDEX", &given.index),
            ("PIDONE_POS", &given.pos),
            ("PIDONE_WORKERS", &given.workers),
            ("PIDONE_DURATION_NS", &given.time_ns),
            ("PIDONE_SEED", &given.seed),
            ("PIDONE_CPUS", &self.allowed()),
            ("PIDONE_CGROUP", &cgroup.unwrap_or("")),
        ];
        for (key, value) in entries {
            entry(text, key, value, "\0")?;
        }
        text.write_str("PIDONE_CTL_FD=3\0PIDONE_REPORT_FD=4\0")
    }
}
