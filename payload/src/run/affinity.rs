//! Affinity intents, resolved within a machine and a cpuset.

use crate::kit::cpus::{Cpus, MAX_CPUS};
use crate::kit::topology::{Topology, cpus_of_node};
use crate::row::attr::Affinity;
use crate::run::machine::Machine;
use rand_core::Rng;
use rand_core::SeedableRng;
use rand_xoshiro::SplitMix64;

/// What an intent is resolved in.
#[derive(Debug, Clone)]
pub struct Within {
    /// CPUs of the machine.
    machine: Cpus,
    /// Those a group may use: the ones of its cpuset.
    usable: Cpus,
    /// Those it may name: of no cpuset, isolated ones too.
    named: Cpus,
    /// What they share.
    topology: Topology,
}

impl Within {
    /// A group that may use these CPUs of the machine.
    #[must_use]
    pub fn new(machine: &Machine, usable: Cpus) -> Self {
        Self {
            machine: machine.cpus,
            usable,
            named: match usable == machine.cpus {
                true => machine.online,
                false => usable,
            },
            topology: match usable == machine.cpus {
                true => machine.topology.clone(),
                false => Topology::look(&usable),
            },
        }
    }

    /// Whether there is a core with two CPUs.
    #[must_use]
    pub fn has_smt(&self) -> bool {
        self.topology.has_smt()
    }

    /// Whether the kernel tells which CPUs share a cache.
    #[must_use]
    pub fn has_caches(&self) -> bool {
        self.topology.llc.is_some()
    }
}

/// Which of a group's workers an affinity is for.
#[derive(Debug, Clone, Copy)]
pub struct Seat {
    /// Position in the instance.
    pos: u32,
    /// Number of the instance.
    instance: u32,
    /// Seed of its draws.
    seed: u64,
}

impl Seat {
    /// Of worker `index` in instances of `size`. Workers of an ungrouped
    /// type sit two by two.
    #[must_use]
    pub fn of(index: u32, size: u32, seed: u64) -> Self {
        let size = size.max(2);
        let (pos, instance) = (index % size, index / size);
        Self {
            pos,
            instance,
            seed,
        }
    }
}

/// The CPUs that the workers of a group may use, all together.
#[must_use]
pub fn pool(
    intent: &Affinity,
    within: &Within,
    workers: u32,
    size: u32,
) -> Cpus {
    // One seat is as good as another, but for those that are not pinned
    // alike.
    let seats = match intent {
        Affinity::SmtSiblingPair { .. } => workers.min(MAX_CPUS),
        _ => 1,
    };
    let each = (0..seats)
        .filter_map(|i| affinity(intent, within, Seat::of(i, size, 0)));
    each.reduce(|all, more| all.or(&more))
        .unwrap_or(within.usable)
}

/// The CPUs a worker is to be pinned to; `None` makes no call.
#[must_use]
pub fn affinity(
    intent: &Affinity,
    within: &Within,
    seat: Seat,
) -> Option<Cpus> {
    let usable = &within.usable;
    match intent {
        Affinity::Inherit => None,
        Affinity::Exact(cpus) => Some(*cpus),
        // The kernel narrows it to the cgroup.
        Affinity::CrossCgroup => Some(within.machine),
        Affinity::NumaNode(node) => {
            Some(cpus_of_node(*node).unwrap_or_default().and(usable))
        }
        Affinity::SingleCpu => {
            let mut one = Cpus::EMPTY;
            one.insert(usable.iter().next_back()?)?;
            Some(one)
        }
        Affinity::RandomSubset { from, count } => {
            let pool = from.and(&within.named);
            let mut random = SplitMix64::seed_from_u64(seat.seed);
            let mut drawn = Cpus::EMPTY;
            // Selection sampling: each CPU with the chance of those still
            // to draw among those still to see.
            let mut left = pool.len();
            let mut want = (*count).min(left);
            for cpu in pool.iter() {
                if random.next_u64() % u64::from(left) < u64::from(want) {
                    drawn.insert(cpu)?;
                    want -= 1;
                }
                left -= 1;
            }
            Some(drawn)
        }
        Affinity::LlcAligned => Some(within.topology.llc.unwrap_or(*usable)),
        Affinity::SmtSiblingPair { shared } => {
            let (first, second) = within.topology.pair(seat.instance)?;
            let mut cpus = Cpus::EMPTY;
            if *shared || seat.pos.is_multiple_of(2) {
                cpus.insert(first)?;
            }
            if *shared || !seat.pos.is_multiple_of(2) {
                cpus.insert(second)?;
            }
            Some(cpus)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Seat, Within, affinity, pool};
    use crate::kit::cpus::Cpus;
    use crate::kit::topology::Topology;
    use crate::row::attr::Affinity;

    fn set(list: &str) -> Cpus {
        Cpus::parse(list).unwrap()
    }

    /// Two cores of two threads.
    fn within() -> Within {
        let usable = set("0-3");
        let siblings = |cpu: u32| Some(set(["0-1", "2-3"][cpu as usize / 2]));
        Within {
            topology: Topology::of(&usable, None, |_| None, siblings),
            machine: usable,
            usable,
            named: usable,
        }
    }

    #[test]
    fn intents_resolve_within_the_cpuset() {
        let within = within();
        let seat = Seat::of(0, 1, 1);
        let one = affinity(&Affinity::SingleCpu, &within, seat).unwrap();
        assert_eq!(one, set("3"));
        assert_eq!(affinity(&Affinity::Inherit, &within, seat), None);
        let from = set("1-9");
        let subset = Affinity::RandomSubset { from, count: 2 };
        for seed in 0..50 {
            let seat = Seat::of(0, 1, seed);
            let drawn = affinity(&subset, &within, seat).unwrap();
            assert_eq!(drawn.len(), 2);
            assert_eq!(drawn.and(&set("1-3")), drawn);
            assert_eq!(affinity(&subset, &within, seat), Some(drawn));
        }
        let llc = affinity(&Affinity::LlcAligned, &within, seat);
        assert_eq!(llc, Some(within.usable));
    }

    #[test]
    fn siblings_are_dealt_core_by_core() {
        let within = within();
        let of = |shared, size| {
            let intent = Affinity::SmtSiblingPair { shared };
            [0, 1, 2, 3, 4].map(|index| {
                affinity(&intent, &within, Seat::of(index, size, 0)).unwrap()
            })
        };
        for size in [1, 2] {
            let (split, shared) = (of(false, size), of(true, size));
            assert_eq!(split, ["0", "1", "2", "3", "0"].map(set));
            assert_eq!(shared, ["0-1", "0-1", "2-3", "2-3", "0-1"].map(set));
        }
        let intent = Affinity::SmtSiblingPair { shared: false };
        assert_eq!(pool(&intent, &within, 2, 1), set("0-1"));
        assert_eq!(pool(&intent, &within, 3, 1), set("0-2"));
    }
}
