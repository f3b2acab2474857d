//! The cgroups of a run: made before its workers, removed behind them.

use crate::kit::cgroup::{Base, file, open};
use crate::kit::cpus::Cpus;
use crate::kit::stop::{CallExt, Stop};
use crate::kit::text::{Cut, read_file, write_file};
use crate::plan::group::Group;
use crate::plan::run::Run;
use crate::row::MAX_GROUPS;
use crate::row::attr::cgroup::{KNOBS, Leaf};
use core::fmt::Write;
use heapless::{String, Vec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};

/// The cgroups of one run, removed when dropped.
#[derive(Debug)]
pub struct Leaves<'r> {
    base: Option<&'r Base>,
    made: Vec<(&'r str, OwnedFd), MAX_GROUPS>,
}

impl<'r> Leaves<'r> {
    /// Makes one for each name the groups use.
    ///
    /// # Errors
    ///
    /// A call the kernel refused, or a setting it did not take as asked.
    pub fn make(base: Option<&'r Base>, run: &Run<'r>) -> Result<Self, Stop> {
        let mut leaves = Self {
            base,
            made: Vec::new(),
        };
        for group in &run.groups {
            let Some(name) = group.settings.cgroup.name else {
                continue;
            };
            let base = base.ok_or(Stop::skip(&"NO_CGROUP2"))?;
            if leaves.of(group).is_none() {
                // Differing groups were refused when the plan was parsed.
                let leaf = run.leaf(group).unwrap_or_default();
                leaves.add(base, name, &leaf)?;
            }
        }
        Ok(leaves)
    }

    fn add(
        &mut self,
        base: &Base,
        name: &'r str,
        leaf: &Leaf<'_>,
    ) -> Result<(), Stop> {
        if leaf.uses("memory") {
            base.enable("memory").call(&"cgroup.subtree_control")?;
        }
        base.make(name)?;
        let dir = base.path(name);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let opened = openat(CWD, dir.as_str(), flags, Mode::empty());
        // From here on it is removed with the others.
        let _room = self.made.push((name, opened.call(&"open")?));
        if base.has("cpu") && open(&dir, "cpu.weight").is_err() {
            return Err(Stop::skip(&"NO_CONFIG:CONFIG_FAIR_GROUP_SCHED"));
        }
        for (knob, value) in leaf.set() {
            let mut text: String<160> = String::new();
            for part in value.split('/') {
                let _cut = write!(Cut(&mut text), "{part} ");
            }
            write_file(&file(&dir, knob.key), text.trim_ascii_end())
                .call(&knob.key)?;
        }
        let sets = [leaf.cpus(), leaf.mems()];
        for (knob, wanted) in KNOBS.iter().zip(sets) {
            let mut name: String<32> = String::new();
            let _fits = write!(Cut(&mut name), "{}.effective", knob.key);
            if wanted.is_some() && list(&file(&dir, &name)) != wanted {
                return Err(Stop::fail(&"the kernel narrowed a cpuset"));
            }
        }
        Ok(())
    }

    /// Where they were made, and others can be.
    #[must_use]
    pub fn base(&self) -> Option<&'r Base> {
        self.base
    }

    /// The directory of a group's cgroup; `None` for the supervisor's own.
    #[must_use]
    pub fn of(&self, group: &Group<'_>) -> Option<BorrowedFd<'_>> {
        let name = group.settings.cgroup.name?;
        let mine = self.made.iter().find(|made| made.0 == name)?;
        Some(mine.1.as_fd())
    }
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        for (name, _) in &self.made {
            if let Some(base) = self.base {
                base.remove(name);
            }
        }
    }
}

fn list(file: &str) -> Option<Cpus> {
    let mut buf = [0; 1024];
    Cpus::parse(read_file(file, &mut buf)?.trim_ascii())
}
