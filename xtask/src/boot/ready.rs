//! A kernel that is ready to boot, and the booting.

use super::BootRequest;
use super::bring_up;
use super::drivers;
use super::expected::ExpectedPlan;
use super::plan::Planned;
use super::scheduler;
use super::starved::starvation;
use super::wait::{Limits, Waited, wait};
use crate::arch::{Arch, X86_64, require_image};
use crate::decode::decode_ports;
use crate::exit::{Exit, NoEvidence};
use crate::finished::{
    Cell, FinishedBoot, Host, Kernel, Meta, SCHEMA, label, release,
};
use crate::guest_clock;
use crate::kconfig::Config;
use crate::live::{Live, Screen};
use crate::machine::{Machine, Running};
use crate::model::Outcome;
use crate::noise::Watch;
use crate::profile::{self, Profiler};
use crate::qemu::{self, kvm_works};
use crate::runner::{Place, Runner};
use crate::store::{self, Pending, sha256};
use crate::supply;
use crate::utc;
use crate::{build, interrupt, kernel, kernel_check, outcome, temporary};
use anyhow::{Context, Result};
use initramfs::newc::Archive;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime};
use std::{fs, thread};
use tempfile::TempDir;

/// Everything that boots of one kernel need; what is built is built once.
#[derive(Debug)]
pub struct Ready {
    request: BootRequest,
    arch: &'static Arch,
    kernel: PathBuf,
    config: Option<Config>,
    unpacked: Option<PathBuf>,
    initrd: PathBuf,
    tokens: Vec<String>,
    limits: Limits,
    profiler: Option<Profiler>,
    /// The payload as it was linked.
    symbols: PathBuf,
    /// Plans in the image, by name.
    plans: BTreeMap<String, String>,
    /// Holds what is for these boots alone, logs that nobody keeps included.
    temporary: TempDir,
}

/// A boot whose plan and kernel are known to be right, before anything is
/// built.
#[derive(Debug)]
pub struct Checked {
    request: BootRequest,
    arch: &'static Arch,
    kernel: PathBuf,
    config: Option<Config>,
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
    pub fn new(request: &BootRequest) -> Result<Self> {
        let Planned {
            tokens,
            mut added,
            takes,
            ..
        } = Planned::new(request)?;
        request.fits_its_runner()?;
        let setup = request.setup;
        let arch = kernel::arch(&request.kernel, request.arch)?;
        request.topology().args(arch)?;
        if request.runner.is_empty() {
            // A host that does not tell is asked by QEMU.
            let meminfo = fs::read_to_string("/proc/meminfo");
            request.topology().fits(&meminfo.unwrap_or_default())?;
            qemu::require(&[arch], setup)?;
        }
        let devices = !request.disk.is_empty() || request.nic.is_some();
        if request.deterministic.is_some() && devices {
            crate::tell!(
                "note: a machine with a disk or an interface does not repeat \
                 itself, since QEMU lets these answer when the host does"
            );
        }
        if request.profile {
            profile::check(arch, request.deterministic.is_some())?;
        }
        let kernel = kernel::resolve(&request.kernel, Some(arch), setup)?;
        require_image(&kernel)?;
        drivers::pack(request, &kernel, &mut added)?;
        if request.scheduler.is_some() {
            scheduler::pack_config(&kernel, &mut added)?;
        }
        build::require_arch(arch, &added, request.payload.as_deref())?;
        let config = kernel_check::of_image(&kernel);
        // Other machines need not wait for QEMU to say its version.
        if request.numa > 1 {
            bring_up::nodes(arch, request.numa, &qemu::version(arch))?;
        }
        if request.deterministic.is_some() {
            let (cpus, qemu) = (request.smp.cpus(), qemu::version(arch));
            bring_up::check(arch, cpus, config.as_ref(), &qemu)?;
        }
        let machine = machine(request, arch, config.as_ref(), &tokens);
        asked(request, &machine, &tokens, &plans(&added))?;
        Ok(Self {
            request: request.clone(),
            arch,
            kernel,
            config,
            added,
            tokens,
            limits: Limits::new(request.timeout, takes),
        })
    }

    /// Packs the initramfs.
    ///
    /// # Errors
    ///
    /// The payload cannot be built, or not be packed.
    pub fn ready(self) -> Result<Ready> {
        let temporary = temporary::dir()?;
        let (added, dir) = (self.added, temporary.path());
        let plans = plans(&added);
        let modules = match self.request.profile {
            true => build::packed_modules(&added),
            false => Vec::new(),
        };
        let (initrd, symbols) = match &self.request.payload {
            Some(payload) => {
                let initrd = build::pack_into(payload, added, dir)?;
                (initrd, payload.clone())
            }
            None => {
                let setup = self.request.setup;
                let payload = supply::payload(self.arch, setup)?;
                let initrd = build::pack_for_boot(&payload, added, dir)?;
                (initrd, build::with_symbols(&payload))
            }
        };
        let profiler = self.request.profile;
        let profiler = profiler.then(|| {
            let modules = modules.iter().map(|(name, file)| (&**name, &**file));
            let modules: Vec<_> = modules.collect();
            Profiler::new(&self.kernel, &modules, &symbols)
        });
        let unpacked = kernel::unpacked(&self.kernel, dir)?;
        Ok(Ready {
            request: self.request,
            arch: self.arch,
            kernel: self.kernel,
            config: self.config,
            unpacked,
            initrd,
            tokens: self.tokens,
            limits: self.limits,
            profiler: profiler.transpose()?,
            symbols,
            plans,
            temporary,
        })
    }
}

/// Where a boot is shown, and the cell of a matrix that it is of.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where it is shown.
    pub screen: Screen,
    /// The cell, if any.
    pub cell: Option<Cell>,
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

/// How often a boot is made again that says nothing of its kernel.
const AGAIN: u32 = 2;

impl Ready {
    /// Checks the plan, finds the kernel and packs the initramfs.
    ///
    /// # Errors
    ///
    /// As those of [`Checked`].
    pub fn new(request: &BootRequest) -> Result<Self> {
        Checked::new(request)?.ready()
    }

    /// The kernel and the initramfs.
    #[must_use]
    pub fn images(&self) -> [&Path; 2] {
        [&self.kernel, &self.initrd]
    }

    /// The seed that was asked for.
    #[must_use]
    pub fn seed(&self) -> Option<u64> {
        self.request.deterministic
    }

    /// What was asked for, with another seed.
    pub(super) fn seeded(&self, deterministic: Option<u64>) -> BootRequest {
        BootRequest {
            deterministic,
            ..self.request.clone()
        }
    }

    /// Boots once, and stores what came of it below `root`.
    ///
    /// # Errors
    ///
    /// As those of [`Self::boot`], or the run cannot be stored.
    pub fn boot_and_store(
        &self,
        seed: Option<u64>,
        setting: &Setting,
        root: &Path,
    ) -> Result<FinishedBoot> {
        let pending = Pending::new(root)?;
        let mut boot = self.boot(seed, setting, Some(pending.dir()))?;
        pending.store(&mut boot)?;
        Ok(boot)
    }

    /// Boots; the logs go to `--logs`, or to `dir`, or are not kept. What
    /// says nothing of the kernel is done again: QEMU stumbled over it, or
    /// somebody ended QEMU.
    ///
    /// # Errors
    ///
    /// The machine cannot be started, its logs cannot be written, or, with
    /// [`NoEvidence`], it was ended again and again.
    pub fn boot(
        &self,
        seed: Option<u64>,
        setting: &Setting,
        dir: Option<&Path>,
    ) -> Result<FinishedBoot> {
        let request = self.seeded(seed);
        // Trouble of a lab's is not looked for in the same place twice.
        let mut tried = Vec::new();
        for _ in 0..AGAIN {
            let booted = self.boot_once(&request, setting, dir, &mut tried);
            let why = match booted {
                Ok(boot) if self.stumbled(&request, &boot) => {
                    "the kernel died of an int3 of its own, as may happen \
                     in QEMU without KVM"
                        .to_owned()
                }
                Err(error)
                    if error.is::<NoEvidence>() && !interrupt::happened() =>
                {
                    error.to_string()
                }
                other => return other,
            };
            let note = format!("note: {why}; it is booted again");
            setting.screen.say(&note);
        }
        self.boot_once(&request, setting, dir, &mut tried)
    }

    fn boot_once(
        &self,
        request: &BootRequest,
        setting: &Setting,
        dir: Option<&Path>,
        tried: &mut Vec<String>,
    ) -> Result<FinishedBoot> {
        let dir = request.logs.as_deref().or(dir);
        let dir = dir.unwrap_or_else(|| self.temporary.path()).to_path_buf();
        fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let machine = Machine {
            kernel: self.kernel.clone(),
            unpacked: self.unpacked.clone(),
            initrd: self.initrd.clone(),
            plugin: self.profiler.as_ref().map(|it| it.option(self.arch, &dir)),
            dir,
            ..machine(request, self.arch, self.config.as_ref(), &self.tokens)
        };
        let asked = asked(request, &machine, &self.tokens, &self.plans)?;
        let place = match request.runner.is_empty() {
            true => None,
            false => Some(Place::take(&request.runner, tried)?),
        };
        let runner = place.as_ref().map(|it| it.runner().to_string());
        tried.extend(runner.clone());
        let (of, cell) = (machine.clone(), setting.cell.clone());
        let (free, request) =
            (request.deterministic.is_none(), request.clone());
        let config = self.config.clone();
        let mut vm: Box<dyn Running> = match place {
            None => Box::new(qemu::start(&machine)?),
            Some(place) => Runner::start(place, &machine, self.limits.all)?,
        };
        // It may have waited for its turn before.
        let (started, begin) = (SystemTime::now(), Instant::now());
        let mut watch = Watch::start();
        let known =
            thread::spawn(move || known(&of, config.as_ref(), &request, cell));
        let live = Live::new(&machine, &setting.screen);
        let Waited {
            timed_out,
            signs,
            starved,
        } = wait(vm.as_mut(), self.limits, live, &mut watch)?;
        // A disk that filled the host's makes room for more when it is gone.
        let kept = (!machine.disks.is_empty()).then_some(machine.dir.as_path());
        let room = kept.map(store::room);
        drop(vm);
        let (took, noise) = (begin.elapsed(), watch.end());
        let (console, records) = (
            store::log(&machine.dir, store::CONSOLE)?,
            store::log(&machine.dir, store::RECORDS)?,
        );
        let decoded = decode_ports(&[&console, &records]);
        let (mut report, exit_code) =
            outcome::of_all(decoded.boots(), timed_out);
        let small = !self.request.topology().is_ample();
        if console.is_empty() && runner.is_none() && small {
            report.reason += ": its memory may be too little to unpack kernel \
                              and initramfs in; --mem gives it more";
        }
        if timed_out
            && matches!(report.outcome, Outcome::NoBoot | Outcome::Hang)
            && let Some(limit) = self.request.timeout
        {
            report.reason += &format!("; --timeout ended it after {limit:?}");
        }
        if report.outcome == Outcome::NoBoot
            && let Some(config) = &self.config
        {
            report.reason += &kernel_check::unbootable(config)?;
        }
        let mut exit_code = asked.hold(&mut report, exit_code);
        // Time of a deterministic machine has nothing to do with ours, and what
        // a runner has heard it may tell much later.
        if free
            && runner.is_none()
            && exit_code != Exit::Tool
            && let Some(why) = signs.wrong(&report, &console, took)
        {
            exit_code = guest_clock::doubt(&mut report, &why);
        }
        let stolen = noise.map_or(0.0, |noise| noise.steal);
        let withheld = starved + took.mul_f64(stolen);
        if free
            && runner.is_none()
            && exit_code == Exit::Bad
            && let Some(why) = starvation(&report, withheld)
        {
            report.reason = format!("cannot tell: {why}: {}", report.reason);
            exit_code = Exit::CannotTell;
        }
        if let Some(profiler) = &self.profiler
            && let Some(none) = profiler.attach(&machine.dir, &mut report)?
        {
            setting.screen.say(&format!("warning: {none}"));
        }
        profile::sampled::name(&mut report, &self.symbols)?;
        if exit_code != Exit::Good {
            room.unwrap_or_else(|| store::room(&machine.dir))?;
        }
        let mut meta = match known.join() {
            Ok(meta) => meta?,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        let told = report.hello.as_ref().map(|hello| hello.kernel.clone());
        meta.kernel.release = told.or_else(|| release(&console));
        Ok(FinishedBoot {
            meta: Meta {
                started: utc::rfc3339(started),
                took_ms: u64::try_from(took.as_millis())?,
                noise,
                timed_out,
                outcome: report.outcome,
                reason: report.reason.clone(),
                exit_code,
                runner,
                ..meta
            },
            dir: machine.dir,
            report,
            console,
            records,
        })
    }

    /// Whether QEMU is to blame for a boot that did not end well: a kernel
    /// that patches its own code while another CPU runs it puts an int3 there
    /// for a moment, and QEMU without KVM may run that int3 when it is gone. A
    /// deterministic machine runs one CPU at a time.
    /// What a runner boots says what it is.
    fn stumbled(&self, request: &BootRequest, boot: &FinishedBoot) -> bool {
        if boot.report.outcome == Outcome::Ok || request.deterministic.is_some()
        {
            return false;
        }
        let console = String::from_utf8_lossy(&boot.console);
        let emulated = match request.runner.is_empty() {
            true => !kvm_works(self.arch),
            false => {
                console.contains("DMI: QEMU")
                    && !console.contains("Hypervisor detected")
            }
        };
        emulated && console.contains("int3: 0000")
    }
}

/// The machine of a boot, but for its files.
fn machine(
    request: &BootRequest,
    arch: &'static Arch,
    config: Option<&Config>,
    tokens: &[String],
) -> Machine {
    let seed = request.deterministic;
    let mut append = match seed {
        None if request.runner.is_empty()
            && *arch == X86_64
            && arch.is_host()
            && !kvm_works(arch) =>
        {
            guest_clock::words(config, &request.append)
        }
        _ => Vec::new(),
    };
    append.extend(request.append.iter().cloned());
    // Where a runner's machine has a second port, the runner says so.
    if request.runner.is_empty() {
        append.push(format!("pidone.records=/dev/{}", arch.records));
    }
    if let Some(seed) = seed {
        append.push(format!("pidone.seed={seed} pidone.progress=off"));
    }
    append.push("--".to_owned());
    append.extend(tokens.iter().cloned());
    Machine {
        arch,
        topology: request.topology(),
        disks: request.disk.clone(),
        nic: request.nic,
        append,
        deterministic: seed,
        ..Machine::default()
    }
}

/// What a payload in that machine is to run.
fn asked(
    request: &BootRequest,
    machine: &Machine,
    tokens: &[String],
    plans: &BTreeMap<String, String>,
) -> Result<ExpectedPlan> {
    let known = request.payload.is_none();
    let line = machine.command_line();
    let packed = |name: &str| plans.get(name).cloned();
    let asked = ExpectedPlan::of(&line, tokens, &packed, known)?;
    Ok(if known { asked } else { asked.of_runs() })
}

/// The plans in an image.
fn plans(added: &Archive) -> BTreeMap<String, String> {
    let plans = added.entries().filter_map(|entry| {
        let name = entry.path.strip_prefix("plans/")?;
        let text = build::packed_plan(added, name)?;
        Some((name.to_owned(), text.to_owned()))
    });
    plans.collect()
}

/// What is known of a boot before it ends: found out while the machine runs,
/// since hashes take some tenths of a second.
fn known(
    machine: &Machine,
    config: Option<&Config>,
    request: &BootRequest,
    cell: Option<Cell>,
) -> Result<Meta> {
    let here = request.runner.is_empty();
    let qemu = here.then(|| qemu::version(machine.arch));
    let qemu_args = here.then(|| machine.args()).transpose()?;
    let words = request.append.iter().chain(&request.plan);
    let plan: Vec<String> = words.cloned().collect();
    Ok(Meta {
        schema: SCHEMA,
        command: [vec!["xtask".to_owned()], request.command()].concat(),
        cell,
        label: label(&plan),
        plan,
        arch: Some(machine.arch.name.to_owned()),
        qemu: qemu.unwrap_or_default(),
        qemu_args: qemu_args.unwrap_or_default(),
        kernel: Kernel {
            spec: request.kernel.clone(),
            path: machine.kernel.clone(),
            sha256: sha256(&machine.kernel)?,
            config_sha256: config.map(Config::sha256),
            release: None,
        },
        initramfs_sha256: sha256(&machine.initrd)?,
        host: Host::this(),
        deterministic: machine.deterministic,
        ..Meta::default()
    })
}

#[cfg(test)]
mod tests {
    use super::known;
    use crate::boot::BootRequest;
    use crate::kernel_check;
    use crate::machine::Machine;
    use crate::model::hex;
    use initramfs::compress::Compression;
    use sha2::{Digest, Sha256};
    use std::fs;

    #[test]
    fn what_a_boot_is_made_of_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let machine = Machine {
            kernel: dir.path().join("kernel"),
            initrd: dir.path().join("initrd"),
            dir: dir.path().to_path_buf(),
            ..Machine::default()
        };
        let text = "# x\nCONFIG_B=y\nCONFIG_A=m\n";
        let image = Compression::Gzip.compress(text.as_bytes()).unwrap();
        let image = [b"IKCFG_ST", &image[..]].concat();
        fs::write(&machine.kernel, &image).unwrap();
        let config = kernel_check::of_image(&machine.kernel);
        fs::write(&machine.initrd, "i").unwrap();
        let words = ["--kernel", "k", "--", "work=PipeIo"];
        let request = BootRequest::parse("boot", &words).unwrap();
        let meta = known(&machine, config.as_ref(), &request, None).unwrap();
        let sha256 = |bytes: &[u8]| hex(&Sha256::digest(bytes));
        assert_eq!(meta.kernel.sha256, sha256(&image));
        let sorted = sha256(b"CONFIG_A=m\nCONFIG_B=y\n");
        assert_eq!(meta.kernel.config_sha256, Some(sorted));
        assert_eq!(meta.initramfs_sha256, sha256(b"i"));
        assert!(meta.qemu.contains("version"), "{}", meta.qemu);
        let again = "xtask boot --kernel k -- work=PipeIo";
        assert_eq!(meta.command.join(" "), again);
        assert_eq!((&*meta.label, meta.schema), ("PipeIo", 1));
        assert!(!meta.host.kernel.is_empty());
    }
}
