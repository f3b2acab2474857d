//! Stored runs as sides of a comparison.

use crate::compare::{Sample, exact};
use crate::model::Report;
use crate::store::{self, Meta, Stored};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

pub(crate) fn list(root: &Path) -> Result<Vec<Stored>> {
    let (stored, wrong) = store::list(root)?;
    for why in wrong {
        eprintln!("not a run: {why}");
    }
    Ok(stored)
}

/// What a side is.
pub(crate) enum Found {
    Kernel,
    Stored(Vec<Stored>),
}

pub(crate) fn find(text: &str, stored: &[Stored]) -> Result<Found> {
    let kernel = text == "host" || text.contains(':');
    if kernel || Path::new(text).is_file() {
        return Ok(Found::Kernel);
    }
    let mut found: Vec<Stored> = Vec::new();
    for part in text.split(',') {
        let path = Path::new(part);
        let mut these: Vec<Stored> = match path.join(store::META).is_file() {
            true => vec![Stored {
                dir: path.to_path_buf(),
                meta: store::meta(path)?,
            }],
            false => {
                let is = |run: &&Stored| name(run).starts_with(part);
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
                 built:6.12, and `cargo xtask runs` lists {} stored runs",
                stored.len()
            );
        }
        these.retain(|run| found.iter().all(|other| other.dir != run.dir));
        found.append(&mut these);
    }
    Ok(Found::Stored(found))
}

pub(crate) fn name(run: &Stored) -> String {
    let name = run.dir.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

pub(crate) fn sample(run: &Stored) -> Result<Sample> {
    let path = run.dir.join(store::REPORT);
    let what = || path.display().to_string();
    let json = fs::read(&path).with_context(what)?;
    let report: Report = serde_json::from_slice(&json).with_context(what)?;
    Ok(Sample {
        name: name(run),
        report,
        code: run.meta.exit_code,
        seed: run.meta.deterministic,
        made_of: made_of(&run.meta),
        noise: run.meta.noise,
    })
}

/// Everything that decides how a deterministic machine runs.
fn made_of(meta: &Meta) -> String {
    let place = |word: &&String| {
        !word.starts_with("file,id=")
            && **word != meta.kernel.path.display().to_string()
    };
    let args = meta.qemu_args.iter().filter(place);
    let mut words: Vec<&str> = args.map(String::as_str).collect();
    // The initramfs goes by its hash.
    if let Some(at) = words.iter().position(|word| *word == "-initrd") {
        words.remove(at + 1);
    }
    let (kernel, initrd) = (&meta.kernel.sha256, &meta.initramfs_sha256);
    [kernel, initrd, meta.qemu.as_str(), &words.join(" ")].join("\n")
}

/// Looks for deterministic boots of the same that differ.
pub(super) fn repeats(
    all: &[(&Path, &Sample)],
    differing: &mut Vec<String>,
) -> Result<()> {
    let mut known: BTreeMap<&str, (&Path, &Sample)> = BTreeMap::new();
    for &(dir, sample) in all.iter().filter(|(_, s)| s.seed.is_some()) {
        let Some(&(first, of)) = known.get(sample.made_of.as_str()) else {
            known.insert(&sample.made_of, (dir, sample));
            continue;
        };
        let ports = |dir: &Path| -> Result<Vec<Vec<u8>>> {
            let logs = [store::CONSOLE, store::RECORDS].into_iter();
            logs.map(|log| {
                let path = dir.join(log);
                fs::read(&path).with_context(|| path.display().to_string())
            })
            .collect()
        };
        let found = exact::first_difference(&ports(first)?, &ports(dir)?);
        if let Some(what) = found {
            differing.push(format!(
                "{} and {} are boots of the same kernel, machine and seed and \
                 differ: {what}",
                of.name, sample.name
            ));
        }
    }
    Ok(())
}
