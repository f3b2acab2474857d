//! `test`: everything continuous integration checks.

use crate::arch::{self, AARCH64, Arch, X86_64};
use crate::{ci, kernel_build, tools};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};

/// Check format, lints and all tests, those that boot kernels included.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "test")]
#[argh(
    example = "{command_name} --setup",
    note = "Kernels come from Debian's packages. On two cores it takes \
            some minutes, with --slow half an hour, which is less the second \
            time.",
    error_code(0, "all checks passed"),
    error_code(255, "a check failed, or could not be made")
)]
pub struct Args {
    /// install what is missing
    #[argh(switch)]
    setup: bool,
    /// check what takes long in their place: a regression planted in a kernel
    /// is found by building it several times
    #[argh(switch)]
    slow: bool,
}

/// Kernels the tests boot.
const KERNELS: [(&str, &Arch); 3] = [
    ("debian:6.12-cloud", &X86_64),
    ("debian:6.1-cloud", &X86_64),
    ("debian:6.12-cloud", &AARCH64),
];

/// Runs the verb.
///
/// # Errors
///
/// The check that failed.
pub fn run(args: &Args) -> Result<u8> {
    tools::require(&tools::OF_TESTS, args.setup)?;
    tools::require_browser(args.setup)?;
    ci::tools::lava(args.setup)?;
    ci::tools::boards(args.setup)?;
    for arch in arch::ALL {
        tools::require_target(arch.target, args.setup)?;
    }
    for (kernel, arch) in KERNELS {
        crate::kernel::resolve(kernel, Some(arch), args.setup)?;
    }
    if args.slow {
        return slow(args.setup);
    }
    kernel_build::build(&kernel_build::Order::of_tests(args.setup)?)?;
    tools::run(&["cargo", "fmt", "--all", "--check"])?;
    let lints = ["--workspace", "--all-targets", "--", "-D", "warnings"];
    tools::run(&[&["cargo", "clippy", "--quiet"], &lints[..]].concat())?;
    // One machine at a time: two with two CPUs each would starve each other,
    // on a runner with two cores, of the time their proofs need.
    let threads = ["--workspace", "--", "--test-threads=1"];
    tools::run(&[&["cargo", "test"], &threads[..]].concat())?;
    Ok(super::exit::GOOD)
}

fn slow(setup: bool) -> Result<u8> {
    // What the history is made of.
    kernel_build::source("debian:6.12", setup)?;
    let of = ["--package", "xtask", "--features", "slow", "--test", "slow"];
    let lints = ["--", "-D", "warnings"];
    tools::run(&[&["cargo", "clippy", "--quiet"], &of[..], &lints].concat())?;
    let shown = ["--", "--nocapture"];
    tools::run(&[&["cargo", "test"], &of[..], &shown].concat())?;
    Ok(super::exit::GOOD)
}
