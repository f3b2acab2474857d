//! Why a run says less than it could.

/// What may be missing of the meaning of a run, found by a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// A narrower register than asked for.
    Width,
    /// A privilege.
    NoCap,
    /// A kernel counter.
    NoCounter,
    /// A loaded sched_ext scheduler.
    NoSchedExt,
    /// A cache in the disk: without one a flush has nothing to do.
    WriteThrough,
    /// The stamps of some wakes, which have no sample.
    Stale,
    /// A waker and a wakee of different classes.
    SameClass,
    /// Sizes of caches.
    NoCaches,
}

impl Reason {
    /// All with their names in verdicts, in the order of their numbers.
    pub const ALL: &'static [(Self, &'static str)] = &[
        (Self::Width, "WIDTH"),
        (Self::NoCap, "NO_CAP"),
        (Self::NoCounter, "NO_COUNTER"),
        (Self::NoSchedExt, "NO_SCHED_EXT"),
        (Self::WriteThrough, "WRITE_THROUGH"),
        (Self::Stale, "STALE"),
        (Self::SameClass, "SAME_CLASS"),
        (Self::NoCaches, "NO_CACHE_TOPOLOGY"),
    ];
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn reasons_stand_at_their_number() {
        for (index, (reason, _)) in Reason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index, "{reason:?}");
        }
    }
}
