//! `ci`: job definitions for continuous integration systems.

use crate::arch::{Arch, X86_64};
use crate::boot::plan;
use crate::build;
use crate::ci::{ALONE, Job, System, cells, several, split};
use crate::cmd::matrix;
use crate::exit::Exit;
use crate::matrix::listed;
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use core::time::Duration;
use initramfs::newc::Archive;
use std::fs;
use std::path::{Path, PathBuf};

/// Write a complete job definition for a continuous integration system. The
/// plan follows `--`.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "ci")]
#[argh(
    usage = "<system> --ramdisk URL (--kernel URL | --matrix FILE) [options] \
             [-- plan...]",
    example = "A job for LAVA that records every figure:\n\
               \x20 {command_name} lava --kernel https://example.org/bzImage \
               --ramdisk https://example.org/pidone-x86_64.cpio.gz \
               -- time=1s work=PipeIo > job.yaml",
    example = "A job for each cell of a matrix:\n\
               \x20 {command_name} lava --matrix matrix.toml --output jobs \\\n\
               \x20   --ramdisk https://example.org/pidone-x86_64.cpio.gz",
    note = "docs/ci.md has the systems one by one.",
    error_code(0, "it is written"),
    error_code(255, "the plan is wrong, or cannot be written there")
)]
pub struct Args {
    /// lava, tuxrun, kernelci or github
    #[argh(positional)]
    system: System,
    /// URL of the kernel; KernelCI has its own
    #[argh(option)]
    kernel: Option<String>,
    /// URL of the initramfs
    #[argh(option)]
    ramdisk: String,
    /// x86_64 (the default), aarch64 or riscv64
    #[argh(option, default = "&X86_64")]
    arch: &'static Arch,
    /// device type of LAVA, or platform of KernelCI; `qemu` by default
    #[argh(option, default = "String::from(\"qemu\")")]
    device_type: String,
    /// for GitHub: where the action is, `./` by default
    #[argh(option, default = "String::from(\"./\")")]
    action: String,
    /// words for the kernel command line
    #[argh(option)]
    append: Vec<String>,
    /// a matrix file, of whose cells each becomes a job
    #[argh(option)]
    matrix: Option<String>,
    /// a kernel, machine, plan or cell of the matrix; may be repeated
    #[argh(option)]
    only: Vec<String>,
    /// for KernelCI: write the template instead of the configuration
    #[argh(switch)]
    template: bool,
    /// the file to write, by default standard output; for jobs of a matrix
    /// that need a file each, a directory
    #[argh(option)]
    output: Option<PathBuf>,
    /// the plan
    #[argh(positional, greedy)]
    plan: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// The plan is wrong, or has a word that cannot be written there.
pub fn run(args: &Args) -> Result<Exit> {
    if args.template && args.system != System::KernelCi {
        bail!("--template is for kernelci");
    }
    if args.matrix.is_some() && !args.template {
        return of_matrix(args);
    }
    if let Some(word) = args.only.first()
        && args.matrix.is_none()
    {
        bail!("--only {word} needs --matrix");
    }
    let words = args.plan.iter().filter(|word| *word != "--");
    let plan: Vec<String> = words.cloned().collect();
    let (planned, _works) = plan::check(&plan.join(" "), &Archive::default())?;
    let kernel = match &args.kernel {
        Some(kernel) => kernel.clone(),
        None if args.system == System::KernelCi => "none".to_owned(),
        None => bail!("--kernel URL is missing"),
    };
    let job = Job {
        kernel,
        append: split(&args.append),
        plan,
        planned,
        ..common(args)
    };
    let text = match args.template {
        true => job.kernelci_template()?,
        false => job.text(args.system)?,
    };
    write(args.output.as_deref(), &text)?;
    Ok(Exit::Good)
}

fn write(output: Option<&Path>, text: &str) -> Result<()> {
    match output {
        Some(file) => build::write(file, text.as_bytes()),
        None => super::print(text),
    }
}

/// What all jobs have in common.
fn common(args: &Args) -> Job {
    Job {
        name: ALONE.to_owned(),
        cpus: None,
        mib: None,
        kbuild: None,
        timeout: None,
        kernel: String::new(),
        ramdisk: args.ramdisk.clone(),
        arch: args.arch,
        device: args.device_type.clone(),
        action: args.action.clone(),
        append: Vec::new(),
        plan: Vec::new(),
        planned: Duration::ZERO,
    }
}

/// Jobs of the cells of a matrix.
fn of_matrix(args: &Args) -> Result<Exit> {
    let file = args.matrix.as_deref().unwrap_or_default();
    for (given, what) in [
        (args.kernel.is_some(), "--kernel"),
        (!args.append.is_empty(), "--append"),
        (args.plan.iter().any(|word| word != "--"), "a plan"),
    ] {
        if given {
            bail!("{what} comes from the file of --matrix");
        }
    }
    let cells = matrix::read(file, &args.only)?;
    matrix::prepare::check(file, &cells)?;
    let (mut jobs, mut wrong) = (Vec::new(), Vec::new());
    let common = common(args);
    for cell in &cells {
        let planned = plan::takes(&cell.request)?;
        match cells::jobs(cell, planned, &common, args.system) {
            Ok(mut of_cell) => jobs.append(&mut of_cell),
            Err(mut of_cell) => wrong.append(&mut of_cell),
        }
    }
    if !wrong.is_empty() {
        bail!(listed(file, &wrong));
    }
    let written = several(&jobs, args.system)?;
    if let [(name, text)] = &written[..]
        && name.is_empty()
    {
        write(args.output.as_deref(), text)?;
        return Ok(Exit::Good);
    }
    let Some(dir) = &args.output else {
        bail!(
            "--output DIR is missing: {} jobs are a file each",
            jobs.len()
        );
    };
    fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    for (name, text) in &written {
        build::write(&dir.join(name), text.as_bytes())?;
    }
    let place = dir.display();
    super::print(&format!("{} jobs in {place}\n", written.len()))?;
    Ok(Exit::Good)
}
