//! What is known of the machine, for its runs and for the `Hello` record.

use crate::kit::cgroup::Base;
use crate::kit::clock::now;
use crate::kit::cpus::Cpus;
use crate::kit::histogram::Histogram;
use crate::kit::shm::Arena;
use crate::kit::steps::spin_steps;
use crate::kit::text::{read_file, word};
use crate::kit::topology::{Topology, online_nodes};
use crate::row::Feature;
use crate::run::inherit::Inheritance;
use crate::run::kmsg::Kmsg;
use crate::run::probe;
use crate::run::sched_ext::Scheduler;
use core::hint::black_box;
use heapless::{String, Vec};
use rustix::io::Errno;
use rustix::process::getpid;
use rustix::thread::{CapabilitySet, capabilities, sched_getaffinity};

/// What the supervisor knows of the machine.
#[derive(Debug)]
pub struct Machine {
    /// CPUs that tasks run on unless they are told otherwise.
    pub cpus: Cpus,
    /// CPUs that tasks may be told to run on: those above, and of a machine
    /// that is all ours the isolated ones too.
    pub online: Cpus,
    /// What they share.
    pub topology: Topology,
    /// Features this kernel has.
    pub features: Vec<Feature, 48>,
    /// Memory nodes.
    pub nodes: Cpus,
    /// Where cgroups can be made.
    pub cgroups: Option<Base>,
    /// We may raise priorities.
    pub sys_nice: bool,
    /// The kernel's log, where it may be read.
    pub kmsg: Option<Kmsg>,
    /// Runs as PID 1, with the machine to itself.
    pub pid1: bool,
    /// Send signs of life.
    pub progress: bool,
    /// The sched_ext scheduler of all runs.
    pub scheduler: Option<Scheduler>,
    /// What workers are given in place of what they would inherit.
    pub inheritance: Inheritance,
}

/// What sysfs and a few trials say.
#[derive(Debug)]
pub struct Shape {
    /// NUMA nodes; 1 where the kernel has no NUMA.
    pub nodes: u32,
    /// Last-level caches; 0 if sysfs does not tell.
    pub llcs: u32,
    /// Cores; 0 if sysfs does not tell.
    pub cores: u32,
    /// `MemTotal` in KiB.
    pub mem_kib: u64,
    /// The kernel's current clock source.
    pub clocksource: String<32>,
    /// Cost of a clock read in ns.
    pub clock_ns: u32,
    /// Cost of a spin step in ps.
    pub spin_step_ps: u32,
    /// Cost of recording a sample beyond the clock read, in ps; 0 if there
    /// was no memory to try.
    pub record_ps: u32,
}

impl Shape {
    /// Looks.
    #[must_use]
    pub fn look(topology: &Topology) -> Self {
        let mut buf = [0; 2048];
        let clocksource = "/sys/devices/system/clocksource/clocksource0/\
                           current_clocksource";
        let clocksource = read_file(clocksource, &mut buf)
            .and_then(|text| String::try_from(text.trim_ascii()).ok())
            .unwrap_or_default();
        let mem_kib = meminfo("MemTotal:").unwrap_or(0);
        Self {
            nodes: topology.nodes,
            llcs: topology.llcs,
            cores: topology.cores,
            mem_kib,
            clocksource,
            clock_ns: cost_ps(256, || {
                black_box(now());
            }) / 1000,
            spin_step_ps: cost_ps(1, || spin_steps(1024)) / 1024,
            record_ps: record_ps(),
        }
    }

    /// Whether the vDSO can read this clock source without a system call.
    #[must_use]
    pub fn clock(&self) -> &'static str {
        #[cfg(target_arch = "riscv64")]
        let fast = ["riscv_clocksource"];
        #[cfg(not(target_arch = "riscv64"))]
        let fast = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv"];
        match fast.iter().any(|c| self.clocksource.starts_with(c)) {
            true => "vdso",
            false => "syscall",
        }
    }
}

/// A figure of `/proc/meminfo` in KiB.
#[must_use]
pub fn meminfo(key: &str) -> Option<u64> {
    let mut buf = [0; 2048];
    let text = read_file("/proc/meminfo", &mut buf)?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    word(line, 1)
}

/// Mean cost of `f` in ps, the best of four tries.
fn cost_ps(times: u32, f: impl Fn()) -> u32 {
    let tries = (0..4).map(|_| {
        let begin = now();
        for _ in 0..times {
            f();
        }
        (now() - begin) * 1000 / u64::from(times)
    });
    u32::try_from(tries.min().unwrap_or(0)).unwrap_or(u32::MAX)
}

/// Cost of one [`Histogram::record`] in ps.
fn record_ps() -> u32 {
    let arena = Arena::new(size_of::<Histogram>());
    let arena = arena.as_ref().ok();
    let Some(hist) = arena.and_then(|a| a.one::<Histogram>().ok()) else {
        return 0;
    };
    let samples = 0..256_u64;
    let trial = || {
        samples.clone().for_each(|n| {
            black_box(hist.record(black_box(n << 9)));
        });
    };
    cost_ps(1, trial) / 256
}

/// Whether we may send frames and bring interfaces up.
#[must_use]
pub fn may_use_net() -> bool {
    may(CapabilitySet::NET_RAW | CapabilitySet::NET_ADMIN)
}

/// Whether we have all of these capabilities. Without `CONFIG_MULTIUSER` the
/// kernel has no call that tells, and refuses nothing.
fn may(all: CapabilitySet) -> bool {
    match capabilities(None) {
        Ok(ours) => ours.effective.contains(all),
        Err(errno) => errno == Errno::NOSYS,
    }
}

/// CPUs that tasks may be told to run on. The kernel keeps isolated ones from
/// PID 1's own mask, and a plain process stays within its mask.
fn online(cpus: &Cpus) -> Cpus {
    let mut buf = [0; 512];
    let list = "/sys/devices/system/cpu/online";
    match getpid().is_init() {
        true => read_file(list, &mut buf).and_then(Cpus::parse),
        false => None,
    }
    .map_or(*cpus, |online| online.or(cpus))
}

/// Probes what a supervisor needs to know.
#[must_use]
pub fn probe(pid1: bool, progress: bool) -> Machine {
    let mut features = Vec::new();
    for &feature in Feature::ALL {
        if probe::present(feature) {
            // There is room for more features than there are.
            let _room = features.push(feature);
        }
    }
    let cpus = sched_getaffinity(None).map(|set| Cpus::from_set(&set));
    let cpus = cpus.unwrap_or_default();
    Machine {
        topology: Topology::look(&cpus),
        online: online(&cpus),
        cpus,
        features,
        nodes: online_nodes().unwrap_or_else(|| {
            // A kernel without NUMA has node 0 alone.
            let mut zero = Cpus::EMPTY;
            let _fits = zero.insert(0);
            zero
        }),
        cgroups: Base::find(),
        sys_nice: may(CapabilitySet::SYS_NICE),
        kmsg: Kmsg::open(),
        pid1,
        progress,
        scheduler: None,
        inheritance: Inheritance::settle(),
    }
}
