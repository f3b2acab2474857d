//! `cargo xtask`: builds, packs, boots and decodes pidone, in a checkout.

use super::pidonectl;
use crate::program::{Program, XTASK};
use argh::{ArgsInfo, FromArgs};
use std::process::ExitCode;

/// Build, pack and boot pidone, and decode what it says.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    example = "See what the scheduler of a Linux 6.12 does with pipes:\n\
               \x20 {command_name} boot --setup -- time=1s work=PipeIo",
    example = "What can be measured:\n\
               \x20 {command_name} list\n\
               \x20 {command_name} explain PipeIo",
    note = "A value may follow an option as a word or behind `=`. Every verb \
            takes --color auto|always|never; auto uses colours on a terminal \
            unless NO_COLOR is set.",
    error_code(0, "all is well"),
    error_code(1, "the kernel or an expectation failed"),
    error_code(125, "cannot tell: no boot, or nothing but skipped runs"),
    error_code(255, "the tool, its usage or the plan failed")
)]
struct Args {
    #[argh(subcommand)]
    verb: Verb,
}

super::with_shared_verbs! {
    Build build,
    Check check,
    Test test,
    Dist dist,
}

/// Runs it.
#[must_use]
pub fn main() -> ExitCode {
    super::main::<Args>(Program {
        name: XTASK,
        in_checkout: true,
        released: Some(pidonectl::info),
    })
}
