//! `setup`: everything the other verbs need.

use crate::arch::{self, Arch};
use crate::exit::Exit;
use crate::{checks, ci, tools};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

/// Install everything the other verbs need, saying each command.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "setup")]
#[argh(
    example = "{command_name}",
    example = "To boot kernels for another architecture:\n\
               \x20 {command_name} --arch aarch64",
    note = "Packages come from the system's package manager, with sudo \
            unless root; Rust targets come from rustup, and tools of CIs go \
            into the cache: LAVA's dispatcher from apt, the others from PyPI. \
            The browser, which only the tests need, is the largest: 410 MB.",
    error_code(0, "everything is there"),
    error_code(255, "something could not be installed")
)]
pub struct Args {
    /// only what is needed to build for this architecture and boot its
    /// kernels: x86_64, aarch64 or riscv64
    #[argh(option)]
    arch: Option<&'static Arch>,
}

/// Runs the verb.
///
/// # Errors
///
/// A command that failed.
pub fn run(args: &Args) -> Result<Exit> {
    if let Some(arch) = args.arch {
        tools::require(&[arch.qemu, tools::DPKG_DEB], true)?;
        tools::require_target(arch.target, true)?;
        return Ok(Exit::Good);
    }
    tools::require(&checks::TOOLS, true)?;
    tools::require_browser(true)?;
    for arch in arch::ALL {
        tools::require_target(arch.target, true)?;
    }
    ci::tools::lava(true)?;
    ci::tools::boards(true)?;
    ci::tools::traces(true)?;
    Ok(Exit::Good)
}
