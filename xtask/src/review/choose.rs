//! Which work types are worth measuring.

use crate::boot::BootRequest;
use crate::map::{Hit, LEAST};
use pidone::row::{Need, What};
use pidone::workloads::rows;
use std::collections::BTreeSet;

/// Most types that are chosen.
const MOST: usize = 5;

/// The types to measure.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// With the share of an iteration that is in what changed.
    pub works: Vec<(String, f64)>,
    /// Those that would tell something, and are not measured.
    pub left: Vec<Left>,
}

/// A type that is not measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Left {
    /// It.
    pub work: String,
    /// What the machine lacks for it.
    pub why: String,
}

/// Chooses, of types in the order of their shares: for each function that is
/// executed at all the one that executes it most, and then those with the
/// largest shares.
#[must_use]
pub fn choose(
    hits: &[Hit<'_>],
    lacking: &dyn Fn(&str) -> Option<String>,
) -> Choice {
    let mut choice = Choice::default();
    let mut fit: Vec<&Hit<'_>> = Vec::new();
    for hit in hits {
        match lacking(hit.work) {
            None => fit.push(hit),
            Some(why) => choice.left.push(Left {
                work: hit.work.to_owned(),
                why,
            }),
        }
    }
    let mut chosen: BTreeSet<usize> = BTreeSet::new();
    let mut covered: BTreeSet<&str> = BTreeSet::new();
    for (at, hit) in fit.iter().enumerate() {
        let mut names = hit.functions.iter().map(|(name, ..)| *name);
        // The first type with a function has not the largest share of that
        // one, but of all that changed.
        if names.any(|name| !covered.contains(name)) && chosen.len() < MOST {
            chosen.insert(at);
            covered.extend(hit.functions.iter().map(|(name, ..)| *name));
        }
    }
    for (at, hit) in fit.iter().enumerate() {
        if chosen.len() < MOST && hit.share >= LEAST {
            chosen.insert(at);
        }
    }
    let works = chosen.into_iter().map(|at| fit[at]);
    let works = works.map(|hit| (hit.work.to_owned(), hit.share));
    choice.works = works.collect();
    choice
}

/// What a machine lacks for a work type, if anything. What it can do without,
/// such as a disk, is not what it did when its functions were looked up.
#[must_use]
pub fn lacking(work: &str, machine: &BootRequest) -> Option<String> {
    let row = rows().find(|row| row.name == work)?;
    let of = row.work();
    let mut needs = row.needs.iter().filter(|need| (need.when)(&of));
    needs.find_map(|need| lacks(need, machine))
}

fn lacks(need: &Need, machine: &BootRequest) -> Option<String> {
    let cpus = machine.smp.cpus();
    let nodes = machine.smp.nodes().unwrap_or(machine.numa);
    let (there, what) = match need.what {
        What::Cpus(least) => (cpus >= least, format!("{least} CPUs")),
        What::CpuNodes(least) | What::MemoryNodes(least) => {
            (nodes >= least, format!("{least} NUMA nodes"))
        }
        What::Smt => {
            let there = matches!(
                machine.smp,
                crate::topology::Smp::Spelled { threads: 2.., .. }
            );
            (there, "a core with two CPUs".to_owned())
        }
        What::BlockDevice => (!machine.disk.is_empty(), "a disk".to_owned()),
        What::Nic => (machine.nic.is_some(), "a network interface".to_owned()),
        _ => return None,
    };
    (!there).then_some(what)
}
