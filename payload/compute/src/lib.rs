//! What workloads compute, apart from the payload because it is built for
//! speed and the payload for size (`[profile.payload]` of the workspace).
//!
//! Functions here are called, not inlined: what is inlined into the payload is
//! built as the payload is. Memory comes as slices of atomics, which are
//! loaded and stored without ordering: tasks may share it, and that costs what
//! plain accesses cost. Whatever takes long is done in pieces of well below a
//! millisecond, between which the caller looks for the stop.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod bytes;
pub mod cache;
pub mod lz;
pub mod matrix;
