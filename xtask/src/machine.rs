//! A machine that boots an image: what it is made of, and what is asked of
//! one that runs. QEMU on this host is one kind, and a runner's another.

use crate::arch::Arch;
use crate::devices::{Disk, Nic};
use crate::topology::Topology;
use anyhow::Result;
use core::fmt::Debug;
use core::time::Duration;
use std::path::PathBuf;

/// Words of every kernel command line. Self-tests of the kernel's ciphers
/// would run beside the first workload, for half a second under TCG. What
/// switches scheduler statistics on later patches code on all CPUs, which
/// takes a payload that wants them longer than all else it does; one that
/// does not switches them off.
const WORDS: &[&str] = &["panic=-1", "cryptomgr.notests", "schedstats=enable"];

/// A machine to boot.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Its architecture.
    pub arch: &'static Arch,
    /// Kernel image.
    pub kernel: PathBuf,
    /// What QEMU takes in place of an image that it does not know.
    pub unpacked: Option<PathBuf>,
    /// Initramfs.
    pub initrd: PathBuf,
    /// CPUs, nodes and memory.
    pub topology: Topology,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Network interfaces.
    pub nic: Option<Nic>,
    /// Words for the kernel command line, behind our own.
    pub append: Vec<String>,
    /// Seed of a deterministic machine.
    pub deterministic: Option<u64>,
    /// What QEMU is told of a plugin.
    pub plugin: Option<String>,
    /// Where its serial ports are written to.
    pub dir: PathBuf,
}

impl Machine {
    /// The log of the console.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// The log of the second port.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.dir.join("records.log")
    }

    /// The kernel's command line.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = vec![format!("console={}", self.arch.console)];
        words.extend(WORDS.iter().map(|&word| word.to_owned()));
        if self.deterministic.is_some() {
            words.extend(["nokaslr", "norandmaps"].map(str::to_owned));
        }
        words.extend(self.append.iter().cloned());
        words.join(" ")
    }
}

/// A machine that runs, and is stopped when dropped.
pub trait Running: Debug {
    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// It cannot be asked, or the host failed it.
    fn ended(&mut self) -> Result<Option<Ended>>;

    /// Whether it has begun: whoever waits for a place in a lab is not silent.
    fn begun(&self) -> bool;

    /// How long it has waited for a CPU of this host, which is no time of its
    /// own.
    fn starved(&self) -> Duration {
        Duration::ZERO
    }

    /// What `/proc` has of its processes on this host; nothing of those that
    /// it does not tell of.
    fn stats(&mut self) -> Vec<String>;
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It powered off, or its kernel died.
    ByItself,
    /// Whatever ended it says nothing of its kernel.
    NoEvidence(String),
    /// It could not be carried out, for this reason.
    Failed(String),
}
