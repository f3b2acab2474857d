//! `dist`: the files of a release.

use crate::arch::{self, Arch};
use crate::dist::{self, Release};
use crate::exit::Exit;
use crate::{build, program, tools};
use anyhow::{Context, Result};
use argh::{ArgsInfo, FromArgs};
use std::path::PathBuf;

/// Write the files of a release: `pidonectl`, images, the bare program,
/// configurations, licences, bills of materials, notes and checksums.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "dist")]
#[argh(
    example = "{command_name} --output release",
    note = "The same commit gives the same bytes in every checkout.",
    error_code(0, "they are written"),
    error_code(255, "they are not")
)]
pub struct Args {
    /// an empty directory, or one to make; `target/dist` by default
    #[argh(option)]
    output: Option<PathBuf>,
    /// x86_64, aarch64 or riscv64 alone; by default all
    #[argh(option)]
    arch: Option<&'static Arch>,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// Something does not build, is missing, or cannot be written.
pub fn run(args: &Args) -> Result<Exit> {
    let arches = match args.arch {
        Some(arch) => vec![arch],
        None => arch::ALL.to_vec(),
    };
    for arch in &arches {
        tools::require_target(arch.target, args.setup)?;
    }
    let workspace = build::workspace();
    let out = args.output.clone();
    let out = out.unwrap_or_else(|| workspace.join("target/dist"));
    dist::unused(&out)?;
    let info = program::current().released.context("no command line")?;
    let mut release = Release::new(&workspace, &arches)?;
    release.add_programs(&info(), args.setup)?;
    for name in release.write(&out)? {
        super::say(format_args!("{}", out.join(name).display()))?;
    }
    Ok(Exit::Good)
}
