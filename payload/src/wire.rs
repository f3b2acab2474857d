//! What the machine and the host say to each other.

pub mod frame;
pub mod record;
