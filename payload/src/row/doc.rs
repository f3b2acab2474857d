//! Texts for the host alone.

use core::fmt;

/// A text for the host alone: help, catalogue, tests. In the payload it has
/// no size and is empty.
#[derive(Debug, Clone, Copy)]
pub struct Doc {
    #[cfg(not(feature = "init"))]
    text: &'static str,
}

impl Doc {
    /// The text.
    #[must_use]
    pub const fn text(self) -> &'static str {
        #[cfg(not(feature = "init"))]
        return self.text;
        #[cfg(feature = "init")]
        return "";
    }
}

impl fmt::Display for Doc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// A text for the host alone.
#[must_use]
#[cfg_attr(
    feature = "init",
    expect(unused_variables, reason = "the payload leaves it out")
)]
pub const fn doc(text: &'static str) -> Doc {
    Doc {
        #[cfg(not(feature = "init"))]
        text,
    }
}
