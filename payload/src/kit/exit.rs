//! How a worker ended.

use crate::sys::process::Ended;
use serde::{Deserialize, Serialize};

/// How a worker ended.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize,
)]
pub enum Exit {
    /// Left by itself with this code.
    Code(u8),
    /// Killed by this signal.
    Signal(u8),
    /// Did not stop within `grace` and was killed.
    Timeout,
    /// Could not even be killed (uninterruptible sleep).
    #[default]
    Stuck,
}

/// What the kernel says of how a process ended.
#[must_use]
pub fn exit_of(ended: &Ended) -> Exit {
    match ended.signal {
        0 => Exit::Code(ended.code),
        signal => Exit::Signal(signal),
    }
}

/// The number by which `Slot::exit` holds how a worker ended.
#[must_use]
pub fn encode_exit(exit: Exit) -> u32 {
    match exit {
        Exit::Code(code) => 1 + u32::from(code),
        Exit::Signal(signal) => 1001 + u32::from(signal),
        Exit::Timeout => 2001,
        Exit::Stuck => 2002,
    }
}

/// How a worker ended, of the number that `Slot::exit` holds.
#[must_use]
pub fn decode_exit(number: u32) -> Exit {
    match number {
        2002 => Exit::Stuck,
        0 | 2001 => Exit::Timeout,
        n @ 1001..=2000 => Exit::Signal(u8::try_from(n - 1001).unwrap_or(0)),
        n => Exit::Code(u8::try_from(n - 1).unwrap_or(u8::MAX)),
    }
}
