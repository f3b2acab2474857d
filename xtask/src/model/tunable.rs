//! What a run set of the kernel, as read before and behind setting it.

use super::plain::text;
use pidone::plan::settings::SCHED_FEATURES;
use pidone::wire::record;
use serde::{Deserialize, Serialize};

/// A file, or all of the scheduler's features.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Tunable, whose docs they are")]
pub struct Tunable {
    pub name: String,
    pub before: String,
    pub value: String,
}

impl Tunable {
    pub(super) fn new(of: &record::Tunable<'_>) -> Self {
        Self {
            name: of.name.to_owned(),
            before: of.before.to_owned(),
            value: of.value.to_owned(),
        }
    }

    pub(super) fn plain(&mut self) {
        let Self {
            name,
            before,
            value,
        } = self;
        [name, before, value].into_iter().for_each(text);
    }

    /// What is to be said of it: what it was in the run, and what it was
    /// before. Of features those that changed.
    #[must_use]
    pub fn change(&self) -> [String; 2] {
        if self.name != SCHED_FEATURES {
            return [self.value.clone(), self.before.clone()];
        }
        let only = |of: &str, other: &str| -> String {
            let other: Vec<&str> = other.split_whitespace().collect();
            let mine = of.split_whitespace();
            let mine = mine.filter(|word| !other.contains(word));
            mine.collect::<Vec<_>>().join(" ")
        };
        let (before, value) = (&self.before, &self.value);
        [only(value, before), only(before, value)]
    }
}

#[cfg(test)]
mod tests {
    use super::Tunable;

    #[test]
    fn of_features_those_that_changed_are_said() {
        let of = |name: &str, before: &str, value: &str| Tunable {
            name: name.to_owned(),
            before: before.to_owned(),
            value: value.to_owned(),
        };
        let (before, value) = ("A NO_B C", "A B NO_C");
        let features = of("sched_features", before, value);
        assert_eq!(features.change(), ["B NO_C", "NO_B C"]);
        let kept = of("sched_features", before, before);
        assert_eq!(kept.change(), ["", ""]);
        let file = of("sysctl.kernel.x", "1 2", "1 3");
        assert_eq!(file.change(), ["1 3", "1 2"]);
    }
}
