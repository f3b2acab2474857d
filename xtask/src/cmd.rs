//! The verbs, one file each.

use anyhow::{Context, Result};
use std::io::{ErrorKind, Write, stdout};

pub mod bisect;
pub mod boot;
pub mod build;
pub mod ci;
pub mod compare;
pub mod decode;
pub mod dist;
pub mod explain;
pub mod judge;
pub mod kernel;
pub mod list;
pub mod matrix;
pub mod pack;
pub mod report;
pub mod runs;
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

/// Writes to standard output. A reader that had enough is no error: the exit
/// code is the verdict's.
///
/// # Errors
///
/// Anything else that keeps the text from being written.
pub fn print(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}
