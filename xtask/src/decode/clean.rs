//! Console bytes without line-end, colour and control noise.
//!
//! Cleaning only deletes, it never replaces: every byte that is left can be
//! traced to its place in the log ([`Cut::origin`]), and a frame that the
//! noise did not touch stays as it was. A tab stays for the reader's sake.

use core::ops::Range;

/// Longest escape sequence that is taken for one.
const MAX_ESCAPE: usize = 64;

/// A text from which ranges were cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cut {
    bytes: Vec<u8>,
    /// Where each kept piece starts, here and in the source.
    pieces: Vec<(usize, usize)>,
}

impl Cut {
    /// What is left.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the source the byte at `at` came from.
    #[must_use]
    pub fn origin(&self, at: usize) -> usize {
        let after = self.pieces.partition_point(|&(here, _)| here <= at);
        match self.pieces[..after].last() {
            Some(&(here, source)) => source + (at - here),
            None => at,
        }
    }

    /// Where the byte at `source` of the source is here, or else the first
    /// byte behind it.
    #[must_use]
    pub fn place(&self, source: usize) -> usize {
        let after = self.pieces.partition_point(|&(_, at)| at <= source);
        let Some(&(here, at)) = self.pieces[..after].last() else {
            return 0;
        };
        let next = self.pieces.get(after).map(|&(here, _)| here);
        (here + (source - at)).min(next.unwrap_or(self.bytes.len()))
    }

    /// Everything of `source` but `holes`, which are in rising order and do
    /// not overlap.
    #[must_use]
    pub fn without(
        source: &[u8],
        holes: impl IntoIterator<Item = Range<usize>>,
    ) -> Self {
        let mut cut = Self::default();
        let mut from = 0;
        for hole in holes {
            cut.keep(source, from..hole.start);
            from = hole.end;
        }
        cut.keep(source, from..source.len());
        cut
    }

    fn keep(&mut self, source: &[u8], range: Range<usize>) {
        if let Some(piece) = source.get(range.clone())
            && !piece.is_empty()
        {
            self.pieces.push((self.bytes.len(), range.start));
            self.bytes.extend_from_slice(piece);
        }
    }
}

/// Deletes carriage returns, escape sequences and control characters other
/// than newline and tab.
#[must_use]
pub fn clean(raw: &[u8]) -> Cut {
    let mut at = 0;
    Cut::without(
        raw,
        core::iter::from_fn(|| {
            let start = at + raw.get(at..)?.iter().position(|&b| noise(b))?;
            let rest = &raw[start..];
            at = start
                + match rest {
                    [0x1b, ..] => escape(rest),
                    _ => 1,
                };
            Some(start..at)
        }),
    )
}

fn noise(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\n' && byte != b'\t'
}

/// Length of the escape sequence at the start of `text`; 1, for the escape
/// character alone, if no sequence follows it.
fn escape(text: &[u8]) -> usize {
    let window = &text[..text.len().min(MAX_ESCAPE)];
    let body = |from: usize, class: fn(u8) -> bool| {
        let body = window.get(from..).unwrap_or_default();
        from + body.iter().take_while(|&&b| class(b)).count()
    };
    let (end, last): (usize, fn(u8) -> bool) = match window.get(1) {
        // CSI: parameters and intermediates, then one final byte.
        Some(b'[') => (body(2, |b| (0x20..=0x3f).contains(&b)), |b| b >= 0x40),
        // OSC, and APC, in which Buildkite has the time: text up to BEL or
        // ESC \.
        Some(b']' | b'_') => {
            let end = body(2, |b| !b.is_ascii_control());
            if window.get(end..end + 2) == Some(b"\x1b\\") {
                return end + 2;
            }
            (end, |b| b == 0x07)
        }
        _ => (body(1, |b| (0x20..=0x2f).contains(&b)), |b| b >= 0x30),
    };
    match window.get(end) {
        Some(&byte) if last(byte) && byte < 0x7f => end + 1,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::clean;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn cleaned(text: &str) -> String {
        String::from_utf8(clean(text.as_bytes()).bytes).unwrap()
    }

    #[test]
    fn noise_goes_and_text_stays() {
        for (dirty, text) in [
            ("a\r\r\nb\n", "a\nb\n"),
            ("\x1b[1;31mred\x1b[0m\ttab", "red\ttab"),
            ("\x1b]0;title\x07x\x1b]8;;u\x1b\\y", "xy"),
            ("\x1b_bk;t=17\x07x", "x"),
            ("\x1bcreset\x1b(B", "reset"),
            ("bell\x07\x08\x7f\0end", "bellend"),
            ("cut \x1b[12\nnext", "cut [12\nnext"),
            ("last\x1b", "last"),
            ("µ stays", "µ stays"),
        ] {
            assert_eq!(cleaned(dirty), text, "{dirty:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_and_their_origin(
            raw in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let cut = clean(&raw);
            let mut before = None;
            for (at, &byte) in cut.bytes().iter().enumerate() {
                let origin = cut.origin(at);
                prop_assert_eq!(raw[origin], byte);
                prop_assert!(before < Some(origin));
                prop_assert_eq!(cut.place(origin), at);
                before = Some(origin);
                prop_assert!(!super::noise(byte));
            }
        }
    }
}
