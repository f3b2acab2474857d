//! `cargo xtask`: builds, packs, boots and decodes pidone.

use argh::FromArgs;
use std::process::ExitCode;
use xtask::cmd::kernel;
use xtask::cmd::{boot, build, decode, exit, explain, list, pack, setup, test};

/// Build, pack and boot pidone, and decode what it says.
///
/// Exit codes: 0 good; 1 the kernel or an expectation failed; 125 the kernel
/// did not boot; 255 the tool, its usage or the plan failed.
#[derive(Debug, FromArgs)]
struct Args {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, FromArgs)]
#[argh(subcommand)]
enum Verb {
    Setup(setup::Args),
    Build(build::Args),
    Pack(pack::Args),
    Boot(boot::Args),
    Decode(decode::Args),
    List(list::Args),
    Explain(explain::Args),
    Kernel(kernel::Args),
    Test(test::Args),
}

fn main() -> ExitCode {
    // A panic of ours must not look like a bad kernel to a bisection.
    let caught = std::panic::catch_unwind(real_main);
    ExitCode::from(caught.unwrap_or(exit::TOOL))
}

fn real_main() -> u8 {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let args = match Args::from_args(&["cargo xtask"], &words) {
        Ok(args) => args,
        Err(early) if early.status.is_ok() => {
            println!("{}", early.output);
            return exit::GOOD;
        }
        Err(early) => {
            eprintln!("{}", early.output.trim_end());
            return exit::TOOL;
        }
    };
    let result = match &args.verb {
        Verb::Setup(args) => setup::run(args),
        Verb::Build(args) => build::run(args),
        Verb::Pack(args) => pack::run(args),
        Verb::Boot(args) => boot::run(args),
        Verb::Decode(args) => decode::run(args),
        Verb::List(args) => list::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Kernel(args) => kernel::run(args),
        Verb::Test(args) => test::run(args),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            exit::TOOL
        }
    }
}
