//! Cells made ready to boot. All that is wrong is found before the first boot.

use crate::boot::plan;
use crate::boot::ready::{Checked, Ready};
use crate::matrix::{Cell, Kind, Wrong, listed};
use crate::program;
use crate::{build, kernel};
use anyhow::{Error, Result, bail};
use std::collections::BTreeSet;

/// A cell that is ready to boot.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) cell: Cell,
    pub(super) ready: Ready,
}

impl Job {
    /// Cores that its machine keeps busy. One that is deterministic runs all
    /// its CPUs in turn, in one thread. That of a runner is elsewhere.
    pub(super) fn cores(&self) -> usize {
        if !self.cell.request.runner.is_empty() {
            return 0;
        }
        match self.cell.request.deterministic {
            Some(_) => 1,
            None => self.cell.request.smp.cpus() as usize,
        }
    }
}

/// Checks plans and machines of cells, without looking for their kernels.
///
/// # Errors
///
/// All that is wrong with them.
pub(in crate::cmd) fn check(file: &str, cells: &[Cell]) -> Result<()> {
    refuse(file, cells.iter().flat_map(wrong).collect())
}

fn refuse(file: &str, wrong: Vec<Wrong>) -> Result<()> {
    match wrong.is_empty() {
        true => Ok(()),
        false => bail!(listed(file, &wrong)),
    }
}

/// What is wrong with a cell, its kernel aside.
fn wrong(cell: &Cell) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    let mut say = |line: usize, error: Error| {
        wrong.push(Wrong::new(line, format!("{error:#}")));
    };
    let request = &cell.request;
    if let Err(error) = build::additions(&request.add) {
        say(cell.place("add"), error);
    } else if let Err(error) = plan::works(request) {
        say(cell.line(Kind::Plan), error);
    }
    match kernel::arch(&request.kernel, request.arch) {
        Ok(arch) => {
            if let Err(error) = request.topology().args(arch) {
                say(cell.line(Kind::Machine), error);
            }
        }
        Err(error) => say(cell.place("arch"), error),
    }
    if let Err(error) = request.fits_its_runner() {
        say(cell.place("runner"), error);
    }
    if let Some(seed) = request.deterministic
        && seed.checked_add(cell.boots).is_none()
    {
        let what = format!("no {} seeds from {seed} on", cell.boots);
        say(cell.place("deterministic"), Error::msg(what));
    }
    wrong
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
    let mut all: Vec<Wrong> = cells.iter().flat_map(wrong).collect();
    let mut kernels = BTreeSet::new();
    for cell in cells {
        let (name, request) = (cell.names[0].as_str(), &cell.request);
        if !kernels.insert((name, request.arch.map(|arch| arch.name))) {
            continue;
        }
        let found = match request.kernel.as_str() {
            "" => Err(Error::msg(format!(
                "kernel `{name}` has no `kernel`; what has a `url` or a \
                 `kbuild` alone is for `{} ci`",
                program::name()
            ))),
            spec => kernel::resolve(spec, request.arch, setup).map(|_| ()),
        };
        if let Err(error) = found {
            let what = format!("{error:#}");
            all.push(Wrong::new(cell.line(Kind::Kernel), what));
        }
    }
    refuse(file, core::mem::take(&mut all))?;
    let mut checked = Vec::new();
    for cell in cells {
        let mut request = cell.request.clone();
        request.setup = setup;
        match Checked::new(&request) {
            Ok(ready) => checked.push((cell, ready)),
            Err(error) => {
                let line = cell.place("module");
                all.push(Wrong::new(line, format!("{error:#}")));
            }
        }
    }
    refuse(file, all)?;
    let jobs = checked.into_iter().map(|(cell, checked)| {
        Ok(Job {
            cell: cell.clone(),
            ready: checked.ready()?,
        })
    });
    jobs.collect()
}
