//! What an interrupted matrix has finished.

use super::prepare::Job;
use crate::boot::BootRequest;
use crate::cmd::compare::stored;
use crate::exit::Exit;
use crate::matrix::summary::CellBoot;
use crate::store::{self, StoredRun};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The newest matrix of that file and its boots that are still good for it: of
/// the same kernel and image, asked for by the same words, and not failed for
/// our own sake.
///
/// # Errors
///
/// What is stored cannot be read.
pub(super) fn found(
    file: &Path,
    jobs: &[Job],
    root: &Path,
) -> Result<(Option<String>, Vec<CellBoot>)> {
    let all = stored::list(root)?;
    let of = |run: &StoredRun| run.meta.cell.clone().filter(|c| c.file == file);
    let newest = all.iter().rev().find_map(of);
    let Some(matrix) = newest.map(|cell| cell.matrix) else {
        crate::tell!("note: nothing of {} is stored yet", file.display());
        return Ok((None, Vec::new()));
    };
    let (mut sums, mut done) = (BTreeMap::new(), Vec::new());
    let mut others = 0;
    // Of two boots of one place, the newer.
    for run in all.iter().rev() {
        let Some(cell) = of(run).filter(|cell| cell.matrix == matrix) else {
            continue;
        };
        let mut known = jobs.iter().enumerate();
        let job = known.find(|(_, job)| job.cell.to_string() == cell.name);
        let Some((at, job)) = job.filter(|(_, j)| cell.boot <= j.cell.boots)
        else {
            continue;
        };
        let known = |d: &CellBoot| (d.cell, d.number) == (at, cell.boot);
        if done.iter().any(known) {
            continue;
        }
        if !same(run, job, cell.boot, &mut sums)? {
            others += 1;
            continue;
        }
        done.push(CellBoot {
            cell: at,
            number: cell.boot,
            boot: run.read()?,
        });
    }
    let all: u64 = jobs.iter().map(|job| job.cell.boots).sum();
    let again = match others {
        0 => String::new(),
        n => format!(", beside {n} of another kernel, image or command"),
    };
    crate::tell!("{matrix}: {} of {all} boots are there{again}", done.len());
    Ok((Some(matrix), done))
}

/// Whether a stored boot is what its job would be.
fn same(
    run: &StoredRun,
    job: &Job,
    boot: u64,
    sums: &mut BTreeMap<PathBuf, String>,
) -> Result<bool> {
    let meta = &run.meta;
    // Behind the names of the program and of the verb.
    let words = meta.command.iter().skip(2).map(String::as_str);
    let asked = BootRequest::parse("boot", &words.collect::<Vec<_>>());
    let due = BootRequest {
        deterministic: job.cell.seed(boot),
        ..job.cell.request.clone()
    };
    let other = |asked: BootRequest| asked.measured() != due.measured();
    if asked.map_or(true, other) || meta.exit_code == Exit::Tool {
        return Ok(false);
    }
    let stored = [&meta.kernel.sha256, &meta.initramfs_sha256];
    for (image, stored) in job.ready.images().into_iter().zip(stored) {
        if !sums.contains_key(image) {
            sums.insert(image.to_path_buf(), store::sha256(image)?);
        }
        if sums[image] != *stored {
            return Ok(false);
        }
    }
    Ok(true)
}
