//! QEMU on this host: its options and its life.

mod monitor;

use self::monitor::Monitor;
use crate::arch::{self, Arch, X86_64};
use crate::devices::Nic;
use crate::machine::{Ended, Machine, Running};
use crate::tools::{self, Tool};
use crate::{debian, noise};
use anyhow::{Context, Result};
use core::time::Duration;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Makes sure that there is QEMU for these architectures; with `setup`, gets
/// it. Where something else would be lost by an installation, it is unpacked
/// into our cache instead.
///
/// # Errors
///
/// As of [`tools::require`] and [`debian::qemu::unpack`].
pub fn require(arches: &[&Arch], setup: bool) -> Result<()> {
    let missing = |arch: &&&Arch| !tools::found(arch.qemu.program);
    let missing: Vec<&Arch> = arches.iter().filter(missing).copied().collect();
    let tools: Vec<Tool> = missing.iter().map(|arch| arch.qemu).collect();
    let Err(error) = tools::require(&tools, setup) else {
        return Ok(());
    };
    let loss: tools::Loss = error.downcast()?;
    crate::tell!(
        "{}: QEMU is unpacked into the cache instead, which changes nothing \
         of the system",
        loss.reason()
    );
    // What is there already is unpacked with it, since it takes its place.
    let there = |arch: &&&Arch| tools::unpacked(arch.qemu.program).is_some();
    let there = arch::ALL.iter().filter(there).copied();
    let all: Vec<&Arch> = there.chain(missing).collect();
    debian::qemu::unpack(&all).context(loss)?;
    Ok(())
}

impl Machine {
    /// QEMU's arguments.
    ///
    /// # Errors
    ///
    /// CPUs, memory and nodes that do not fit together.
    pub fn args(&self) -> Result<Vec<String>> {
        let arch = self.arch;
        let kvm = self.deterministic.is_none() && kvm_works(arch);
        let mut args: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| {
            args.extend(words.iter().map(|w| (*w).to_owned()));
        };
        add(&["-nodefaults", "-no-user-config", "-display", "none"]);
        add(&["-no-reboot", "-machine", arch.machine]);
        add(&["-accel", if kvm { "kvm" } else { "tcg" }]);
        let mut cpu = if kvm { "host" } else { arch.cpu }.to_owned();
        if !kvm && self.topology.smp.nodes().is_some() {
            cpu += arch.spelled.unwrap_or_default();
        }
        if self.deterministic.is_some() {
            cpu += arch.deterministic;
        }
        add(&["-cpu", &cpu]);
        let topology = self.topology.args(arch)?;
        add(&topology.iter().map(String::as_str).collect::<Vec<_>>());
        for (index, disk) in self.disks.iter().enumerate() {
            add(&disk.args(index, &self.dir).each_ref().map(String::as_str));
        }
        if self.keeps_a_disk() {
            add(&monitor::ARGS);
        }
        add(self.nic.map_or(&[], Nic::args));
        if let Some(seed) = self.deterministic {
            add(&["-icount", "shift=0,sleep=off,align=off"]);
            add(&["-rtc", "base=2026-01-01T00:00:00,clock=vm"]);
            add(&["-seed", &seed.to_string()]);
        }
        // Regular files never push back, which would leak the host's timing
        // into the guest.
        for (id, path) in [("con", self.console()), ("rec", self.records())] {
            let path = path.display().to_string().replace(',', ",,");
            add(&["-chardev", &format!("file,id={id},path={path}")]);
        }
        add(&["-serial", "chardev:con"]);
        match arch.second {
            Some(device) => add(&["-device", &format!("{device},chardev=rec")]),
            None => add(&["-serial", "chardev:rec"]),
        }
        if let Some(plugin) = &self.plugin {
            add(&["-plugin", plugin]);
        }
        let kernel = self.unpacked.as_ref().unwrap_or(&self.kernel);
        add(&["-kernel", &kernel.display().to_string()]);
        add(&["-initrd", &self.initrd.display().to_string()]);
        add(&["-append", &self.command_line()]);
        Ok(args)
    }

    /// Whether one of its disks has contents.
    fn keeps_a_disk(&self) -> bool {
        self.disks.iter().any(|disk| !disk.null)
    }
}

/// Starts it.
///
/// # Errors
///
/// QEMU cannot be started.
pub fn start(machine: &Machine) -> Result<Vm> {
    let turn = turn(machine.deterministic.is_none())?;
    let qemu = machine.arch.qemu.program;
    let mut command = tools::ours(qemu, "KILL");
    let mut temporary = Vec::new();
    for (index, disk) in machine.disks.iter().enumerate() {
        if let Some(file) = disk.file(index, &machine.dir) {
            disk.make(&file)?;
            temporary.push(file);
        }
    }
    let log = machine.dir.join("qemu.log");
    command
        .args(machine.args()?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&log)?);
    let said = Monitor::file(&machine.dir);
    if machine.keeps_a_disk() {
        Monitor::connect(&mut command, &said)?;
    }
    let child = command.spawn();
    let child = child.with_context(|| format!("{qemu} cannot be started"));
    let mut vm = Vm {
        child: child?,
        log,
        temporary,
        monitor: None,
        free: machine.deterministic.is_none(),
        _turn: turn,
    };
    if machine.keeps_a_disk() {
        vm.temporary.push(said.clone());
        vm.monitor = Monitor::of(&mut vm.child, said);
    }
    Ok(vm)
}

/// How QEMU says that a signal ended it, with the status of success.
const TERMINATED: &str = "terminating on signal";

/// A machine's clock is the host's, and goes on while nothing else does.
const STOPPED: &str = "QEMU was stopped by a signal while the machine's clock \
    went on, which says nothing of the kernel";

/// Whether a process with this `stat` is stopped by a signal. The name before
/// the last parenthesis may be anything.
fn stopped(stat: &str) -> bool {
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| rest.starts_with('T'))
}

/// What a status means beside what QEMU said.
fn ended(status: ExitStatus, said: &str) -> Ended {
    let killed = |how: &str| {
        Ended::NoEvidence(format!(
            "QEMU was ended: {how}, which says nothing of the kernel"
        ))
    };
    let mut lines = said.lines();
    let line = lines.find(|line| line.contains(TERMINATED));
    match (status.signal(), line) {
        (Some(signal), _) => killed(&format!("signal {signal}")),
        (None, Some(line)) => killed(line),
        (None, None) if status.success() => Ended::ByItself,
        (None, None) => Ended::Failed(format!("QEMU failed: {said}")),
    }
}

/// Waits for a turn among all that have the same file in `PIDONE_TURNS`, if
/// that is set. A deterministic machine is one thread, which neither minds nor
/// disturbs others of its kind; any other has to have the host for itself, if
/// its figures are to mean anything.
///
/// # Errors
///
/// There cannot be such a file.
pub fn turn(alone: bool) -> Result<Option<File>> {
    let Some(path) = std::env::var_os(TURNS) else {
        return Ok(None);
    };
    let what = || format!("{TURNS}={}", path.display());
    let file = File::options().create(true).append(true).open(&path);
    let file = file.with_context(what)?;
    match alone {
        true => file.lock(),
        false => file.lock_shared(),
    }
    .with_context(what)?;
    Ok(Some(file))
}

/// The variable of the environment that [`turn`] reads.
pub const TURNS: &str = "PIDONE_TURNS";

/// A running machine, killed when dropped.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    /// What QEMU says.
    log: PathBuf,
    /// Files to remove.
    temporary: Vec<PathBuf>,
    /// There is one if the machine has a disk with contents.
    monitor: Option<Monitor>,
    /// Its time is the host's.
    free: bool,
    /// Held while it runs.
    _turn: Option<File>,
}

impl Running for Vm {
    fn ended(&mut self) -> Result<Option<Ended>> {
        if let Some(monitor) = &self.monitor {
            monitor.check()?;
        }
        let status = self.child.try_wait().context("qemu")?;
        if status.is_none()
            && self.free
            && self.stats().iter().any(|it| stopped(it))
        {
            return Ok(Some(Ended::NoEvidence(STOPPED.to_owned())));
        }
        Ok(status.map(|status| {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            ended(status, said.trim())
        }))
    }

    fn begun(&self) -> bool {
        true
    }

    fn starved(&self) -> Duration {
        noise::starved(self.child.id())
    }

    fn stats(&mut self) -> Vec<String> {
        let path = format!("/proc/{}/stat", self.child.id());
        fs::read_to_string(path).into_iter().collect()
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        for file in &self.temporary {
            // It may have gone with its directory.
            let _removed = fs::remove_file(file);
        }
    }
}

/// What QEMU says of its version, in a line; nothing, where there is no QEMU.
#[must_use]
pub fn version(arch: &Arch) -> String {
    let said = Command::new(tools::program(arch.qemu.program))
        .arg("--version")
        .output();
    let said = said.map(|said| said.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    said.lines().next().unwrap_or_default().to_owned()
}

/// Whether a machine of this architecture can have the host's CPU.
/// `/dev/kvm` alone proves nothing on x86: the CPU must offer virtualisation
/// too.
#[must_use]
pub fn kvm_works(arch: &Arch) -> bool {
    if !arch.is_host() {
        return false;
    }
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|l| l.starts_with("flags"));
    let flags = flags.unwrap_or_default();
    let offered = flags.split_whitespace().any(|f| f == "vmx" || f == "svm");
    let offered = offered || *arch != X86_64;
    let kvm = Path::new("/dev/kvm");
    offered && File::options().read(true).write(true).open(kvm).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Ended, ExitStatus, Machine, Nic, ended, stopped};
    use crate::arch::{AARCH64, X86_64};
    use crate::topology::{Smp, Topology};
    use std::os::unix::process::ExitStatusExt;

    fn machine() -> Machine {
        Machine {
            arch: &X86_64,
            kernel: "/k".into(),
            unpacked: None,
            initrd: "/i".into(),
            topology: Topology {
                smp: Smp::Flat(4),
                numa: 2,
                ..Topology::default()
            },
            disks: vec!["8M".parse().unwrap()],
            nic: Some(Nic::Pair),
            append: vec!["pidone.work=PipeIo".into()],
            deterministic: Some(7),
            plugin: None,
            dir: "/a,b".into(),
        }
    }

    #[test]
    fn a_deterministic_machine_with_two_nodes() {
        let args = machine().args().unwrap().join(" ");
        for part in [
            "-accel tcg -cpu max,rdrand=off,rdseed=off -smp 4",
            "-numa node,nodeid=1,cpus=2-3,memdev=m1",
            "-icount shift=0,sleep=off,align=off",
            "-rtc base=2026-01-01T00:00:00,clock=vm -seed 7",
            "file.filename=/a,,b/disk0.img,cache.no-flush=on,node-name=disk0",
            "-device virtio-blk-pci,drive=disk0,werror=stop,rerror=stop",
            "-mon chardev=qmp,mode=control -netdev hubport",
            "file,id=con,path=/a,,b/console.log",
            "-serial chardev:con -serial chardev:rec -kernel /k",
            "-append console=ttyS0 panic=-1",
            "nokaslr norandmaps pidone.work=PipeIo",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
    }

    #[test]
    fn the_same_on_arm() {
        let arch = &AARCH64;
        let args = Machine { arch, ..machine() }.args().unwrap().join(" ");
        for part in [
            "-machine virt,gic-version=max -accel tcg",
            "-cpu max,pauth-impdef=on -smp 4",
            "-serial chardev:con -device pci-serial,chardev=rec -kernel",
            "-append console=ttyAMA0 panic=-1",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
    }

    #[test]
    fn whoever_ended_qemu_did_not_judge_a_kernel() {
        let term = "qemu-system-x86_64: terminating on signal 15 from pid 7";
        let (signal, code) = (ExitStatus::from_raw(9), ExitStatus::from_raw);
        let killed = |how: &str| {
            Ended::NoEvidence(format!(
                "QEMU was ended: {how}, which says nothing of the kernel"
            ))
        };
        let failed = Ended::Failed("QEMU failed: no such".to_owned());
        for (status, said, how) in [
            (code(0), "", Ended::ByItself),
            (code(0), "warning: x", Ended::ByItself),
            (code(0), term, killed(term)),
            (signal, "", killed("signal 9")),
            (code(256), "no such", failed),
        ] {
            assert_eq!(ended(status, said), how, "{said}");
        }
    }

    #[test]
    fn a_process_that_is_stopped() {
        assert!(stopped("7 (a) S) T 1 2"));
        // Nor is one that is traced.
        for stat in ["7 (a) T) S 1", "7 (a) t 1", ""] {
            assert!(!stopped(stat), "{stat}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_refused() {
        let mut odd = machine();
        odd.topology.smp = Smp::Flat(3);
        assert!(odd.args().unwrap_err().to_string().contains("2 nodes"));
    }
}
