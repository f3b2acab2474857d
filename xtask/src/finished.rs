//! A boot that is over: what a boot gives, what is stored, and what every
//! verb takes.

use crate::exit::Exit;
use crate::model::{Outcome, Report};
use crate::noise::Noise;
use crate::untrusted::line;
use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Version of [`Meta`] and [`Report`] in files.
pub const SCHEMA: u32 = 1;

/// A boot that is over.
#[derive(Debug, Clone, Default)]
pub struct FinishedBoot {
    /// Where its files are: a stored run, or wherever its logs went.
    pub dir: PathBuf,
    /// What it was made of and what became of it.
    pub meta: Meta,
    /// What it measured.
    pub report: Report,
    /// What its console said, to the byte.
    pub console: Vec<u8>,
    /// What its second port said.
    pub records: Vec<u8>,
}

impl FinishedBoot {
    /// The name of a stored run.
    #[must_use]
    pub fn name(&self) -> String {
        name(&self.dir)
    }

    /// Everything that decides how a deterministic machine runs, beside its
    /// seed.
    #[must_use]
    pub fn made_of(&self) -> String {
        let meta = &self.meta;
        let place = |word: &&String| {
            !word.starts_with("file,id=")
                && **word != meta.kernel.path.display().to_string()
        };
        let args = meta.qemu_args.iter().filter(place);
        let mut words: Vec<&str> = args.map(String::as_str).collect();
        // A plugin counts, and changes nothing.
        if let Some(at) = words.iter().position(|word| *word == "-plugin") {
            words.drain(at..words.len().min(at + 2));
        }
        // The initramfs goes by its hash.
        if let Some(at) = words.iter().position(|word| *word == "-initrd") {
            words.remove(at + 1);
        }
        let (kernel, initrd) = (&meta.kernel.sha256, &meta.initramfs_sha256);
        [kernel, initrd, meta.qemu.as_str(), &words.join(" ")].join("\n")
    }

    /// Refuses a boot that failed for our own sake.
    ///
    /// # Errors
    ///
    /// It did.
    pub fn sound(self) -> Result<Self> {
        match self.meta.exit_code {
            Exit::Tool => {
                bail!("{}: {}", self.report.outcome, self.report.reason)
            }
            _ => Ok(self),
        }
    }
}

/// What a directory of a run is called.
#[must_use]
pub fn name(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// On what boots ran, which is the [`Meta::mode`] of each, every one once.
pub fn modes(all: impl Iterator<Item = String>) -> Vec<String> {
    let modes: BTreeSet<String> = all.collect();
    modes.into_iter().collect()
}

/// How every table of figures begins, for these of [`modes`].
#[must_use]
pub fn on(modes: &[String]) -> String {
    modes.iter().map(|mode| format!("on {mode}\n")).collect()
}

/// Reads a file of ours that says which version of its form it is.
///
/// # Errors
///
/// It cannot be read, or is of another version.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let what = || path.display().to_string();
    let json = fs::read(path).with_context(what)?;
    from_json(&json).with_context(what)
}

/// What is in such a file.
///
/// # Errors
///
/// As those of [`read_json`].
pub fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T> {
    /// What all of them have.
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let Version { schema } = serde_json::from_slice(json)?;
    if schema != SCHEMA {
        bail!("schema {schema}; this release knows schema {SCHEMA}");
    }
    Ok(serde_json::from_slice(json)?)
}

/// What a boot was made of and what became of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Version of this form.
    pub schema: u32,
    /// When the machine started, RFC 3339 in UTC.
    pub started: String,
    /// How long it ran on the host's clock.
    pub took_ms: u64,
    /// A command that makes the same boot.
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
    /// The first line of what QEMU says to `--version`; nothing if it was
    /// none of ours.
    pub qemu: String,
    /// QEMU's arguments.
    pub qemu_args: Vec<String>,
    /// The runner that booted it, in place of QEMU on this host.
    pub runner: Option<String>,
    /// The log that it is from, if it was not booted by us.
    pub imported: Option<Imported>,
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
    pub outcome: Outcome,
    /// As in the report.
    pub reason: String,
    /// What the command ended with.
    pub exit_code: Exit,
}

impl Meta {
    /// On what it ran, and what its time is worth.
    #[must_use]
    pub fn mode(&self) -> String {
        if self.deterministic.is_some() {
            return "QEMU TCG, emulated, deterministic: time counts \
                    instructions"
                .to_owned();
        }
        if let Some(runner) = &self.runner {
            return format!("runner {runner}");
        }
        if self.imported.is_some() {
            return "a log; what it ran on is not known".to_owned();
        }
        let mut words = self.qemu_args.iter();
        words.find(|word| *word == "-accel");
        match words.next().map(|word| word.split(',').next()) {
            Some(Some("tcg")) => "QEMU TCG, emulated: times are not those of \
                                  hardware"
                .to_owned(),
            Some(Some("kvm")) => "QEMU KVM, on the host's CPUs".to_owned(),
            Some(Some(accel)) => format!("QEMU {accel}"),
            _ => "not known".to_owned(),
        }
    }

    /// The same with texts that are lines of plain characters, as in
    /// [`Report::plain`]. Words of commands and paths are what they are.
    #[must_use]
    pub fn plain(mut self) -> Self {
        let Self {
            started,
            cell,
            label,
            arch,
            qemu,
            runner,
            imported,
            kernel,
            initramfs_sha256,
            host,
            reason,
            schema: _,
            took_ms: _,
            command: _,
            plan: _,
            qemu_args: _,
            deterministic: _,
            noise: _,
            timed_out: _,
            outcome: _,
            exit_code: _,
        } = &mut self;
        let Kernel {
            spec,
            sha256,
            config_sha256,
            release,
            path: _,
        } = kernel;
        let Host {
            name,
            kernel,
            cpu,
            cpus: _,
        } = host;
        let mut all = vec![started, label, qemu, initramfs_sha256, reason];
        all.extend([spec, sha256, name, kernel, cpu]);
        all.extend(
            [arch, runner, config_sha256, release].into_iter().flatten(),
        );
        if let Some(Imported {
            file,
            sha256,
            boot: _,
        }) = imported
        {
            all.extend([file, sha256]);
        }
        if let Some(Cell {
            matrix,
            name,
            file: _,
            boot: _,
        }) = cell
        {
            all.extend([matrix, name]);
        }
        for text in all {
            *text = line(text).into_owned();
        }
        self
    }
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

/// Where a boot is from that is only known by its log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// The file, and in an archive the file in it.
    pub file: String,
    /// SHA-256 of the whole log, unpacked.
    pub sha256: String,
    /// Which boot of it, from 1.
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

/// The release in a kernel's first line.
#[must_use]
pub fn release(console: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(console);
    let (_, rest) = text.split_once("Linux version ")?;
    let release = rest.split_whitespace().next()?;
    Some(line(release).into_owned())
}

/// A plan in a word: its name, or its first work type and how many follow.
#[must_use]
pub fn label(plan: &[String]) -> String {
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

#[cfg(test)]
mod tests {
    use super::{FinishedBoot, from_json, label, release};
    use crate::exit::Exit;
    use crate::model::{Outcome, Report};

    #[test]
    fn another_version_is_said_to_be_one() {
        let json = |schema: u32| {
            let report = Report {
                schema,
                ..Report::default()
            };
            serde_json::to_vec(&report).unwrap()
        };
        assert!(from_json::<Report>(&json(1)).is_ok());
        let error = from_json::<Report>(&json(2)).unwrap_err().to_string();
        assert_eq!(error, "schema 2; this release knows schema 1");
        let error = from_json::<Report>(b"{}").unwrap_err().to_string();
        assert!(error.contains("missing field `schema`"), "{error}");
    }

    /// What failed for our own sake is no kernel's failure, and goes nowhere.
    #[test]
    fn only_our_own_failures_are_refused() {
        let ended = |exit: Exit| {
            let mut boot = FinishedBoot::default();
            boot.meta.exit_code = exit;
            boot.report.outcome = Outcome::Fail;
            "the payload failed".clone_into(&mut boot.report.reason);
            boot.sound().map(|_| ())
        };
        for exit in [Exit::Good, Exit::Bad, Exit::CannotTell] {
            assert!(ended(exit).is_ok(), "{exit:?}");
        }
        let error = ended(Exit::Tool).unwrap_err().to_string();
        assert_eq!(error, "fail: the payload failed");
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
}
