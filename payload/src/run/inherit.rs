//! What a task of a run is given in place of what it would inherit.
//!
//! A task begins as a copy of whoever made it, and the supervisor is no
//! ordinary task: it is real-time, which on newer kernels leaves it without
//! timer slack, it blocks signals, and as a plain process it is what its
//! caller made of it. What is given instead, and what is kept, is listed in
//! `docs/plan.md`.

use crate::kit::op::Op;
use crate::kit::text::{read_file, signed, write_file};
use crate::sys::process::die_with;
use crate::sys::signal::{self, Disposition};
use core::num::NonZeroU64;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::process::{
    Pid, Resource, Rlimit, getpid, getrlimit, setrlimit, umask,
};
use rustix::thread::{current_timer_slack, set_current_timer_slack};

/// A step of the set-up that failed.
pub type Step = (Op, Errno);

/// The slack of a fair task that nobody has changed (`init_task`).
const USUAL_SLACK_NS: u64 = 50_000;
const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// Limits that would end or refuse what a plan asks for. A process may raise
/// its own to the hard ones.
const LIMITS: &[Resource] = &[
    Resource::Cpu,
    Resource::Fsize,
    Resource::Data,
    Resource::As,
    Resource::Nproc,
    Resource::Memlock,
    Resource::Locks,
    Resource::Sigpending,
    Resource::Msgqueue,
    Resource::Nice,
    Resource::Rtprio,
    Resource::Rttime,
];

/// What all tasks of all runs are given.
#[derive(Debug, Clone, Copy)]
pub struct Inheritance {
    /// Timer slack, in ns.
    slack_ns: Option<NonZeroU64>,
    /// Signals that the supervisor found ignored, a bit each.
    ignored: u64,
    /// The supervisor, where it can be killed.
    supervisor: Option<Pid>,
}

impl Inheritance {
    /// Looks at the supervisor before it becomes real-time, and sets what
    /// tasks are to inherit of it.
    #[must_use]
    pub fn settle() -> Self {
        let ignored = signal::ignored_signals();
        // Ignored, children would vanish without an exit status.
        let _always = signal::set_signal(signal::SIGCHLD, Disposition::Default);
        umask(Mode::WGRP | Mode::WOTH);
        for &limit in LIMITS {
            raise(limit);
        }
        // A dump of a worker would take time from the others.
        let maximum = getrlimit(Resource::Core).maximum;
        let current = Some(0);
        let _lowered = setrlimit(Resource::Core, Rlimit { current, maximum });
        let mut buf = [0; 16];
        let score = read_file(OOM_SCORE, &mut buf);
        if score.and_then(|text| signed(text.trim_ascii())) != Some(0) {
            // One that may not be changed is the caller's.
            let _kept = write_file(OOM_SCORE, "0");
        }
        let own = getpid();
        let slack = current_timer_slack().ok().and_then(NonZeroU64::new);
        Self {
            // Whoever was started by a real-time task has none.
            slack_ns: slack.or(NonZeroU64::new(USUAL_SLACK_NS)),
            ignored,
            supervisor: (!own.is_init()).then_some(own),
        }
    }

    /// What a process is given, right behind its fork.
    ///
    /// # Errors
    ///
    /// The call that failed.
    pub fn process(&self) -> Result<(), Step> {
        self.mortal()?;
        let set = |signal, what| {
            signal::set_signal(signal, what).map_err(|e| (Op::Sigaction, e))
        };
        for signal in 1..=u64::BITS {
            if self.ignored >> (signal - 1) & 1 == 1 {
                set(signal, Disposition::Default)?;
            }
        }
        set(signal::SIGUSR1, Disposition::Interrupt)?;
        // A partner that is gone is EPIPE, not death.
        set(signal::SIGPIPE, Disposition::Ignore)?;
        set(signal::SIGINT, Disposition::Ignore)?;
        signal::unblock_all_signals();
        Ok(())
    }

    /// What each task is given, threads included. A policy that is set later
    /// may take it away again.
    ///
    /// # Errors
    ///
    /// The call that failed.
    pub fn task(&self) -> Result<(), Step> {
        set_current_timer_slack(self.slack_ns).map_err(|e| (Op::Prctl, e))
    }

    /// Has the calling process die with the supervisor. A change of user
    /// takes it away, so that it is asked for again.
    ///
    /// # Errors
    ///
    /// The call that failed.
    pub fn mortal(&self) -> Result<(), Step> {
        match self.supervisor {
            Some(supervisor) => {
                die_with(supervisor).map_err(|e| (Op::Prctl, e))
            }
            None => Ok(()),
        }
    }
}

/// Raises a limit as far as this process may without a privilege.
fn raise(resource: Resource) {
    let maximum = getrlimit(resource).maximum;
    let current = maximum;
    // It is always allowed.
    let _raised = setrlimit(resource, Rlimit { current, maximum });
}
