//! The host's side of pidone.

pub mod build;
pub mod catalogue;
pub mod cmd;
pub mod decode;
pub mod kconfig;
pub mod kernel;
pub mod kernel_build;
pub mod kernel_check;
pub mod model;
pub mod outcome;
pub mod qemu;
pub mod table;
pub mod tools;

#[cfg(test)]
mod testing;
