//! What workloads share.

pub mod cache;
pub mod cells;
pub mod clock;
pub mod cpus;
pub mod draw;
pub mod files;
pub mod histogram;
pub mod list;
pub mod lz;
pub mod matrix;
pub mod memory;
pub mod pipes;
pub mod queue;
pub mod shm;
pub mod slot;
pub mod steer;
pub mod task;
pub mod text;
