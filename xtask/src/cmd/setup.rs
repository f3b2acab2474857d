//! `setup`: everything the other verbs need.

use crate::arch::{self, Arch};
use crate::exit::Exit;
use crate::supply::{self, Supply};
use crate::{checks, ci, debian, program, qemu, tools};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

/// Install everything the other verbs need, saying each command.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "setup")]
#[argh(
    example = "{command_name}",
    example = "To boot kernels for another architecture:\n\
               \x20 {command_name} --arch aarch64",
    example = "QEMU without root, and without installing it:\n\
               \x20 {command_name} --unpack",
    note = "Packages come from the system's package manager, with sudo \
            unless root. None is removed or replaced by an older one for \
            another: what would take that is refused, with the choices there \
            are, and QEMU is unpacked into the cache then.",
    note = "In a checkout, Rust targets come from rustup, and tools of CIs go \
            into the cache: LAVA's dispatcher, U-Boot, kexec and the server \
            of ssh from apt, the others from PyPI. The browser, which only \
            the tests need, is the largest: 410 MB.",
    error_code(0, "everything is there"),
    error_code(255, "something could not be installed")
)]
pub struct Args {
    /// only what is needed to build for this architecture and boot its
    /// kernels: x86_64, aarch64 or riscv64
    #[argh(option)]
    arch: Option<&'static Arch>,
    /// unpack Debian's QEMU into the cache in place of installing anything; it
    /// is used where none is installed
    #[argh(switch)]
    unpack: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// A command that failed.
pub fn run(args: &Args) -> Result<Exit> {
    if args.unpack {
        let arches =
            args.arch.map_or_else(|| arch::ALL.to_vec(), |it| vec![it]);
        let place = debian::qemu::unpack(&arches)?;
        super::say(format_args!("{}", place.display()))?;
        return Ok(Exit::Good);
    }
    // What tests need is for those who have them.
    let own = (!program::current().in_checkout).then(Arch::host);
    if let Some(arch) = args.arch.or(own) {
        tools::require(&[tools::DPKG_DEB], true)?;
        qemu::require(&[arch], true)?;
        if matches!(supply::find()?, Supply::Sources(_)) {
            tools::require_target(arch.target, true)?;
        }
        return Ok(Exit::Good);
    }
    tools::require(&checks::TOOLS, true)?;
    qemu::require(&arch::ALL, true)?;
    tools::require_browser(true)?;
    for arch in arch::ALL {
        tools::require_target(arch.target, true)?;
    }
    ci::tools::lava(true)?;
    ci::tools::boards(true)?;
    ci::tools::sshd(true)?;
    ci::tools::traces(true)?;
    Ok(Exit::Good)
}
