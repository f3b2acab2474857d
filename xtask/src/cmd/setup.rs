//! `setup`: everything the other verbs need.

use crate::{build, ci, tools};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

/// Install everything the other verbs need, saying each command.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "setup")]
#[argh(
    example = "{command_name}",
    note = "Packages come from the system's package manager, with sudo \
            unless root; Rust targets come from rustup, and tools of CIs go \
            into the cache: LAVA's dispatcher from apt, the others from PyPI. \
            The browser, which only the tests need, is the largest: 410 MB.",
    error_code(0, "everything is there"),
    error_code(255, "something could not be installed")
)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
///
/// A command that failed.
pub fn run(_args: &Args) -> Result<u8> {
    tools::require(&tools::OF_TESTS, true)?;
    tools::require_browser(true)?;
    tools::require_target(build::TARGET, true)?;
    ci::tools::lava(true)?;
    ci::tools::boards(true)?;
    Ok(super::exit::GOOD)
}
