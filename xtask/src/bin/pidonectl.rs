//! `pidonectl`: `cargo xtask` without the checkout.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::cli::pidonectl::main()
}
