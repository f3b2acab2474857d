//! What a program says of itself at its end.
//!
//! Either lines of `key value`, or a byte 1 and a [`CustomReport`] in
//! postcard. `iterations`, `work_units` and `reason` have a meaning; any other
//! key is a figure of the program's own.

use crate::kit::named::MAX_NAME;
use crate::kit::text::{around_last, digits};
use crate::wire::record::Pairs;
use serde::{Deserialize, Serialize};

/// First byte of a report in postcard.
pub const POSTCARD: u8 = 1;
/// Most bytes of a report: what a pipe holds.
pub const MAX_REPORT: usize = 64 * 1024;

/// A report as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomReport<'a> {
    /// Iterations, if they are told.
    pub iterations: Option<u64>,
    /// Work units, if they are told.
    pub work_units: Option<u64>,
    /// Why it skips; empty if it does not.
    pub reason: &'a str,
    /// Figures of its own, `name=value` a line.
    #[serde(borrow)]
    pub figures: Pairs<'a>,
}

/// One thing that a report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'t> {
    /// Iterations.
    Iterations(u64),
    /// Work units.
    WorkUnits(u64),
    /// Why it skips.
    Reason(&'t str),
    /// A figure of its own.
    Figure(&'t str, u64),
}

/// What is wrong with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed<'t> {
    /// A line, or what of it is text, is not what a report has.
    Line(&'t str),
    /// It is no postcard of that form.
    Postcard,
    /// There is no room for what it says.
    TooLong,
}

/// Hands over what a report says until it is malformed, or `take` has no room
/// left.
///
/// # Errors
///
/// What is wrong; what came before was handed over.
pub fn read<'t>(
    report: &'t [u8],
    take: &mut dyn FnMut(Entry<'t>) -> bool,
) -> Result<(), Malformed<'t>> {
    if report.len() >= MAX_REPORT {
        return Err(Malformed::TooLong);
    }
    match report.split_first() {
        None => Ok(()),
        Some((&POSTCARD, rest)) => postcard_form(rest, take),
        Some(_) => lines(report, take),
    }
}

fn lines<'t>(
    report: &'t [u8],
    take: &mut dyn FnMut(Entry<'t>) -> bool,
) -> Result<(), Malformed<'t>> {
    for chunk in report.utf8_chunks() {
        for line in chunk.valid().lines().map(str::trim_ascii) {
            if !line.is_empty() {
                let entry = line_entry(line).ok_or(Malformed::Line(line))?;
                put(entry, take)?;
            }
        }
        if !chunk.invalid().is_empty() {
            let valid = chunk.valid().trim_ascii_end();
            let last = around_last(valid, b'\n').map_or(valid, |(_, l)| l);
            return Err(Malformed::Line(last));
        }
    }
    Ok(())
}

fn line_entry(line: &str) -> Option<Entry<'_>> {
    let (key, value) = line.split_once(|c: char| c.is_ascii_whitespace())?;
    let value = value.trim_ascii_start();
    match key {
        "reason" => Some(Entry::Reason(value)),
        _ => number_entry(key, digits(value)?),
    }
}

fn number_entry(key: &str, value: u64) -> Option<Entry<'_>> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
    Some(match key {
        "iterations" => Entry::Iterations(value),
        "work_units" => Entry::WorkUnits(value),
        _ if key.is_empty() || key.len() > MAX_NAME => return None,
        _ if !key.bytes().all(plain) => return None,
        _ => Entry::Figure(key, value),
    })
}

/// Field by field, so that what stands before a fault is kept.
fn postcard_form<'t>(
    rest: &'t [u8],
    take: &mut dyn FnMut(Entry<'t>) -> bool,
) -> Result<(), Malformed<'t>> {
    let bad = |_| Malformed::Postcard;
    let mut number = |rest: &'t [u8], entry: fn(u64) -> Entry<'t>| {
        let (number, rest) =
            postcard::take_from_bytes::<Option<u64>>(rest).map_err(bad)?;
        number.map_or(Ok(()), |number| put(entry(number), take))?;
        Ok(rest)
    };
    let rest = number(rest, Entry::Iterations)?;
    let rest = number(rest, Entry::WorkUnits)?;
    let (reason, rest) =
        postcard::take_from_bytes::<&str>(rest).map_err(bad)?;
    if !reason.is_empty() {
        put(Entry::Reason(reason), take)?;
    }
    let (figures, rest) =
        postcard::take_from_bytes::<Pairs<'_>>(rest).map_err(bad)?;
    for line in figures.0.lines() {
        let entry = around_last(line, b'=')
            .and_then(|(name, value)| number_entry(name, digits(value)?));
        put(entry.ok_or(Malformed::Line(line))?, take)?;
    }
    match rest {
        [] => Ok(()),
        _ => Err(Malformed::Postcard),
    }
}

fn put<'t>(
    entry: Entry<'t>,
    take: &mut dyn FnMut(Entry<'t>) -> bool,
) -> Result<(), Malformed<'t>> {
    match take(entry) {
        true => Ok(()),
        false => Err(Malformed::TooLong),
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomReport, Entry, MAX_REPORT, Malformed, POSTCARD, read};
    use crate::wire::record::Pairs;
    use proptest::prelude::{any, proptest};
    use std::vec;
    use std::vec::Vec;

    fn all(report: &[u8]) -> (Vec<Entry<'_>>, Result<(), Malformed<'_>>) {
        let mut entries = Vec::new();
        let end = read(report, &mut |entry| {
            entries.push(entry);
            entries.len() < 4
        });
        (entries, end)
    }

    #[test]
    fn lines_are_kept_up_to_the_bad_one() {
        let (entries, end) =
            all(b"iterations 5\n\nreason no cards today\nx.y \t 7\n");
        assert_eq!(end, Ok(()));
        let expected = [
            Entry::Iterations(5),
            Entry::Reason("no cards today"),
            Entry::Figure("x.y", 7),
        ];
        assert_eq!(entries, expected);
        let bad: [&[u8]; 7] = [
            b"work_units 3\nbad\nx 4",
            b"work_units 3\nx -4",
            b"work_units 3\nx 1.5",
            b"work_units 3\nx=4 5",
            b"work_units 3\niterations",
            b"work_units 3\n\xff 4",
            b"work_units 3\nx 18446744073709551616",
        ];
        for bad in bad {
            let (entries, end) = all(bad);
            assert_eq!(entries, [Entry::WorkUnits(3)]);
            assert!(matches!(end, Err(Malformed::Line(_))), "{end:?}");
        }
    }

    #[test]
    fn no_report_says_nothing_and_a_long_one_is_malformed() {
        assert_eq!(all(b""), (vec![], Ok(())));
        let long = vec![b'\n'; MAX_REPORT];
        assert_eq!(all(&long).1, Err(Malformed::TooLong));
        let (entries, end) = all(b"a 1\nb 2\nc 3\nd 4\ne 5");
        assert_eq!((entries.len(), end), (4, Err(Malformed::TooLong)));
    }

    #[test]
    fn postcard_is_kept_up_to_the_fault() {
        let report = CustomReport {
            iterations: Some(300),
            work_units: None,
            reason: "why",
            figures: Pairs("a=1\nb=2"),
        };
        let mut bytes = vec![POSTCARD];
        let mut buf = [0; 64];
        bytes.extend(&*postcard::to_slice(&report, &mut buf).unwrap());
        assert_eq!(bytes, b"\x01\x01\xac\x02\0\x03why\x07a=1\nb=2");
        let (entries, end) = all(&bytes);
        assert_eq!(end, Err(Malformed::TooLong), "four are too many here");
        assert_eq!(
            entries[2..],
            [Entry::Figure("a", 1), Entry::Figure("b", 2)]
        );
        let (entries, end) = all(&bytes[..6]);
        assert_eq!(entries, [Entry::Iterations(300)]);
        assert_eq!(end, Err(Malformed::Postcard));
    }

    proptest! {
        #[test]
        fn no_report_panics(bytes in proptest::collection::vec(
            any::<u8>(), 0..80,
        )) {
            let _end = all(&bytes);
            let _end = all(&[&[POSTCARD][..], &bytes].concat());
        }
    }
}
