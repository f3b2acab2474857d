//! `sched_features=`, `sched.FILE=` and `sysctl.NAME=`: what a run sets of
//! the kernel. Which of them this kernel has is seen when the run sets them.

use crate::plan::error::{PlanError, Rule, bad};
use crate::plan::settings::{SCHED_FEATURES, TUNABLES};
use crate::plan::token::Token;
use heapless::Vec;

/// Most that one run sets.
pub const MAX_TUNABLES: usize = 16;
/// The value of `sched_features` that sets none.
pub const KEEP: &str = "keep";

const NAME_RULE: &str = "sched. and sysctl. are followed by the name of a \
                         file, each / of its path a dot, as in \
                         sched.base_slice_ns and sysctl.kernel.printk";
const FEATURES_RULE: &str = "sched_features is `keep`, or a list of features, \
                             as in NO_DELAY_DEQUEUE,RUN_TO_PARITY";
const VALUE_RULE: &str = "a value to set has 1 to 1000 bytes";

/// One thing to set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tunable<'t> {
    /// The key of the plan.
    pub key: &'t str,
    /// Its value.
    pub value: &'t str,
}

/// All that a run sets, in order.
pub type Tunables<'t> = Vec<Tunable<'t>, MAX_TUNABLES>;

impl<'t> Tunable<'t> {
    /// The features that it turns on, or off where they begin with `NO_`;
    /// absent where it is a file.
    #[must_use]
    pub fn features(&self) -> Option<impl Iterator<Item = &'t str>> {
        let none = self.value == KEEP;
        let names = self.value.split(',').filter(move |_| !none);
        (self.key == SCHED_FEATURES).then_some(names)
    }

    fn check(&self) -> Result<(), &'static str> {
        if !(1..=1000).contains(&self.value.len()) {
            return Err(VALUE_RULE);
        }
        if let Some(mut names) = self.features() {
            let good = |b: u8| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_');
            let fits = |name: &str| !name.is_empty() && name.bytes().all(good);
            return names.all(fits).then_some(()).ok_or(FEATURES_RULE);
        }
        if self.key == "sched.features" {
            return Err(FEATURES_RULE);
        }
        let mut names = self.key.split('.').skip(1);
        let good = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
        let fits = |name: &str| !name.is_empty() && name.bytes().all(good);
        (self.key.len() < 72 && names.all(fits))
            .then_some(())
            .ok_or(NAME_RULE)
    }
}

/// Whether a key of a plan is one that sets something of the kernel.
#[must_use]
pub fn is_key(key: &str) -> bool {
    let head = |key: &str| key.split_once('.').map(|(head, _)| head.len());
    TUNABLES.iter().any(|own| match head(own) {
        Some(len) => head(key) == Some(len) && key.get(..len) == own.get(..len),
        None => key == *own,
    })
}

/// Takes one of the keys; whether it is one. It takes the place of a default
/// with the same key.
pub(super) fn take<'t>(
    all: &mut Tunables<'t>,
    token: Token<'t>,
) -> Result<bool, PlanError<'t>> {
    let key = token.key;
    if !is_key(key) {
        return Ok(false);
    }
    let refused = |rule| bad(token.text, rule);
    let value = token.value.ok_or_else(|| refused(Rule::KeyValue))?;
    let new = Tunable { key, value };
    new.check().map_err(|rule| refused(Rule::Is(rule)))?;
    if let Some(old) = all.iter_mut().find(|old| old.key == key) {
        *old = new;
    } else {
        let most = Rule::TooMany("kernel settings of one run", MAX_TUNABLES);
        all.push(new).map_err(|_| refused(most))?;
    }
    Ok(true)
}
