//! Memory policies of a group.

use crate::kit::cpus::Cpus;
use core::fmt;

/// `MPOL_*`, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The system's.
    Default,
    /// One node, others if it is full.
    Preferred,
    /// These nodes and no others.
    Bind,
    /// Round robin.
    Interleave,
    /// The node of the CPU.
    Local,
    /// These nodes, others if they are full.
    PreferredMany,
    /// Round robin by the weights of the nodes.
    WeightedInterleave,
}

impl Mode {
    const ALL: [(Self, &'static str); 7] = [
        (Self::Default, "default"),
        (Self::Preferred, "preferred"),
        (Self::Bind, "bind"),
        (Self::Interleave, "interleave"),
        (Self::Local, "local"),
        (Self::PreferredMany, "preferred_many"),
        (Self::WeightedInterleave, "weighted_interleave"),
    ];

    fn takes_nodes(self) -> bool {
        !matches!(self, Self::Default | Self::Local)
    }
}

/// Flags and their bits, as in `linux/mempolicy.h`.
const FLAGS: [(&str, u32); 3] = [
    ("static_nodes", STATIC_NODES),
    ("relative_nodes", RELATIVE_NODES),
    ("numa_balancing", NUMA_BALANCING),
];
const STATIC_NODES: u32 = 1 << 15;
const RELATIVE_NODES: u32 = 1 << 14;
const NUMA_BALANCING: u32 = 1 << 13;
const ALL_FLAGS: u32 = STATIC_NODES | RELATIVE_NODES | NUMA_BALANCING;

/// A memory policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemPolicy {
    /// Its mode.
    pub mode: Mode,
    /// Its nodes; empty for modes that take none.
    pub nodes: Cpus,
    /// `MPOL_F_*` bits.
    pub flags: u32,
}

/// What the flags of a policy look like.
pub const FLAGS_RULE: &str = "mpol_flags is a list of static_nodes or \
                              relative_nodes, and numa_balancing";

impl MemPolicy {
    /// No call is made.
    pub const DEFAULT: Self = Self {
        mode: Mode::Default,
        nodes: Cpus::EMPTY,
        flags: 0,
    };

    /// Parses `default`, `local`, `bind:LIST`, `preferred:N` and the like;
    /// the flags stay as they are.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn parse(self, text: &str) -> Result<Self, &'static str> {
        let (name, list) = match text.split_once(':') {
            Some((name, list)) => (name, Some(list)),
            None => (text, None),
        };
        let known = Mode::ALL.iter().find(|mode| mode.1 == name);
        let &(mode, _) = known.ok_or(
            "a memory policy is default, local, preferred:NODE, or bind, \
             interleave, preferred_many or weighted_interleave with :NODES",
        )?;
        let nodes = match (mode.takes_nodes(), list) {
            (true, Some(list)) => {
                Cpus::parse(list).ok_or("a list of nodes looks like 0-1,3")?
            }
            (true, None) => return Err("this memory policy takes :NODES"),
            (false, Some(_)) => return Err("this memory policy has no nodes"),
            (false, None) => Cpus::EMPTY,
        };
        if mode == Mode::Preferred && nodes.len() != 1 {
            return Err("preferred takes one node; preferred_many takes more");
        }
        let flags = self.flags;
        Ok(Self { mode, nodes, flags })
    }

    /// Parses the value of `mpol_flags`.
    #[must_use]
    pub fn parse_flags(text: &str) -> Option<u32> {
        text.split(',').try_fold(0, |flags, word| {
            let bit = FLAGS.iter().find(|flag| flag.0 == word)?.1;
            (flags & bit == 0).then_some(flags | bit)
        })
    }

    /// Whether its flags go with each other and with the mode.
    ///
    /// # Errors
    ///
    /// The rule that was broken.
    pub fn check(&self) -> Result<(), &'static str> {
        let both = STATIC_NODES | RELATIVE_NODES;
        let balanced = matches!(self.mode, Mode::Bind | Mode::PreferredMany);
        if self.flags & both == both {
            Err("static_nodes and relative_nodes exclude each other")
        } else if self.flags & NUMA_BALANCING != 0 && !balanced {
            Err("numa_balancing goes with bind and preferred_many only")
        } else if self.flags != 0 && !self.mode.takes_nodes() {
            Err("mpol_flags goes with a mempolicy that has nodes")
        } else {
            Ok(())
        }
    }

    /// Mode and flags in one number, as the kernel takes them.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.mode as u32 | self.flags
    }

    /// From what the kernel gave. `None` for a mode that is not known.
    #[must_use]
    pub fn from_number(number: u32, nodes: Cpus) -> Option<Self> {
        let mode = number & !ALL_FLAGS;
        let known = Mode::ALL.iter().find(|known| known.0 as u32 == mode);
        Some(Self {
            mode: known?.0,
            nodes,
            flags: number & ALL_FLAGS,
        })
    }
}

impl fmt::Display for MemPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = Mode::ALL.iter().find(|mode| mode.0 == self.mode);
        f.write_str(mode.map_or("", |mode| mode.1))?;
        if !self.nodes.is_empty() {
            write!(f, ":{}", self.nodes)?;
        }
        let set = FLAGS.iter().filter(|flag| self.flags & flag.1 != 0);
        for ((name, _), i) in set.zip(0..) {
            write!(f, "{}{name}", if i == 0 { " " } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{MemPolicy, Mode};
    use std::string::ToString;

    #[test]
    fn policies_keep_their_rules() {
        let parse = |text| MemPolicy::DEFAULT.parse(text);
        for good in [
            "default",
            "local",
            "preferred:1",
            "bind:0-1,3",
            "interleave:0",
            "preferred_many:0-1",
            "weighted_interleave:0-1",
        ] {
            let policy = parse(good).unwrap();
            assert_eq!(policy.to_string(), good);
            let number = policy.number();
            assert_eq!(
                MemPolicy::from_number(number, policy.nodes),
                Some(policy)
            );
        }
        for bad in [
            "",
            "Bind:0",
            "bind",
            "bind:",
            "bind:x",
            "bind:1024",
            "local:0",
            "default:",
            "preferred",
            "preferred:0-1",
            "preferred_many:",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_keep_their_rules() {
        for bad in ["", "static", "static_nodes,", "static_nodes,static_nodes"]
        {
            assert_eq!(MemPolicy::parse_flags(bad), None, "{bad}");
        }
        for (mode, flags, good) in [
            ("bind:0", "static_nodes", true),
            ("bind:0", "relative_nodes,numa_balancing", true),
            ("bind:0", "static_nodes,relative_nodes", false),
            ("preferred_many:0", "numa_balancing", true),
            ("interleave:0", "numa_balancing", false),
            ("local", "static_nodes", false),
            ("default", "static_nodes", false),
        ] {
            let mut policy = MemPolicy::DEFAULT.parse(mode).unwrap();
            policy.flags = MemPolicy::parse_flags(flags).unwrap();
            assert_eq!(policy.check().is_ok(), good, "{mode} {flags}");
            if good {
                assert_eq!(policy.to_string(), std::format!("{mode} {flags}"));
            }
        }
    }

    #[test]
    fn numbers_are_the_kernels() {
        assert_eq!(Mode::Bind as u32, 2);
        assert_eq!(Mode::WeightedInterleave as u32, 6);
        let flags = MemPolicy::parse_flags("static_nodes").unwrap();
        let policy = MemPolicy {
            flags,
            ..MemPolicy::DEFAULT.parse("bind:0").unwrap()
        };
        assert_eq!(policy.number(), 0x8002);
    }
}
