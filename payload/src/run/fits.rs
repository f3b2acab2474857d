//! Checks of a run that need the machine: worker counts, CPUs, memory nodes.

use crate::kit::topology::{cpus_of_node, memory_nodes};
use crate::plan::error::{PlanError, Rule};
use crate::plan::run::Run;
use crate::row::attr::Affinity;
use crate::row::{Fit, What};
use crate::run::machine::Machine;

/// Refuses a run that this machine has no room for.
///
/// # Errors
///
/// The first rule that a group breaks.
pub fn fits<'t>(run: &Run<'t>, machine: &Machine) -> Result<(), PlanError<'t>> {
    let allowed = memory_nodes();
    for group in &run.groups {
        let refuse = |rule| {
            let (token, rule) = (group.token, Rule::Is(rule));
            Err(PlanError { token, rule })
        };
        let leaf = run.leaf(group).unwrap_or_default();
        let confined = leaf.cpus().unwrap_or(machine.cpus);
        if confined.and(&machine.online) != confined {
            return refuse(
                "its cpuset.cpus names CPUs this machine does \
                           not have",
            );
        }
        let nodes = leaf.mems().unwrap_or(machine.nodes);
        if nodes.and(&machine.nodes) != nodes {
            return refuse(
                "its cpuset.mems names nodes that are not \
                           online",
            );
        }
        let wanted = group.settings.mempolicy.nodes;
        if wanted.and(&nodes) != wanted {
            return refuse(
                "its mempolicy names nodes that are not online \
                           or not in its cpuset.mems",
            );
        }
        let usable = run.usable(group, &machine.cpus, &machine.online);
        let named = run.usable(group, &machine.online, &machine.online);
        let workers = group.workers(usable.len())?;
        let mems = run.mems(group, &allowed);
        let fit = Fit { workers, mems };
        for need in group.row().needs {
            if let What::Fits(fits) = need.what
                && let Err(rule) = fits(&group.work, &fit)
            {
                return refuse(rule);
            }
        }
        let there = match group.intent() {
            Affinity::Exact(cpus) => cpus.and(&named) == cpus,
            Affinity::RandomSubset { from, .. } => !from.and(&named).is_empty(),
            Affinity::NumaNode(node) => cpus_of_node(node)
                .is_some_and(|cpus| !cpus.and(&usable).is_empty()),
            Affinity::Inherit
            | Affinity::SingleCpu
            | Affinity::CrossCgroup
            | Affinity::LlcAligned
            | Affinity::SmtSiblingPair { .. } => true,
        };
        if !there {
            return refuse(
                "its affinity names CPUs this machine does not \
                           have, or its cpuset.cpus leaves out",
            );
        }
    }
    Ok(())
}
