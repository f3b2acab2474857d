//! The shape of the machine, for the `Hello` record.

use crate::ctx::spin_steps;
use crate::kit::clock::now;
use crate::kit::cpus::Cpus;
use crate::kit::histogram::Histogram;
use crate::kit::shm::Arena;
use crate::kit::text::{path, read_file};
use crate::supervisor::Machine;
use crate::{kmsg::Kmsg, probe::Feature};
use core::fmt::Arguments;
use core::hint::black_box;
use heapless::{String, Vec};
use rustix::thread::{CapabilitySet, capabilities, sched_getaffinity};

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
    pub fn look(cpus: &Cpus) -> Self {
        let mut buf = [0; 2048];
        let clocksource = "/sys/devices/system/clocksource/clocksource0/\
                           current_clocksource";
        let clocksource = read_file(clocksource, &mut buf)
            .and_then(|text| String::try_from(text.trim()).ok())
            .unwrap_or_default();
        let nodes = list(format_args!("/sys/devices/system/node/online"));
        // A CPU stands for its core, or its cache, if it is the first of it.
        let firsts = |file: &str| {
            let count = cpus.iter().filter(|cpu| {
                let dir = "/sys/devices/system/cpu/cpu";
                list(format_args!("{dir}{cpu}/{file}"))
                    .is_some_and(|set| set.iter().next() == Some(*cpu))
            });
            u32::try_from(count.count()).unwrap_or(0)
        };
        let llcs = match firsts("cache/index3/shared_cpu_list") {
            0 => firsts("cache/index2/shared_cpu_list"),
            llcs => llcs,
        };
        Self {
            nodes: nodes.map_or(1, |nodes| nodes.len()),
            llcs,
            cores: firsts("topology/thread_siblings_list"),
            mem_kib: mem_kib(),
            clocksource,
            clock_ns: cost_ps(256, || {
                black_box(now());
            }) / 1000,
            spin_step_ps: cost_ps(1, || spin_steps(8192)) / 8192,
            record_ps: record_ps(),
        }
    }

    /// Whether the vDSO can read this clock source without a system call.
    #[must_use]
    pub fn clock(&self) -> &'static str {
        let fast = ["tsc", "kvm-clock", "arch_sys_counter", "hyperv"];
        match fast.iter().any(|c| self.clocksource.starts_with(c)) {
            true => "vdso",
            false => "syscall",
        }
    }
}

/// `MemTotal` in KiB; 0 if the kernel does not tell.
#[must_use]
pub fn mem_kib() -> u64 {
    let mut buf = [0; 2048];
    let text = read_file("/proc/meminfo", &mut buf).unwrap_or("");
    let line = text.lines().find(|line| line.starts_with("MemTotal"));
    let word = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

fn list(args: Arguments<'_>) -> Option<Cpus> {
    let mut buf = [0; 256];
    Cpus::parse(read_file(&path(args), &mut buf)?.trim())
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
    let trial = || samples.clone().for_each(|n| hist.record(black_box(n << 9)));
    cost_ps(1, trial) / 256
}

/// Probes what a supervisor needs to know.
#[must_use]
pub fn probe(progress: bool) -> Machine {
    let mut features = Vec::new();
    for &feature in Feature::ALL {
        if feature.present() {
            // There is room for more features than there are.
            let _room = features.push(feature);
        }
    }
    let cpus = sched_getaffinity(None).map(|set| Cpus::from_set(&set));
    let sys_nice = capabilities(None)
        .is_ok_and(|c| c.effective.contains(CapabilitySet::SYS_NICE));
    Machine {
        cpus: cpus.unwrap_or_default(),
        features,
        sys_nice,
        kmsg: Kmsg::open(),
        progress,
    }
}
