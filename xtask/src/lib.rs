//! The host's side of pidone.

pub mod build;
pub mod catalogue;
pub mod cmd;
pub mod decode;
pub mod devices;
pub mod format;
pub mod kconfig;
pub mod kernel;
pub mod kernel_build;
pub mod kernel_check;
pub mod live;
pub mod model;
pub mod outcome;
pub mod qemu;
pub mod size;
pub mod store;
pub mod tools;
pub mod topology;
pub mod usage;

#[cfg(test)]
mod testing;
