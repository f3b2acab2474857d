//! What a run needs of the kernel and the machine.

use crate::ctx::disk;
use crate::ctx::nic;
use crate::kit::cpus::Cpus;
use crate::kit::sched_ext::sched_ext_enabled;
use crate::kit::topology::count_nodes;
use crate::plan::group::Group;
use crate::row::attr::mempolicy::MemPolicy;
use crate::row::attr::{Affinity, Policy};
use crate::row::{Feature, What};
use crate::run::affinity::{self, Within};
use crate::run::findings::Findings;
use crate::run::machine::{Machine, may_use_net, meminfo};
use crate::run::probe::present_now;
use crate::wire::record::Verdict;

/// Finds what a group needs of this kernel and machine and does not have.
pub(super) fn needs(
    machine: &Machine,
    group: &Group<'_>,
    workers: u32,
    within: &Within,
    mems: &Cpus,
    findings: &mut Findings,
) {
    let intent = group.intent();
    for of_all in Feature::OF_ALL_RUNS {
        // PID 1 mounts it; others may be in a root that has none.
        let elsewhere = of_all == Feature::ProcFs && !machine.pid1;
        if !elsewhere && !machine.features.contains(&of_all) {
            let reason = format_args!("NO_CONFIG:{}", of_all.config());
            findings.add(Verdict::Skip, reason);
        }
    }
    match intent {
        Affinity::SmtSiblingPair { .. } if !within.has_smt() => {
            findings.add(Verdict::Skip, format_args!("NO_SMT"));
        }
        Affinity::LlcAligned if !within.has_caches() => {
            let reason = format_args!("NO_CACHE_TOPOLOGY");
            findings.add(Verdict::Degraded, reason);
        }
        _ => {}
    }
    let pool = affinity::pool(
        &intent,
        within,
        workers,
        group.group_size().unwrap_or(1),
    );
    let cpus = pool.len();
    let needs = group.row().needs.iter();
    for need in needs.filter(|need| (need.when)(&group.work)) {
        let verdict = match need.required {
            true => Verdict::Skip,
            false => Verdict::Degraded,
        };
        let missing = match need.what {
            What::Feature(f) if !present_now(f, &machine.features) => {
                findings.add(verdict, format_args!("NO_CONFIG:{}", f.config()));
                continue;
            }
            What::Cgroup2 => {
                cgroup2(machine, None, verdict, findings);
                continue;
            }
            What::Controller(controller) => {
                cgroup2(machine, Some(controller), verdict, findings);
                continue;
            }
            What::Cpus(n) if cpus < n => "TOO_FEW_CPUS",
            What::WorkersPerCpu(n) if workers < n * cpus => "NOT_CONTENDED",
            What::Rivals(among) if among(&group.work, workers) < cpus => {
                "NOT_CONTENDED"
            }
            What::SysNice if !machine.sys_nice => "NO_CAP",
            What::SchedExt if !sched_ext_enabled() => "NO_SCHED_EXT",
            What::CpuNodes(n) if count_nodes(&pool) < n => "NO_NUMA",
            What::MemoryNodes(n) if mems.len() < n => "NO_NUMA",
            What::BlockDevice if !disk::is_there(&group.work) => {
                "NO_BLOCK_DEVICE"
            }
            What::Nic if !nic::is_there(&group.work) => "NO_NIC",
            What::NetAdmin if !may_use_net() => "NO_CAP",
            What::Smt if !within.has_smt() => "NO_SMT",
            What::Memory(each)
                if meminfo("MemAvailable:").is_some_and(|kib| {
                    u64::from(workers) * each(&group.work, cpus) > kib
                }) =>
            {
                "LOW_MEMORY"
            }
            _ => continue,
        };
        findings.add(verdict, format_args!("{missing}"));
    }
}

/// What the attributes of a group need of kernel and machine.
pub(super) fn attributes(
    machine: &Machine,
    group: &Group<'_>,
    findings: &mut Findings,
) {
    let settings = &group.settings;
    let leaf = &settings.cgroup;
    if leaf.name.is_some() {
        // Without it a move never reaches the scheduler, which matters to
        // all types but those that say for themselves what they need.
        let cpu = (!group.row().in_cgroup).then_some("cpu");
        cgroup2(machine, cpu, Verdict::Skip, findings);
        for (knob, _) in leaf.set() {
            let controller = Some(knob.controller);
            cgroup2(machine, controller, Verdict::Skip, findings);
        }
    }
    let (ext, asks) = (Feature::SchedExt, settings.policy == Some(Policy::Ext));
    if asks && !machine.features.contains(&ext) {
        let config = ext.config();
        findings.add(Verdict::Skip, format_args!("NO_CONFIG:{config}"));
    } else if asks
        && settings.require_ext != Some(false)
        && !sched_ext_enabled()
    {
        findings.add(Verdict::Skip, format_args!("NO_SCHED_EXT"));
    }
    let numa = Feature::Numa;
    let memory = settings.mempolicy != MemPolicy::DEFAULT;
    if memory && !machine.features.contains(&numa) {
        let config = numa.config();
        findings.add(Verdict::Skip, format_args!("NO_CONFIG:{config}"));
    }
}

/// Adds what is missing of the cgroup2 hierarchy and a controller in it.
fn cgroup2(
    machine: &Machine,
    controller: Option<&str>,
    verdict: Verdict,
    findings: &mut Findings,
) {
    match (&machine.cgroups, controller) {
        (None, _) => findings.add(verdict, format_args!("NO_CGROUP2")),
        (Some(base), Some(name)) if !base.has(name) => {
            findings.add(verdict, format_args!("NO_CONTROLLER:{name}"));
        }
        _ => {}
    }
}
