//! What an interrupted matrix has finished.

use super::prepare::Job;
use crate::boot::again::Sums;
use crate::cmd::compare::stored;
use crate::matrix::summary::CellBoot;
use crate::store::StoredRun;
use anyhow::Result;
use std::path::Path;

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
    let (mut sums, mut done) = (Sums::default(), Vec::new());
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
        let seed = job.cell.seed(cell.boot);
        if !sums.is_made(run, &job.ready, seed)? {
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
