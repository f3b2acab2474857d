//! Which CPUs share a core, a cache, a node; from sysfs.

use crate::kit::cpus::Cpus;
use crate::kit::text::{digits, path, read_file};
use crate::sys::numa::mems_allowed;
use core::fmt::Arguments;
use heapless::Vec;

/// Cores that a set of CPUs can hold two threads of.
const MAX_PAIRS: usize = 512;
/// No machine has more levels of caches; level 1 has two indices.
const CACHE_INDICES: u32 = 6;

/// What the kernel says of the CPUs we may use.
#[derive(Debug, Clone, Default)]
pub struct Topology {
    /// NUMA nodes; 1 where the kernel has no NUMA.
    pub nodes: u32,
    /// Last-level caches; 0 if sysfs does not tell.
    pub llcs: u32,
    /// Cores; 0 if sysfs does not tell.
    pub cores: u32,
    /// Our CPUs on the last-level cache that has most of them; `None` if
    /// sysfs does not tell.
    pub llc: Option<Cpus>,
    /// The first two of our CPUs on each core that has two.
    pairs: Vec<(u32, u32), MAX_PAIRS>,
}

impl Topology {
    /// Reads sysfs.
    #[must_use]
    pub fn look(cpus: &Cpus) -> Self {
        Self::of(cpus, online_nodes(), last_level, |cpu| {
            of_cpu(cpu, "topology/thread_siblings_list")
        })
    }

    /// From what these say of a CPU.
    pub(crate) fn of(
        cpus: &Cpus,
        nodes: Option<Cpus>,
        last_level: impl Fn(u32) -> Option<Cpus>,
        siblings: impl Fn(u32) -> Option<Cpus>,
    ) -> Self {
        let mut topology = Self {
            nodes: nodes.map_or(1, |nodes| nodes.len()),
            ..Self::default()
        };
        // A CPU stands for its core, or its cache, if it is the first of
        // ours there.
        let ours = |cpu: u32, set: Option<Cpus>| {
            let set = set?.and(cpus);
            (set.iter().next() == Some(cpu)).then_some(set)
        };
        for cpu in cpus.iter() {
            if let Some(core) = ours(cpu, siblings(cpu)) {
                topology.cores += 1;
                if let Some(sibling) = core.iter().nth(1) {
                    // Two CPUs each, so there is room for all.
                    let _room = topology.pairs.push((cpu, sibling));
                }
            }
            if let Some(cache) = ours(cpu, last_level(cpu)) {
                topology.llcs += 1;
                let most = topology.llc.map_or(0, |llc| llc.len());
                if cache.len() > most {
                    topology.llc = Some(cache);
                }
            }
        }
        topology
    }

    /// Whether any core has two of our CPUs.
    #[must_use]
    pub fn has_smt(&self) -> bool {
        !self.pairs.is_empty()
    }

    /// Two CPUs of the `k`-th core that has two, counting round and round.
    #[must_use]
    pub fn pair(&self, k: u32) -> Option<(u32, u32)> {
        let cores = self.pairs.len().max(1);
        self.pairs.get(k as usize % cores).copied()
    }
}

/// CPUs that share the last level of `cpu`'s caches.
fn last_level(cpu: u32) -> Option<Cpus> {
    // Indices rise with the levels.
    (0..CACHE_INDICES).rev().find_map(|index| {
        list(format_args!(
            "{CPU}{cpu}/cache/index{index}/shared_cpu_list"
        ))
    })
}

/// The largest cache of level 2, in KiB; `None` if sysfs does not tell.
#[must_use]
pub fn largest_l2_kib() -> Option<u64> {
    let cpus = list(format_args!("/sys/devices/system/cpu/online"))?;
    let of_index = |cpu: u32, index: u32| {
        let mut buf = [0; 32];
        let mut read = |file: &str, at: u32| {
            let name = format_args!("{CPU}{cpu}/cache/index{at}/{file}");
            let text = read_file(&path(name), &mut buf)?.trim_ascii();
            digits(text.strip_suffix('K').unwrap_or(text))
        };
        (read("level", index)? == 2).then(|| read("size", index))?
    };
    let of_cpu = |cpu| (0..CACHE_INDICES).find_map(|at| of_index(cpu, at));
    cpus.iter().filter_map(of_cpu).max()
}

/// Nodes that are online.
#[must_use]
pub fn online_nodes() -> Option<Cpus> {
    list(format_args!("{NODE}/online"))
}

/// Hands over the CPUs among `cpus` of each node that has some.
pub fn nodes_among(cpus: &Cpus, take: &mut dyn FnMut(Cpus)) {
    for node in online_nodes().unwrap_or_default().iter() {
        let ours = cpus_of_node(node).unwrap_or_default().and(cpus);
        if !ours.is_empty() {
            take(ours);
        }
    }
}

/// Nodes that have some of these CPUs.
#[must_use]
pub fn count_nodes(cpus: &Cpus) -> u32 {
    let mut count = 0;
    nodes_among(cpus, &mut |_| count += 1);
    count
}

/// Nodes with memory that this task may use; node 0 where the kernel has no
/// NUMA.
#[must_use]
pub fn memory_nodes() -> Cpus {
    let mut zero = [0; 16];
    zero[0] = 1;
    Cpus::from_words(mems_allowed().unwrap_or(zero))
}

/// CPUs of a node; `None` for a node without any.
#[must_use]
pub fn cpus_of_node(node: u32) -> Option<Cpus> {
    list(format_args!("{NODE}/node{node}/cpulist"))
}

const CPU: &str = "/sys/devices/system/cpu/cpu";
const NODE: &str = "/sys/devices/system/node";

fn of_cpu(cpu: u32, file: &str) -> Option<Cpus> {
    list(format_args!("{CPU}{cpu}/{file}"))
}

fn list(args: Arguments<'_>) -> Option<Cpus> {
    let mut buf = [0; 256];
    Cpus::parse(read_file(&path(args), &mut buf)?.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::Topology;
    use crate::kit::cpus::Cpus;

    fn set(list: &str) -> Cpus {
        Cpus::parse(list).unwrap()
    }

    /// Four cores of two threads, numbered as x86 does, on two caches.
    fn machine(usable: &str) -> Topology {
        let siblings = |cpu: u32| {
            Some(set(["0,4", "1,5", "2,6", "3,7"][cpu as usize % 4]))
        };
        let cache =
            |cpu: u32| Some(set(["0-1,4-5", "2-3,6-7"][cpu as usize / 2 % 2]));
        Topology::of(&set(usable), Some(set("0-1")), cache, siblings)
    }

    #[test]
    fn a_whole_machine() {
        let it = machine("0-7");
        assert_eq!((it.nodes, it.llcs, it.cores), (2, 2, 4));
        assert_eq!(it.llc, Some(set("0-1,4-5")));
        assert_eq!(it.pair(0), Some((0, 4)));
        assert_eq!(it.pair(3), Some((3, 7)));
        assert_eq!(it.pair(5), Some((1, 5)));
    }

    #[test]
    fn only_what_we_may_use_counts() {
        let it = machine("1-3,6");
        assert_eq!((it.llcs, it.cores), (2, 3));
        assert_eq!(it.llc, Some(set("2-3,6")));
        assert_eq!(it.pair(0), Some((2, 6)));
        assert_eq!(it.pair(1), Some((2, 6)));
        let it = machine("0-3");
        assert!(!it.has_smt());
        assert_eq!(it.pair(0), None);
    }

    #[test]
    fn a_silent_sysfs_says_nothing() {
        let it = Topology::of(&set("0-3"), None, |_| None, |_| None);
        assert_eq!((it.nodes, it.llcs, it.cores), (1, 0, 0));
        assert_eq!((it.llc, it.has_smt()), (None, false));
    }
}
