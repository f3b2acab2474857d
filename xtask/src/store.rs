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
use jiff::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
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

/// The time in UTC, as the names of runs begin.
#[must_use]
pub fn now() -> String {
    utc(SystemTime::now(), "%Y%m%dT%H%M%SZ")
}

/// A moment, RFC 3339 in UTC.
#[must_use]
pub fn rfc3339(moment: SystemTime) -> String {
    utc(moment, "%Y-%m-%dT%H:%M:%SZ")
}

/// A moment in UTC, as that form has it, to the second.
fn utc(moment: SystemTime, form: &str) -> String {
    let moment = Timestamp::try_from(moment).unwrap_or_default();
    moment.strftime(form).to_string()
}

#[cfg(test)]
mod tests {
    use super::{
        CONSOLE, Cell, FinishedBoot, META, Meta, PROFILE, Pending, RECORDS,
        REPORT, ROOM, Report, StoredRun, json, list, of_matrix, rfc3339, room,
    };
    use crate::finished::SCHEMA;
    use crate::metrics::{self, Metric, RunMetrics};
    use crate::model::profile::Profile;
    use crate::testing;
    use core::time::Duration;
    use serde_json::Value;
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::UNIX_EPOCH;

    /// A boot whose logs were written elsewhere.
    fn boot() -> FinishedBoot {
        let dir = PathBuf::from("/logs");
        let path = dir.join(CONSOLE).display().to_string();
        FinishedBoot {
            dir,
            meta: Meta {
                schema: SCHEMA,
                started: "2026-11-05T12:00:00Z".to_owned(),
                label: "PipeIo".to_owned(),
                qemu_args: vec![format!("path={path}")],
                ..Meta::default()
            },
            report: Report {
                schema: SCHEMA,
                ..Report::default()
            },
            console: b"Linux version 6.1 x\n".to_vec(),
            records: b"records".to_vec(),
        }
    }

    fn stored(root: &Path) -> PathBuf {
        let mut boot = boot();
        let pending = Pending::new(root).unwrap();
        pending.store(&mut boot).unwrap();
        boot.dir
    }

    fn entries(root: &Path) -> usize {
        fs::read_dir(root).unwrap().count()
    }

    #[test]
    fn a_run_is_there_as_a_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("runs");
        let mut boot = boot();
        let pending = Pending::new(&root).unwrap();
        assert_eq!(list(&root).unwrap().0, []);
        pending.store(&mut boot).unwrap();
        let mut names: Vec<_> = fs::read_dir(&boot.dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [CONSOLE, META, RECORDS, REPORT]);
        let name = boot.name();
        assert!(name.starts_with("20261105T120000Z-PipeIo-"), "{name}");
        let (runs, wrong) = list(&root).unwrap();
        assert_eq!((runs.len(), wrong.len()), (1, 0));
        // What is read is what was written, with the logs where they are.
        let read = runs[0].read().unwrap();
        assert_eq!((&read.dir, &read.meta), (&boot.dir, &boot.meta));
        assert_eq!(read.console, boot.console);
        assert_eq!(read.records, boot.records);
        let console = boot.dir.join(CONSOLE).display().to_string();
        assert_eq!(read.meta.qemu_args, [format!("path={console}")]);
    }

    #[test]
    fn a_run_of_another_schema_is_named_with_both() {
        let root = tempfile::tempdir().unwrap();
        for (file, of) in [(META, "meta"), (REPORT, "report")] {
            let path = stored(root.path()).join(file);
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace("\"schema\": 1", "\"schema\": 2");
            fs::write(&path, text).unwrap();
            let run = StoredRun::at(path.parent().unwrap());
            let error = run.and_then(|run| run.read()).unwrap_err();
            let said = format!("{error:#}");
            let why = "schema 2; this release knows schema 1";
            assert!(said.ends_with(why) && said.contains(of), "{said}");
        }
        let (runs, wrong) = list(root.path()).unwrap();
        assert_eq!((runs.len(), wrong.len()), (1, 1));
        assert!(wrong[0].contains("schema 2; this release"), "{wrong:?}");
    }

    #[test]
    fn profiles_have_a_file_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        let mut boot = boot();
        boot.report = testing::report();
        let profile = Some(Profile {
            iterations: 3,
            instructions: 5,
            functions: Vec::new(),
        });
        boot.report.runs[0].profile.clone_from(&profile);
        let whole = json(&boot.report).unwrap();
        let new = Pending::new(root.path()).unwrap();
        new.store(&mut boot).unwrap();
        assert_eq!(boot.report.runs[0].profile, profile);
        let [report, profiles] =
            [REPORT, PROFILE].map(|name| boot.dir.join(name));
        let text = fs::read_to_string(&report).unwrap();
        assert!(!text.contains("instructions"), "{text}");
        let read = || StoredRun::at(&boot.dir).unwrap().read();
        let of_first = || read().unwrap().report.runs.remove(0).profile;
        assert_eq!(of_first(), profile);
        let text = fs::read_to_string(&profiles).unwrap();
        for (old, new, why) in [
            (
                "\"schema\": 1",
                "\"schema\": 2",
                "this release knows schema 1",
            ),
            (
                "\"name\": \"",
                "\"name\": \"x",
                "profile.json is of other runs",
            ),
        ] {
            fs::write(&profiles, text.replacen(old, new, 1)).unwrap();
            let error = format!("{:#}", read().unwrap_err());
            assert!(error.contains(why), "{error}");
        }
        // As earlier releases had it.
        fs::remove_file(profiles).unwrap();
        assert_eq!(of_first(), None);
        fs::write(report, whole).unwrap();
        assert_eq!(of_first(), profile);
    }

    /// What joined since is absent, and all else is what it was.
    #[test]
    fn a_run_of_an_earlier_release_is_read() {
        const JOINED: [&str; 16] = [
            "arch",
            "boot_warnings",
            "boots",
            "config_sha256",
            "counted",
            "hist",
            "imported",
            "p20_ns",
            "profile",
            "runner",
            "sampled",
            "scx",
            "set",
            "stale",
            "timer_slack_ns",
            "trace",
        ];
        let root = tempfile::tempdir().unwrap();
        let mut boot = boot();
        boot.report = testing::report();
        let new = Pending::new(root.path()).unwrap();
        new.store(&mut boot).unwrap();
        for file in [META, REPORT] {
            let path = boot.dir.join(file);
            let text = fs::read_to_string(&path).unwrap();
            let mut json: Value = serde_json::from_str(&text).unwrap();
            forget(&mut json, &JOINED);
            fs::write(&path, json.to_string()).unwrap();
        }
        let old = StoredRun::at(&boot.dir).unwrap().read().unwrap();
        assert_eq!(old.meta.started, boot.meta.started);
        let metrics = metrics::of_report(&old.report);
        let known = |of: &[RunMetrics]| -> Vec<Metric> {
            let all = of.iter().flat_map(|run| run.metrics.clone());
            all.filter(|metric| metric.name != "stale").collect()
        };
        assert_eq!(known(&metrics), known(&metrics::of_report(&boot.report)));
    }

    /// Takes those fields out of it, wherever they are; histograms of groups
    /// were there from the start.
    fn forget(json: &mut Value, fields: &[&str]) {
        match json {
            Value::Object(map) => {
                let group = map.contains_key("work");
                map.retain(|name, _| {
                    !fields.contains(&name.as_str()) || group && name == "hist"
                });
                map.values_mut().for_each(|value| forget(value, fields));
            }
            Value::Array(all) => {
                all.iter_mut().for_each(|value| forget(value, fields));
            }
            _ => {}
        }
    }

    /// A full disk, for what is written there under that name.
    fn full(dir: &Path, name: &str) {
        std::os::unix::fs::symlink("/dev/full", dir.join(name)).unwrap();
    }

    #[test]
    fn a_full_disk_leaves_nothing_and_is_said() {
        let root = tempfile::tempdir().unwrap();
        let logs = tempfile::tempdir().unwrap();
        for name in [CONSOLE, RECORDS, REPORT, META] {
            let pending = Pending::new(root.path()).unwrap();
            full(pending.dir(), name);
            let error = pending.store(&mut boot()).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains("No space left"), "{name}: {said}");
            assert_eq!(entries(root.path()), 0, "{name}");
        }
        // Logs that the machine wrote itself are not written again.
        assert!(room(logs.path()).is_ok());
        assert_eq!(entries(logs.path()), 0);
        full(logs.path(), ROOM);
        let said = format!("{:#}", room(logs.path()).unwrap_err());
        assert!(said.contains("cut short: No space left"), "{said}");
        assert_eq!(entries(logs.path()), 0);
    }

    #[test]
    fn what_a_kill_left_is_swept_and_what_is_alive_is_not() {
        let root = tempfile::tempdir().unwrap();
        let killed = Pending::new(root.path()).unwrap();
        // As a kill does: the lock goes and the directory stays.
        let left = killed.dir.keep();
        drop(killed.lock);
        let alive = Pending::new(root.path()).unwrap();
        assert!(!left.exists());
        let other = Pending::new(root.path()).unwrap();
        assert!(alive.dir().exists() && other.dir().exists());
        drop((alive, other));
        assert_eq!(entries(root.path()), 0);
    }

    #[test]
    fn runs_stored_at_once_have_places_of_their_own() {
        let root = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| stored(root.path()));
            }
        });
        assert_eq!(list(root.path()).unwrap().0.len(), 8);
    }

    #[test]
    fn boots_of_a_matrix_have_names() {
        let of = |matrix: &str, name: &str| StoredRun {
            dir: PathBuf::from(format!("{matrix}/{name}")),
            meta: Meta {
                cell: Some(Cell {
                    matrix: matrix.to_owned(),
                    name: name.to_owned(),
                    ..Cell::default()
                }),
                ..Meta::default()
            },
        };
        let mut stored =
            vec![of("m-1", "a/b/c"), of("m-1", "a/b/d"), of("m-12", "a/b/c")];
        stored.push(StoredRun {
            dir: "x".into(),
            meta: Meta::default(),
        });
        for (word, expected) in [
            ("m-1", &["m-1/a/b/c", "m-1/a/b/d"][..]),
            ("m-12", &["m-12/a/b/c"]),
            ("m-1/a/b/c", &["m-1/a/b/c"]),
            // The newest that has it.
            ("a/b/c", &["m-12/a/b/c"]),
            ("a/b/d", &["m-1/a/b/d"]),
            ("m-1a/b/c", &[]),
            ("a/b", &[]),
            ("", &[]),
        ] {
            let found = of_matrix(word, &stored);
            let dirs: Vec<_> = found.iter().map(|run| &run.dir).collect();
            let expected: Vec<_> = expected.iter().map(Path::new).collect();
            assert_eq!(dirs, expected, "{word}");
        }
    }

    #[test]
    fn moments() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_767_225_599, "2025-12-31T23:59:59Z"),
            (1_793_880_000, "2026-11-05T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            let moment = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(rfc3339(moment), text);
        }
    }
}
