//! Text for people: in lines of a width, and with numbers of things.

use core::fmt::Display;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// A space at which no line ends.
const UNBROKEN: char = '\u{a0}';

/// The text in lines of at most so many columns: the first begins with `first`,
/// further ones with `rest`. A unit stays with its figure, and a word that is
/// longer has a line of its own.
#[must_use]
pub fn filled(text: &str, first: &str, rest: &str, columns: usize) -> String {
    let options = Options::new(columns)
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    let words: Vec<&str> = text.split_whitespace().collect();
    let text = unbroken(&words.join(" "));
    textwrap::fill(&text, options).replace(UNBROKEN, " ")
}

/// The text with units that stay with their figures.
#[must_use]
pub fn unbroken(text: &str) -> String {
    let text = text.replace(" %", "\u{a0}%").replace(" ×", "\u{a0}×");
    text.replace(" x ", "\u{a0}x ")
}

/// So many of them: `1 boot`, `3 boots`.
#[must_use]
pub fn several<N: Display + PartialEq + From<u8>>(n: N, what: &str) -> String {
    let s = if n == N::from(1) { "" } else { "s" };
    format!("{n} {what}{s}")
}

#[cfg(test)]
mod tests {
    use super::{filled, several};

    #[test]
    fn one_is_no_more() {
        assert_eq!(several(1_u32, "boot"), "1 boot");
        assert_eq!(several(0_usize, "boot"), "0 boots");
    }

    #[test]
    fn lines_are_as_long_as_they_may() {
        for (text, [first, rest], columns, lines) in [
            ("a bc def", ["", "  "], 5, "a bc\n  def"),
            ("longer than", ["", ""], 3, "longer\nthan"),
            ("a\n b  c", ["- ", "  "], 5, "- a b\n  c"),
            ("it is 12 % slower", ["", ""], 9, "it is\n12 %\nslower"),
            ("it is 1.19 × slower", ["", ""], 10, "it is\n1.19 ×\nslower"),
            ("é é é", ["", ""], 3, "é é\né"),
        ] {
            assert_eq!(filled(text, first, rest, columns), lines, "{text}");
        }
    }
}
