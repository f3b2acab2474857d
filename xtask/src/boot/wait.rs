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
/// silent, so it is its silence that counts, unless told otherwise.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    silence: Duration,
    /// From its first byte to its end.
    pub(super) all: Duration,
}

impl Limits {
    /// As `--timeout` says, or by how long the plan takes.
    pub(super) fn new(all: Option<Duration>, planned: Duration) -> Self {
        match all {
            Some(all) => Self { silence: all, all },
            None => {
                // Guest time runs slower than ours in a deterministic machine.
                let silence = Duration::from_secs(60) + planned * 4;
                Self {
                    silence,
                    all: silence * 5,
                }
            }
        }
    }
}

/// Waits for the end; whether the machine had to be stopped, and its signs of
/// life.
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
) -> Result<(bool, Signs)> {
    let mut begin = Instant::now();
    let mut heard = begin;
    let mut waits = !vm.begun();
    loop {
        interrupt::check()?;
        watch.machine(&vm.stats());
        match vm.ended()? {
            None => {}
            Some(Ended::ByItself) => return Ok((false, live.signs())),
            Some(Ended::NoEvidence(why)) => bail!(NoEvidence(why)),
            Some(Ended::Failed(why)) => bail!(why),
        }
        if waits && vm.begun() {
            waits = false;
            (begin, heard) = (Instant::now(), Instant::now());
        }
        if waits && begin.elapsed() > limits.all {
            let seconds = limits.all.as_secs();
            bail!(NoEvidence(format!(
                "the machine had not begun after {seconds} s, which says \
                 nothing of the kernel"
            )));
        }
        let silent = heard.elapsed() > limits.silence && !waits;
        if begin.elapsed() > limits.all || silent {
            return Ok((true, live.signs()));
        }
        if live.update() {
            heard = Instant::now();
        }
        // Polling an external process; nothing is synchronised by it.
        thread::sleep(Duration::from_millis(50));
    }
}
