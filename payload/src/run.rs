//! A plan carried out: probe, supervise, collect, judge, report.

pub mod affinity;
pub mod cgroup;
pub mod collect;
pub mod counters;
pub mod descriptors;
pub mod figures;
pub mod inherit;
pub mod judge;
pub mod kmsg;
pub mod machine;
pub mod output;
pub mod probe;
pub mod sched_ext;
pub mod supervisor;
pub mod topology;
pub mod trace;
pub mod worker;
