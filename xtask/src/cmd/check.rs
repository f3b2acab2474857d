//! `check`: what is checked after every change.

use crate::checks;
use crate::exit::Exit;
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

/// Check format, lints, and every test that needs no machine.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "check")]
#[argh(
    example = "{command_name}",
    note = "It needs neither QEMU nor kernels. `test` checks the rest, too.",
    error_code(0, "all checks passed"),
    error_code(255, "a check failed, or could not be made")
)]
pub struct Args {
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// The check that failed.
pub fn run(args: &Args) -> Result<Exit> {
    checks::without_machine(args.setup)?;
    Ok(Exit::Good)
}
