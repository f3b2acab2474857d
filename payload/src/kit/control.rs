//! Start and stop of a run, as all its tasks see them.

use core::sync::atomic::{AtomicU32, AtomicU64};

/// Shared by all workers of a run.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Control {
    /// A [`Phase`]; workers wait on it as a futex for the start.
    pub phase: AtomicU32,
    /// `CLOCK_MONOTONIC` at which the current phase began, in ns.
    pub phase_ns: AtomicU64,
    /// Workers that finished their set-up, or failed in it.
    pub ready: AtomicU32,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Setting up.
    Wait,
    /// Running, not measuring yet.
    WarmUp,
    /// Running and measuring.
    Measure,
    /// To be left at once.
    Stop,
}

impl Phase {
    /// Its number in [`Control::phase`].
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Wait => 0,
            Self::WarmUp => 1,
            Self::Measure => 2,
            Self::Stop => 3,
        }
    }
}
