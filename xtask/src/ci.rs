//! Definitions of jobs for continuous integration systems.
//!
//! The texts are in `ci/`, with `@NAME@` where a value goes.

pub mod cells;
pub mod tools;

use crate::arch::{AARCH64, Arch, RISCV64, X86_64};
use crate::boot::expected::fits;
use crate::untrusted::hidden;
use anyhow::{Context, Result, bail};
use core::str::FromStr;
use core::time::Duration;
use pidone::plan::token::Source;
use std::collections::BTreeMap;
use std::string::ToString;

/// What an architecture is called elsewhere.
#[derive(Debug)]
struct Names {
    of: &'static Arch,
    lava: &'static str,
    tuxrun: &'static str,
    /// The machine, since tuxrun's own lacks what the payload asks for.
    tuxrun_parameters: &'static str,
    kernelci: &'static str,
}

/// All, in the order of [`ALL`](crate::arch::ALL).
static NAMES: [Names; 3] = [
    Names {
        of: &X86_64,
        lava: "amd64",
        tuxrun: "qemu-x86_64",
        tuxrun_parameters: "cpu=max machine=pc",
        kernelci: "x86",
    },
    Names {
        of: &AARCH64,
        lava: "arm64",
        tuxrun: "qemu-arm64",
        tuxrun_parameters: "cpu=max,pauth-impdef=on machine=virt",
        kernelci: "arm64",
    },
    Names {
        of: &RISCV64,
        lava: "riscv64",
        tuxrun: "qemu-riscv64",
        tuxrun_parameters: "cpu=rv64,v=true machine=virt",
        kernelci: "riscv",
    },
];

/// A system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum System {
    /// A job for LAVA's dispatcher.
    Lava,
    /// A script that runs tuxrun.
    Tuxrun,
    /// Configuration of a KernelCI pipeline.
    KernelCi,
    /// A workflow of GitHub Actions.
    GitHub,
}

impl System {
    const ALL: [(&'static str, Self, &'static str); 4] = [
        ("lava", Self::Lava, include_str!("ci/lava.yaml")),
        ("tuxrun", Self::Tuxrun, include_str!("ci/tuxrun.sh")),
        ("kernelci", Self::KernelCi, include_str!("ci/kernelci.yaml")),
        ("github", Self::GitHub, include_str!("ci/github.yaml")),
    ];
}

impl FromStr for System {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, ..)| *known == name);
        known.map(|&(_, system, _)| system).ok_or_else(|| {
            let names = Self::ALL.map(|(name, ..)| name).join(", ");
            format!("no system `{name}`; valid are {names}")
        })
    }
}

/// Parts of which there is one for each job.
const KERNELCI_JOB: &str = include_str!("ci/kernelci-job.yaml");
const KERNELCI_SCHEDULER: &str = include_str!("ci/kernelci-scheduler.yaml");
const GITHUB_CELL: &str = include_str!("ci/github-cell.yaml");
/// A workflow of several jobs.
const GITHUB_MATRIX: &str = include_str!("ci/github-matrix.yaml");
/// The template of a KernelCI job.
const KERNELCI_TEMPLATE: &str = include_str!("ci/kernelci.jinja2");

/// How a dispatcher reads `output=lava`. Ids are lower-cased there, with `_`
/// in place of what is no letter or digit.
pub const PATTERN: &str = "<LAVA_SIGNAL_TESTCASE \
    TEST_CASE_ID=(?P<test_case_id>\\S+) \
    RESULT=(?P<result>pass|fail|skip|unknown) \
    MEASUREMENT=(?P<measurement>[0-9.eE+-]+) \
    UNITS=(?P<units>[^\\s>]+)>";

/// The name of a job that is the only one.
pub const ALONE: &str = "pidone";

/// CPUs and MiB of the action, unless it is told others.
const ACTION_MACHINE: (u32, u32) = (2, 512);

/// What is to be run, and where.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it is called.
    pub name: String,
    /// CPUs of the machine, if the system is not to choose.
    pub cpus: Option<u32>,
    /// MiB of its memory, if the system is not to choose.
    pub mib: Option<u32>,
    /// What a KernelCI pipeline calls the build of the kernel, if it is not
    /// the usual one.
    pub kbuild: Option<String>,
    /// How long until it counts as hung, if not by the plan.
    pub timeout: Option<Duration>,
    /// URL of the kernel.
    pub kernel: String,
    /// URL of the initramfs.
    pub ramdisk: String,
    /// Architecture.
    pub arch: &'static Arch,
    /// Device type, or a KernelCI platform.
    pub device: String,
    /// The repository or path of the action.
    pub action: String,
    /// Words for the kernel command line.
    pub append: Vec<String>,
    /// The plan's words.
    pub plan: Vec<String>,
    /// How long its runs take.
    pub planned: Duration,
}

impl Job {
    /// Its definition for a system.
    ///
    /// # Errors
    ///
    /// A word that some shell or template on the way would change.
    pub fn text(&self, system: System) -> Result<String> {
        let (.., text) = System::ALL[system as usize];
        let one = core::slice::from_ref(self);
        match system {
            System::KernelCi => kernelci(one),
            _ => self.filled(text, ALONE),
        }
    }

    /// The template that the configuration for KernelCI names.
    ///
    /// # Errors
    ///
    /// As those of [`Self::text`].
    pub fn kernelci_template(&self) -> Result<String> {
        self.filled(KERNELCI_TEMPLATE, "")
    }

    /// The name as a file or a job may have it.
    fn slug(&self) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
        let name = self.name.replace(", boot ", "-");
        name.chars()
            .map(|c| if fits(c) { c } else { '-' })
            .collect()
    }

    /// A text with values in it; `log` is where a log goes, without its
    /// ending.
    fn filled(&self, text: &str, log: &str) -> Result<String> {
        let names = NAMES.iter().find(|names| names.of == self.arch);
        let names = names.context("an architecture without names")?;
        let all = [&self.kernel, &self.ramdisk, &self.device, &self.action];
        let all = all.into_iter().chain(&self.kbuild);
        for word in all.chain(&self.append).chain(&self.plan) {
            plain(word)?;
        }
        for word in self.name.split(' ') {
            plain(word)?;
        }
        let args = self.args();
        let line = format!("console={} {args}", self.arch.console);
        fits(&line)?;
        if let Err(error) = Source::kernel(&line).check() {
            bail!("{error}");
        }
        let cpus = self.cpus.map(|cpus| format!(" -smp {cpus}"));
        let mib = self.mib.map(|mib| format!(" -m {mib}M"));
        let options = [cpus, mib].map(Option::unwrap_or_default).concat();
        let kernel_arg = format!(
            "-kernel {{kernel}}{options} -append \"console={} {args}\"",
            self.arch.console
        );
        // A busy machine takes several times as long as the plan says.
        let seconds = 120 + self.planned.as_secs() * 4;
        let whole =
            |all: Duration| all.as_secs() + u64::from(all.subsec_nanos() > 0);
        let seconds = self.timeout.map_or(seconds, whole);
        let usual = format!("kbuild-gcc-14-{}", names.kernelci);
        let (cpus, mib) = ACTION_MACHINE;
        let minutes = seconds.div_ceil(60);
        // Unquoted, YAML takes words for numbers, lists and more.
        let quoted = |text: &str| format!("'{text}'");
        let mut text = text.to_owned();
        for (name, value) in [
            ("ACTION", quoted(&self.action)),
            ("APPEND", quoted(&self.append.join(" "))),
            ("ARCH", names.lava.to_owned()),
            ("ARGS", quoted(&args)),
            ("CONSOLE", self.arch.console.to_owned()),
            ("DEVICE", quoted(&self.device)),
            ("JOB_MINUTES", (minutes + 15).to_string()),
            ("KERNEL", quoted(&self.kernel)),
            ("KBUILD", quoted(self.kbuild.as_ref().unwrap_or(&usual))),
            ("KERNEL_ARG", quoted(&kernel_arg)),
            ("KERNEL_EXPR", quoted(&self.kernel)),
            ("LOG", log.to_owned()),
            ("MEM", self.mib.unwrap_or(mib).to_string()),
            ("MINUTES", minutes.to_string()),
            ("NAME", quoted(&self.name)),
            ("OPTIONS", quoted(&options)),
            ("PATTERN", PATTERN.to_owned()),
            ("PLAN", quoted(&self.plan.join(" "))),
            ("RAMDISK", quoted(&self.ramdisk)),
            ("SECONDS", seconds.to_string()),
            // Beside jobs of others, in a pipeline.
            (
                "SLUG",
                match self.name.as_str() {
                    ALONE => ALONE.to_owned(),
                    _ => format!("{ALONE}-{}", self.slug()),
                },
            ),
            ("SMP", self.cpus.unwrap_or(cpus).to_string()),
            ("TUXRUN", names.tuxrun.to_owned()),
            ("TUXRUN_PARAMETERS", names.tuxrun_parameters.to_owned()),
        ] {
            text = text.replace(&format!("@{name}@"), &value);
        }
        Ok(text)
    }

    /// Words of the kernel command line. The plan's have a prefix: what a
    /// dispatcher adds behind them would be words of a plan behind `--`.
    fn args(&self) -> String {
        let plan = self.plan.iter().map(|word| format!("pidone.{word}"));
        let ours = ["panic=-1", "pidone.output=ktap,records,lava"];
        let ours = ours.map(str::to_owned).into_iter();
        let all = ours.chain(self.append.iter().cloned()).chain(plan);
        all.collect::<Vec<_>>().join(" ")
    }
}

/// The configuration of a KernelCI pipeline with these jobs.
fn kernelci(jobs: &[Job]) -> Result<String> {
    let (.., text) = System::ALL[System::KernelCi as usize];
    let part = |part: &str| -> Result<String> {
        jobs.iter().map(|job| job.filled(part, "")).collect()
    };
    let text = text.replace("@JOBS@\n", &(part(KERNELCI_JOB)? + "\n"));
    Ok(text.replace("@SCHEDULER@", &part(KERNELCI_SCHEDULER)?))
}

/// A workflow of GitHub's with these jobs.
fn github(jobs: &[Job]) -> Result<String> {
    let first = jobs.first().context("no job")?;
    let cells: String = jobs
        .iter()
        .map(|job| job.filled(GITHUB_CELL, ""))
        .collect::<Result<_>>()?;
    let text = first.filled(GITHUB_MATRIX, "")?;
    Ok(text.replace("@CELLS@\n", &cells))
}

/// The definitions of several jobs, with the names of their files: one file
/// each, or a single one, without a name, where the system has a form for
/// that.
///
/// # Errors
///
/// As those of [`Job::text`], or two names make one.
pub fn several(jobs: &[Job], system: System) -> Result<Vec<(String, String)>> {
    let mut slugs: BTreeMap<String, &str> = BTreeMap::new();
    for job in jobs {
        if let Some(other) = slugs.insert(job.slug(), &job.name) {
            let (slug, name) = (job.slug(), &job.name);
            bail!("{other} and {name} would both be called {slug}");
        }
    }
    let ending = match system {
        System::KernelCi => return Ok(vec![(String::new(), kernelci(jobs)?)]),
        System::GitHub => return Ok(vec![(String::new(), github(jobs)?)]),
        System::Lava => "yaml",
        System::Tuxrun => "sh",
    };
    let (.., text) = System::ALL[system as usize];
    let each = jobs.iter().map(|job| {
        // Beside the script, whatever is run beside it.
        let text = job.filled(text, "${0%.sh}")?;
        Ok((format!("{}.{ending}", job.slug()), text))
    });
    each.collect()
}

/// The words of options that may each have several.
#[must_use]
pub fn split(options: &[String]) -> Vec<String> {
    let words = options.iter().flat_map(|words| words.split_whitespace());
    words.map(str::to_owned).collect()
}

/// Refuses what YAML, a shell, a template or the kernel would change.
fn plain(word: &str) -> Result<()> {
    let bad =
        |c: char| hidden(c) || c.is_whitespace() || "\"'`\\${}#@".contains(c);
    match word.chars().find(|&c| bad(c)) {
        None if !word.is_empty() => Ok(()),
        None => bail!("an empty word"),
        Some(c) => bail!(
            "`{word}`: a job cannot hold {c:?}; pack the plan into the image"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{ALONE, Job, NAMES, System, several};
    use crate::arch::{self, X86_64};
    use core::time::Duration;

    pub(super) fn job() -> Job {
        Job {
            name: ALONE.into(),
            cpus: None,
            mib: None,
            kbuild: None,
            timeout: None,
            kernel: "http://example.org/bzImage".into(),
            ramdisk: "http://example.org/pidone.cpio.gz".into(),
            arch: &X86_64,
            device: "qemu".into(),
            action: "./".into(),
            append: vec!["quiet".into()],
            plan: vec!["work=PipeIo".into(), "expect=wake.p99<1s".into()],
            planned: Duration::from_secs(30),
        }
    }

    /// Whether no place is left for words: GitHub's own actions have the sign
    /// in front of their versions.
    fn is_filled_in(text: &str) -> bool {
        let mut lines = text.lines();
        lines.all(|line| !line.contains('@') || line.contains("uses: actions/"))
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let args = "quiet pidone.work=PipeIo pidone.expect=wake.p99<1s";
        let texts = System::ALL.map(|(_, system, _)| job().text(system));
        let texts = texts.into_iter().chain([job().kernelci_template()]);
        for text in texts.map(Result::unwrap) {
            assert!(is_filled_in(&text), "{text}");
        }
        for (at, &(_, system, _)) in System::ALL.iter().enumerate() {
            assert_eq!(system as usize, at);
            let text = job().text(system).unwrap();
            assert!(text.contains("work=PipeIo"), "{text}");
            let whole = system == System::GitHub || text.contains(args);
            assert!(whole, "{text}");
        }
    }

    #[test]
    fn every_architecture_has_its_own_names() {
        for (arch, names) in arch::ALL.into_iter().zip(&NAMES) {
            assert_eq!(names.of, arch);
            let job = Job { arch, ..job() };
            let texts = System::ALL.map(|(_, system, _)| job.text(system));
            let [lava, tuxrun, kernelci, _] = texts.map(Result::unwrap);
            let console = format!("console={}", arch.console);
            assert!(lava.contains(&console), "{lava}");
            assert!(lava.contains(&format!("arch: {}\n", names.lava)));
            assert!(tuxrun.contains(names.tuxrun), "{tuxrun}");
            let build = format!("'kbuild-gcc-14-{}'\n", names.kernelci);
            assert!(kernelci.contains(&build), "{kernelci}");
            let template = job.kernelci_template().unwrap();
            let console = format!("default(\"{}\")", arch.console);
            assert!(template.contains(&console), "{template}");
        }
    }

    #[test]
    fn several_jobs_have_names_of_their_own() {
        let of = |name: &str, cpus| Job {
            name: name.into(),
            cpus,
            ..job()
        };
        let jobs = [of("a/b/c", None), of("a/b/c, boot 2", Some(4))];
        let lava = several(&jobs, System::Lava).unwrap();
        assert_eq!(lava[0].0, "a-b-c.yaml");
        assert_eq!(lava[1].0, "a-b-c-2.yaml");
        assert!(lava[0].1.contains("-kernel {kernel} -append"));
        assert!(lava[1].1.contains("-kernel {kernel} -smp 4 -append"));
        let scripts = several(&jobs, System::Tuxrun).unwrap();
        assert_eq!(scripts[1].0, "a-b-c-2.sh");
        for (system, parts) in [
            (
                System::KernelCi,
                &["  pidone-a-b-c:", "- job: pidone-a-b-c-2\n", "-smp 4"][..],
            ),
            (System::GitHub, &["name: 'a/b/c, boot 2'\n", "smp: 4\n"]),
        ] {
            let all = several(&jobs, system).unwrap();
            assert_eq!((all.len(), all[0].0.as_str()), (1, ""));
            for part in parts {
                assert!(all[0].1.contains(part), "{part} in {}", all[0].1);
            }
            assert!(is_filled_in(&all[0].1), "{}", all[0].1);
        }
        let alike = [of("a/b-c/d", None), of("a/b/c-d", None)];
        let error = several(&alike, System::Lava).unwrap_err().to_string();
        assert!(error.contains("would both be called a-b-c-d"), "{error}");
    }

    #[test]
    fn whatever_is_given_is_text_to_yaml() {
        for word in [
            "1e3",
            "0x1f",
            "on",
            "null",
            "~",
            "-",
            "*a",
            "&a",
            "!a",
            "[a",
            "a:",
            ",",
            "%a",
            "|",
            ">",
            "?",
            "2026-01-01",
            "a,b]",
            ".inf",
        ] {
            let job = Job {
                name: format!("{word}, boot 2"),
                kbuild: Some(word.into()),
                kernel: word.into(),
                ramdisk: word.into(),
                device: word.into(),
                action: word.into(),
                append: vec![word.into()],
                ..job()
            };
            for system in [System::Lava, System::KernelCi, System::GitHub] {
                let each = job.text(system).unwrap();
                let jobs = core::slice::from_ref(&job);
                let all = several(jobs, system).unwrap();
                let lines = [each.lines(), all[0].1.lines()];
                let mut given = 0;
                for line in lines.into_iter().flatten() {
                    if line.contains(&format!("'{word}")) {
                        given += 1;
                        continue;
                    }
                    // What is around it has the word for its own.
                    let value = line.rsplit_once([' ']).map_or("", |p| p.1);
                    assert_ne!(value, word, "{line}");
                }
                assert!(given >= 5, "{system:?} {word}: {given}");
            }
        }
    }

    #[test]
    fn what_would_be_changed_on_its_way_is_refused() {
        let shells = ["a b", "a'b", "$HOME", "{kernel}", "a\"b", "", "a\nb"];
        let unseen = ["a\x1b", "a\0", "\u{202e}a", "a\u{fffe}", "a\u{85}b"];
        for word in shells.into_iter().chain(unseen) {
            let plan = vec![word.to_owned()];
            let bad = Job { plan, ..job() };
            assert!(bad.text(System::Lava).is_err(), "{word}");
            let kbuild = Some(word.to_owned());
            let bad = Job { kbuild, ..job() };
            assert!(bad.text(System::KernelCi).is_err(), "{word}");
        }
    }
}
