//! What standard output goes to: how wide it is, and whether it has colours.
//!
//! A text for people has its colours as marks, which are noncharacters: no
//! text of a guest has any, since [`hidden`](crate::untrusted::hidden) ones
//! are replaced where they come in. [`painted`] makes escapes of them, or
//! nothing where there are no colours.

use crate::untrusted::printed;
use console::Term;
use core::fmt;
use core::str::FromStr;
use core::sync::atomic::{AtomicU8, Ordering};
use std::io::{IsTerminal, stdout};

/// Columns where there is no terminal: what is read in a mail or a CI's log.
const COLUMNS: usize = 80;

/// What a text is to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Something is wrong.
    Bad,
    /// Something is better than it was.
    Good,
    /// Something is open.
    Open,
    /// The one thing to read.
    Strong,
    /// What may be passed over.
    Faint,
}

/// All, each with its mark and what a terminal is told.
const PAINTS: [(Paint, char, &str); 5] = [
    (Paint::Bad, '\u{fdd1}', "\x1b[31m"),
    (Paint::Good, '\u{fdd2}', "\x1b[32m"),
    (Paint::Open, '\u{fdd3}', "\x1b[33m"),
    (Paint::Strong, '\u{fdd4}', "\x1b[1m"),
    (Paint::Faint, '\u{fdd5}', "\x1b[2m"),
];
/// Ends whatever began, and what a terminal is told then.
const PLAIN: (char, &str) = ('\u{fdd0}', "\x1b[0m");

/// A text between marks. In a table only the last column may have any, since
/// marks would count where columns are made as wide as each other.
#[must_use]
pub fn paint(paint: Paint, text: &str) -> String {
    let mark = PAINTS.iter().find(|(of, ..)| *of == paint);
    let mark = mark.map_or(PLAIN.0, |(_, mark, _)| *mark);
    format!("{mark}{text}{}", PLAIN.0)
}

/// A text without its marks.
#[must_use]
pub fn unpainted(text: &str) -> String {
    text.chars().filter(|c| instead(*c).is_none()).collect()
}

/// What a terminal is told in place of a mark.
fn instead(mark: char) -> Option<&'static str> {
    let paint = PAINTS.iter().find(|(_, of, _)| *of == mark);
    let plain = (mark == PLAIN.0).then_some(PLAIN.1);
    paint.map(|(.., told)| *told).or(plain)
}

/// A text as standard output takes it: nothing but our own marks becomes an
/// escape.
#[must_use]
pub fn painted(text: &str, coloured: bool) -> String {
    let mut all = String::with_capacity(text.len());
    let is_mark = |c: char| instead(c).is_some();
    for part in text.split_inclusive(is_mark) {
        let mark = part.chars().next_back().filter(|c| is_mark(*c));
        let plain = mark.map_or(part, |c| &part[..part.len() - c.len_utf8()]);
        all.push_str(&printed(plain));
        if coloured {
            all.extend(mark.and_then(instead));
        }
    }
    all
}

/// Where colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Everywhere.
    Always,
    /// Nowhere.
    Never,
}

impl FromStr for Colour {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "never" => Ok(Self::Never),
            _ => {
                Err(format!("--color {word}: valid are auto, always and never"))
            }
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

/// What `--color` said.
static CHOSEN: AtomicU8 = AtomicU8::new(0);

/// Takes what `--color` says.
pub fn choose(colour: Colour) {
    let number = match colour {
        Colour::Auto => 0,
        Colour::Always => 1,
        Colour::Never => 2,
    };
    CHOSEN.store(number, Ordering::Relaxed);
}

/// Whether standard output has colours.
#[must_use]
pub fn coloured() -> bool {
    match CHOSEN.load(Ordering::Relaxed) {
        1 => true,
        2 => false,
        _ => {
            let unset = |name: &str| {
                std::env::var_os(name).is_none_or(|value| value.is_empty())
            };
            let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
            stdout().is_terminal() && unset("NO_COLOR") && !dumb
        }
    }
}

/// Columns of the terminal, or as many as fit a mail.
#[must_use]
pub fn columns() -> usize {
    match stdout().is_terminal() {
        true => Term::stdout()
            .size_checked()
            .map_or(COLUMNS, |(_, columns)| columns.into()),
        false => COLUMNS,
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, Paint, paint, painted, unpainted};

    #[test]
    fn only_marks_of_ours_become_escapes() {
        let text = format!("a\x1b[31m {} b", paint(Paint::Bad, "worse\x07"));
        let plain = "a\u{fffd}[31m worse\u{fffd} b";
        assert_eq!(painted(&text, false), plain);
        let red = "a\u{fffd}[31m \x1b[31mworse\u{fffd}\x1b[0m b";
        assert_eq!(painted(&text, true), red);
        assert_eq!(unpainted(&paint(Paint::Good, "x")), "x");
    }

    #[test]
    fn a_colour_is_one_of_three_words() {
        for colour in [Colour::Auto, Colour::Always, Colour::Never] {
            assert_eq!(colour.to_string().parse(), Ok(colour));
        }
        let said = "red".parse::<Colour>().unwrap_err();
        assert_eq!(said, "--color red: valid are auto, always and never");
    }
}
