//! `setup`: everything the other verbs need.

use crate::{build, tools};
use anyhow::Result;
use argh::FromArgs;

/// Install everything the other verbs need, saying each command.
#[derive(Debug, FromArgs)]
#[argh(subcommand, name = "setup")]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
///
/// A command that failed.
pub fn run(_args: &Args) -> Result<u8> {
    tools::require(&[tools::QEMU, tools::DPKG_DEB], true)?;
    tools::require_target(build::TARGET, true)?;
    Ok(super::exit::GOOD)
}
