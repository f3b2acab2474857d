//! `map`: which functions of a kernel each work type executes.

use crate::arch::{Arch, KERNEL};
use crate::boot::BootRequest;
use crate::boot::ready::{Ready, Setting};
use crate::build;
use crate::catalogue::paths;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, on};
use crate::interrupt;
use crate::map::stored::StoredMap;
use crate::map::{self, profiles};
use crate::model::Outcome;
use crate::profile::table::number;
use crate::program;
use crate::topology::Smp;
use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use core::time::Duration;
use std::path::PathBuf;

/// Profile every work type on a kernel, exactly, so that `which` knows which
/// of them execute a function.
#[derive(Debug, Clone, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "map")]
#[argh(
    usage = "[options]",
    example = "Of a kernel of one's own, and what it is good for:\n\
               \x20 {command_name} --kernel bzImage\n\
               \x20 cargo xtask which --kernel bzImage try_to_wake_up",
    note = "It takes some minutes, and is kept for `which` with the other \
            caches. docs/profile.md has more.",
    error_code(
        0,
        "every type that the machine has what it takes for is in it"
    ),
    error_code(1, "a run failed"),
    error_code(125, "cannot tell: no boot"),
    error_code(255, "the tool or its usage failed")
)]
pub struct Args {
    /// what --kernel of `boot` takes
    #[argh(option, default = "String::from(KERNEL)")]
    pub(super) kernel: String,
    /// x86_64, aarch64 or riscv64; by default that of a kernel's file, or the
    /// host's
    #[argh(option)]
    pub(super) arch: Option<&'static Arch>,
    /// virtual CPUs, as those of `boot`; 2 by default, on a node each
    #[argh(option, default = "Smp::Flat(2)")]
    pub(super) smp: Smp,
    /// how long each type runs, in guest time
    #[argh(option, default = "String::from(\"50ms\")")]
    pub(super) time: String,
    /// what --timeout of `boot` takes
    #[argh(option, from_str_fn(crate::duration::seconds))]
    pub(super) timeout: Option<Duration>,
    /// also write what docs/paths.md is made of to this file: the functions
    /// of each type, and the numbers of those that matter
    #[argh(option)]
    pub(super) out: Option<PathBuf>,
    /// refused: what is counted is counted inside QEMU, here
    #[argh(option, hidden_help)]
    pub(super) runner: Option<String>,
    /// install what is missing
    #[argh(switch)]
    pub(super) setup: bool,
}

/// A machine whose cores have two threads, for types that want one.
const THREADS: Smp = Smp::Spelled {
    nodes: 1,
    llcs: 1,
    cores: 1,
    threads: 2,
};

/// Runs the verb.
///
/// # Errors
///
/// Something that is needed is missing, or the map cannot be kept.
pub fn run(args: &Args) -> Result<Exit> {
    if let Some(runner) = &args.runner {
        bail!(
            "--runner {runner}: instructions are counted inside QEMU on this \
             host, which no runner has"
        );
    }
    let Made {
        outcome,
        reason,
        exit,
        map,
    } = make(args).inspect_err(|_| {
        if interrupt::happened() {
            crate::tell!("a map is kept whole or not at all; begin it anew");
        }
    })?;
    let boot = match map {
        Ok(boot) => boot,
        Err(dir) => {
            super::say(format_args!(
                "{outcome}: {reason}; there is no map; the boot is in {}",
                super::runs::shown(&dir)
            ))?;
            return Ok(exit);
        }
    };
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["work type", "instructions", "functions", "mostly in"]);
    for (work, profile) in profiles(&boot) {
        let first = profile.functions.iter().take(3);
        let first: Vec<&str> = first.map(|it| it.name.as_str()).collect();
        table.add_row([
            work.to_owned(),
            number(profile.each(profile.instructions)),
            profile.functions.len().to_string(),
            first.join(", "),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let header = on(&[boot.meta.mode()]);
    super::print(&(header + &table.trim_fmt() + "\n"))?;
    for run in boot.report.runs.iter().filter(|run| run.profile.is_none()) {
        super::say(format_args!(
            "not in it: {} ({}{})",
            run.name,
            run.verdict.name(),
            run.reasons
                .first()
                .map_or(String::new(), |it| format!(", {it}")),
        ))?;
    }
    super::say(format_args!(
        "{outcome}: {reason}; kept for `{} which` in {}",
        program::name(),
        super::runs::shown(&boot.dir)
    ))?;
    Ok(exit)
}

/// The types that were left out because no core has two threads.
fn unthreaded(boot: &FinishedBoot) -> Vec<&str> {
    let runs = boot.report.runs.iter();
    let left = runs.filter(|run| run.reasons == ["NO_SMT"]);
    left.map(|run| run.name.as_str()).collect()
}

/// What came of the boots of a map.
pub(super) struct Made {
    /// Of the first of them.
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    /// Of the first that is not good.
    pub(super) exit: Exit,
    /// The map; or where the boot is that has no profile.
    pub(super) map: core::result::Result<FinishedBoot, PathBuf>,
}

/// Boots all work types with profiles, and keeps these boots.
///
/// # Errors
///
/// As those of [`run`].
pub(super) fn make(args: &Args) -> Result<Made> {
    let request = BootRequest {
        kernel: args.kernel.clone(),
        arch: args.arch,
        smp: args.smp,
        numa: match args.smp {
            Smp::Flat(cpus) => cpus.min(2),
            Smp::Spelled { .. } => 1,
        },
        disk: vec!["64M".parse().map_err(anyhow::Error::msg)?],
        nic: Some("pair".parse().map_err(anyhow::Error::msg)?),
        deterministic: Some(1),
        profile: true,
        timeout: args.timeout,
        setup: args.setup,
        plan: map::plan(&args.time),
        ..BootRequest::default()
    };
    let root = map::dir()?;
    let booted = |request: &BootRequest| {
        let ready = Ready::new(request)?;
        ready.boot_and_store(ready.seed(), &Setting::alone(), &root)
    };
    let first = booted(&request)?;
    let (dir, outcome) = (first.dir.clone(), first.report.outcome);
    let reason = first.report.reason.clone();
    let mut boots = vec![first];
    let wanting = unthreaded(&boots[0]);
    if !wanting.is_empty() {
        boots.push(booted(&BootRequest {
            smp: THREADS,
            numa: 1,
            plan: map::plan_of(&args.time, &wanting),
            ..request
        })?);
    }
    let mut exits = boots.iter().map(|boot| boot.meta.exit_code);
    let exit = exits.find(|exit| *exit != Exit::Good).unwrap_or(Exit::Good);
    let map = map::united(boots).ok_or(dir);
    if let Ok(map) = &map {
        for old in map::remove_old(&root)? {
            crate::tell!(
                "note: removed {}, which is older",
                super::runs::shown(&old)
            );
        }
        if let Some(out) = &args.out {
            let named = |name: &str| paths::named(name);
            let map = StoredMap::new(map, named);
            build::write(out, map.to_text().as_bytes())?;
        }
    }
    Ok(Made {
        outcome,
        reason,
        exit,
        map,
    })
}
