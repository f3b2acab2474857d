//! `completions`: what a shell offers at the tabulator.

use crate::completions::Shell;
use crate::exit::Exit;
use crate::program;
use anyhow::{Context, Result};
use argh::{ArgsInfo, FromArgs};

/// Print what makes a shell complete verbs, options and work types.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "completions")]
#[argh(
    example = "{command_name} bash > ~/.local/share/bash-completion/\
               completions/pidonectl",
    example = "{command_name} zsh > ~/.zfunc/_pidonectl",
    example = "{command_name} fish > ~/.config/fish/completions/pidonectl.fish",
    error_code(0, "they are printed"),
    error_code(255, "no such shell")
)]
pub struct Args {
    /// bash, zsh or fish
    #[argh(positional)]
    shell: Shell,
}

/// Runs the verb.
///
/// # Errors
///
/// Standard output cannot be written to.
pub fn run(args: &Args) -> Result<Exit> {
    let info = program::current().released.context("no command line")?;
    super::print(&args.shell.script(&info()))?;
    Ok(Exit::Good)
}
