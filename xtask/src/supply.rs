//! Where payloads, fragments and the plugin come from: the sources that this
//! program was built from, or the files that it carries.
//!
//! Nothing else asks which it is, so that every verb works with either.

use crate::arch::Arch;
use crate::{build, bundle};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The directory of our fragments, in the sources and among the files.
pub const FRAGMENTS: &str = "kernel-configs";

/// What the plugin is called where it does not have to be built: beside the
/// program, in a release, and among the files.
pub const PLUGIN: &str = "pidone-plugin.so";

/// Where it all comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supply {
    /// The workspace in this directory.
    Sources(PathBuf),
    /// Files that the program carries, unpacked in this directory.
    Files(PathBuf),
}

/// The one of this program: it is looked for once.
///
/// # Errors
///
/// The program carries no files and its sources are gone, or its files cannot
/// be unpacked.
pub fn find() -> Result<&'static Supply> {
    static FOUND: OnceLock<Supply> = OnceLock::new();
    if let Some(found) = FOUND.get() {
        return Ok(found);
    }
    // What runs, though the file may have been built anew meanwhile.
    let program = Path::new("/proc/self/exe");
    let supply = choose(bundle::unpacked(program)?, build::workspace())?;
    Ok(FOUND.get_or_init(|| supply))
}

fn choose(files: Option<PathBuf>, sources: PathBuf) -> Result<Supply> {
    match files {
        Some(files) => Ok(Supply::Files(files)),
        None if sources.join("payload/Cargo.toml").is_file() => {
            Ok(Supply::Sources(sources))
        }
        None => bail!(
            "this program carries no images, and the sources that it was built \
             from are not in {} any more; that of a release carries them",
            sources.display()
        ),
    }
}

/// The payload of an architecture; with `setup`, what is missing to build it
/// is installed.
///
/// # Errors
///
/// It does not build, or the program does not carry it.
pub fn payload(arch: &Arch, setup: bool) -> Result<PathBuf> {
    match find()? {
        Supply::Sources(_) => build::payload(arch, setup),
        Supply::Files(dir) => {
            let payload = dir.join(payload_of(arch));
            match payload.is_file() {
                true => Ok(payload),
                false => bail!("this program has no image for {}", arch.name),
            }
        }
    }
}

/// What the payload of an architecture is called among the files.
#[must_use]
pub fn payload_of(arch: &Arch) -> String {
    format!("{}/pidone", arch.name)
}

/// The plugin that counts instructions: the file of a release beside this
/// program, or else what is built or carried.
///
/// # Errors
///
/// It does not build, or the program does not carry it.
pub fn plugin() -> Result<PathBuf> {
    let program = std::env::current_exe().context("this program")?;
    let beside = program.with_file_name(PLUGIN);
    if beside.is_file() {
        return Ok(beside);
    }
    match find()? {
        Supply::Sources(sources) => build::plugin_of(sources),
        Supply::Files(dir) => {
            let plugin = dir.join(PLUGIN);
            if plugin.is_file() {
                return Ok(plugin);
            }
            bail!(
                "this program has no plugin for QEMU on {}; `cargo build \
                 --release --package pidone-plugin` of the sources makes one, \
                 whose place is {}",
                std::env::consts::ARCH,
                beside.display()
            )
        }
    }
}

/// The directory of our fragments.
///
/// # Errors
///
/// As those of [`find`].
pub fn fragments() -> Result<PathBuf> {
    let dir: &Path = match find()? {
        Supply::Sources(dir) | Supply::Files(dir) => dir,
    };
    Ok(dir.join(FRAGMENTS))
}

#[cfg(test)]
mod tests {
    use super::{Supply, choose};
    use crate::build::workspace;
    use std::path::PathBuf;

    #[test]
    fn files_go_before_sources_and_neither_is_an_error() {
        let files = PathBuf::from("/files");
        let found = choose(Some(files.clone()), workspace()).unwrap();
        assert_eq!(found, Supply::Files(files));
        let found = choose(None, workspace()).unwrap();
        assert_eq!(found, Supply::Sources(workspace()));
        let error = choose(None, "/gone".into()).unwrap_err().to_string();
        assert!(error.contains("are not in /gone any more"), "{error}");
    }
}
