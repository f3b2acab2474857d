//! `test`: everything continuous integration checks.

use crate::exit::Exit;
use crate::{checks, evidence};
use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};

/// Check format, lints and all tests, those that boot kernels included.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "test")]
#[argh(
    example = "{command_name} --setup",
    example = "The proofs of wakes alone, and what is like them:\n\
               \x20 {command_name} proofs_wake",
    note = "Kernels come from Debian's packages. On two cores it takes \
            some minutes, with --slow half an hour, which is less the second \
            time.",
    error_code(0, "all checks passed"),
    error_code(255, "a check failed, or could not be made")
)]
pub struct Args {
    /// no check but the tests whose names hold one of these
    #[argh(positional)]
    names: Vec<String>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
    /// check what takes long in their place: a regression planted in a kernel
    /// is found by building it several times, and each fuzz target runs for a
    /// minute
    #[argh(switch)]
    slow: bool,
    /// only print how often verdicts are wrong, from so many simulated
    /// comparisons for each number: docs/evidence.md has 400
    #[argh(option)]
    simulate: Option<usize>,
}

/// Runs the verb.
///
/// # Errors
///
/// The check that failed.
pub fn run(args: &Args) -> Result<Exit> {
    match (args.simulate, args.slow, &*args.names) {
        (Some(0), ..) => bail!("--simulate 0 simulates nothing"),
        (Some(times), false, []) => super::print(&evidence::page(times))?,
        (None, true, []) => checks::slow(args.setup)?,
        (None, false, []) => checks::all(args.setup)?,
        (None, false, names) => checks::named(names, args.setup)?,
        _ => bail!("give only one of --simulate, --slow and names of tests"),
    }
    Ok(Exit::Good)
}
