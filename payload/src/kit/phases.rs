//! Phases of a compound work type: `spin:5ms,alu_hot:scalar/1ms`.

use crate::kit::duration::{InGrammar, parse_duration};
use crate::kit::simd::NAMES;
use core::fmt::{self, Write};
use core::ops::Deref;
use core::time::Duration;
use heapless::String;

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

impl fmt::Display for Phase {
    /// As [`phases`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            Does::Spin => f.write_str("spin:")?,
            Does::Sleep => f.write_str("sleep:")?,
            Does::Yield => f.write_str("yield:")?,
            Does::Io => f.write_str("io:")?,
            Does::AluHot(at) => {
                let width = NAMES.get(at).copied().unwrap_or("");
                write!(f, "alu_hot:{width}/")?;
            }
        }
        write!(f, "{}", InGrammar(Duration::from_nanos(self.ns)))
    }
}

/// A sequence made of a list, as text.
#[derive(Debug, Clone, Default)]
pub struct Phases(String<{ MAX_PHASES * PHASE }>);

/// No phase is longer as text, the comma behind it included:
/// `alu_hot:vec256/18446744073709551615ns,`.
const PHASE: usize = 40;

impl Phases {
    /// These phases, in order. They are as good as their text: what uses it
    /// says whether it is a sequence.
    ///
    /// # Errors
    ///
    /// There are more than [`MAX_PHASES`].
    pub fn new(list: &[Phase]) -> Result<Self, &'static str> {
        let mut text = String::new();
        for (at, phase) in list.iter().enumerate() {
            let comma = if at > 0 { "," } else { "" };
            write!(text, "{comma}{phase}")
                .map_err(|_| "a sequence has 32 phases at most")?;
        }
        Ok(Self(text))
    }
}

impl Deref for Phases {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
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
    use super::{Does, MAX_PHASES, Phase, Phases, are_phases, phases};
    use crate::kit::simd::NAMES;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn a_list_comes_back() {
        let alu = (0..NAMES.len()).map(Does::AluHot);
        let all = [Does::Spin, Does::Sleep, Does::Yield, Does::Io];
        let list = |ns| {
            let phase = move |what| Phase { what, ns };
            let both = all.into_iter().chain(alu.clone());
            both.map(phase).cycle().take(MAX_PHASES).collect::<Vec<_>>()
        };
        for ns in [1, 5_000_000, (1 << 62) - 1] {
            let text = Phases::new(&list(ns)).unwrap();
            assert!(are_phases(&text), "{}", &*text);
            let read: Vec<_> = phases(&text).flatten().collect();
            assert_eq!(read, list(ns));
        }
        for bad in [(Does::Spin, 0), (Does::AluHot(NAMES.len()), 1)] {
            let (what, ns) = bad;
            let text = Phases::new(&[Phase { what, ns }]).unwrap();
            assert!(!are_phases(&text), "{bad:?}");
        }
        let most = list(u64::MAX).repeat(2);
        assert!(Phases::new(&most).is_err());
    }

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
