//! A kernel that is ready to boot, and what came of a boot.
//!
//! Every verb that boots does so here.

use super::Args;
use super::plan::Planned;
use crate::arch::{Arch, require_image};
use crate::cmd::exit;
use crate::decode::decode_ports;
use crate::live::{Live, Screen};
use crate::model::Report;
use crate::noise::{Noise, Watch};
use crate::qemu::{Machine, Vm, kvm_works};
use crate::store::{self, Cell, Parts, Pending};
use crate::{build, kernel, outcome, tools};
use anyhow::{Context, Result, bail};
use core::time::Duration;
use initramfs::newc::Archive;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use std::{fs, thread};
use tempfile::TempDir;

/// Everything that boots of one kernel need; what is built is built once.
#[derive(Debug)]
pub struct Ready {
    arch: &'static Arch,
    kernel: PathBuf,
    unpacked: Option<PathBuf>,
    initrd: PathBuf,
    tokens: Vec<String>,
    limits: Limits,
    /// Holds what is for these boots alone, logs that nobody keeps included.
    temporary: TempDir,
}

/// A boot whose plan and kernel are known to be right, before anything is
/// built.
#[derive(Debug)]
pub struct Checked {
    arch: &'static Arch,
    kernel: PathBuf,
    added: Archive,
    tokens: Vec<String>,
    limits: Limits,
}

impl Checked {
    /// Checks the plan and the machine, and finds the kernel.
    ///
    /// # Errors
    ///
    /// The plan is wrong, or something that is needed is missing.
    pub fn new(args: &Args) -> Result<Self> {
        let Planned {
            tokens,
            mut added,
            takes,
            ..
        } = Planned::new(args)?;
        let arch = kernel::arch(&args.kernel, args.arch)?;
        args.topology().args(arch)?;
        let devices = !args.disk.is_empty() || args.nic.is_some();
        if args.deterministic.is_some() && devices {
            eprintln!(
                "note: a machine with a disk or an interface does not repeat \
                 itself, since QEMU lets these answer when the host does"
            );
        }
        tools::require(&[arch.qemu], args.setup)?;
        let kernel = kernel::resolve(&args.kernel, Some(arch), args.setup)?;
        require_image(&kernel)?;
        modules(args, &kernel, &mut added)?;
        build::require_arch(arch, &added, args.payload.as_deref())?;
        Ok(Self {
            arch,
            kernel,
            added,
            tokens,
            limits: Limits::new(args.timeout, takes),
        })
    }

    /// Packs the initramfs.
    ///
    /// # Errors
    ///
    /// The payload cannot be built, or not be packed.
    pub fn ready(self, args: &Args) -> Result<Ready> {
        let temporary = tempfile::tempdir()?;
        let (added, dir) = (self.added, temporary.path());
        let initrd = match &args.payload {
            Some(payload) => build::pack_into(payload, added, dir)?,
            None => {
                let payload = build::payload(self.arch, args.setup)?;
                build::pack_for_boot(&payload, added, dir)?
            }
        };
        let unpacked = kernel::unpacked(&self.kernel, dir)?;
        Ok(Ready {
            arch: self.arch,
            kernel: self.kernel,
            unpacked,
            initrd,
            tokens: self.tokens,
            limits: self.limits,
            temporary,
        })
    }
}

/// Where a boot is shown, and the cell of a matrix that it is of.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where it is shown.
    pub screen: Screen,
    /// The cell, if any, and the command that makes such a boot by itself.
    pub cell: Option<(Cell, Vec<String>)>,
}

impl Setting {
    /// Of a boot that is by itself.
    #[must_use]
    pub fn alone() -> Self {
        Self {
            screen: Screen::alone(),
            cell: None,
        }
    }
}

impl Ready {
    /// Checks the plan, finds the kernel and packs the initramfs.
    ///
    /// # Errors
    ///
    /// As those of [`Checked`].
    pub fn new(args: &Args) -> Result<Self> {
        Checked::new(args)?.ready(args)
    }

    /// The kernel and the initramfs.
    #[must_use]
    pub fn images(&self) -> [&Path; 2] {
        [&self.kernel, &self.initrd]
    }

    /// Boots once, and stores what came of it below `root`. `args` may differ
    /// from those that this was made from in the seed alone.
    ///
    /// # Errors
    ///
    /// The machine cannot be started, or the run not be stored.
    pub fn boot_and_store(&self, args: &Args, root: &Path) -> Result<Done> {
        self.boot_in(&Setting::alone(), args, root)
    }

    /// As [`Self::boot_and_store`], in a setting.
    ///
    /// # Errors
    ///
    /// As those of [`Self::boot_and_store`].
    pub fn boot_in(
        &self,
        setting: &Setting,
        args: &Args,
        root: &Path,
    ) -> Result<Done> {
        let store = Pending::new(root)?;
        let booted = self.boot(args, Some(store.dir()), &setting.screen)?;
        let dir = booted.store(args, store, setting.cell.as_ref())?;
        Ok(Done {
            report: booted.report,
            code: booted.code,
            dir,
        })
    }

    /// Boots; the logs go to `--logs`, or to `dir`, or are not kept. A kernel
    /// that QEMU stumbled over is booted again.
    pub(super) fn boot(
        &self,
        args: &Args,
        dir: Option<&Path>,
        screen: &Screen,
    ) -> Result<Booted> {
        for _ in 0..AGAIN {
            let booted = self.boot_once(args, dir, screen)?;
            if !booted.stumbled()? {
                return Ok(booted);
            }
            screen.say(
                "note: an int3 of the kernel's own ended its start, as may \
                 happen in QEMU without KVM; it is booted again",
            );
        }
        self.boot_once(args, dir, screen)
    }

    fn boot_once(
        &self,
        args: &Args,
        dir: Option<&Path>,
        screen: &Screen,
    ) -> Result<Booted> {
        let dir = args.logs.as_deref().or(dir);
        let dir = dir.unwrap_or_else(|| self.temporary.path()).to_path_buf();
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let seed = args.deterministic;
        let mut append = args.append.clone();
        append.push(format!("pidone.records=/dev/{}", self.arch.records));
        if let Some(seed) = seed {
            append.push(format!("pidone.seed={seed} pidone.progress=off"));
        }
        append.push("--".to_owned());
        append.extend(self.tokens.iter().cloned());
        let machine = Machine {
            arch: self.arch,
            kernel: self.kernel.clone(),
            unpacked: self.unpacked.clone(),
            initrd: self.initrd.clone(),
            topology: args.topology(),
            disks: args.disk.clone(),
            nic: args.nic,
            append,
            deterministic: seed,
            dir,
        };
        let (started, begin) = (SystemTime::now(), Instant::now());
        let mut watch = Watch::start();
        let of = machine.clone();
        let vm = machine.start()?;
        let parts = thread::spawn(move || Parts::of(&of));
        let live = Live::new(&machine, screen);
        let timed_out = wait(vm, &machine, self.limits, live, &mut watch)?;
        let (took, noise) = (begin.elapsed(), watch.end());
        let (report, code) = report(&machine, timed_out)?;
        if code != exit::GOOD {
            store::room(&machine.dir)?;
        }
        let parts = match parts.join() {
            Ok(parts) => parts?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        Ok(Booted {
            machine,
            parts,
            started,
            took,
            noise,
            timed_out,
            report,
            code,
        })
    }
}
/// A boot that is over and stored.
#[derive(Debug)]
pub struct Done {
    /// What came of it.
    pub report: Report,
    /// The exit code it stands for.
    pub code: u8,
    /// Where it is stored.
    pub dir: PathBuf,
}

/// A boot that is over.
pub(super) struct Booted {
    machine: Machine,
    parts: Parts,
    started: SystemTime,
    took: Duration,
    noise: Option<Noise>,
    timed_out: bool,
    pub(super) report: Report,
    pub(super) code: u8,
}

/// How often a kernel that QEMU stumbled over is booted again.
const AGAIN: u32 = 2;

impl Booted {
    /// Whether QEMU is to blame for a kernel that did not boot: a kernel that
    /// patches its own code while another CPU runs it puts an int3 there for
    /// a moment, and QEMU without KVM may run that int3 when it is gone. A
    /// deterministic machine runs one CPU at a time.
    fn stumbled(&self) -> Result<bool> {
        let told = &self.report.outcome == "no_boot";
        let kvm = kvm_works(self.machine.arch);
        if !told || self.machine.deterministic.is_some() || kvm {
            return Ok(false);
        }
        let console = fs::read(self.machine.console())?;
        Ok(String::from_utf8_lossy(&console).contains("int3: 0000"))
    }

    pub(super) fn store(
        &self,
        args: &Args,
        store: Pending,
        cell: Option<&(Cell, Vec<String>)>,
    ) -> Result<PathBuf> {
        let words = args.append.iter().chain(&args.plan);
        let words = words.filter(|w| *w != "--").cloned();
        let plan: Vec<String> = words.collect();
        store.store(&store::Boot {
            started: self.started,
            took: self.took,
            cell,
            kernel_spec: &args.kernel,
            plan: &plan,
            machine: &self.machine,
            parts: &self.parts,
            noise: self.noise,
            timed_out: self.timed_out,
            report: &self.report,
            exit_code: self.code,
        })
    }
}

/// Packs the modules that were asked for, and drivers of what the machine
/// has. A kernel without known modules has its drivers built in, or it says
/// that there is no such device.
fn modules(args: &Args, kernel: &Path, added: &mut Archive) -> Result<()> {
    let tree = args.modules.clone().or_else(|| kernel::modules_of(kernel));
    let Some(tree) = tree else {
        if let Some(name) = args.module.first() {
            bail!(
                "--module {name}: there are no modules beside {}; say where \
                 with --modules DIR",
                kernel.display()
            );
        }
        return Ok(());
    };
    let mut names: Vec<&str> = args.module.iter().map(String::as_str).collect();
    if !args.disk.is_empty() {
        names.extend(["virtio_pci", "virtio_blk"]);
    }
    if args.nic.is_some() {
        names.extend(["virtio_pci", "virtio_net"]);
    }
    match names.is_empty() && args.modules.is_none() {
        true => Ok(()),
        false => build::pack_modules(added, &tree, &names),
    }
}
/// When a machine counts as hung. A busy host makes a machine slow, not
/// silent, so it is its silence that counts, unless told otherwise.
#[derive(Debug, Clone, Copy)]
struct Limits {
    silence: Duration,
    all: Duration,
}

impl Limits {
    fn new(all: Option<Duration>, planned: Duration) -> Self {
        match all {
            Some(all) => Self { silence: all, all },
            None => {
                // Guest time runs slower than ours in a deterministic machine.
                let silence = Duration::from_secs(60) + planned * 4;
                Self {
                    silence,
                    all: silence * 5,
                }
            }
        }
    }
}

/// Waits for the end; whether the machine had to be stopped.
fn wait(
    mut vm: Vm,
    machine: &Machine,
    limits: Limits,
    mut live: Live,
    watch: &mut Watch,
) -> Result<bool> {
    let begin = Instant::now();
    let mut heard = begin;
    loop {
        watch.machine(&vm.stat());
        if let Some(status) = vm.ended()? {
            if !status.success() {
                let log = fs::read_to_string(machine.dir.join("qemu.log"));
                bail!("QEMU failed: {}", log.unwrap_or_default().trim());
            }
            return Ok(false);
        }
        if begin.elapsed() > limits.all || heard.elapsed() > limits.silence {
            return Ok(true);
        }
        if live.update() {
            heard = Instant::now();
        }
        // Polling an external process; nothing is synchronised by it.
        thread::sleep(Duration::from_millis(50));
    }
}

fn report(machine: &Machine, timed_out: bool) -> Result<(Report, u8)> {
    let read = |path: PathBuf| {
        fs::read(&path).with_context(|| path.display().to_string())
    };
    let console = read(machine.console())?;
    let records = read(machine.records())?;
    let boot = decode_ports(&[&console, &records]).newest();
    let mut report = Report::new(&boot);
    let code = outcome::judge(&boot, timed_out, &mut report);
    Ok((report, code))
}
