//! What is asked of a boot: a kernel, a machine, and a plan.
//!
//! `boot`, `compare`, `judge`, `bisect` and matrix files share one list of
//! options, [`with_machine`], since argh cannot put one struct into another.

use crate::arch::KERNEL;
use crate::runner::Runner;
use crate::topology::Topology;
use crate::usage;
use anyhow::{Result, anyhow, bail};
use argh::{ArgsInfo, FromArgs};
use core::fmt::Display;
use core::time::Duration;
use std::path::PathBuf;

/// Makes a struct of its own options, those of a machine, and a plan.
///
/// A verb may have another number of CPUs than the usual one, and options
/// behind its positional arguments.
macro_rules! with_machine {
    ($(#[$attr:meta])* pub struct $name:ident { $($own:tt)* }) => {
        $crate::boot::request::with_machine! {
            cpus "Default::default()" "virtual CPUs: a number (2 by default), \
                or all that they share as in 2n4l8c2t: 2 nodes, 4 last-level \
                caches, 8 cores, of 2 threads each" (positional, greedy);
            $(#[$attr])*
            pub struct $name { $($own)* }
        }
    };
    (
        cpus $smp:tt $cpus:tt $plan:tt;
        $(#[$attr:meta])*
        pub struct $name:ident { $($own:tt)* }
    ) => {
        $(#[$attr])*
        pub struct $name {
            $($own)*
            /// x86_64, aarch64 or riscv64; by default that of a kernel's file,
            /// or the host's
            #[argh(option)]
            pub arch: Option<&'static $crate::arch::Arch>,
            #[doc = $cpus]
            #[argh(option, default = $smp)]
            pub smp: $crate::topology::Smp,
            /// NUMA nodes to divide CPUs and memory over, 1 by default
            #[argh(
                option,
                default = "1",
                from_str_fn($crate::boot::request::nodes)
            )]
            pub numa: u32,
            /// memory: MiB, or a number with M or G as in 2G; 512M by
            /// default. One for each node with commas between them; those
            /// behind the nodes with CPUs make more nodes, without any
            #[argh(option, default = "Default::default()")]
            pub mem: $crate::topology::Memory,
            /// how far it is between two nodes as in 0-1=21, where 20 is
            /// usual; may be repeated
            #[argh(option)]
            pub distance: Vec<$crate::topology::Distance>,
            /// a disk: its size as in 64M, or null-co[:SIZE] for one that
            /// costs the host nothing; may be repeated
            #[argh(option)]
            pub disk: Vec<$crate::devices::Disk>,
            /// network interfaces: pair (if the value is left out), two on
            /// one hub, or user, one with a gateway
            #[argh(option)]
            pub nic: Option<$crate::devices::Nic>,
            /// words for the kernel command line
            #[argh(option)]
            pub append: Vec<String>,
            /// boot a machine whose every figure is repeatable; SEED is 1 if
            /// left out
            #[argh(option, arg_name = "seed")]
            pub deterministic: Option<u64>,
            /// count the instructions of each function; needs --deterministic
            #[argh(switch)]
            pub profile: bool,
            /// seconds until the machine is stopped, or a duration as in 2m;
            /// by default it is stopped when nothing was heard of it for a
            /// minute and four times what the plan takes, or after five times
            /// as long
            #[argh(option, from_str_fn($crate::duration::seconds))]
            pub timeout: Option<core::time::Duration>,
            /// a file or directory to add to the initramfs, as FILE or
            /// FILE:PATH, with the libraries that it needs; may be repeated
            #[argh(option)]
            pub add: Vec<initramfs::add::Addition>,
            /// a kernel module to load before the plan, with those that it
            /// needs; may be repeated. Drivers of --disk and --nic need not be
            /// named
            #[argh(option)]
            pub module: Vec<String>,
            /// where the kernel's modules are: a /lib/modules/VERSION; by
            /// default beside the kernel, as packages put them
            #[argh(option)]
            pub modules: Option<std::path::PathBuf>,
            /// a program that loads a sched_ext scheduler, and its arguments,
            /// as in 'FILE ARGS', to add with its libraries as /bin/NAME; the
            /// plan's scx= is set to it unless it is given
            #[argh(option)]
            pub scheduler: Option<std::path::PathBuf>,
            /// a binary of your own to boot in place of the payload, which
            /// then checks the plan by itself
            #[argh(option)]
            pub payload: Option<std::path::PathBuf>,
            /// a program that boots the kernel wherever it likes, in place of
            /// QEMU here, and its arguments, as in 'sh lab.sh board1'; may be
            /// repeated, for a pool of as many places. docs/runners.md says
            /// what it is given and gives back
            #[argh(option)]
            pub runner: Vec<$crate::runner::Runner>,
            /// install what is missing
            #[argh(switch)]
            pub setup: bool,
            /// the plan
            #[argh $plan]
            pub plan: Vec<String>,
        }

        impl $name {
            /// A boot of this kernel on that machine, under that plan.
            #[must_use]
            pub fn request(
                &self,
                kernel: &str,
            ) -> $crate::boot::request::BootRequest {
                let words = self.plan.iter().filter(|word| *word != "--");
                $crate::boot::request::BootRequest {
                    kernel: kernel.to_owned(),
                    logs: None,
                    arch: self.arch,
                    smp: self.smp,
                    numa: self.numa,
                    mem: self.mem.clone(),
                    distance: self.distance.clone(),
                    disk: self.disk.clone(),
                    nic: self.nic,
                    append: self.append.clone(),
                    deterministic: self.deterministic,
                    profile: self.profile,
                    timeout: self.timeout,
                    add: self.add.clone(),
                    module: self.module.clone(),
                    modules: self.modules.clone(),
                    scheduler: self.scheduler.clone(),
                    payload: self.payload.clone(),
                    runner: self.runner.clone(),
                    setup: self.setup,
                    plan: words.cloned().collect(),
                }
            }
        }
    };
}
pub(crate) use with_machine;

with_machine! {
    /// A boot that is asked for.
    #[derive(Debug, Clone, Default, PartialEq, Eq, FromArgs, ArgsInfo)]
    pub struct BootRequest {
        /// a file, a tree that is built, `host`, debian:6.12-cloud (the
        /// default) or another of Debian's, or built:6.12
        #[argh(option, default = "String::from(KERNEL)")]
        pub kernel: String,
        /// keep the serial logs in this directory
        #[argh(option)]
        pub logs: Option<PathBuf>,
    }
}

pub(crate) fn nodes(text: &str) -> Result<u32, String> {
    let nodes = text.parse().ok().filter(|&nodes| nodes > 0);
    nodes.ok_or_else(|| {
        format!("`{text}` is no number of NUMA nodes; it is 1 or more")
    })
}

/// Words of a command line.
#[derive(Default)]
struct Words(Vec<String>);

impl Words {
    fn option(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = impl Display>,
    ) {
        for value in values {
            self.0.extend([name.to_owned(), value.to_string()]);
        }
    }
}

impl BootRequest {
    /// Of options and words of a plan behind `--`, as `boot` has them.
    ///
    /// # Errors
    ///
    /// An option is wrong.
    pub fn parse(verb: &str, words: &[&str]) -> Result<Self> {
        let parsed = Self::from_args(&[verb], words);
        let mut request = parsed.map_err(|early| {
            anyhow!(usage::plainer(early.output.trim_end()))
        })?;
        request.plan.retain(|word| word != "--");
        Ok(request)
    }

    /// Refuses a verb without a plan.
    ///
    /// # Errors
    ///
    /// There is none.
    pub fn planned(self, verb: &str) -> Result<Self> {
        match self.plan.is_empty() {
            true => bail!("what to {verb} is missing: a plan follows `--`"),
            false => Ok(self),
        }
    }

    /// The machine's CPUs, nodes and memory.
    #[must_use]
    pub fn topology(&self) -> Topology {
        Topology {
            smp: self.smp,
            numa: self.numa,
            memory: self.mem.clone(),
            distances: self.distance.clone(),
        }
    }

    /// The words of `boot` that ask for this again, the verb first. Where its
    /// logs go and what may be installed are not of them.
    #[must_use]
    pub fn command(&self) -> Vec<String> {
        let path = |path: &Option<PathBuf>| -> Option<String> {
            path.as_ref().map(|path| path.display().to_string())
        };
        let time = |time: Duration| match time.subsec_millis() {
            0 => format!("{}s", time.as_secs()),
            _ => format!("{}ms", time.as_millis()),
        };
        let other = Self::default();
        let mut words = Words(vec!["boot".to_owned()]);
        words
            .option("--kernel", Some(&self.kernel).filter(|it| !it.is_empty()));
        words.option("--arch", self.arch.map(|arch| arch.name));
        words.option("--smp", Some(self.smp).filter(|it| *it != other.smp));
        words.option("--numa", Some(self.numa).filter(|nodes| *nodes > 1));
        words.option("--mem", Some(&self.mem).filter(|it| **it != other.mem));
        words.option("--distance", &self.distance);
        words.option("--disk", &self.disk);
        words.option("--nic", self.nic);
        words.option("--append", &self.append);
        words.option("--deterministic", self.deterministic);
        words.0.extend(self.profile.then(|| "--profile".to_owned()));
        words.option("--timeout", self.timeout.map(time));
        words.option("--add", &self.add);
        words.option("--module", &self.module);
        words.option("--modules", path(&self.modules));
        words.option("--scheduler", path(&self.scheduler));
        words.option("--payload", path(&self.payload));
        words.option("--runner", &self.runner);
        words.0.push("--".to_owned());
        words.0.extend(self.plan.iter().cloned());
        words.0
    }

    /// Refuses what a runner's machine cannot be asked for.
    ///
    /// # Errors
    ///
    /// There is a runner, and such an option.
    pub fn fits_its_runner(&self) -> Result<()> {
        let Some(runner) = self.runner.first() else {
            return Ok(());
        };
        let other = Self::default();
        let exact = "only QEMU on this host repeats itself, as it is started \
                     here";
        let machine = "the machine is the runner's; it may have arguments of \
                       its own for that";
        for (given, option, why) in [
            (self.deterministic.is_some(), "--deterministic", exact),
            (self.profile, "--profile", exact),
            (self.smp != other.smp, "--smp", machine),
            (self.numa > 1, "--numa", machine),
            (self.mem != other.mem, "--mem", machine),
            (!self.distance.is_empty(), "--distance", machine),
            (!self.disk.is_empty(), "--disk", machine),
            (self.nic.is_some(), "--nic", machine),
        ] {
            if given {
                bail!("{option} with --runner {runner}: {why}");
            }
        }
        self.runner.iter().try_for_each(Runner::check)
    }

    /// The words that decide what is measured, for those who ask whether two
    /// boots are of one kind.
    #[must_use]
    pub fn measured(&self) -> Vec<String> {
        Self {
            timeout: None,
            profile: false,
            ..self.clone()
        }
        .command()
    }
}

#[cfg(test)]
mod tests {
    use super::BootRequest;
    use argh::ArgsInfo;

    #[test]
    fn a_request_is_what_its_command_asks_for() {
        let line = "--kernel built:6.12 --arch aarch64 --smp 2n2l4c1t \
                    --numa 1 --mem 1G,512 --distance 0-1=21 --disk 64M \
                    --disk null-co:8M --nic user --append quiet=1 \
                    --append audit=1 --deterministic 7 --profile --timeout 90s \
                    --add /bin/ls:/bin/x --module null_blk --modules /m \
                    --scheduler s --payload p --runner r -- time=1s \
                    work=PipeIo";
        let words: Vec<&str> = line.split_whitespace().collect();
        let request = BootRequest::parse("boot", &words).unwrap();
        assert_eq!(request.plan, ["time=1s", "work=PipeIo"]);
        let command = request.command();
        let again: Vec<&str> =
            command[1..].iter().map(String::as_str).collect();
        assert_eq!(BootRequest::parse("boot", &again).unwrap(), request);
        // Every option is in it but those that are of no machine.
        for flag in BootRequest::get_args_info().flags {
            let left = ["--help", "--logs", "--setup", "--numa"];
            let there = command.iter().any(|word| word == flag.long);
            assert_eq!(there, !left.contains(&flag.long), "{}", flag.long);
        }
        // What is not said is not told.
        let plain = BootRequest::parse("boot", &["--", "work=A"]).unwrap();
        let short = "boot --kernel debian:6.12-cloud -- work=A";
        assert_eq!(plain.command().join(" "), short);
        let late = BootRequest::parse("boot", &["--timeout", "9"]).unwrap();
        assert_eq!(
            late.measured().join(" "),
            short.replace("work=A", "").trim()
        );
    }
}
