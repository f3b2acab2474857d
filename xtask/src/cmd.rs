//! The verbs, one file each.

pub mod boot;
pub mod build;
pub mod decode;
pub mod explain;
pub mod kernel;
pub mod list;
pub mod pack;
pub mod setup;
pub mod test;

/// Exit codes of every verb, safe under `git bisect run`.
pub mod exit {
    /// All is well.
    pub const GOOD: u8 = 0;
    /// The kernel or an expectation failed.
    pub const BAD: u8 = 1;
    /// Cannot tell: the kernel did not boot.
    pub const CANNOT_TELL: u8 = 125;
    /// The tool, its usage or the plan failed.
    pub const TOOL: u8 = 255;
}
