//! A plan carried out: probe, supervise, judge, collect, report. Nothing here
//! mounts, loads a module or powers off.

pub mod affinity;
pub mod collect;
pub mod crew;
pub mod descriptors;
pub mod expects;
pub mod figures;
pub mod findings;
pub mod fits;
pub mod inherit;
pub mod judge;
pub mod kmsg;
pub mod leaves;
pub mod machine;
pub mod measured;
mod needs;
pub mod output;
pub mod probe;
pub mod samples;
pub mod sched_ext;
pub mod spawn;
pub mod supervisor;
pub mod trace;
pub mod tunables;
pub mod worker;
