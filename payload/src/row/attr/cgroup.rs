//! What a plan says of a group's cgroup: its name and its settings.

use crate::kit::cpus::Cpus;
use crate::kit::text::digits;

/// A file of a cgroup that a plan can set.
#[derive(Debug)]
pub struct Knob {
    /// Its name, which is also the key in the plan.
    pub key: &'static str,
    /// The controller it belongs to.
    pub controller: &'static str,
    /// What its values look like.
    pub rule: &'static str,
    good: fn(&str) -> bool,
}

/// All of them. The sets of CPUs and of memory nodes come first.
pub const KNOBS: [Knob; 5] = [
    Knob {
        key: "cpuset.cpus",
        controller: "cpuset",
        rule: "cpuset.cpus is a CPU list like 0-3,8, with CPUs below 1024",
        good: |text| Cpus::parse(text).is_some(),
    },
    Knob {
        key: "cpuset.mems",
        controller: "cpuset",
        rule: "cpuset.mems is a list of nodes like 0-1, below 1024",
        good: |text| Cpus::parse(text).is_some(),
    },
    Knob {
        key: "cpu.max",
        controller: "cpu",
        rule: "cpu.max is QUOTA/PERIOD in us like 50000/100000, the quota \
               `max` or at least 1000, the period 1000 to 1000000",
        good: cpu_max,
    },
    Knob {
        key: "cpu.weight",
        controller: "cpu",
        rule: "cpu.weight is 1 to 10000",
        good: |text| within(text, 1, 10_000),
    },
    Knob {
        key: "memory.max",
        controller: "memory",
        rule: "memory.max is `max` or a number of bytes above 0, with K, M \
               or G behind it if need be",
        good: memory_max,
    },
];

const CPUS: usize = 0;
const MEMS: usize = 1;

impl Knob {
    /// Whether its file takes this value.
    #[must_use]
    pub fn accepts(&self, text: &str) -> bool {
        (self.good)(text)
    }
}

fn within(text: &str, low: u64, high: u64) -> bool {
    digits(text).is_some_and(|n| (low..=high).contains(&n))
}

fn cpu_max(text: &str) -> bool {
    // A quota of a second for each of 1024 CPUs is beyond any machine's.
    let quota = |text| text == "max" || within(text, 1_000, 1 << 30);
    text.split_once('/').is_some_and(|(max, period)| {
        quota(max) && within(period, 1_000, 1_000_000)
    })
}

fn memory_max(text: &str) -> bool {
    let digits = text.strip_suffix(['K', 'M', 'G']).unwrap_or(text);
    // Not so many that G would overflow.
    text == "max" || within(digits, 1, 1 << 33)
}

/// Whether a cgroup may have this name: one directory, which no file of the
/// kernel's in its parent is called.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_-".contains(&b);
    (1..=32).contains(&text.len()) && text.bytes().all(good)
}

/// A group's cgroup. Groups of a run that use one name share it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Leaf<'t> {
    /// Its name; `None` is the supervisor's own cgroup.
    pub name: Option<&'t str>,
    /// A value for each of [`KNOBS`], if any.
    pub values: [Option<&'t str>; KNOBS.len()],
}

impl<'t> Leaf<'t> {
    /// Nothing asked for.
    pub const NONE: Self = Self {
        name: None,
        values: [None; KNOBS.len()],
    };

    /// The CPUs it is confined to.
    #[must_use]
    pub fn cpus(&self) -> Option<Cpus> {
        self.values[CPUS].and_then(Cpus::parse)
    }

    /// The memory nodes it is confined to.
    #[must_use]
    pub fn mems(&self) -> Option<Cpus> {
        self.values[MEMS].and_then(Cpus::parse)
    }

    /// Whether it sets a file of this controller.
    #[must_use]
    pub fn uses(&self, controller: &str) -> bool {
        let mut set = self.set();
        set.any(|(knob, _)| knob.controller == controller)
    }

    /// What it sets.
    pub fn set(&self) -> impl Iterator<Item = (&'static Knob, &'t str)> {
        const ALL: &[Knob; 5] = &KNOBS;
        ALL.iter()
            .zip(self.values)
            .filter_map(|(knob, value)| Some((knob, value?)))
    }

    /// Takes from another group what this one does not say.
    ///
    /// # Errors
    ///
    /// The key for which the two differ.
    pub fn unite(&mut self, other: &Self) -> Result<(), &'static str> {
        let mine = self.values.iter_mut().zip(other.values);
        for (knob, (mine, other)) in KNOBS.iter().zip(mine) {
            match (*mine, other) {
                (Some(a), Some(b)) if a != b => return Err(knob.key),
                (None, Some(b)) => *mine = Some(b),
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOBS, Leaf, is_name};

    #[test]
    fn each_knob_keeps_its_rule() {
        for (key, good, bad) in [
            (
                "cpuset.cpus",
                &["0", "0-3,8"][..],
                &["", "3-1", "a", "0,"][..],
            ),
            ("cpuset.mems", &["0", "0-1"], &["", "all", "-1", "1024"]),
            (
                "cpu.max",
                &["max/100000", "1000/1000", "2000000/1000000"],
                &[
                    "",
                    "max",
                    "50000",
                    "999/1000",
                    "50000/999",
                    "50000/1000001",
                    "50000/",
                    "max/max",
                    "1/2/3",
                    "50ms/100ms",
                ],
            ),
            (
                "cpu.weight",
                &["1", "10000"],
                &["", "0", "10001", "-1", "x"],
            ),
            (
                "memory.max",
                &["max", "1", "64M", "1G", "4096K"],
                &["", "0", "0M", "-1", "64MB", "M", "64T", "99999999999G"],
            ),
        ] {
            let knob = KNOBS.iter().find(|knob| knob.key == key).unwrap();
            assert!(knob.rule.starts_with(key));
            good.iter()
                .for_each(|v| assert!(knob.accepts(v), "{key}={v}"));
            bad.iter()
                .for_each(|v| assert!(!knob.accepts(v), "{key}={v}"));
        }
    }

    #[test]
    fn names_are_one_directory() {
        for good in ["a", "smoke", "churn-0", "A_9"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(33);
        for bad in ["", ".", "..", "a/b", "/a", "cgroup.procs", "a b", &long] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn groups_share_what_they_do_not_contradict() {
        let mut one = Leaf::NONE;
        one.values[3] = Some("50");
        let mut two = Leaf::NONE;
        two.values[0] = Some("1");
        two.unite(&one).unwrap();
        assert_eq!(two.values[3], Some("50"));
        assert_eq!(two.cpus().unwrap().len(), 1);
        assert!(two.uses("cpu") && !two.uses("memory"));
        one.values[3] = Some("51");
        assert_eq!(two.unite(&one), Err("cpu.weight"));
    }
}
