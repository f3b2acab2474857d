//! The host's side of pidone.

pub mod build;
pub mod cmd;
pub mod decode;
pub mod kernel;
pub mod model;
pub mod outcome;
pub mod qemu;
pub mod table;
pub mod tools;
pub mod usage;

#[cfg(test)]
mod testing;
