//! What an interrupted matrix has finished.

use super::prepare::Job;
use crate::cmd::compare::stored;
use crate::cmd::exit;
use crate::matrix::summary::Ended;
use crate::store::{self, Stored};
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The newest matrix of that file and its boots that are still good for it: of
/// the same kernel and image, by the same command, and not failed for our own
/// sake.
///
/// # Errors
///
/// What is stored cannot be read.
pub(super) fn found(
    file: &Path,
    jobs: &[Job],
    root: &Path,
) -> Result<(Option<String>, Vec<Ended>)> {
    let all = stored::list(root)?;
    let of = |run: &Stored| run.meta.cell.clone().filter(|c| c.file == file);
    let newest = all.iter().rev().find_map(of);
    let Some(matrix) = newest.map(|cell| cell.matrix) else {
        eprintln!("note: nothing of {} is stored yet", file.display());
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
        let known = |d: &Ended| (d.cell, d.boot) == (at, cell.boot);
        if done.iter().any(known) {
            continue;
        }
        if !same(run, job, cell.boot, &mut sums)? {
            others += 1;
            continue;
        }
        done.push(Ended {
            cell: at,
            boot: cell.boot,
            dir: run.dir.clone(),
            report: stored::sample(run)?.report,
            code: run.meta.exit_code,
        });
    }
    let all: u64 = jobs.iter().map(|job| job.cell.boots).sum();
    let again = match others {
        0 => String::new(),
        n => format!(", beside {n} of another kernel, image or command"),
    };
    eprintln!("{matrix}: {} of {all} boots are there{again}", done.len());
    Ok((Some(matrix), done))
}

/// Whether a stored boot is what its job would be.
fn same(
    run: &Stored,
    job: &Job,
    boot: u64,
    sums: &mut BTreeMap<PathBuf, String>,
) -> Result<bool> {
    let meta = &run.meta;
    if meta.command != job.command(boot) || meta.exit_code == exit::TOOL {
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
