//! `list`: the work types.

use crate::catalogue::need;
use crate::exit::Exit;
use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};
use pidone::row::{Family, Row};
use pidone::workloads::rows;
use std::collections::BTreeSet;

/// List all work types by family.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "list")]
#[argh(
    example = "{command_name} --path try_to_wake_up",
    error_code(0, "some are listed"),
    error_code(255, "none is left")
)]
pub struct Args {
    /// only those that need this: a kernel option (CONFIG_FUTEX), a
    /// capability (CAP_SYS_NICE), or a part of such a word
    #[argh(option)]
    need: Option<String>,
    /// only those whose kernel path names this function, or a part of it
    #[argh(option)]
    path: Option<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// Nothing needs that, or takes that path; standard output cannot be
/// written to.
pub fn run(args: &Args) -> Result<Exit> {
    let found: Vec<_> = rows().filter(|row| wanted(row, args)).collect();
    if found.is_empty() {
        let all: BTreeSet<_> = rows()
            .flat_map(|row| row.needs)
            .map(|n| need(&n.what))
            .collect();
        let all: Vec<_> = all.into_iter().collect();
        bail!(
            "no work type is left; needs are {}; paths are in docs/paths.md",
            all.join(", ")
        );
    }
    let mut text = String::new();
    for &family in Family::ALL {
        let rows: Vec<_> =
            found.iter().filter(|row| row.family == family).collect();
        if !rows.is_empty() {
            text += &format!("{}\n", family.title());
        }
        for row in rows {
            text += &format!("  {:<26} {}\n", row.name, row.summary);
        }
    }
    super::print(&text)?;
    Ok(Exit::Good)
}

fn wanted(row: &Row, args: &Args) -> bool {
    let holds = |text: &str, part: &str| {
        text.to_lowercase().contains(&part.to_lowercase())
    };
    let needs =
        |part: &String| row.needs.iter().any(|n| holds(&need(&n.what), part));
    let path = |part: &String| holds(row.path.text(), part);
    args.need.as_ref().is_none_or(needs) && args.path.as_ref().is_none_or(path)
}
