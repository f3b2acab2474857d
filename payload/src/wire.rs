//! What the machine tells the host: records, and how they get onto a console.

pub mod frame;
pub mod record;
