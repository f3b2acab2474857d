//! Lists inside a record, as text.

use crate::kit::text::{around_last, digits};
use serde::{Deserialize, Serialize};

/// Several short texts in one field, separated by newlines.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize,
)]
pub struct Lines<'a>(pub &'a str);

impl<'a> Lines<'a> {
    /// The texts, in order; none for an empty field.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.split('\n').filter(|line| !line.is_empty())
    }
}

/// `name=value` pairs with unsigned values, separated by newlines.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize,
)]
pub struct Pairs<'a>(pub &'a str);

impl<'a> Pairs<'a> {
    /// The pairs, in order; a malformed pair is passed over, which only a
    /// payload of another schema could have sent.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, u64)> + use<'a> {
        self.0.split('\n').filter_map(|line| {
            let (name, value) = around_last(line, b'=')?;
            Some((name, digits(value)?))
        })
    }
}

/// Cuts a long list of pairs into pieces of whole lines, each of at most
/// `most` bytes.
pub fn pieces(text: &str, most: usize) -> impl Iterator<Item = Pairs<'_>> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let mut end = rest.len();
        while end > most {
            let shorter = rest.as_bytes().get(..end - 1)?;
            end = shorter.iter().rposition(|&b| b == b'\n')? + 1;
        }
        let (piece, tail) = rest.split_at_checked(end)?;
        rest = tail;
        (!piece.is_empty()).then_some(Pairs(piece.trim_ascii_end()))
    })
}
