//! Files of the host, as an archive takes them.

use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// A file with the permissions it gets.
pub(crate) fn read(host: &Path) -> Result<(Vec<u8>, u32)> {
    let what = || host.display().to_string();
    let meta = fs::metadata(host).with_context(what)?;
    // Opening a pipe or a device may block, or do something.
    if !meta.is_file() {
        bail!("{} is no file, directory or link", host.display());
    }
    let run = meta.permissions().mode() & 0o111 != 0;
    let bytes = fs::read(host).with_context(what)?;
    Ok((bytes, if run { 0o755 } else { 0o644 }))
}
