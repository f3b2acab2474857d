//! Where the boots of `knobs` are made, several at once.

use super::Args;
use crate::boot::again::Sums;
use crate::boot::ready::{Ready, Setting};
use crate::cmd::compare::stored;
use crate::finished::{Cell, FinishedBoot};
use crate::live::Screen;
use crate::matrix::schedule::{Due, Schedule, Width};
use crate::matrix::shown::Shown;
use crate::matrix::work::work;
use crate::store::StoredRun;
use crate::{interrupt, store, utc};
use anyhow::Result;
use core::time::Duration;
use std::path::PathBuf;

/// How all that these boots are stored as begins.
const NAME: &str = "knobs-";

/// What is set, and the kernel that is ready to boot with it.
pub(super) type Setup = (String, Ready);

/// Where boots are made.
pub(super) struct Lab {
    /// What they are stored as, all together.
    pub(super) name: String,
    root: PathBuf,
    seeds: u64,
    jobs: usize,
    /// Boots of that name which are there.
    stored: Vec<StoredRun>,
    sums: Sums,
}

/// What is to be done for some setups.
pub(super) struct Work<'s> {
    all: &'s [Setup],
    /// Boots that are there, and what they are of.
    done: Vec<(usize, FinishedBoot)>,
    /// Those that are not.
    due: Vec<Due>,
}

impl Lab {
    pub(super) fn new(args: &Args) -> Result<Self> {
        let cores = std::thread::available_parallelism();
        let cores = cores.map_or(1, usize::from);
        let process = std::process::id();
        Ok(Self {
            name: format!("{NAME}{}-{process}", utc::now()),
            root: store::root(args.store.as_deref())?,
            seeds: args.seeds,
            jobs: args.jobs.unwrap_or(cores),
            stored: Vec::new(),
            sums: Sums::default(),
        })
    }

    /// Takes up the newest that is stored of this kernel and plan, which is
    /// known by its first boot.
    pub(super) fn resume(&mut self, first: &Setup) -> Result<()> {
        let (name, ready) = first;
        let all = stored::list(&self.root)?;
        let mut found = None;
        for run in all.iter().rev() {
            let cell = run.meta.cell.as_ref();
            let ours = cell.filter(|cell| {
                cell.matrix.starts_with(NAME) && cell.name == *name
            });
            if let Some(cell) = ours
                && self.sums.is_made(run, ready, Some(cell.boot))?
            {
                found = Some(cell.matrix.clone());
                break;
            }
        }
        match found {
            Some(matrix) => {
                self.stored = store::of_matrix(&matrix, &all);
                self.name = matrix;
            }
            None => crate::tell!(
                "note: nothing of this kernel and plan is stored in {} yet",
                self.root.display()
            ),
        }
        Ok(())
    }

    /// What is there of these setups, with each seed, and what is not.
    pub(super) fn work<'s>(&mut self, all: &'s [Setup]) -> Result<Work<'s>> {
        let mut work = Work {
            all,
            done: Vec::new(),
            due: Vec::new(),
        };
        for (at, (name, ready)) in all.iter().enumerate() {
            for boot in 1..=self.seeds {
                let of = self.stored.iter().rev().filter(|run| {
                    let cell = run.meta.cell.as_ref();
                    cell.is_some_and(|it| (&it.name, it.boot) == (name, boot))
                });
                let mut made = None;
                for run in of {
                    if self.sums.is_made(run, ready, Some(boot))? {
                        made = Some(run.read()?);
                        break;
                    }
                }
                match made {
                    Some(made) => work.done.push((at, made)),
                    None => work.due.push(Due {
                        boot,
                        cell: at,
                        // QEMU runs all CPUs of such a machine in turn.
                        cores: 1,
                        pool: None,
                    }),
                }
            }
        }
        Ok(work)
    }

    /// Says how long it will take to try all features, if each boot takes as
    /// long as one that took so many milliseconds.
    pub(super) fn announce(&self, work: &Work<'_>, took_ms: u64) {
        let known = match work.done.len() {
            0 => String::new(),
            known => format!(" ({known} more are there)"),
        };
        let boots = work.due.len() as u64;
        let takes = took_ms * boots.div_ceil(self.jobs as u64);
        let takes = Duration::from_millis(takes).as_secs();
        crate::tell!(
            "{} features, {boots} boots of {:.0} s{known}, {} at a time: \
             about {} min {:02} s",
            work.all.len(),
            took_ms as f64 / 1000.0,
            self.jobs,
            takes / 60,
            takes % 60
        );
    }

    /// Boots and stores what is due; what is there has ended.
    pub(super) fn boot(
        &self,
        Work { all, done, due }: Work<'_>,
        mut ended: impl FnMut(usize, FinishedBoot),
    ) -> Result<()> {
        done.into_iter().for_each(|(at, boot)| ended(at, boot));
        if due.is_empty() {
            return Ok(());
        }
        let mut show = Shown::new(due.len(), |due| all[due.cell].0.clone());
        let boot = |due: Due, screen: Screen| -> Result<FinishedBoot> {
            interrupt::check()?;
            let (name, ready) = &all[due.cell];
            let setting = Setting {
                screen: screen.clone(),
                cell: Some(Cell {
                    matrix: self.name.clone(),
                    file: PathBuf::new(),
                    name: name.clone(),
                    boot: due.boot,
                }),
            };
            let boot =
                ready.boot_and_store(Some(due.boot), &setting, &self.root)?;
            let report = &boot.report;
            screen.say(&format!("{}: {}", report.outcome, report.reason));
            Ok(boot)
        };
        let schedule = Schedule::new(Width::Jobs(self.jobs), Vec::new(), due);
        work(schedule, &mut show, boot, |due, boot| ended(due.cell, boot))
    }
}
