//! Boots: what is asked of one, its plan, and the booting itself.
//!
//! Every verb that boots does so here.

pub mod again;
mod bring_up;
mod drivers;
pub mod expected;
pub mod plan;
pub mod ready;
pub mod request;
mod scheduler;
mod starved;
mod wait;

pub use self::request::BootRequest;

use self::ready::{Ready, Setting};
use crate::exit::Exit;
use crate::model::Report;
use anyhow::Result;

/// Boots once without storing, and returns what came of it with how a verb
/// ends for it.
///
/// # Errors
///
/// The plan is wrong, or something that is needed is missing.
pub fn boot(request: &BootRequest) -> Result<(Report, Exit)> {
    let ready = Ready::new(request)?;
    let boot = ready.boot(ready.seed(), &Setting::alone(), None)?;
    Ok((boot.report, boot.meta.exit_code))
}
