//! The virtual machine: its options and its life.

use crate::devices::{Disk, Nic};
use crate::tools;
use crate::topology::Topology;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// Words of every kernel command line. Self-tests of the kernel's ciphers
/// would run beside the first workload, for half a second under TCG. What
/// switches scheduler statistics on later patches code on all CPUs, which
/// takes a payload that wants them longer than all else it does; one that
/// does not switches them off.
const WORDS: &[&str] = &[
    "console=ttyS0",
    "panic=-1",
    "cryptomgr.notests",
    "schedstats=enable",
];

/// A machine to boot.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// Kernel image.
    pub kernel: PathBuf,
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
        let kvm = self.deterministic.is_none() && kvm_works();
        let mut args: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| {
            args.extend(words.iter().map(|w| (*w).to_owned()));
        };
        add(&["-nodefaults", "-no-user-config", "-display", "none"]);
        add(&["-no-reboot", "-machine", "q35"]);
        add(&["-accel", if kvm { "kvm" } else { "tcg" }]);
        let mut cpu = if kvm { "host" } else { "max" }.to_owned();
        if !kvm && self.topology.smp.nodes().is_some() {
            cpu += ",vendor=GenuineIntel";
        }
        if self.deterministic.is_some() {
            // The guest's random numbers must come from the seed alone.
            cpu += ",rdrand=off,rdseed=off";
        }
        add(&["-cpu", &cpu]);
        let topology = self.topology.args()?;
        add(&topology.iter().map(String::as_str).collect::<Vec<_>>());
        for (index, disk) in self.disks.iter().enumerate() {
            add(&disk.args(index, &self.dir).each_ref().map(String::as_str));
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
            add(&["-serial", &format!("chardev:{id}")]);
        }
        add(&["-kernel", &self.kernel.display().to_string()]);
        add(&["-initrd", &self.initrd.display().to_string()]);
        let mut words: Vec<String> =
            WORDS.iter().map(|&word| word.to_owned()).collect();
        if self.deterministic.is_some() {
            words.extend(["nokaslr", "norandmaps"].map(str::to_owned));
        }
        words.extend(self.append.iter().cloned());
        add(&["-append", &words.join(" ")]);
        Ok(args)
    }

    /// Starts it.
    ///
    /// # Errors
    ///
    /// QEMU cannot be started.
    pub fn start(&self) -> Result<Vm> {
        let qemu = "qemu-system-x86_64";
        // A machine whose owner was killed would go on for nobody.
        let mut command = match tools::found("setpriv") {
            true => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL", "--", qemu]);
                command
            }
            false => Command::new(qemu),
        };
        let mut disks = Vec::new();
        for (index, disk) in self.disks.iter().enumerate() {
            if let Some(file) = disk.file(index, &self.dir) {
                disk.make(&file)?;
                disks.push(file);
            }
        }
        let child = command
            .args(self.args()?)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.dir.join("qemu.log"))?)
            .spawn()
            .context("qemu-system-x86_64 cannot be started")?;
        Ok(Vm { child, disks })
    }
}

/// A running machine, killed when dropped.
#[derive(Debug)]
pub struct Vm {
    child: Child,
    /// Files to remove.
    disks: Vec<PathBuf>,
}

impl Vm {
    /// How it ended, if it has.
    ///
    /// # Errors
    ///
    /// The process cannot be asked.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("qemu")
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
        for file in &self.disks {
            // It may have gone with its directory.
            let _removed = fs::remove_file(file);
        }
    }
}

/// `/dev/kvm` alone proves nothing: the CPU must offer virtualisation too.
#[must_use]
pub fn kvm_works() -> bool {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|l| l.starts_with("flags"));
    let flags = flags.unwrap_or_default();
    let offered = flags.split_whitespace().any(|f| f == "vmx" || f == "svm");
    let kvm = Path::new("/dev/kvm");
    offered && fs::File::options().read(true).write(true).open(kvm).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{Machine, Nic, Topology};
    use crate::topology::Smp;

    fn machine() -> Machine {
        Machine {
            kernel: "/k".into(),
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
            "-device virtio-blk-pci,drive=disk0 -netdev hubport",
            "file,id=con,path=/a,,b/console.log",
            "nokaslr norandmaps pidone.work=PipeIo",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
    }

    #[test]
    fn what_cannot_be_divided_is_refused() {
        let mut odd = machine();
        odd.topology.smp = Smp::Flat(3);
        assert!(odd.args().unwrap_err().to_string().contains("2 nodes"));
    }
}
