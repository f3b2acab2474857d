//! What came of a boot, from wherever it was kept: a log, a directory of
//! logs, a stored run, standard input.

use crate::decode::Boot;
use crate::finished::Meta;
use crate::interrupt;
use crate::store::{self, StoredRun};
use crate::usage::STDIN;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;

/// What was kept of a boot.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// The ports of the machine, the console first.
    pub ports: Vec<Vec<u8>>,
    /// What it was made of, if it is a stored run.
    pub meta: Option<Meta>,
}

impl Input {
    /// Reads a file, a directory, or for `-` standard input.
    ///
    /// # Errors
    ///
    /// It is not there, or cannot be read.
    pub fn read(name: &str) -> Result<Self> {
        let of_log = |log| Self {
            ports: vec![log],
            meta: None,
        };
        // The command line has it as a file.
        let stdin = ["-", STDIN].contains(&name);
        if stdin && std::io::stdin().is_terminal() {
            eprintln!("a log is read from the terminal, up to Ctrl-D");
        }
        let path = Path::new(name);
        if !path.is_dir() {
            let path = if stdin { Path::new(STDIN) } else { path };
            let log = whole(path).with_context(|| name.to_owned())?;
            return Ok(of_log(log));
        }
        let port = |name: &str| store::log(path, name);
        let ports = vec![port(store::CONSOLE)?, port(store::RECORDS)?];
        // Logs that `--logs` kept come without it.
        let meta = match path.join(store::META).exists() {
            true => Some(StoredRun::at(path)?.meta),
            false => None,
        };
        Ok(Self { ports, meta })
    }

    /// The machine was stopped because its time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.meta.as_ref().is_some_and(|meta| meta.timed_out)
    }

    /// All that its ports said.
    #[must_use]
    pub fn ports(&self) -> Vec<&[u8]> {
        self.ports.iter().map(Vec::as_slice).collect()
    }
}

/// All of a file. A pipe or a terminal may never end, and a signal ends the
/// wait.
fn whole(path: &Path) -> Result<Vec<u8>> {
    let (sender, receiver) = channel();
    let path = path.to_path_buf();
    // Nobody waits for it any more after a signal.
    thread::spawn(move || sender.send(fs::read(path)).is_ok());
    loop {
        interrupt::check()?;
        match receiver.recv_timeout(Duration::from_millis(100)) {
            Err(RecvTimeoutError::Timeout) => {}
            read => return Ok(read??),
        }
    }
}

/// One boot of those in a log: the last unless a number, from 1, is given.
///
/// # Errors
///
/// There is no such boot.
pub fn choose(boots: &[Boot], number: Option<usize>) -> Result<&Boot> {
    let all = boots.len();
    if number.is_none() && all > 1 {
        eprintln!("boot {all} of {all}; --boot has the others");
    }
    let at = number.unwrap_or(all).checked_sub(1);
    match at.and_then(|at| boots.get(at)) {
        Some(boot) => Ok(boot),
        None => bail!("no such boot; the log has {all}, from 1"),
    }
}
