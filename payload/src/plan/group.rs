//! One group of a run: a work type with values, and what else is set for it.

use crate::ctx::workload::Workload;
use crate::kit::duration::parse_duration;
use crate::kit::text::digits;
use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::settings::{
    BOOT_KEYS, GROUP_KEYS, GroupSettings, RUN_KEYS, STARTS, Workers, flag,
    taken,
};
use crate::plan::token::Token;
use crate::row::attr::{Affinity, CloneMode};
use crate::row::{Kind, MAX_WORKERS, Row, Value, Work};

/// One group of a run.
#[derive(Debug, Clone, Copy)]
pub struct Group<'t> {
    /// Its work type.
    pub workload: &'static Workload,
    /// The type's parameters.
    pub work: Work<'t>,
    /// Everything else.
    pub settings: GroupSettings<'t>,
    /// The word that started it.
    pub token: &'t str,
}

impl<'t> Group<'t> {
    /// What its work type declares.
    #[must_use]
    pub fn row(&self) -> &'static Row {
        self.workload.row
    }

    /// Workers per instance, if the type is grouped.
    #[must_use]
    pub fn group_size(&self) -> Option<u32> {
        self.row().group_size(&self.work)
    }

    /// Where its workers run: what the plan says, or else the work type.
    #[must_use]
    pub fn intent(&self) -> Affinity {
        let typical = || (self.row().affinity)(&self.work);
        self.settings.affinity.unwrap_or_else(typical)
    }

    /// The number of workers where `cpus` CPUs may be used.
    ///
    /// # Errors
    ///
    /// The group-size rule, or too many workers.
    pub fn workers(&self, cpus: u32) -> Result<u32, PlanError<'t>> {
        let size = self.group_size().unwrap_or(1);
        let workers = match self.settings.workers {
            Workers::Default => match self.row().workers {
                Some(typical) => typical(&self.work, cpus),
                None => size,
            },
            Workers::Count(n) => n,
            Workers::PerCpu(n) => n.saturating_mul(cpus),
            Workers::Percent(share) => {
                let workers = u64::from(share) * u64::from(cpus);
                u32::try_from(workers.div_ceil(100_000)).unwrap_or(u32::MAX)
            }
        };
        let token = self.token;
        if workers > MAX_WORKERS {
            let rule = Rule::TooMany("workers", MAX_WORKERS as usize);
            return Err(PlanError { token, rule });
        }
        if !workers.is_multiple_of(size) {
            let rule = Rule::GroupSize {
                work: self.row().name,
                size,
                next: workers.next_multiple_of(size),
            };
            return Err(PlanError { token, rule });
        }
        Ok(workers)
    }

    /// What the process whose threads its workers are is known by; `None`
    /// where each is a process of its own.
    #[must_use]
    pub fn host(&self, clone: CloneMode) -> Option<Host<'t>> {
        let pcomm = self.settings.pcomm;
        let threads = clone == CloneMode::Thread || pcomm.is_some();
        threads.then_some((pcomm, self.settings.cgroup.name))
    }
}

/// Name and cgroup of a process whose threads are workers.
pub type Host<'t> = (Option<&'t str>, Option<&'t str>);

/// Refuses what is fine by itself but not together.
pub(super) fn check(group: &Group<'_>) -> Result<(), &'static str> {
    let (work, settings) = (&group.work, &group.settings);
    let row = group.row();
    (row.check)(work).and_then(|()| match settings.policy {
        Some(policy) => (row.check_policy)(work, policy),
        None => Ok(()),
    })?;
    settings.check()?;
    if row.in_cgroup && settings.cgroup.name.is_none() {
        return Err(
            "this type acts on all of its cgroup and needs one of its \
                    own, cgroup=NAME",
        );
    }
    Ok(())
}

pub(super) fn take_param<'t>(
    group: &mut Group<'t>,
    token: Token<'t>,
) -> Result<(), PlanError<'t>> {
    let text = token.value.unwrap_or("");
    if taken(token, group.settings.take(token.key, text))? {
        return Ok(());
    }
    let row = group.row();
    let Some(param) = row.params.iter().find(|p| p.name == token.key) else {
        let rule = if BOOT_KEYS.contains(&token.key) {
            Rule::Is("a boot key stands before the first work=")
        } else {
            let sets = &[STARTS, RUN_KEYS, GROUP_KEYS];
            Rule::Key(token.key, sets, row.params)
        };
        return Err(bad(token.text, rule));
    };
    let text = token.value.ok_or_else(|| bad(token.text, Rule::KeyValue))?;
    let value = value_of(&param.kind, text);
    value
        .and_then(|value| group.work.set(param.name, value).ok())
        .ok_or_else(|| bad(token.text, Rule::Param(param)))
}

/// The value that a plan's text is for a parameter, its range aside.
pub(super) fn value_of<'t>(kind: &Kind, text: &'t str) -> Option<Value<'t>> {
    Some(match kind {
        Kind::Count { .. } => Value::Count(digits(text)?),
        Kind::CountOr { word, .. } if **word == text => Value::Word,
        Kind::CountOr { .. } => Value::Count(digits(text)?),
        Kind::Duration { .. } => Value::Duration(parse_duration(text)?),
        Kind::Flag { .. } => Value::Flag(flag(text)?),
        Kind::Text { .. } => Value::Text(text),
        Kind::Choice { names, .. } => {
            Value::Choice(names.iter().position(|name| *name == text)?)
        }
    })
}
