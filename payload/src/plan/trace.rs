//! `trace=` and its relatives: which kernel events a run records.

use crate::kit::duration::parse_duration;
use crate::kit::text::digits;
use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::expect::error::{self, ExpectError, Names};
use crate::plan::group::Group;
use crate::plan::settings::TRACE_KEYS as KEYS;
use crate::plan::token::Token;
use crate::row::Unit;

const TRACE: &str = KEYS[0];
const KIB: &str = KEYS[1];
/// Says that a run is not recorded, for one of many that are.
const OFF: &str = "off";
/// What `sched` stands for.
const SCHED: &str = "sched:sched_waking,sched:sched_wakeup,\
                     sched:sched_wakeup_new,sched:sched_switch,\
                     sched:sched_migrate_task";

const EVENTS_RULE: &str = "trace is `off`, or a list of `sched` and names of \
                           kernel events, each as `name` or `system:name`";
const KIB_RULE: &str = "trace_kib is a whole number from 64 to 1048576";
const STOP_RULE: &str = "trace_stop is a histogram, > and a duration, as in \
                         wake>500us or g1.wake>500us; a shell needs quotes \
                         round it";
const PROGRAM_RULE: &str = "samples of a program are known only behind the \
                            run, too late to stop a recording";
const UNIT_RULE: &str = "this histogram does not count time";

/// What a run records of the kernel's events.
#[derive(Debug, Clone, Copy)]
pub struct Trace<'t> {
    /// Names with commas between them; empty where the plan is silent.
    events: &'t str,
    /// Size of the buffer of each CPU, in KiB.
    pub kib: u32,
    /// What ends the recording before the window does.
    pub stop: Option<Limit<'t>>,
}

/// The longest sample that a recording survives.
#[derive(Debug, Clone, Copy)]
pub struct Limit<'t> {
    /// The word of the plan.
    token: &'t str,
    /// The only group that counts.
    group: Option<usize>,
    /// The name of the histogram.
    hist: &'t str,
    /// The sample, in ns.
    pub over_ns: u64,
}

impl<'t> Trace<'t> {
    /// What holds when the plan is silent: nothing is recorded.
    pub(super) const NONE: Self = Self {
        events: "",
        kib: 2048,
        stop: None,
    };

    /// The events to record, as `name` or `system:name`; `None` where the
    /// run is not to be recorded.
    #[must_use]
    pub fn events(&self) -> Option<impl Iterator<Item = &'t str>> {
        let listed = (!matches!(self.events, "" | OFF)).then_some(self.events);
        listed.map(|events| {
            events.split(',').flat_map(|name| {
                let names = if name == "sched" { SCHED } else { name };
                names.split(',')
            })
        })
    }

    /// Takes one of the keys; whether it is one.
    pub(super) fn take(
        &mut self,
        token: Token<'t>,
    ) -> Result<bool, PlanError<'t>> {
        if !KEYS.contains(&token.key) {
            return Ok(false);
        }
        let refused = |rule| bad(token.text, Rule::Is(rule));
        let Some(text) = token.value else {
            return Err(bad(token.text, Rule::KeyValue));
        };
        match token.key {
            TRACE => {
                let mut names = text.split(',');
                let good = text == OFF || names.all(is_event);
                self.events = if good { text } else { "" };
                good.then_some(()).ok_or_else(|| refused(EVENTS_RULE))?;
            }
            KIB => {
                let kib = digits(text).and_then(|n| u32::try_from(n).ok());
                let kib = kib.filter(|kib| (64..=1 << 20).contains(kib));
                self.kib = kib.ok_or_else(|| refused(KIB_RULE))?;
            }
            _ => {
                let limit = Limit::parse(token.text, text);
                self.stop = Some(limit.ok_or_else(|| refused(STOP_RULE))?);
            }
        }
        Ok(true)
    }

    /// Checks that the groups have the histogram that stops the recording.
    pub(super) fn check(
        &self,
        groups: &[Group<'t>],
    ) -> Result<(), PlanError<'t>> {
        let Some(limit) = &self.stop else {
            return Ok(());
        };
        let token = limit.token;
        if self.events.is_empty() {
            let rule = "trace_stop needs trace=, as in trace=sched";
            return Err(bad(token, Rule::Is(rule)));
        }
        let Some(first) = groups.get(limit.group.unwrap_or(0)) else {
            let (part, rule) = (token, error::Rule::Group(groups.len()));
            return Err(bad(token, Rule::Expect(ExpectError { part, rule })));
        };
        let mut found = false;
        for (at, group) in groups.iter().enumerate() {
            let Some(hist) = limit.place(at, group) else {
                continue;
            };
            found = true;
            let row = group.row();
            let refused = |rule| Err(bad(token, Rule::Is(rule)));
            if group.workload.tend.is_some() {
                return refused(PROGRAM_RULE);
            }
            if row.hists[hist].unit != Unit::Ns {
                return refused(UNIT_RULE);
            }
        }
        if !found {
            let held = Names::Hists(first.row()).hold(limit.hist);
            held.map_err(|error| bad(token, Rule::Expect(error)))?;
        }
        Ok(())
    }
}

impl<'t> Limit<'t> {
    fn parse(token: &'t str, text: &'t str) -> Option<Self> {
        let (figure, over) = text.split_once('>')?;
        let (group, hist) = match figure.split_once('.') {
            None => (None, figure),
            Some((group, hist)) => {
                let number = digits(group.strip_prefix('g')?)?;
                (Some(usize::try_from(number).ok()?), hist)
            }
        };
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let over = parse_duration(over)?.as_nanos();
        (!hist.is_empty() && hist.bytes().all(good)).then_some(())?;
        Some(Self {
            token,
            group,
            hist,
            over_ns: u64::try_from(over).ok()?,
        })
    }

    /// Which histogram of this group counts, if one does.
    #[must_use]
    pub fn place(&self, number: usize, group: &Group<'_>) -> Option<usize> {
        let mine = self.group.is_none_or(|only| only == number);
        let mut hists = group.row().hists.iter();
        hists.position(|hist| mine && hist.name == self.hist)
    }
}

/// Whether this can be the name of an event, of its system in front.
fn is_event(name: &str) -> bool {
    let word = |text: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        !text.is_empty() && text.bytes().all(good)
    };
    match name.split_once(':') {
        Some((system, name)) => word(system) && word(name),
        None => word(name) && name != OFF,
    }
}
