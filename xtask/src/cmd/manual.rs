//! `manual`: the manual page.

use crate::exit::Exit;
use crate::{manual, program};
use anyhow::{Context, Result};
use argh::{ArgsInfo, FromArgs};

/// Print the manual page: all verbs with all their options.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "manual")]
#[argh(
    example = "{command_name} | man -l -",
    example = "{command_name} > ~/.local/share/man/man1/pidonectl.1",
    error_code(0, "it is printed"),
    error_code(255, "it cannot be written")
)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
///
/// Standard output cannot be written to.
pub fn run(_: &Args) -> Result<Exit> {
    let info = program::current().released.context("no command line")?;
    super::print(&manual::page(&info()))?;
    Ok(Exit::Good)
}
