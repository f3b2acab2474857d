//! `ci`: job definitions for continuous integration systems.

use crate::build;
use crate::ci::{Job, System};
use crate::cmd::boot;
use anyhow::{Result, bail};
use argh::{ArgsInfo, FromArgs};
use initramfs::newc::Archive;
use std::path::PathBuf;

/// Write a complete job definition for a continuous integration system. The
/// plan follows `--`.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "ci")]
#[argh(
    usage = "<system> --kernel URL --ramdisk URL [options] [-- plan...]",
    example = "A job for LAVA that records every figure:\n\
               \x20 {command_name} lava --kernel https://example.org/bzImage \
               --ramdisk https://example.org/pidone-x86_64.cpio.gz \
               -- time=1s work=PipeIo > job.yaml",
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
    /// x86_64 (the default)
    #[argh(option, default = "String::from(\"x86_64\")")]
    arch: String,
    /// device type of LAVA, or platform of KernelCI; `qemu` by default
    #[argh(option, default = "String::from(\"qemu\")")]
    device_type: String,
    /// for GitHub: where the action is, `./` by default
    #[argh(option, default = "String::from(\"./\")")]
    action: String,
    /// words for the kernel command line
    #[argh(option)]
    append: Vec<String>,
    /// for KernelCI: write the template instead of the configuration
    #[argh(switch)]
    template: bool,
    /// the file to write; by default standard output
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
pub fn run(args: &Args) -> Result<u8> {
    if args.template && args.system != System::KernelCi {
        bail!("--template is for kernelci");
    }
    let words = args.plan.iter().filter(|word| *word != "--");
    let plan: Vec<String> = words.cloned().collect();
    let (planned, _works) =
        boot::plan::check(&plan.join(" "), &Archive::default())?;
    let kernel = match &args.kernel {
        Some(kernel) => kernel.clone(),
        None if args.system == System::KernelCi => "none".to_owned(),
        None => bail!("--kernel URL is missing"),
    };
    let split = |words: &String| -> Vec<String> {
        words.split_whitespace().map(str::to_owned).collect()
    };
    let job = Job {
        kernel,
        ramdisk: args.ramdisk.clone(),
        arch: args.arch.clone(),
        device: args.device_type.clone(),
        action: args.action.clone(),
        append: args.append.iter().flat_map(split).collect(),
        plan,
        planned,
    };
    let text = match args.template {
        true => job.kernelci_template()?,
        false => job.text(args.system)?,
    };
    match &args.output {
        Some(file) => build::write(file, text.as_bytes())?,
        None => super::print(&text)?,
    }
    Ok(super::exit::GOOD)
}
