//! How long a machine is waited for.

use crate::exit::NoEvidence;
use crate::guest_clock::Signs;
use crate::interrupt;
use crate::live::Live;
use crate::machine::{Ended, Running};
use crate::noise::Watch;
use anyhow::{Result, bail};
use core::time::Duration;
use std::thread;
use std::time::Instant;

/// When a machine counts as hung. A busy host makes a machine slow, not
/// silent, so it is its silence that counts, without the time in which it had
/// no CPU of the host; unless told otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    silence: Duration,
    /// From its first byte to its end.
    pub(super) all: Duration,
    /// They are of the machine's own time, not of the clock's.
    own: bool,
}

impl Limits {
    /// As `--timeout` says, or by how long the plan takes.
    pub(super) fn new(all: Option<Duration>, planned: Duration) -> Self {
        match all {
            Some(all) => Self {
                silence: all,
                all,
                own: false,
            },
            None => {
                // Guest time runs slower than ours in a deterministic machine.
                let silence = Duration::from_secs(60) + planned * 4;
                Self {
                    silence,
                    all: silence * 5,
                    own: true,
                }
            }
        }
    }
}

/// A moment of a machine.
#[derive(Debug, Clone, Copy)]
struct Since {
    at: Instant,
    /// How long it had no CPU, until then.
    starved: Duration,
}

impl Since {
    fn now(starved: Duration) -> Self {
        let at = Instant::now();
        Self { at, starved }
    }

    /// How long that is ago in the machine's own time.
    fn ago(&self, now: &Self) -> Duration {
        let clock = now.at.saturating_duration_since(self.at);
        clock.saturating_sub(now.starved.saturating_sub(self.starved))
    }
}

/// How a machine was waited for.
pub(super) struct Waited {
    /// It had to be stopped.
    pub(super) timed_out: bool,
    /// Its signs of life.
    pub(super) signs: Signs,
    /// How long it was ready to run and had no CPU of the host.
    pub(super) starved: Duration,
}

/// Waits for the end.
///
/// # Errors
///
/// The machine failed; or, with [`NoEvidence`], was ended by somebody, or had
/// not begun in time.
pub(super) fn wait(
    vm: &mut dyn Running,
    limits: Limits,
    mut live: Live,
    watch: &mut Watch,
) -> Result<Waited> {
    let mut starved = Duration::ZERO;
    let mut begin = Since::now(starved);
    let mut heard = begin;
    let mut waits = !vm.begun();
    loop {
        interrupt::check()?;
        watch.machine(&vm.stats());
        // Nothing of it is left to ask when it has ended.
        starved = vm.starved().max(starved);
        let waited = |timed_out, live: Live| Waited {
            timed_out,
            signs: live.signs(),
            starved,
        };
        match vm.ended()? {
            None => {}
            Some(Ended::ByItself) => return Ok(waited(false, live)),
            Some(Ended::NoEvidence(why)) => bail!(NoEvidence(why)),
            Some(Ended::Failed(why)) => bail!(why),
        }
        let now = Since::now(match limits.own {
            true => starved,
            false => Duration::ZERO,
        });
        if waits && vm.begun() {
            waits = false;
            (begin, heard) = (now, now);
        }
        if waits && begin.ago(&now) > limits.all {
            let seconds = limits.all.as_secs();
            bail!(NoEvidence(format!(
                "the machine had not begun after {seconds} s, which says \
                 nothing of the kernel"
            )));
        }
        let silent = heard.ago(&now) > limits.silence && !waits;
        if begin.ago(&now) > limits.all || silent {
            return Ok(waited(true, live));
        }
        if live.update() {
            heard = now;
        }
        // Polling an external process; nothing is synchronised by it.
        thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(test)]
mod tests {
    use super::{Duration, Instant, Since};

    #[test]
    fn time_without_a_cpu_is_not_the_machines() {
        let (at, seconds) = (Instant::now(), Duration::from_secs);
        let began = Since {
            at,
            starved: seconds(2),
        };
        let of = |clock, starved| {
            let (at, starved) = (at + seconds(clock), seconds(starved));
            began.ago(&Since { at, starved })
        };
        assert_eq!(of(60, 2), seconds(60));
        assert_eq!(of(60, 52), seconds(10));
        // Several threads may wait at once, and the longest of them counts.
        assert_eq!(of(60, 99), seconds(0));
    }
}
