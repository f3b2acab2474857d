//! Why a run is not simply ok.

use crate::kit::text::Cut;
use crate::wire::record::Verdict;
use core::fmt::{self, Write};
use heapless::String;

/// Why a run is not simply OK, and how bad that is.
#[derive(Debug)]
pub struct Findings {
    /// The worst so far.
    pub verdict: Verdict,
    /// One reason a line.
    pub reasons: String<1024>,
}

impl Findings {
    /// Adds a reason; the same one is kept once.
    pub fn add(&mut self, verdict: Verdict, reason: fmt::Arguments<'_>) {
        self.verdict = self.verdict.max(verdict);
        let mut text: String<256> = String::new();
        let _cut = Cut(&mut text).write_fmt(reason);
        if self.reasons.lines().any(|line| line == text) {
            return;
        }
        let _cut = writeln!(Cut(&mut self.reasons), "{text}");
    }
}
