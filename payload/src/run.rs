//! A plan carried out: probe, supervise, collect, judge, report.

pub mod affinity;
pub mod collect;
pub mod crew;
pub mod descriptors;
pub mod expects;
pub mod figures;
pub mod findings;
pub mod inherit;
pub mod judge;
pub mod kmsg;
pub mod leaves;
pub mod machine;
pub mod measured;
mod needs;
pub mod output;
pub mod probe;
pub mod sched_ext;
pub mod supervisor;
pub mod trace;
pub mod worker;
