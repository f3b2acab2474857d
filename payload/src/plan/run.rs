//! One run of a plan: its groups, and what holds for all of them.

use crate::kit::counters;
use crate::kit::cpus::Cpus;
use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::expect::Expect;
use crate::plan::group::Group;
use crate::plan::settings::RunSettings;
use crate::plan::trace::Trace;
use crate::plan::tunables::Tunables;
use crate::row::MAX_GROUPS;
use crate::row::attr::cgroup::Leaf;
use core::fmt;
use heapless::Vec;

/// Most conditions that one run has.
pub const MAX_CONDITIONS: usize = 64;

/// Most `expect=` words that hold for one run.
pub const MAX_EXPECTS: usize = 16;

/// One run of a plan.
#[derive(Debug, Clone)]
pub struct Run<'t> {
    /// Its settings.
    pub settings: RunSettings,
    /// What it records of the kernel's events.
    pub trace: Trace<'t>,
    /// What it sets of the kernel.
    pub tunables: Tunables<'t>,
    /// Its groups, at least one.
    pub groups: Vec<Group<'t>, MAX_GROUPS>,
    pub(super) expects: Vec<&'t str, MAX_EXPECTS>,
}

impl<'t> Run<'t> {
    /// The conditions it must meet.
    pub fn expects(&self) -> impl Iterator<Item = Expect<'t>> + '_ {
        let mut texts = self.expects.iter();
        let mut list = Expect::list("");
        // The adapters of `flat_map` and `flatten` are larger. The parser has
        // checked each condition, so what is no condition is no text.
        core::iter::from_fn(move || {
            loop {
                match list.next() {
                    Some(Ok(expect)) => return Some(expect),
                    Some(Err(_)) => {}
                    None => list = Expect::list(texts.next()?),
                }
            }
        })
    }

    /// Checks that the run has all the figures its conditions name.
    pub(super) fn check_expects(&self) -> Result<(), PlanError<'t>> {
        let row = |at: usize| Some(self.groups.get(at)?.row());
        let mut left = MAX_CONDITIONS;
        for token in &self.expects {
            for expect in Expect::list(token) {
                let most = Rule::TooMany("conditions", MAX_CONDITIONS);
                left = left.checked_sub(1).ok_or_else(|| bad(token, most))?;
                expect
                    .and_then(|e| e.check(&row, counters::name))
                    .map_err(|error| bad(token, Rule::Expect(error)))?;
            }
        }
        Ok(())
    }
}

impl<'t> Run<'t> {
    /// The cgroup of one of its groups, with what any group says of it.
    ///
    /// # Errors
    ///
    /// The key for which two groups differ.
    pub fn leaf(&self, group: &Group<'t>) -> Result<Leaf<'t>, &'static str> {
        let mut leaf = group.settings.cgroup;
        if leaf.name.is_some() {
            for other in &self.groups {
                if other.settings.cgroup.name == leaf.name {
                    leaf.unite(&other.settings.cgroup)?;
                }
            }
        }
        Ok(leaf)
    }

    /// Which CPUs one of its groups may use: `cpus`, or those of `online`
    /// that its cpuset names.
    #[must_use]
    pub fn usable(
        &self,
        group: &Group<'t>,
        cpus: &Cpus,
        online: &Cpus,
    ) -> Cpus {
        // Whether groups differ was checked when the plan was parsed.
        let confined = self.leaf(group).ok().and_then(|leaf| leaf.cpus());
        confined.map_or(*cpus, |confined| confined.and(online))
    }

    /// Which of the memory nodes `mems` one of its groups may use.
    #[must_use]
    pub fn mems(&self, group: &Group<'t>, mems: &Cpus) -> Cpus {
        let confined = self.leaf(group).ok().and_then(|leaf| leaf.mems());
        confined.map_or(*mems, |confined| confined.and(mems))
    }

    /// Refuses groups that are each fine but not together.
    pub(super) fn check(&self) -> Result<(), PlanError<'t>> {
        let clone = self.settings.clone;
        let mut threads_in = None;
        for group in &self.groups {
            let refuse = |rule| Err(bad(group.token, rule));
            let row = group.row();
            let host = group.host(clone);
            if row.fork_only && host.is_some() {
                return refuse(Rule::Is(match group.settings.pcomm {
                    None => {
                        "this type acts on its whole process and runs with \
                         clone=fork only"
                    }
                    Some(_) => {
                        "this type acts on its whole process and runs \
                         without pcomm only"
                    }
                }));
            }
            if let Err(key) = self.leaf(group) {
                return refuse(Rule::Leaf(key));
            }
            if let Some((None, cgroup)) = host
                && *threads_in.get_or_insert(cgroup) != cgroup
            {
                let rule = "with clone=thread all groups are threads of one \
                            process and so in one cgroup; pcomm gives a \
                            group a process of its own";
                return refuse(Rule::Is(rule));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Run<'_> {
    /// Names of the work types, joined by `+`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, group) in self.groups.iter().enumerate() {
            let plus = if i > 0 { "+" } else { "" };
            write!(f, "{plus}{}", group.row().name)?;
        }
        Ok(())
    }
}
