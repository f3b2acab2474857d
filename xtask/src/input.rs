//! What came of a boot, from wherever it was kept: a log, a directory of
//! logs, a stored run, standard input.

use crate::decode::Boot;
use crate::store::{self, Meta};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{IsTerminal, Read};
use std::path::Path;

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
        if name == "-" {
            let mut log = Vec::new();
            if std::io::stdin().is_terminal() {
                eprintln!("a log is read from the terminal, up to Ctrl-D");
            }
            std::io::stdin()
                .read_to_end(&mut log)
                .context("standard input")?;
            return Ok(of_log(log));
        }
        let path = Path::new(name);
        if !path.is_dir() {
            let log = fs::read(path).with_context(|| name.to_owned())?;
            return Ok(of_log(log));
        }
        let port = |name: &str| {
            let path = path.join(name);
            fs::read(&path).with_context(|| path.display().to_string())
        };
        let ports = vec![port(store::CONSOLE)?, port(store::RECORDS)?];
        // Logs that `--logs` kept come without it.
        let meta = match path.join(store::META).exists() {
            true => Some(store::meta(path)?),
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
