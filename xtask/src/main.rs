//! `cargo xtask`: builds, packs, boots and decodes pidone.

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::cli::xtask::main()
}
