//! `list`: the work types.

use anyhow::Result;
use argh::{ArgsInfo, FromArgs};
use pidone::workload::Family;
use pidone::workloads::ALL;

/// List all work types by family.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
#[argh(example = "{command_name}", error_code(0, "always"))]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
///
/// Standard output cannot be written to.
pub fn run(_args: &Args) -> Result<u8> {
    let mut text = String::new();
    for &family in Family::ALL {
        text += family.title();
        text += "\n";
        for row in ALL.iter().filter(|row| row.family == family) {
            text += &format!("  {:<16} {}\n", row.name, row.summary);
        }
    }
    super::print(&text)?;
    Ok(super::exit::GOOD)
}
