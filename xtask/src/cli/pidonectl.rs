//! `pidonectl`: boots kernels and decodes what they say, without sources.

use crate::program::Program;
use argh::{ArgsInfo, CommandInfoWithArgs};
use std::process::ExitCode;

super::command_line! {
    /// Boot kernels with pidone, and say what their schedulers do.
    examples: [
        "See what the scheduler of a kernel does with pipes:\n\
         \x20 {command_name} boot --kernel bzImage -- time=1s work=PipeIo",
        "Is one slower than the other?\n\
         \x20 {command_name} compare old/bzImage new/bzImage -- work=PipeIo",
    ],
    notes: [
        "Runs are stored in $XDG_DATA_HOME/pidone/runs, by default in \
         ~/.local/share; what is fetched or unpacked once is in \
         $XDG_CACHE_HOME/pidone, by default in ~/.cache, or in $PIDONE_CACHE. \
         No configuration is read.",
    ],
}

super::with_shared_verbs! {
    Files files,
    Completions completions,
    Manual manual,
}

/// What it is called.
pub const NAME: &str = "pidonectl";

/// Its command line.
pub(crate) fn info() -> CommandInfoWithArgs {
    Args::get_args_info()
}

/// Runs it.
#[must_use]
pub fn main() -> ExitCode {
    super::main::<Args>(Program {
        name: NAME,
        in_checkout: false,
        released: Some(info),
    })
}
