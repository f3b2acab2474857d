//! Stored runs: what came of each boot, in a directory of its own.
//!
//! A run is written beside its place under a name that begins with a dot and
//! renamed when all of it is there, so that neither a full disk nor a kill
//! leaves half a run, and two processes may store at once. What a kill left
//! behind is removed by the next one that stores: the lock on it is gone with
//! the process that held it.

pub mod find;
mod profiles;

pub use self::profiles::PROFILE;

use self::profiles::Profiles;
use crate::build;
use crate::finished::{Cell, FinishedBoot, Meta, name, read_json};
use crate::interrupt;
use crate::model::{Report, hex};
use crate::untrusted::json;
use crate::{program, xdg};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Files of a run.
pub const CONSOLE: &str = "console.log";
/// The second port.
pub const RECORDS: &str = "records.log";
/// The report, as `docs/json.md` has it, without the profiles of its runs.
pub const REPORT: &str = "report.json";
/// What QEMU had to say.
pub const QEMU: &str = "qemu.log";
/// What a runner had to say.
pub const RUNNER: &str = "runner.log";
/// [`Meta`].
pub const META: &str = "meta.json";
/// What begins the name of a run that is not whole.
const PENDING: &str = ".new-";
/// Written to see whether there is room for more.
const ROOM: &str = "room";
/// Held for as long as a run is being written.
const LOCK: &str = "lock";

/// Where runs are stored: where somebody says, or else in the checkout that
/// this program is of, or with the user's data.
///
/// # Errors
///
/// Neither `XDG_DATA_HOME` nor `HOME` is set for a program of no checkout.
pub fn root(asked: Option<&Path>) -> Result<PathBuf> {
    if let Some(asked) = asked {
        return Ok(asked.to_owned());
    }
    if program::current().in_checkout {
        return Ok(build::workspace().join("runs"));
    }
    let data = xdg::dir("XDG_DATA_HOME", ".local/share");
    let data = data.context("set XDG_DATA_HOME to a directory for runs")?;
    Ok(data.join("pidone/runs"))
}

/// Makes sure that a machine could write its logs to their end: one on a full
/// disk seems to fall silent, for which no kernel is to be blamed.
///
/// # Errors
///
/// Nothing more can be written there.
pub fn room(dir: &Path) -> Result<()> {
    let probe = dir.join(ROOM);
    let write = || {
        let mut file = File::create(&probe)?;
        file.write_all(&[0; 16 * 1024])?;
        file.sync_all()
    };
    let written = write();
    let _left = fs::remove_file(&probe);
    written.with_context(|| {
        format!("the logs in {} may be cut short", dir.display())
    })
}

/// SHA-256 of a file.
///
/// # Errors
///
/// It cannot be read.
pub fn sha256(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| shown(path))?;
    Ok(hex(&Sha256::digest(bytes)))
}

/// A run that is being written.
#[derive(Debug)]
pub struct Pending {
    root: PathBuf,
    dir: TempDir,
    lock: File,
}

impl Pending {
    /// Makes room for a run below `root`.
    ///
    /// # Errors
    ///
    /// Nothing can be written there.
    pub fn new(root: &Path) -> Result<Self> {
        let what = || {
            let root = root.display();
            format!("{root} (--no-store boots without storing)")
        };
        fs::create_dir_all(root).with_context(what)?;
        // One at a time: a place whose lock is not yet held looks like one
        // that was left. File systems that cannot lock a directory go without.
        let one = File::open(root).with_context(what)?;
        let held =
            interrupt::hold(&one, "another boot that is being stored there");
        interrupt::check()?;
        let _without = held;
        sweep(root);
        let dir = tempfile::Builder::new()
            .prefix(PENDING)
            .tempdir_in(root)
            .with_context(what)?;
        let lock = File::create(dir.path().join(LOCK)).with_context(what)?;
        lock.lock().with_context(what)?;
        Ok(Self {
            root: root.to_path_buf(),
            dir,
            lock,
        })
    }

    /// Where the machine may write its logs.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes what is left to write and puts the run in its place, which the
    /// boot then knows.
    ///
    /// # Errors
    ///
    /// Something cannot be written; then nothing of the run is left.
    pub fn store(self, boot: &mut FinishedBoot) -> Result<()> {
        let dir = self.dir.path();
        for (name, log) in [(CONSOLE, &boot.console), (RECORDS, &boot.records)]
        {
            // Unless the machine wrote it here.
            if boot.dir != dir {
                write(&dir.join(name), log)?;
            }
        }
        let place = self.place(&boot.meta);
        if place.exists() {
            bail!("{} is there already", place.display());
        }
        let mut meta = boot.meta.clone();
        let (from, to) = (shown(&boot.dir), shown(&place));
        for word in &mut meta.qemu_args {
            *word = word.replace(&from, &to);
        }
        let traces = boot.report.runs.iter().filter_map(|r| r.trace.as_ref());
        for trace in traces {
            write(&dir.join(&trace.file), trace.text.as_bytes())?;
        }
        write_report(dir, &mut boot.report)?;
        write_json(&dir.join(META), &meta)?;
        for quiet in [QEMU, RUNNER].map(|name| dir.join(name)) {
            if fs::metadata(&quiet).is_ok_and(|meta| meta.len() == 0) {
                fs::remove_file(&quiet)?;
            }
        }
        for entry in fs::read_dir(dir)? {
            File::open(entry?.path())?.sync_all()?;
        }
        fs::remove_file(dir.join(LOCK))?;
        fs::rename(dir, &place).with_context(|| shown(&place))?;
        // The directory has left, and nothing of it is to be removed.
        let _gone = self.dir.keep();
        drop(self.lock);
        (boot.dir, boot.meta) = (place, meta);
        Ok(())
    }

    /// A name that nobody else has.
    fn place(&self, meta: &Meta) -> PathBuf {
        // What follows the mark is random, and unique below the root.
        let random = name(self.dir.path()).replace(PENDING, "");
        let time = meta.started.replace(['-', ':'], "");
        self.root.join(format!("{time}-{}-{random}", meta.label))
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Removes what killed processes left behind. What cannot be looked at or
/// removed is left alone.
fn sweep(root: &Path) {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with(PENDING)
            && let Ok(lock) = File::open(path.join(LOCK))
            && lock.try_lock().is_ok()
        {
            let _left = fs::remove_dir_all(&path);
        }
    }
}

/// Writes a report and its profiles, which it has behind it as before, be they
/// written or not.
fn write_report(dir: &Path, report: &mut Report) -> Result<()> {
    let profiles = Profiles::take(report);
    let written = write_json(&dir.join(REPORT), report);
    let Some(profiles) = profiles else {
        return written;
    };
    let written =
        written.and_then(|()| write_json(&dir.join(PROFILE), &profiles));
    profiles.put(report)?;
    written
}

fn write_json(path: &Path, of: &impl Serialize) -> Result<()> {
    write(path, json(of)?.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut f| f.write_all(bytes));
    written.with_context(|| shown(path))
}

/// A run that is stored, of which no more is read than what it was.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRun {
    /// Where.
    pub dir: PathBuf,
    /// What it was.
    pub meta: Meta,
}

impl StoredRun {
    /// The run in a directory.
    ///
    /// # Errors
    ///
    /// It cannot be read, or another release stored it.
    pub fn at(dir: &Path) -> Result<Self> {
        let meta = read_json::<Meta>(&dir.join(META))?.plain();
        let dir = dir.to_path_buf();
        Ok(Self { dir, meta })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.dir)
    }

    /// All of it.
    ///
    /// # Errors
    ///
    /// As those of [`Self::at`].
    pub fn read(&self) -> Result<FinishedBoot> {
        Ok(FinishedBoot {
            report: report(&self.dir)?,
            console: log(&self.dir, CONSOLE)?,
            records: log(&self.dir, RECORDS)?,
            dir: self.dir.clone(),
            meta: self.meta.clone(),
        })
    }
}

/// The report of the run in a directory, as it was judged then.
///
/// # Errors
///
/// It cannot be read, or another release stored it.
pub fn report(dir: &Path) -> Result<Report> {
    let mut report = read_json::<Report>(&dir.join(REPORT))?;
    // Runs of earlier releases have their profiles in it.
    if let Some(profiles) = Profiles::read(dir)? {
        profiles.put(&mut report).with_context(|| shown(dir))?;
    }
    Ok(report.checked())
}

/// What a port said, in a directory of logs.
///
/// # Errors
///
/// It cannot be read.
pub fn log(dir: &Path, name: &str) -> Result<Vec<u8>> {
    let path = dir.join(name);
    fs::read(&path).with_context(|| shown(&path))
}

/// The boots of a matrix that a word names: all of one that was worked off
/// (`matrix-20261105T120000Z`), those of a cell there (with `/NAME` behind
/// it), or those of a cell in the newest that has it (its name alone).
#[must_use]
pub fn of_matrix(word: &str, stored: &[StoredRun]) -> Vec<StoredRun> {
    let cells = stored
        .iter()
        .filter_map(|run| Some((run, run.meta.cell.as_ref()?)));
    let newest = cells.clone().rfind(|(_, cell)| cell.name == word);
    let newest = newest.map(|(_, cell)| cell.matrix.as_str());
    let is = |cell: &Cell| {
        let of = word.strip_prefix(&cell.matrix);
        let name = of.map(|name| name.strip_prefix('/').unwrap_or(name));
        of == Some("")
            || of != name && name == Some(&cell.name)
            || cell.name == word && newest == Some(&cell.matrix)
    };
    cells
        .filter(|(_, cell)| is(cell))
        .map(|(run, _)| run.clone())
        .collect()
}

/// The runs below `root`, oldest first, and what could not be read.
///
/// # Errors
///
/// There is something at `root` that is no directory, or may not be read.
pub fn list(root: &Path) -> Result<(Vec<StoredRun>, Vec<String>)> {
    let (mut runs, mut wrong) = (Vec::new(), Vec::new());
    if !root.exists() {
        return Ok((runs, wrong));
    }
    let entries = fs::read_dir(root).with_context(|| shown(root))?;
    for entry in entries {
        let dir = entry?.path();
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') || !dir.is_dir() {
            continue;
        }
        match StoredRun::at(&dir) {
            Ok(run) => runs.push(run),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    runs.sort_by(|a, b| {
        let key = |run: &StoredRun| (run.meta.started.clone(), run.dir.clone());
        key(a).cmp(&key(b))
    });
    Ok((runs, wrong))
}

#[cfg(test)]
mod tests;
