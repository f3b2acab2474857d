//! From the first instruction to the power-off, and the order of a boot.

pub mod app;
pub mod boot;
#[cfg(feature = "init")]
mod rt;
#[cfg(feature = "init")]
pub mod start;
