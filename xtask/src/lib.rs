//! The host's side of pidone.

pub mod build;
pub mod catalogue;
pub mod ci;
pub mod cmd;
pub mod decode;
pub mod dist;
pub mod format;
pub mod kconfig;
pub mod kernel;
pub mod kernel_build;
pub mod kernel_check;
pub mod live;
pub mod model;
pub mod outcome;
pub mod qemu;
pub mod store;
pub mod tools;
pub mod usage;

#[cfg(test)]
mod testing;
