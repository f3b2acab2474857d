//! What this kernel and machine have.

/// A kernel feature that a work type may need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Feature {
    /// `CONFIG_FUTEX`.
    Futex,
    /// `CONFIG_HIGH_RES_TIMERS`.
    HighResTimers,
    /// `CONFIG_SCHED_INFO`.
    SchedInfo,
}

impl Feature {
    /// The configuration option that provides it.
    #[must_use]
    pub fn config(self) -> &'static str {
        match self {
            Self::Futex => "CONFIG_FUTEX",
            Self::HighResTimers => "CONFIG_HIGH_RES_TIMERS",
            Self::SchedInfo => "CONFIG_SCHED_INFO",
        }
    }
}
