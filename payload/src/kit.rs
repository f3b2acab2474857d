//! What workloads share.

pub mod cells;
pub mod clock;
pub mod cpus;
pub mod files;
pub mod handled;
pub mod histogram;
pub mod memory;
pub mod phases;
pub mod pipes;
pub mod queue;
pub mod rt_guard;
pub mod shm;
pub mod simd;
pub mod slot;
pub mod task;
pub mod text;
