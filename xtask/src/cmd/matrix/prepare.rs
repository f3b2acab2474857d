//! Cells made ready to boot. All that is wrong is found before the first boot.

use crate::cmd::boot::ready::{Checked, Ready};
use crate::cmd::boot::{self, plan};
use crate::matrix::{Cell, Kind, Wrong, listed};
use crate::{build, kernel};
use anyhow::{Result, bail};
use std::collections::BTreeSet;

/// A cell that is ready to boot.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) cell: Cell,
    args: boot::Args,
    pub(super) ready: Ready,
}

impl Job {
    /// Cores that its machine keeps busy. One that is deterministic runs all
    /// its CPUs in turn, in one thread.
    pub(super) fn cores(&self) -> usize {
        match self.args.deterministic {
            Some(_) => 1,
            None => self.args.smp.cpus() as usize,
        }
    }

    /// The seed of one of its boots. They would be the same with the same.
    fn seed(&self, boot: u64) -> Option<u64> {
        Some(self.args.deterministic? + (boot - 1))
    }

    /// The options of one of its boots.
    pub(super) fn args(&self, boot: u64) -> boot::Args {
        boot::Args {
            deterministic: self.seed(boot),
            ..self.args.clone()
        }
    }

    /// The command that makes one of its boots by itself, behind the name of
    /// the program.
    pub(super) fn command(&self, boot: u64) -> Vec<String> {
        let words = self.cell.command(self.seed(boot));
        [vec!["xtask".to_owned()], words].concat()
    }
}

/// The options of each cell's boots, with plans and machines checked.
///
/// # Errors
///
/// All that is wrong with them.
pub(in crate::cmd) fn args(
    file: &str,
    cells: &[Cell],
) -> Result<Vec<boot::Args>> {
    let (all, wrong) = all_args(cells);
    match wrong.is_empty() {
        true => Ok(all.into_iter().map(|(_, args)| args).collect()),
        false => bail!(listed(file, &wrong)),
    }
}

/// The options of the cells that have valid ones, and what is wrong with the
/// others.
fn all_args(cells: &[Cell]) -> (Vec<(&Cell, boot::Args)>, Vec<Wrong>) {
    let (mut all, mut wrong) = (Vec::new(), Vec::new());
    for cell in cells {
        let mut say = |line: usize, error: anyhow::Error| {
            wrong.push(Wrong::new(line, format!("{error:#}")));
        };
        let kernel = cell.kernel.as_deref().unwrap_or_default();
        let (options, plan) = (&cell.options, &cell.plan);
        match boot::handed("matrix", options, kernel, plan) {
            Err(error) => say(cell.line(Kind::Machine), error),
            Ok(args) => {
                check(cell, &args, &mut say);
                all.push((cell, args));
            }
        }
    }
    (all, wrong)
}

fn check(
    cell: &Cell,
    args: &boot::Args,
    say: &mut dyn FnMut(usize, anyhow::Error),
) {
    if let Err(error) = build::additions(&args.add) {
        say(cell.place("add"), error);
    } else if let Err(error) = plan::works(args) {
        say(cell.line(Kind::Plan), error);
    }
    match kernel::arch(&args.kernel, args.arch) {
        Ok(arch) => {
            if let Err(error) = args.topology().args(arch) {
                say(cell.line(Kind::Machine), error);
            }
        }
        Err(error) => say(cell.place("arch"), error),
    }
    if let Some(seed) = args.deterministic
        && seed.checked_add(cell.boots).is_none()
    {
        let what = format!("no {} seeds from {seed} on", cell.boots);
        say(cell.place("deterministic"), anyhow::Error::msg(what));
    }
}

/// The cells, ready to boot.
///
/// # Errors
///
/// All that is wrong with them, or something that is needed is missing.
pub(super) fn jobs(
    file: &str,
    cells: &[Cell],
    setup: bool,
) -> Result<Vec<Job>> {
    let (all, mut wrong) = all_args(cells);
    let mut kernels = BTreeSet::new();
    for (cell, args) in &all {
        let name = cell.names[0].as_str();
        if !kernels.insert((name, args.arch.map(|arch| arch.name))) {
            continue;
        }
        let found = match &cell.kernel {
            Some(spec) => kernel::resolve(spec, args.arch, setup).map(|_| ()),
            None => Err(anyhow::Error::msg(format!(
                "kernel `{name}` has no `kernel`; what has a `url` or a \
                 `kbuild` alone is for `cargo xtask ci`"
            ))),
        };
        if let Err(error) = found {
            let what = format!("{error:#}");
            wrong.push(Wrong::new(cell.line(Kind::Kernel), what));
        }
    }
    if !wrong.is_empty() {
        bail!(listed(file, &wrong));
    }
    let mut checked = Vec::new();
    for (cell, mut args) in all {
        args.setup = setup;
        match Checked::new(&args) {
            Ok(ready) => checked.push((cell, args, ready)),
            Err(error) => {
                let line = cell.place("module");
                wrong.push(Wrong::new(line, format!("{error:#}")));
            }
        }
    }
    if !wrong.is_empty() {
        bail!(listed(file, &wrong));
    }
    let jobs = checked.into_iter().map(|(cell, args, checked)| {
        let ready = checked.ready(&args)?;
        let cell = cell.clone();
        Ok(Job { cell, args, ready })
    });
    jobs.collect()
}
