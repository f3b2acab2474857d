//! Stored runs by what they are called.

use super::list;
use crate::program;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The name of the newest run.
pub const LATEST: &str = "latest";

/// The directory of a run that is named by its path or, below `root`, by its
/// name, by a beginning that no other has, or as `latest`.
///
/// # Errors
///
/// There is no such run, or more than one.
pub fn find(name: &str, root: &Path) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.exists() {
        return Ok(path.to_path_buf());
    }
    let (stored, _) = list(root)?;
    if name == LATEST {
        let newest = stored.last();
        let none = || format!("no runs in {}", root.display());
        return newest.map(|run| run.dir.clone()).with_context(none);
    }
    let names = stored.iter().filter_map(|run| {
        let of = run.dir.file_name()?.to_str()?;
        Some((of, &run.dir))
    });
    let mine: Vec<_> = names.filter(|(of, _)| of.starts_with(name)).collect();
    let exact = mine.iter().find(|(of, _)| *of == name);
    match (exact, &mine[..]) {
        (Some((_, dir)), _) | (None, [(_, dir)]) => Ok((*dir).clone()),
        (None, []) => bail!(
            "no run `{name}`: neither a file nor a directory, nor a run or a \
             matrix in {}; `{} runs` lists what is there, and the newest is \
             `{LATEST}`",
            root.display(),
            program::name()
        ),
        (None, [(one, _), (two, _), ..]) => bail!(
            "`{name}` is the beginning of {} runs, {one} and {two} among them",
            mine.len()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::find;
    use crate::finished::{Meta, SCHEMA};
    use crate::store::META;
    use std::fs;

    #[test]
    fn runs_by_name_beginning_path_and_age() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let refused = |name: &str| find(name, root).unwrap_err().to_string();
        assert!(refused("latest").contains("no runs in"));
        for (name, started) in [("b-1", "2026"), ("b-12", "2025"), ("c", "1")] {
            let meta = Meta {
                schema: SCHEMA,
                started: started.to_owned(),
                ..Meta::default()
            };
            fs::create_dir(root.join(name)).unwrap();
            let json = serde_json::to_vec(&meta).unwrap();
            fs::write(root.join(name).join(META), json).unwrap();
        }
        for (name, dir) in [
            ("latest", "b-1"),
            ("b-1", "b-1"),
            ("b-12", "b-12"),
            ("c", "c"),
            (&root.join("c").display().to_string(), "c"),
        ] {
            assert_eq!(find(name, root).unwrap(), root.join(dir), "{name}");
        }
        assert!(refused("b").contains("the beginning of 2 runs, b-1"));
        assert!(refused("d").contains("the newest is `latest`"));
    }
}
