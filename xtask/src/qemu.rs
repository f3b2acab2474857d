//! The virtual machine: its options and its life.

mod monitor;

use self::monitor::Monitor;
use crate::arch::{Arch, X86_64};
use crate::devices::{Disk, Nic};
use crate::tools;
use crate::topology::Topology;
use anyhow::{Context, Result};
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Words of every kernel command line. Self-tests of the kernel's ciphers
/// would run beside the first workload, for half a second under TCG. What
/// switches scheduler statistics on later patches code on all CPUs, which
/// takes a payload that wants them longer than all else it does; one that
/// does not switches them off.
const WORDS: &[&str] = &["panic=-1", "cryptomgr.notests", "schedstats=enable"];

/// A machine to boot.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Its architecture.
    pub arch: &'static Arch,
    /// Kernel image.
    pub kernel: PathBuf,
    /// What QEMU takes in place of an image that it does not know.
    pub unpacked: Option<PathBuf>,
    /// Initramfs.
    pub initrd: PathBuf,
    /// CPUs, nodes and memory.
    pub topology: Topology,
    /// Disks.
    pub disks: Vec<Disk>,
    /// Network interfaces.
    pub nic: Option<Nic>,
    /// Words for the kernel command line, behind our own.
    pub append: Vec<String>,
    /// Seed of a deterministic machine.
    pub deterministic: Option<u64>,
    /// What QEMU is told of a plugin.
    pub plugin: Option<String>,
    /// Where its serial ports are written to.
    pub dir: PathBuf,
}

impl Machine {
    /// The log of the console.
    #[must_use]
    pub fn console(&self) -> PathBuf {
        self.dir.join("console.log")
    }

    /// The log of the second port.
    #[must_use]
    pub fn records(&self) -> PathBuf {
        self.dir.join("records.log")
    }

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

    /// The kernel's command line.
    #[must_use]
    pub fn command_line(&self) -> String {
        let mut words = vec![format!("console={}", self.arch.console)];
        words.extend(WORDS.iter().map(|&word| word.to_owned()));
        if self.deterministic.is_some() {
            words.extend(["nokaslr", "norandmaps"].map(str::to_owned));
        }
        words.extend(self.append.iter().cloned());
        words.join(" ")
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started.
    pub fn start(&self) -> Result<Vm> {
        let turn = turn(self.deterministic.is_none())?;
        let qemu = self.arch.qemu.program;
        // A machine whose owner was killed would go on for nobody.
        let mut command = match tools::found("setpriv") {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "--", qemu]);
                command
            }
            false => Command::new(qemu),
        };
        let mut temporary = Vec::new();
        for (index, disk) in self.disks.iter().enumerate() {
            if let Some(file) = disk.file(index, &self.dir) {
                disk.make(&file)?;
                temporary.push(file);
            }
        }
        let log = self.dir.join("qemu.log");
        command
            .args(self.args()?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?);
        let said = Monitor::file(&self.dir);
        if self.keeps_a_disk() {
            Monitor::connect(&mut command, &said)?;
        }
        let child = command.spawn();
        let child = child.with_context(|| format!("{qemu} cannot be started"));
        let mut vm = Vm {
            child: child?,
            log,
            temporary,
            monitor: None,
            _turn: turn,
        };
        if self.keeps_a_disk() {
            vm.temporary.push(said.clone());
            vm.monitor = Monitor::of(&mut vm.child, said);
        }
        Ok(vm)
    }

    /// Whether one of its disks has contents.
    fn keeps_a_disk(&self) -> bool {
        self.disks.iter().any(|disk| !disk.null)
    }
}

/// How a machine ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// It powered off, or its kernel died.
    ByItself,
    /// Somebody ended QEMU, or the host did.
    Killed(String),
    /// QEMU could not go on, for this reason.
    Failed(String),
}

/// How QEMU says that a signal ended it, with the status of success.
const TERMINATED: &str = "terminating on signal";

impl Ended {
    /// What a status means beside what QEMU said.
    fn of(status: ExitStatus, said: &str) -> Self {
        let mut lines = said.lines();
        let line = lines.find(|line| line.contains(TERMINATED));
        match (status.signal(), line) {
            (Some(signal), _) => Self::Killed(format!("signal {signal}")),
            (None, Some(line)) => Self::Killed(line.to_owned()),
            (None, None) if status.success() => Self::ByItself,
            (None, None) => Self::Failed(said.to_owned()),
        }
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
    /// Held while it runs.
    _turn: Option<File>,
}

impl Vm {
    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// The process cannot be asked, or the host failed a disk.
    pub fn ended(&mut self) -> Result<Option<Ended>> {
        if let Some(monitor) = &self.monitor {
            monitor.check()?;
        }
        let status = self.child.try_wait().context("qemu")?;
        Ok(status.map(|status| {
            let said = fs::read_to_string(&self.log).unwrap_or_default();
            Ended::of(status, said.trim())
        }))
    }

    /// What `/proc` has of it; nothing if that does not tell.
    #[must_use]
    pub fn stat(&self) -> String {
        let path = format!("/proc/{}/stat", self.child.id());
        fs::read_to_string(path).unwrap_or_default()
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
    let said = Command::new(arch.qemu.program).arg("--version").output();
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
    use super::{Ended, ExitStatus, Machine, Nic, Topology};
    use crate::arch::{AARCH64, X86_64};
    use crate::topology::Smp;
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
        let (killed, code) = (ExitStatus::from_raw(9), ExitStatus::from_raw);
        for (status, said, ended) in [
            (code(0), "", Ended::ByItself),
            (code(0), "warning: x", Ended::ByItself),
            (code(0), term, Ended::Killed(term.to_owned())),
            (killed, "", Ended::Killed("signal 9".to_owned())),
            (code(256), "no such", Ended::Failed("no such".to_owned())),
        ] {
            assert_eq!(Ended::of(status, said), ended, "{said}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_refused() {
        let mut odd = machine();
        odd.topology.smp = Smp::Flat(3);
        assert!(odd.args().unwrap_err().to_string().contains("2 nodes"));
    }
}
