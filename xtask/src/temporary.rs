//! Directories for what is needed no longer than a command runs, and holds
//! what nobody else need read: images have whatever `--add` packed.

use anyhow::{Context, Result};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tempfile::TempDir;

/// All that were made.
static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A directory that is its owner's alone, whatever the umask, and is removed
/// when it is dropped.
///
/// # Errors
///
/// It cannot be made.
pub fn dir() -> Result<TempDir> {
    let dir = tempfile::Builder::new()
        .prefix("pidone-")
        .permissions(Permissions::from_mode(0o700))
        .tempdir();
    let dir = dir.with_context(|| {
        format!("no directory in {}", std::env::temp_dir().display())
    })?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.push(dir.path().to_path_buf());
    Ok(dir)
}

/// Removes all of them, for a process that ends at once.
pub fn remove() {
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    for dir in made.iter() {
        // Most have gone by themselves.
        let _gone = fs::remove_dir_all(dir);
    }
}

#[cfg(test)]
mod tests {
    use super::{MADE, dir};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_directory_is_its_owners_alone() {
        let made = dir().unwrap();
        let mode = fs::metadata(made.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let known = MADE.lock().unwrap();
        assert!(known.iter().any(|dir| dir == made.path()));
    }
}
