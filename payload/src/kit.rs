//! What workloads share.

pub mod cells;
pub mod clock;
pub mod cpus;
pub mod files;
pub mod histogram;
pub mod memory;
pub mod named;
pub mod pipes;
pub mod shm;
pub mod slot;
pub mod task;
pub mod text;
