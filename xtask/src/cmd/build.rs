//! `build`: the payload.

use crate::arch::Arch;
use crate::build;
use crate::exit::Exit;
use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};

/// Build the payload and print where it is and how large.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "build")]
#[argh(
    example = "{command_name}",
    example = "Where did `panicked, called from 21e5f0` come from?\n\
               \x20 addr2line -fie $({command_name} --symbols) 21e5f0",
    error_code(0, "it is built and within its budget"),
    error_code(255, "it is not")
)]
pub struct Args {
    /// x86_64, aarch64 or riscv64; by default the host's
    #[argh(option, default = "Default::default()")]
    arch: &'static Arch,
    /// print where it is with symbols, for the addresses that a panic says
    #[argh(switch)]
    symbols: bool,
    /// install what is missing
    #[argh(switch)]
    setup: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// The build fails or the payload is over its limit.
pub fn run(args: &Args) -> Result<Exit> {
    let payload = build::payload(args.arch, args.setup)?;
    if args.symbols {
        super::say(format_args!(
            "{}",
            build::with_symbols(&payload).display()
        ))?;
        return Ok(Exit::Good);
    }
    let (size, budget) = (build::size(&payload)?, build::PAYLOAD_BUDGET);
    super::say(format_args!(
        "{} ({size} bytes; budget {budget})",
        payload.display()
    ))?;
    if size > budget {
        bail!("the payload is over its budget");
    }
    Ok(Exit::Good)
}
