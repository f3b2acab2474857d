//! Data and primitives, and readers of what the kernel tells. Nothing here
//! knows of work types or plans.

pub mod alarm;
pub mod cells;
pub mod cgroup;
pub mod clock;
pub mod control;
pub mod counters;
pub mod cpus;
pub mod draw;
pub mod duration;
pub mod exit;
pub mod files;
pub mod handled;
pub mod histogram;
pub mod lane_queue;
pub mod list;
pub mod memory;
pub mod named;
pub mod op;
pub mod phases;
pub mod pipes;
pub mod queue;
pub mod reason;
pub mod room;
pub mod rt_guard;
pub mod sched_ext;
pub mod shm;
pub mod simd;
pub mod slot;
pub mod steer;
pub mod steps;
pub mod stop;
pub mod task;
pub mod text;
pub mod topology;
pub mod wakes;
