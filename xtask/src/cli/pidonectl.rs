//! `pidonectl`: boots kernels and decodes what they say, without sources.

use crate::program::Program;
use argh::{ArgsInfo, CommandInfoWithArgs, FromArgs};
use std::process::ExitCode;

/// Boot kernels with pidone, and say what their schedulers do.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    example = "See what the scheduler of a kernel does with pipes:\n\
               \x20 {command_name} boot --kernel bzImage -- \
               time=1s work=PipeIo",
    example = "Is one slower than the other?\n\
               \x20 {command_name} compare old/bzImage new/bzImage -- \
               work=PipeIo",
    example = "What can be measured:\n\
               \x20 {command_name} list\n\
               \x20 {command_name} explain PipeIo",
    note = "A value may follow an option as a word or behind `=`. Every verb \
            takes --color auto|always|never; auto uses colours on a terminal \
            unless NO_COLOR is set.",
    note = "Runs are stored in $XDG_DATA_HOME/pidone/runs, by default in \
            ~/.local/share; what is fetched or unpacked once is in \
            $XDG_CACHE_HOME/pidone, by default in ~/.cache, or in \
            $PIDONE_CACHE. No configuration is read.",
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
