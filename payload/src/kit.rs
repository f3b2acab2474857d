//! What workloads share.

pub mod cells;
pub mod clock;
pub mod cpus;
pub mod histogram;
pub mod pipes;
pub mod shm;
pub mod slot;
pub mod task;
pub mod text;
