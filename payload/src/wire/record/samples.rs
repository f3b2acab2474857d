//! Where the CPUs were during a run.

use crate::wire::record::lists::Pairs;
use serde::{Deserialize, Serialize};

/// A sampled profile of a run. Where it takes several records, all but the
/// counts is the same in each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Samples<'a> {
    /// Index of the run.
    pub run: u16,
    /// Samples a second of each CPU that is busy.
    pub hz: u32,
    /// They were taken by the hardware's cycles, not by the CPU's clock.
    pub cycles: bool,
    /// What was looked at.
    pub scope: Scope,
    /// Samples at addresses of programs.
    pub user: u64,
    /// Samples at addresses of the kernel.
    pub kernel: u64,
    /// Samples that found no room in a buffer.
    pub lost: u64,
    /// How often the kernel took none for a while, to spare itself.
    pub throttled: u64,
    /// Samples of these whose address found no room in the table.
    pub no_room: u64,
    /// How many pairs all records of the run have.
    pub rows: u32,
    /// Samples by function of the kernel, or by address of a program, with 0x
    /// in front. What has no name in the kernel has an empty one. Those that
    /// have the fewest are left out.
    #[serde(borrow)]
    pub counts: Pairs<'a>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// Whatever the CPUs carry out.
    Cpus,
    /// What the workers carry out.
    Workers,
    /// The same, and not in the kernel.
    WorkersUser,
}
