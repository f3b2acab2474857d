//! pidone: a tiny static Linux init that runs scheduler workloads.
//!
//! The library is everything but the start-up code: the table of work types,
//! the wire schema and its framing, and what a run needs in the machine. It
//! neither allocates nor uses a C library.

#![no_std]

#[cfg(test)]
extern crate std;

pub mod affinity;
pub mod app;
pub mod attr;
pub mod boot;
pub mod cgroup;
pub mod collect;
pub mod counters;
pub mod ctx;
pub mod custom;
pub mod descriptors;
pub mod expect;
pub mod figures;
pub mod frame;
pub mod inherit;
pub mod judge;
pub mod kit;
pub mod kmsg;
pub mod machine;
pub mod output;
pub mod plan;
pub mod probe;
pub mod record;
#[cfg(feature = "init")]
mod rt;
pub mod sched_ext;
#[cfg(feature = "init")]
pub mod start;
pub mod supervisor;
pub mod sys;
pub mod topology;
pub mod trace;
pub mod worker;
pub mod workload;
pub mod workloads;
