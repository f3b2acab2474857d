//! What names in results mean to people: how samples of `wake` are taken, and
//! which option gives a machine what a run lacks.

use pidone::wire::record::WakeRule;

/// How samples of `wake` are taken.
const RULES: [(WakeRule, &str); 5] = [
    (
        WakeRule::Pair,
        "each sleeper has a slot, in which its waker leaves the time right \
         before it wakes it",
    ),
    (
        WakeRule::Broadcast,
        "one waker wakes many sleepers: it numbers its wakes and leaves the \
         time of each, and a sleeper looks up the wake that ended its sleep",
    ),
    (
        WakeRule::ManyWakers,
        "many wakers, of which the kernel says not who woke whom: the earliest \
         time that no other sleeper has taken",
    ),
    (
        WakeRule::KernelWaker,
        "the kernel wakes by itself, so that nobody leaves a time: how much \
         the kernel's own run_delay grew over the sleep",
    ),
    (
        WakeRule::Packet,
        "the time at which the kernel received the packet that ended the sleep",
    ),
];

/// What a rule such as `W1` is.
#[must_use]
pub fn rule(name: &str) -> Option<&'static str> {
    let known = RULES.iter().find(|(rule, _)| rule.name() == name);
    known.map(|(_, what)| *what)
}

/// Reasons of runs, and what would help.
const HELP: [(&str, &str); 9] = [
    ("NO_NIC", "--nic gives the machine a network"),
    ("NO_BLOCK_DEVICE", "--disk 64M gives the machine a disk"),
    ("TOO_FEW_CPUS", "--smp gives the machine more CPUs"),
    ("NO_NUMA", "--smp 2n4c gives the machine two nodes"),
    (
        "NO_SMT",
        "--smp 2c2t gives the machine cores of two threads",
    ),
    (
        "NO_SIBLINGS",
        "--smp 2c2t gives the machine cores of two threads",
    ),
    ("LOW_MEMORY", "--mem gives the machine more memory"),
    ("NO_SCHED_EXT", "scx=fifo in the plan loads a scheduler"),
    ("NO_CONFIG", "`kernel check` says what it lacks"),
];

/// What helps against a reason, if an option does.
#[must_use]
pub fn help(reason: &str) -> Option<&'static str> {
    let word = |c: char| c.is_ascii_uppercase() || c == '_';
    let end = reason.find(|c| !word(c)).unwrap_or(reason.len());
    let known = HELP.iter().find(|(name, _)| *name == &reason[..end]);
    known.map(|(_, help)| *help)
}

#[cfg(test)]
mod tests {
    use super::{help, rule};

    #[test]
    fn names_are_known_as_they_stand_in_results() {
        for name in ["W1", "W2", "W3", "W4", "W5"] {
            assert!(rule(name).is_some(), "{name}");
        }
        assert_eq!(rule("W6"), None);
        let nic = Some("--nic gives the machine a network");
        assert_eq!(help("NO_NIC"), nic);
        assert_eq!(help("NO_NIC: 0 interfaces"), nic);
        assert!(help("NO_CONFIG:CONFIG_NUMA").is_some());
        assert_eq!(help("NO_NICE"), None);
        assert_eq!(help(""), None);
    }
}
