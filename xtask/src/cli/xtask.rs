//! `cargo xtask`: builds, packs, boots and decodes pidone, in a checkout.

use super::pidonectl;
use crate::program::{Program, XTASK};
use std::process::ExitCode;

super::command_line! {
    /// Build, pack and boot pidone, and decode what it says.
    examples: [
        "See what the scheduler of a Linux 6.12 does with pipes:\n\
         \x20 {command_name} boot --setup -- time=1s work=PipeIo",
    ],
    notes: [],
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
