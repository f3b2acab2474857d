//! `list`: the work types.

use argh::{ArgsInfo, FromArgs};
use pidone::workload::Family;
use pidone::workloads::ALL;

/// List all work types by family.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
#[argh(example = "{command_name}", error_code(0, "always"))]
pub struct Args {}

/// Runs the verb.
#[must_use]
pub fn run(_args: &Args) -> u8 {
    for &family in Family::ALL {
        println!("{}", family.title());
        for row in ALL.iter().filter(|row| row.family == family) {
            println!("  {:<16} {}", row.name, row.summary);
        }
    }
    super::exit::GOOD
}
