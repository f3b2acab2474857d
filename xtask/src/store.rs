//! Stored runs: what came of each boot, in a directory of its own.
//!
//! A run is written beside its place under a name that begins with a dot and
//! renamed when all of it is there, so that neither a full disk nor a kill
//! leaves half a run, and two processes may store at once. What a kill left
//! behind is removed by the next one that stores: the lock on it is gone with
//! the process that held it.

use crate::kernel_check;
use crate::model::{Report, hex};
use crate::noise::Noise;
use crate::qemu::Machine;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

/// Files of a run.
pub const CONSOLE: &str = "console.log";
/// The second port.
pub const RECORDS: &str = "records.log";
/// The report, as `docs/json.md` has it.
pub const REPORT: &str = "report.json";
/// [`Meta`].
pub const META: &str = "meta.json";
/// What begins the name of a run that is not whole.
const PENDING: &str = ".new-";
/// Written to see whether there is room for more.
const ROOM: &str = "room";
/// Held for as long as a run is being written.
const LOCK: &str = "lock";

/// What a boot was made of and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of this form.
    pub schema: u32,
    /// When the machine started, RFC 3339 in UTC.
    pub started: String,
    /// How long it ran on the host's clock.
    pub took_ms: u64,
    /// The command line, as it was given; for a boot of a matrix, one that
    /// makes the same boot.
    pub command: Vec<String>,
    /// The cell of a matrix that it is of.
    pub cell: Option<Cell>,
    /// The plan's words.
    pub plan: Vec<String>,
    /// The plan in a few words, as in the directory's name.
    pub label: String,
    /// The machine's architecture; absent from runs of earlier releases,
    /// which are of x86_64.
    pub arch: Option<String>,
    /// The first line of what QEMU says to `--version`.
    pub qemu: String,
    /// QEMU's arguments.
    pub qemu_args: Vec<String>,
    /// The kernel.
    pub kernel: Kernel,
    /// SHA-256 of the initramfs.
    pub initramfs_sha256: String,
    /// The machine it ran on.
    pub host: Host,
    /// The seed of a deterministic machine.
    pub deterministic: Option<u64>,
    /// What else the host did; absent if it did not tell.
    pub noise: Option<Noise>,
    /// The machine was stopped because its time was over.
    pub timed_out: bool,
    /// As in the report.
    pub outcome: String,
    /// As in the report.
    pub reason: String,
    /// What the command ended with.
    pub exit_code: u8,
}

/// What a boot is in a matrix of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// The name of the whole: one for each time that a file is worked off.
    pub matrix: String,
    /// The file.
    pub file: PathBuf,
    /// The cell, as in `new/small/pipes`.
    pub name: String,
    /// Which of its boots, from 1.
    pub boot: u64,
}

/// The kernel of a boot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kernel {
    /// As it was asked for.
    pub spec: String,
    /// The image.
    pub path: PathBuf,
    /// SHA-256 of the image.
    pub sha256: String,
    /// SHA-256 of its configuration, with the symbols in order and without
    /// comments; absent where the configuration cannot be had.
    pub config_sha256: Option<String>,
    /// As the machine or its first line says; absent if neither did.
    pub release: Option<String>,
}

/// Where a boot was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Its kernel's release.
    pub kernel: String,
    /// Its processor.
    pub cpu: String,
    /// How many of them.
    pub cpus: usize,
}

impl Host {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let read = |path: &str| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.trim().to_owned()
        };
        let info = read("/proc/cpuinfo");
        let model = info
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Self {
            name: read("/proc/sys/kernel/hostname"),
            kernel: read("/proc/sys/kernel/osrelease"),
            cpu: model.map_or("", |(_, model)| model).to_owned(),
            cpus: std::thread::available_parallelism().map_or(0, usize::from),
        }
    }
}

/// What is known of a boot's parts: read while the machine runs, since it
/// takes some tenths of a second.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    qemu: String,
    kernel_sha256: String,
    config_sha256: Option<String>,
    initramfs_sha256: String,
}

impl Parts {
    /// Looks at them.
    ///
    /// # Errors
    ///
    /// An image cannot be read.
    pub fn of(machine: &Machine) -> Result<Self> {
        let said = Command::new(machine.arch.qemu.program)
            .arg("--version")
            .output();
        let said = said.map(|said| said.stdout).unwrap_or_default();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(Self {
            qemu: said.lines().next().unwrap_or_default().to_owned(),
            kernel_sha256: sha256(&machine.kernel)?,
            config_sha256: kernel_check::of_image(&machine.kernel)
                .map(|config| hex(&Sha256::digest(config.to_string()))),
            initramfs_sha256: sha256(&machine.initrd)?,
        })
    }
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

/// A boot that is over, to be stored.
#[derive(Debug)]
pub struct Boot<'b> {
    /// When it began.
    pub started: SystemTime,
    /// How long it took.
    pub took: Duration,
    /// The cell of a matrix that it is of, and a command that makes such a
    /// boot by itself.
    pub cell: Option<&'b (Cell, Vec<String>)>,
    /// The kernel as it was asked for.
    pub kernel_spec: &'b str,
    /// The plan's words.
    pub plan: &'b [String],
    /// The machine.
    pub machine: &'b Machine,
    /// Its parts.
    pub parts: &'b Parts,
    /// What else the host did meanwhile.
    pub noise: Option<Noise>,
    /// The machine was stopped because its time was over.
    pub timed_out: bool,
    /// What came of it.
    pub report: &'b Report,
    /// What the command ends with.
    pub exit_code: u8,
}

impl Boot<'_> {
    fn meta(&self) -> Result<Meta> {
        let console = fs::read(self.machine.console()).unwrap_or_default();
        let told = self.report.hello.as_ref().map(|h| h.kernel.clone());
        Ok(Meta {
            schema: 1,
            started: utc(self.started).rfc3339(),
            took_ms: u64::try_from(self.took.as_millis())?,
            command: match self.cell {
                Some((_, command)) => command.clone(),
                None => std::env::args().collect(),
            },
            cell: self.cell.map(|(cell, _)| cell.clone()),
            plan: self.plan.to_vec(),
            label: label(self.plan),
            arch: Some(self.machine.arch.name.to_owned()),
            qemu: self.parts.qemu.clone(),
            qemu_args: self.machine.args()?,
            kernel: Kernel {
                spec: self.kernel_spec.to_owned(),
                path: self.machine.kernel.clone(),
                sha256: self.parts.kernel_sha256.clone(),
                config_sha256: self.parts.config_sha256.clone(),
                release: told.or_else(|| release(&console)),
            },
            initramfs_sha256: self.parts.initramfs_sha256.clone(),
            host: Host::this(),
            deterministic: self.machine.deterministic,
            noise: self.noise,
            timed_out: self.timed_out,
            outcome: self.report.outcome.clone(),
            reason: self.report.reason.clone(),
            exit_code: self.exit_code,
        })
    }
}

/// The release in a kernel's first line.
fn release(console: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(console);
    let (_, rest) = text.split_once("Linux version ")?;
    rest.split_whitespace().next().map(str::to_owned)
}

/// A plan in a word: its name, or its first work type and how many follow.
fn label(plan: &[String]) -> String {
    let words = plan.iter().flat_map(|word| word.split_whitespace());
    let of = |key: &'static str| {
        words.clone().filter_map(move |word| {
            let word = word.strip_prefix("pidone.").unwrap_or(word);
            word.strip_prefix(key)
        })
    };
    let label = match (of("work=").next(), of("plan=").next()) {
        (Some(first), _) => match of("work=").count() - 1 {
            0 => first.to_owned(),
            more => format!("{first}+{more}"),
        },
        (None, Some(name)) => name.to_owned(),
        (None, None) => "smoke".to_owned(),
    };
    let fits = |c: &char| c.is_ascii_alphanumeric() || "+-_".contains(*c);
    label.chars().filter(fits).take(40).collect()
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
        let _held = one.lock();
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

    /// Writes what is left to write and puts the run in its place; returns
    /// where that is.
    ///
    /// # Errors
    ///
    /// Something cannot be written; then nothing of the run is left.
    pub fn store(self, boot: &Boot<'_>) -> Result<PathBuf> {
        let dir = self.dir.path();
        for (name, log) in [
            (CONSOLE, boot.machine.console()),
            (RECORDS, boot.machine.records()),
        ] {
            let to = dir.join(name);
            if log != to {
                fs::copy(&log, to).with_context(|| shown(&log))?;
            }
        }
        let place = self.place(boot);
        if place.exists() {
            bail!("{} is there already", place.display());
        }
        let mut meta = boot.meta()?;
        let (from, to) = (shown(&boot.machine.dir), shown(&place));
        for word in &mut meta.qemu_args {
            *word = word.replace(&from, &to);
        }
        write_json(&dir.join(REPORT), boot.report)?;
        write_json(&dir.join(META), &meta)?;
        let quiet = dir.join("qemu.log");
        if fs::metadata(&quiet).is_ok_and(|meta| meta.len() == 0) {
            fs::remove_file(&quiet)?;
        }
        for entry in fs::read_dir(dir)? {
            File::open(entry?.path())?.sync_all()?;
        }
        fs::remove_file(dir.join(LOCK))?;
        fs::rename(dir, &place).with_context(|| shown(&place))?;
        // The directory has left, and nothing of it is to be removed.
        let _gone = self.dir.keep();
        drop(self.lock);
        Ok(place)
    }

    /// A name that nobody else has.
    fn place(&self, boot: &Boot<'_>) -> PathBuf {
        // What follows the mark is random, and unique below the root.
        let name = self.dir.path().file_name().unwrap_or_default();
        let random = name.to_string_lossy().replace(PENDING, "");
        let (time, label) = (utc(boot.started).compact(), label(boot.plan));
        self.root.join(format!("{time}-{label}-{random}"))
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

fn write_json(path: &Path, of: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(of)? + "\n";
    let what = || shown(path);
    let mut file = File::create(path).with_context(what)?;
    file.write_all(json.as_bytes()).with_context(what)
}

/// A run that is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// Where.
    pub dir: PathBuf,
    /// What it was.
    pub meta: Meta,
}

/// The boots of a matrix that a word names: all of one that was worked off
/// (`matrix-20261105T120000Z`), those of a cell there (with `/NAME` behind
/// it), or those of a cell in the newest that has it (its name alone).
#[must_use]
pub fn of_matrix(word: &str, stored: &[Stored]) -> Vec<Stored> {
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
pub fn list(root: &Path) -> Result<(Vec<Stored>, Vec<String>)> {
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
        match meta(&dir) {
            Ok(meta) => runs.push(Stored { dir, meta }),
            Err(error) => wrong.push(format!("{error:#}")),
        }
    }
    runs.sort_by(|a, b| {
        let key = |run: &Stored| (run.meta.started.clone(), run.dir.clone());
        key(a).cmp(&key(b))
    });
    Ok((runs, wrong))
}

/// What a stored run says of itself.
///
/// # Errors
///
/// It cannot be read.
pub fn meta(dir: &Path) -> Result<Meta> {
    let path = dir.join(META);
    let what = || shown(&path);
    let json = fs::read(&path).with_context(what)?;
    serde_json::from_slice(&json).with_context(what)
}

/// The time in UTC, as the names of runs begin.
#[must_use]
pub fn now() -> String {
    utc(SystemTime::now()).compact()
}

/// A moment in UTC.
struct Utc {
    date: [u64; 3],
    time: [u64; 3],
}

impl Utc {
    fn rfc3339(&self) -> String {
        let ([y, mo, d], [h, m, s]) = (self.date, self.time);
        format!("{y:04}-{mo:02}-{d:02}T{h:02}:{m:02}:{s:02}Z")
    }

    fn compact(&self) -> String {
        self.rfc3339().replace(['-', ':'], "")
    }
}

/// The proleptic Gregorian calendar, counted in eras of 400 years that begin
/// in March, so that a leap day is the last of its year.
fn utc(moment: SystemTime) -> Utc {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = since.as_secs();
    // From 1 March of the year 0 to 1970.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let january = u64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    let time = seconds % 86_400;
    Utc {
        date: [era * 400 + year + january, month, date],
        time: [time / 3600, time / 60 % 60, time % 60],
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Boot, CONSOLE, Cell, META, Meta, Parts, Pending, RECORDS, REPORT, ROOM,
        Stored, label, list, meta, of_matrix, release, room, utc,
    };
    use crate::model::{Report, hex};
    use crate::qemu::Machine;
    use core::time::Duration;
    use initramfs::compress::Compression;
    use sha2::{Digest, Sha256};
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::UNIX_EPOCH;

    fn machine(dir: &Path) -> Machine {
        fs::write(dir.join(CONSOLE), "Linux version 6.1 x\n").unwrap();
        fs::write(dir.join(RECORDS), "records").unwrap();
        Machine {
            kernel: dir.join("kernel"),
            initrd: dir.join("initrd"),
            dir: dir.to_path_buf(),
            ..Machine::default()
        }
    }

    fn boot<'b>(machine: &'b Machine, parts: &'b Parts) -> BootOf<'b> {
        BootOf {
            machine,
            parts,
            report: Report::default(),
            plan: vec!["work=PipeIo".to_owned()],
        }
    }

    struct BootOf<'b> {
        machine: &'b Machine,
        parts: &'b Parts,
        report: Report,
        plan: Vec<String>,
    }

    impl BootOf<'_> {
        fn get(&self) -> Boot<'_> {
            Boot {
                started: UNIX_EPOCH + Duration::from_secs(1_793_880_000),
                took: Duration::from_millis(1500),
                cell: None,
                kernel_spec: "debian:6.1-cloud",
                plan: &self.plan,
                machine: self.machine,
                parts: self.parts,
                noise: None,
                timed_out: false,
                report: &self.report,
                exit_code: 125,
            }
        }
    }

    fn entries(root: &Path) -> usize {
        fs::read_dir(root).unwrap().count()
    }

    #[test]
    fn a_run_is_there_as_a_whole_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        let logs = tempfile::tempdir().unwrap();
        let root = root.path().join("runs");
        let (machine, parts) = (machine(logs.path()), Parts::default());
        let boot = boot(&machine, &parts);
        let pending = Pending::new(&root).unwrap();
        assert_eq!(list(&root).unwrap().0, []);
        let dir = pending.store(&boot.get()).unwrap();
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, [CONSOLE, META, RECORDS, REPORT]);
        let name = dir.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with("20261105T120000Z-PipeIo-"), "{name}");
        let (runs, wrong) = list(&root).unwrap();
        assert_eq!((runs.len(), wrong.len()), (1, 0));
        assert_eq!(runs[0].meta.kernel.release.as_deref(), Some("6.1"));
        assert_eq!(runs[0].meta.exit_code, 125);
        // A log that cannot be copied, as on a full disk.
        fs::remove_file(machine.records()).unwrap();
        let pending = Pending::new(&root).unwrap();
        assert!(pending.store(&boot.get()).is_err());
        assert_eq!(entries(&root), 1);
    }

    /// A full disk, for what is written there under that name.
    fn full(dir: &Path, name: &str) {
        std::os::unix::fs::symlink("/dev/full", dir.join(name)).unwrap();
    }

    #[test]
    fn a_full_disk_leaves_nothing_and_is_said() {
        let root = tempfile::tempdir().unwrap();
        let logs = tempfile::tempdir().unwrap();
        let (machine, parts) = (machine(logs.path()), Parts::default());
        let boot = boot(&machine, &parts);
        for name in [CONSOLE, RECORDS, REPORT, META] {
            let pending = Pending::new(root.path()).unwrap();
            full(pending.dir(), name);
            let error = pending.store(&boot.get()).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains("No space left"), "{name}: {said}");
            assert_eq!(entries(root.path()), 0, "{name}");
        }
        // Logs that the machine wrote itself are not written again.
        assert!(room(logs.path()).is_ok());
        let names = entries(logs.path());
        full(logs.path(), ROOM);
        let said = format!("{:#}", room(logs.path()).unwrap_err());
        assert!(said.contains("cut short: No space left"), "{said}");
        assert_eq!(entries(logs.path()), names);
    }

    #[test]
    fn what_a_boot_was_made_of_is_known() {
        let root = tempfile::tempdir().unwrap();
        let logs = tempfile::tempdir().unwrap();
        let machine = machine(logs.path());
        let config = "# x\nCONFIG_B=y\nCONFIG_A=m\n";
        let image = Compression::Gzip.compress(config.as_bytes()).unwrap();
        let image = [b"IKCFG_ST", &image[..]].concat();
        fs::write(&machine.kernel, &image).unwrap();
        fs::write(&machine.initrd, "i").unwrap();
        let parts = Parts::of(&machine).unwrap();
        let boot = boot(&machine, &parts);
        let pending = Pending::new(root.path()).unwrap();
        let run = pending.store(&boot.get()).unwrap();
        let meta = meta(&run).unwrap();
        let sha256 = |bytes: &[u8]| hex(&Sha256::digest(bytes));
        assert_eq!(meta.kernel.sha256, sha256(&image));
        let config = sha256(b"CONFIG_A=m\nCONFIG_B=y\n");
        assert_eq!(meta.kernel.config_sha256, Some(config));
        assert_eq!(meta.initramfs_sha256, sha256(b"i"));
        assert!(meta.qemu.contains("version"), "{}", meta.qemu);
        let args = meta.qemu_args.join(" ");
        // The command line names the logs where they are found.
        let console = format!("path={}", run.join(CONSOLE).display());
        assert!(args.contains(&console), "{args}");
        assert!(!meta.command.is_empty() && !meta.host.kernel.is_empty());
        // A run that an earlier release stored is one, too.
        let path = run.join(META);
        let mut old: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let kernel = old["kernel"].as_object_mut().unwrap();
        assert!(kernel.remove("config_sha256").is_some());
        fs::write(&path, old.to_string()).unwrap();
        let (runs, wrong) = list(root.path()).unwrap();
        assert_eq!((runs.len(), wrong.len()), (1, 0));
        assert_eq!(runs[0].meta.kernel.config_sha256, None);
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
                scope.spawn(|| {
                    let logs = tempfile::tempdir().unwrap();
                    let machine = machine(logs.path());
                    let parts = Parts::default();
                    let boot = boot(&machine, &parts);
                    let pending = Pending::new(root.path()).unwrap();
                    pending.store(&boot.get()).unwrap();
                });
            }
        });
        assert_eq!(list(root.path()).unwrap().0.len(), 8);
    }

    #[test]
    fn boots_of_a_matrix_have_names() {
        let of = |matrix: &str, name: &str| Stored {
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
        stored.push(Stored {
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
    fn a_plan_in_a_word() {
        for (plan, word) in [
            ("", "smoke"),
            ("time=1s plan=latency", "latency"),
            ("time=1s work=PipeIo", "PipeIo"),
            ("pidone.work=PipeIo work=A work=B", "PipeIo+2"),
            ("plan=../../etc", "etc"),
        ] {
            assert_eq!(label(&[plan.to_owned()]), word);
        }
        let banner = b"x\n[    0.000000] Linux version 6.12.1+deb (x)\n";
        assert_eq!(release(banner).as_deref(), Some("6.12.1+deb"));
        assert_eq!(release(b""), None);
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
            assert_eq!(utc(moment).rfc3339(), text);
        }
    }
}
