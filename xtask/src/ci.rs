//! Definitions of jobs for continuous integration systems.
//!
//! The texts are in `ci/`, with `@NAME@` where a value goes.

pub mod tools;

use crate::arch::{AARCH64, Arch, X86_64};
use anyhow::{Context, Result, bail};
use core::str::FromStr;
use core::time::Duration;
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
static NAMES: [Names; 2] = [
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

/// The template of a KernelCI job.
const KERNELCI_TEMPLATE: &str = include_str!("ci/kernelci.jinja2");

/// How a dispatcher reads `output=lava`. Ids are lower-cased there, with `_`
/// in place of what is no letter or digit.
pub const PATTERN: &str = "<LAVA_SIGNAL_TESTCASE \
    TEST_CASE_ID=(?P<test_case_id>\\S+) \
    RESULT=(?P<result>pass|fail|skip|unknown) \
    MEASUREMENT=(?P<measurement>[0-9.eE+-]+) \
    UNITS=(?P<units>[^\\s>]+)>";

/// What is to be run, and where.
#[derive(Debug, Clone)]
pub struct Job {
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
        self.filled(text)
    }

    /// The template that the configuration for KernelCI names.
    ///
    /// # Errors
    ///
    /// As those of [`Self::text`].
    pub fn kernelci_template(&self) -> Result<String> {
        self.filled(KERNELCI_TEMPLATE)
    }

    fn filled(&self, text: &str) -> Result<String> {
        let names = NAMES.iter().find(|names| names.of == self.arch);
        let names = names.context("an architecture without names")?;
        let all = [&self.kernel, &self.ramdisk, &self.device, &self.action];
        for word in all.into_iter().chain(&self.append).chain(&self.plan) {
            plain(word)?;
        }
        let args = self.args();
        let kernel_arg = format!(
            "-kernel {{kernel}} -append \"console={} {args}\"",
            self.arch.console
        );
        // A busy machine takes several times as long as the plan says.
        let seconds = 120 + self.planned.as_secs() * 4;
        let minutes = seconds.div_ceil(60);
        let quoted = |text: &str| format!("'{text}'");
        let mut text = text.to_owned();
        for (name, value) in [
            ("ACTION", self.action.clone()),
            ("ARCH", names.lava.to_owned()),
            ("ARGS", quoted(&args)),
            ("CONSOLE", self.arch.console.to_owned()),
            ("DEVICE", self.device.clone()),
            ("JOB_MINUTES", (minutes + 15).to_string()),
            ("KERNEL", quoted(&self.kernel)),
            ("KERNELCI_ARCH", names.kernelci.to_owned()),
            ("KERNEL_ARG", quoted(&kernel_arg)),
            ("KERNEL_EXPR", quoted(&self.kernel)),
            ("MINUTES", minutes.to_string()),
            ("PATTERN", PATTERN.to_owned()),
            ("PLAN", quoted(&self.plan.join(" "))),
            ("RAMDISK", quoted(&self.ramdisk)),
            ("SECONDS", seconds.to_string()),
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

/// Refuses what YAML, a shell, a template or the kernel would change.
fn plain(word: &str) -> Result<()> {
    let bad = |c: char| c.is_whitespace() || "\"'`\\${}#@".contains(c);
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
    use super::{Job, NAMES, System};
    use crate::arch::{self, X86_64};
    use core::time::Duration;

    fn job() -> Job {
        Job {
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

    #[test]
    fn nothing_is_left_to_fill_in() {
        let args = "quiet pidone.work=PipeIo pidone.expect=wake.p99<1s";
        let texts = System::ALL.map(|(_, system, _)| job().text(system));
        let texts = texts.into_iter().chain([job().kernelci_template()]);
        for text in texts.map(Result::unwrap) {
            let kept = text.replace("actions/checkout@v4", "");
            assert!(!kept.contains('@'), "{text}");
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
            let build = format!("kbuild-gcc-14-{}\n", names.kernelci);
            assert!(kernelci.contains(&build), "{kernelci}");
            let template = job.kernelci_template().unwrap();
            let console = format!("default(\"{}\")", arch.console);
            assert!(template.contains(&console), "{template}");
        }
    }

    #[test]
    fn what_would_be_changed_on_its_way_is_refused() {
        for word in ["a b", "a'b", "$HOME", "{kernel}", "a\"b", "", "a\nb"] {
            let plan = vec![word.to_owned()];
            let bad = Job { plan, ..job() };
            assert!(bad.text(System::Lava).is_err(), "{word}");
        }
    }
}
