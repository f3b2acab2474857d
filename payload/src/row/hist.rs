//! Histograms of a work type.

use crate::row::doc::{Doc, doc};
use crate::row::param::place;
use crate::wire::record::WakeRule;

/// Most histograms one work type has.
pub const MAX_HISTS: usize = 32;

/// A histogram: its place, name and meaning.
#[derive(Debug, Clone, Copy)]
pub struct Hist {
    /// Its index in the row's `hists`.
    pub index: u8,
    /// `wake`, `call`, `timer` …
    pub name: &'static str,
    /// How its samples are taken, for `wake`.
    pub rule: Option<WakeRule>,
    /// What a value counts.
    pub unit: Unit,
    /// What one sample measures, from when to when.
    pub meaning: Doc,
    /// Percentiles on the console.
    pub shown: Shown,
}

/// What a value of a histogram counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Nanoseconds.
    Ns,
    /// Events per second.
    PerSecond,
}

impl Unit {
    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ns => "ns",
            Self::PerSecond => "1/s",
        }
    }
}

/// The percentiles of a histogram that are on the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The median and the 99th.
    MedianAndTail,
    /// Those that schbench prints.
    Schbench,
}

impl Shown {
    /// The percentiles, in tenths of a percent.
    #[must_use]
    pub fn tenths(self) -> &'static [u16] {
        match self {
            Self::MedianAndTail => &[500, 990],
            Self::Schbench => &[200, 500, 900, 990, 999],
        }
    }
}

impl Hist {
    /// Its place among those of its row.
    #[must_use]
    pub const fn at(&self) -> usize {
        self.index as usize
    }

    /// A histogram of durations.
    #[must_use]
    pub const fn new(
        index: usize,
        name: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            index: place(index),
            name,
            rule: None,
            unit: Unit::Ns,
            meaning: doc(meaning),
            shown: Shown::MedianAndTail,
        }
    }

    /// The `wake` histogram.
    #[must_use]
    pub const fn wake(
        index: usize,
        rule: WakeRule,
        meaning: &'static str,
    ) -> Self {
        Self {
            rule: Some(rule),
            ..Self::new(index, "wake", meaning)
        }
    }
}
