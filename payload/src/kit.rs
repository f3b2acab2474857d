//! What workloads share.

pub mod alarm;
pub mod block;
pub mod cells;
pub mod clock;
pub mod cpus;
pub mod draw;
pub mod files;
pub mod handled;
pub mod histogram;
pub mod lane_queue;
pub mod list;
pub mod memory;
pub mod named;
pub mod packet;
pub mod phases;
pub mod pipes;
pub mod queue;
pub mod rt_guard;
pub mod shm;
pub mod simd;
pub mod slot;
pub mod steer;
pub mod stop;
pub mod task;
pub mod text;
pub mod wakes;
