//! Runners: programs of others that boot an image wherever they like.
//!
//! What one is given and what it gives back is in `docs/runners.md`. Here one
//! is started in a place of its pool, and stopped when its machine is done.
//! One is built in: a board on a serial line.

mod ending;
mod pool;
mod serial;

pub use self::pool::Place;

use self::ending::Ending;
use self::serial::{Board, Given, Serial};
use crate::machine::{Ended, Machine, Running};
use crate::{interrupt, noise, store, tools};
use anyhow::{Context, Result, bail};
use command_fds::{CommandFdExt, FdMapping};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

/// The descriptor that a runner may write records to.
const RECORDS: i32 = 3;
/// The exit code of trouble that is the lab's, `EX_TEMPFAIL` of sysexits(3).
const TROUBLE: i32 = 75;
/// How long a runner may take to end when it is told to.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often `/proc` is asked for its processes.
const EVERY: Duration = Duration::from_secs(1);
/// Where a runner may leave files of its own, below the directory of a boot.
const OWN: &str = "runner";

/// A runner as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runner {
    text: String,
    words: Vec<String>,
    /// The line, if it is the one that is built in.
    serial: Option<Serial>,
}

impl FromStr for Runner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let words = shlex::split(text).unwrap_or_default();
        let serial = Serial::parse(&words).transpose()?;
        match words.first().is_some_and(|program| !program.is_empty()) {
            true => Ok(Self {
                text: text.to_owned(),
                words,
                serial,
            }),
            false => Err(format!(
                "`{text}` is no command: a program and its arguments, between \
                 quotes what has a space, and every quote closed"
            )),
        }
    }
}

impl fmt::Display for Runner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Runner {
    /// Refuses a runner whose program is not there.
    ///
    /// # Errors
    ///
    /// It is not.
    pub fn check(&self) -> Result<()> {
        let all = match &self.serial {
            Some(serial) => serial.check(),
            None => is_there(&self.words[0]),
        };
        all.with_context(|| format!("--runner {self}"))
    }

    /// Starts it in a place of its pool, for a machine that is stopped after
    /// `limit` at the latest.
    ///
    /// # Errors
    ///
    /// It cannot be started.
    pub fn start(
        place: Place,
        machine: &Machine,
        limit: Duration,
    ) -> Result<Box<dyn Running>> {
        let runner = place.runner().clone();
        let own = machine.dir.join(OWN);
        if own.exists() {
            // Of a boot before this one that told nothing.
            fs::remove_dir_all(&own)?;
        }
        fs::create_dir(&own).with_context(|| own.display().to_string())?;
        let log = machine.dir.join(store::RUNNER);
        let (program, args) =
            (&runner.words[0], runner.words.get(1..).unwrap_or_default());
        let absolute = |path: &Path| {
            let found = fs::canonicalize(path);
            let path = found.with_context(|| path.display().to_string())?;
            anyhow::Ok(path.into_os_string())
        };
        let kernel = machine.unpacked.as_ref().unwrap_or(&machine.kernel);
        let env: Vec<(_, OsString)> = vec![
            ("PIDONE_KERNEL", absolute(kernel)?),
            ("PIDONE_INITRD", absolute(&machine.initrd)?),
            ("PIDONE_CMDLINE", machine.command_line().into()),
            ("PIDONE_ARCH", machine.arch.name.into()),
            ("PIDONE_TIMEOUT", limit.as_secs().to_string().into()),
            ("PIDONE_DIR", absolute(&own)?),
        ];
        if let Some(serial) = &runner.serial {
            let given = Given {
                env,
                console: machine.console(),
                log: File::create(&log)?,
                own,
            };
            File::create(machine.records())?;
            return Ok(Box::new(Board::start(serial, place, given)?));
        }
        // It is told to end, since it may have a machine to switch off.
        let mut command = tools::ours(program, "TERM");
        command
            .args(args)
            .envs(env)
            .stdin(Stdio::null())
            .stdout(File::create(machine.console())?)
            .stderr(File::create(&log)?)
            // All of it is ended together.
            .process_group(0)
            .fd_mappings(vec![FdMapping {
                parent_fd: File::create(machine.records())?.into(),
                child_fd: RECORDS,
            }])
            .with_context(|| format!("descriptor {RECORDS}"))?;
        let child = command.spawn();
        let child =
            child.with_context(|| format!("{runner} cannot be started"))?;
        Ok(Box::new(Process {
            child,
            ending: Ending::of(machine.console()),
            log,
            own,
            place,
            tree: (Instant::now(), Vec::new()),
        }))
    }
}

/// A runner that runs.
#[derive(Debug)]
pub struct Process {
    child: Child,
    /// What its console says of the end of its machine.
    ending: Ending,
    /// What it says itself.
    log: PathBuf,
    /// The directory for its own files.
    own: PathBuf,
    place: Place,
    /// When `/proc` was asked for its processes, and those that it had.
    tree: (Instant, Vec<u32>),
}

impl Running for Process {
    fn ended(&mut self) -> Result<Option<Ended>> {
        // Asked before the console is: what comes then is its last.
        let status = self.child.try_wait().context("runner")?;
        let over = self.ending.look()?;
        match status {
            _ if over.is_some_and(|settled| settled) => {
                Ok(Some(Ended::ByItself))
            }
            None => Ok(None),
            // The machine had ended: whatever befell it then is no matter.
            Some(_) if over.is_some() => Ok(Some(Ended::ByItself)),
            Some(status) => {
                let said = fs::read(&self.log).unwrap_or_default();
                let said = String::from_utf8_lossy(&said).into_owned();
                Ok(Some(ended(self.place.runner(), status, &said)))
            }
        }
    }

    fn begun(&self) -> bool {
        self.ending.begun()
    }

    /// Its machine is not to be told from its other processes, nor is one that
    /// is elsewhere: the one that waited longest.
    fn starved(&self) -> Duration {
        let each = self.tree.1.iter().map(|&pid| noise::starved(pid));
        each.max().unwrap_or_default()
    }

    fn stats(&mut self) -> Vec<String> {
        let (asked, known) = &mut self.tree;
        if known.is_empty() || asked.elapsed() > EVERY {
            *known = interrupt::tree(self.child.id()).into_iter().collect();
            *asked = Instant::now();
        }
        let stat = |pid| fs::read_to_string(format!("/proc/{pid}/stat"));
        known.iter().flat_map(stat).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        stop(&mut self.child);
        // It stays if there is something in it.
        let _empty = fs::remove_dir(&self.own);
    }
}

/// Ends a process and all of its group.
fn stop(child: &mut Child) {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let tell = |signal| {
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _gone = kill_process_group(pid, signal);
        }
    };
    if let Ok(None) = child.try_wait() {
        tell(Signal::TERM);
    }
    patiently(child);
    // Nothing of it lives on, not what it had started either.
    tell(Signal::KILL);
    let _reaped = child.wait();
}

/// Waits for the end of a process, for a while.
fn patiently(child: &mut Child) {
    let begin = Instant::now();
    while let Ok(None) = child.try_wait()
        && begin.elapsed() < PATIENCE
    {
        // Polling an external process; nothing is synchronised by it.
        thread::sleep(Duration::from_millis(50));
    }
}

/// Sees to it that a program is there.
fn is_there(program: &str) -> Result<()> {
    let there = match program.contains('/') {
        true => Path::new(program).is_file(),
        false => tools::found(program),
    };
    match there {
        true => Ok(()),
        false => bail!("no program {program}, neither as a path nor in PATH"),
    }
}

/// What is said of trouble that is the lab's.
fn trouble(runner: &Runner, what: &str) -> String {
    format!("trouble in the lab of runner `{runner}`{what}")
}

/// What the status of a runner means whose machine has shown no end, beside
/// what it said.
fn ended(runner: &Runner, status: ExitStatus, said: &str) -> Ended {
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    let last = last.map_or(String::new(), |line| format!(": {}", line.trim()));
    Ended::NoEvidence(match (status.code(), status.signal()) {
        (Some(0), _) => return Ended::ByItself,
        (Some(TROUBLE), _) => trouble(runner, &last),
        (Some(code), _) => format!(
            "runner `{runner}` failed with {code}, which says nothing of the \
             kernel{last}"
        ),
        (None, signal) => format!(
            "runner `{runner}` was ended by signal {}, which says nothing of \
             the kernel{last}",
            signal.unwrap_or_default()
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::{Ended, ExitStatus, Runner, ended};
    use std::os::unix::process::ExitStatusExt;

    #[test]
    fn words_are_those_of_a_shell() {
        let words = |text: &str| text.parse().map(|r: Runner| r.words);
        assert_eq!(
            words("ssh 'my host' sh -c \"boot it\" a\\ b $HOME *").unwrap(),
            ["ssh", "my host", "sh", "-c", "boot it", "a b", "$HOME", "*"]
        );
        for bad in ["", " ", "ssh 'host", "''"] {
            let error = words(bad).unwrap_err();
            assert!(error.contains("is no command"), "{bad}: {error}");
        }
        let none: Runner = "none-such -x".parse().unwrap();
        let error = format!("{:#}", none.check().unwrap_err());
        assert!(error.contains("no program none-such"), "{error}");
        let here: Runner = "sh -c 'exit 0'".parse().unwrap();
        assert!(here.check().is_ok());
    }

    #[test]
    fn statuses_are_told_apart() {
        let runner: Runner = "lab x".parse().unwrap();
        let of = |raw: i32, said: &str| match ended(
            &runner,
            ExitStatus::from_raw(raw),
            said,
        ) {
            Ended::ByItself => "by itself".to_owned(),
            Ended::NoEvidence(why) => why,
            Ended::Failed(why) => panic!("{why}"),
        };
        assert_eq!(of(0, "x"), "by itself");
        assert_eq!(
            of(75 << 8, "a\nno board\n\n"),
            "trouble in the lab of runner `lab x`: no board"
        );
        assert_eq!(
            of(1 << 8, ""),
            "runner `lab x` failed with 1, which says nothing of the kernel"
        );
        assert!(of(9, "").contains("ended by signal 9"));
    }
}
