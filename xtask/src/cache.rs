//! Where everything is kept that is fetched or built once.

use crate::xdg;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The directory of our cache.
///
/// # Errors
///
/// Neither `PIDONE_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn dir() -> Result<PathBuf> {
    let own = std::env::var_os("PIDONE_CACHE").map(PathBuf::from);
    let xdg = || Some(xdg::dir("XDG_CACHE_HOME", ".cache")?.join("pidone"));
    own.or_else(xdg)
        .context("set PIDONE_CACHE to a directory for what is fetched")
}

/// Moves what is whole to its place, where there may be something that is of
/// no use: empty, half written, or of another kind. That goes into `work`,
/// which is removed.
///
/// # Errors
///
/// It cannot be moved there.
pub fn replace(new: &Path, place: &Path, work: &Path) -> Result<()> {
    let is_dir =
        |path| fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir());
    // A link takes the place of another in one step.
    if is_dir(place) || is_dir(new) {
        // There may be nothing, or another process was faster.
        let aside = work.join(place.file_name().unwrap_or_default());
        drop(fs::rename(place, aside));
    }
    fs::rename(new, place).with_context(|| place.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::replace;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_is_of_no_use_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("place");
        let half = |place: &std::path::Path| {
            fs::create_dir(place).unwrap();
            fs::write(place.join("half"), "").unwrap();
        };
        let empty = |place: &std::path::Path| fs::create_dir(place).unwrap();
        let link = |place: &std::path::Path| symlink("nowhere", place).unwrap();
        let file = |place: &std::path::Path| fs::write(place, "").unwrap();
        let none = |_: &std::path::Path| {};
        let all: [&dyn Fn(&std::path::Path); 5] =
            [&half, &empty, &link, &file, &none];
        for make in all {
            make(&place);
            let work = tempfile::tempdir_in(dir.path()).unwrap();
            let new = work.path().join("new");
            fs::create_dir(&new).unwrap();
            fs::write(new.join("whole"), "").unwrap();
            replace(&new, &place, work.path()).unwrap();
            let there: Vec<_> = fs::read_dir(&place).unwrap().collect();
            assert_eq!(there.len(), 1);
            assert!(place.join("whole").is_file());
            fs::remove_dir_all(&place).unwrap();
        }
    }
}
