//! Where everything is kept that is fetched or built once.

use anyhow::{Context, Result};
use std::path::PathBuf;

/// The directory of our cache.
///
/// # Errors
///
/// Neither `PIDONE_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn dir() -> Result<PathBuf> {
    let var = |name| std::env::var_os(name).map(PathBuf::from);
    var("PIDONE_CACHE")
        .or_else(|| Some(var("XDG_CACHE_HOME")?.join("pidone")))
        .or_else(|| Some(var("HOME")?.join(".cache/pidone")))
        .context("set PIDONE_CACHE to a directory for fetched kernels")
}
