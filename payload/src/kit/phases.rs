//! Phases of a compound work type: `spin:5ms,alu_hot:scalar/1ms`.

use crate::kit::duration::parse_duration;
use crate::kit::simd::NAMES;

/// Most phases of one sequence.
pub const MAX_PHASES: usize = 32;

/// One phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Phase {
    /// What it does.
    pub what: Does,
    /// For how long, in ns.
    pub ns: u64,
}

/// What a phase does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Does {
    /// `spin:D`.
    Spin,
    /// `sleep:D`.
    Sleep,
    /// `yield:D`.
    Yield,
    /// `io:D`.
    Io,
    /// `alu_hot:WIDTH/D`, with the index of the width in [`NAMES`].
    AluHot(usize),
}

impl Phase {
    fn parse(text: &str) -> Option<Self> {
        let (name, value) = text.split_once(':')?;
        let (what, duration) = match (name, value.split_once('/')) {
            ("spin", None) => (Does::Spin, value),
            ("sleep", None) => (Does::Sleep, value),
            ("yield", None) => (Does::Yield, value),
            ("io", None) => (Does::Io, value),
            ("alu_hot", Some((width, duration))) => {
                let width = NAMES.iter().position(|name| *name == width)?;
                (Does::AluHot(width), duration)
            }
            _ => return None,
        };
        let ns = parse_duration(duration)?.as_nanos();
        // A century and more leaves room for the clock.
        let ns = u64::try_from(ns)
            .ok()
            .filter(|ns| (1..1 << 62).contains(ns));
        Some(Self { what, ns: ns? })
    }
}

/// The phases of a sequence; `None` for each word that is none.
pub fn phases(text: &str) -> impl Iterator<Item = Option<Phase>> {
    text.split(',').map(Phase::parse)
}

/// Whether a text is a sequence of 1 to [`MAX_PHASES`] phases.
#[must_use]
pub fn are_phases(text: &str) -> bool {
    phases(text).count() <= MAX_PHASES && phases(text).all(|p| p.is_some())
}

#[cfg(test)]
mod tests {
    use super::{Does, MAX_PHASES, Phase, are_phases};
    use std::vec;

    #[test]
    fn phases_keep_their_rules() {
        let phase = Phase::parse("alu_hot:vec256/2ms").unwrap();
        assert_eq!((phase.what, phase.ns), (Does::AluHot(2), 2_000_000));
        for bad in [
            "",
            "spin",
            "spin:",
            "spin:0ms",
            "spin:5",
            "sleep:5ms/1ms",
            "alu_hot:5ms",
            "alu_hot:wide/5ms",
            "nap:5ms",
            "spin:5ms,",
        ] {
            assert!(!are_phases(bad), "{bad}");
        }
        let most = vec!["yield:1ms"; MAX_PHASES].join(",");
        assert!(are_phases(&most));
        assert!(!are_phases(&(most + ",io:1ms")));
    }
}
