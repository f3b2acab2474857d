//! The host's side of pidone.

pub mod arch;
pub mod bisect;
pub mod boot;
pub mod build;
pub mod cache;
pub mod catalogue;
pub mod checks;
pub mod ci;
pub mod cmd;
pub mod compare;
pub mod debian;
pub mod decode;
pub mod devices;
pub mod dist;
pub mod duration;
pub mod evidence;
pub mod exit;
pub mod finished;
pub mod format;
pub mod ftrace;
pub mod guest_clock;
pub mod input;
pub mod interrupt;
pub mod judge;
pub mod kconfig;
pub mod kernel;
pub mod kernel_build;
pub mod kernel_check;
pub mod live;
pub mod matrix;
pub mod metrics;
pub mod model;
pub mod noise;
pub mod outcome;
pub mod profile;
pub mod qemu;
pub mod report;
pub mod size;
pub mod store;
pub mod temporary;
pub mod tools;
pub mod topology;
pub mod untrusted;
pub mod usage;

#[cfg(test)]
mod testing;
