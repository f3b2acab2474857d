//! Stored runs as sides of a comparison.

use crate::compare::exact;
use crate::finished::FinishedBoot;
use crate::kernel;
use crate::program;
use crate::store::{self, StoredRun};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) fn list(root: &Path) -> Result<Vec<StoredRun>> {
    let (stored, wrong) = store::list(root)?;
    for why in wrong {
        crate::tell!("not a run: {why}");
    }
    Ok(stored)
}

/// What a side is.
pub(crate) enum Found {
    Kernel,
    Stored(Vec<StoredRun>),
}

pub(crate) fn find(text: &str, stored: &[StoredRun]) -> Result<Found> {
    let path = Path::new(text);
    let named = text == "host" || text.contains(':');
    if named || path.is_file() || kernel::is_tree(path) {
        return Ok(Found::Kernel);
    }
    let mut found: Vec<StoredRun> = Vec::new();
    for part in text.split(',') {
        let path = Path::new(part);
        let is_latest = part == store::find::LATEST;
        let latest = stored.last().filter(|_| is_latest && !path.exists());
        let mut these: Vec<StoredRun> = match path.join(store::META).is_file() {
            _ if latest.is_some() => latest.into_iter().cloned().collect(),
            true => vec![StoredRun::at(path)?],
            false => {
                let is = |run: &&StoredRun| run.name().starts_with(part);
                match stored.iter().any(|run| is(&run)) {
                    true => stored.iter().filter(is).cloned().collect(),
                    false => store::of_matrix(part, stored),
                }
            }
        };
        if these.is_empty() || part.is_empty() {
            bail!(
                "`{part}` is neither a kernel, a stored run nor a cell of a \
                 matrix; kernels are files, `host`, debian:6.12-cloud and \
                 built:6.12, and `{} runs` lists {} stored runs",
                program::name(),
                stored.len()
            );
        }
        these.retain(|run| found.iter().all(|other| other.dir != run.dir));
        found.append(&mut these);
    }
    Ok(Found::Stored(found))
}

/// All of these runs.
pub(crate) fn read(runs: &[StoredRun]) -> Result<Vec<FinishedBoot>> {
    runs.iter().map(StoredRun::read).collect()
}

/// Looks for deterministic boots of the same that differ.
pub(super) fn repeats<'b>(
    all: impl Iterator<Item = &'b FinishedBoot>,
    differing: &mut Vec<String>,
) {
    let mut known: BTreeMap<String, &FinishedBoot> = BTreeMap::new();
    for boot in all.filter(|boot| boot.meta.deterministic.is_some()) {
        let first = *known.entry(boot.made_of()).or_insert(boot);
        let ports = |boot: &'b FinishedBoot| [&*boot.console, &*boot.records];
        let found = exact::first_difference(ports(first), ports(boot));
        if let Some(what) = found {
            differing.push(format!(
                "{} and {} are boots of the same kernel, machine and seed and \
                 differ: {what}",
                first.name(),
                boot.name()
            ));
        }
    }
}
