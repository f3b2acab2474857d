//! Kernel log text and line prefixes, found so that they can be cut out.
//!
//! A printk line lands whole in the middle of a line of ours, and log
//! collectors put a time in front of every line. Both are reversible: what
//! was inserted has a form of its own. Cutting too much costs nothing, since
//! the text is scanned uncut as well and a frame is accepted on its CRC only.

use core::ops::Range;
use pidone::frame::START;

use super::clean::Cut;

/// Cuts every kernel log line, with its newline.
///
/// The form is `(<\d+>)?\[ *\d+\.\d{6}\](\[ *[TC]\d+\])? [^\n]*\n`; a line
/// that a frame's start mark interrupts ends before that mark.
#[must_use]
pub fn without_kernel_lines(text: &[u8]) -> Cut {
    let mut from = 0;
    Cut::without(
        text,
        core::iter::from_fn(|| {
            let line = kernel_line(text, from)?;
            from = line.end;
            Some(line)
        }),
    )
}

/// Cuts what log collectors put in front of lines, and the newline of lines
/// they broke (GitLab marks the continuation with `+`).
#[must_use]
pub fn without_prefixes(text: &[u8]) -> Cut {
    let mut at = 0;
    let mut holes = Vec::new();
    for line in text.split_inclusive(|&b| b == b'\n') {
        let prefix = prefix(line);
        if prefix.len > 0 {
            let start = at - usize::from(prefix.continued && at > 0);
            holes.push(start..at + prefix.len);
        }
        at += line.len();
    }
    Cut::without(text, holes)
}

/// Cuts all newlines, for lines that a terminal wrapped.
#[must_use]
pub fn without_newlines(text: &[u8]) -> Cut {
    let newlines = text.iter().enumerate().filter(|&(_, &b)| b == b'\n');
    Cut::without(text, newlines.map(|(at, _)| at..at + 1))
}

/// The first kernel log line in `text` that starts at or after `from`.
#[must_use]
pub fn kernel_line(text: &[u8], from: usize) -> Option<Range<usize>> {
    let mut at = from;
    loop {
        at += text.get(at..)?.iter().position(|&b| b == b'[')?;
        if let Some(len) = stamp(&text[at..]) {
            let body = at + len;
            let end = (body..text.len())
                .find_map(|at| match &text[at..] {
                    [b'\n', ..] => Some(at + 1),
                    rest => rest.starts_with(START.as_bytes()).then_some(at),
                })
                .unwrap_or(text.len());
            return Some(level_before(text, from, at)..end);
        }
        at += 1;
    }
}

/// Where `needle` first occurs in `text`.
#[must_use]
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|w| w == needle)
}

/// Length of what stands in front of the message at the start of `line`:
/// times of log collectors and of the kernel.
#[must_use]
pub fn any_prefix(line: &[u8]) -> usize {
    let len = prefix(line).len;
    let rest = &line[len..];
    let level = level(rest).unwrap_or(0);
    match stamp(&rest[level..]) {
        Some(stamp) => len + level + stamp,
        None => len,
    }
}

#[derive(Default)]
struct Prefix {
    len: usize,
    continued: bool,
}

/// What a log collector put in front of `line`. A kernel time stamp counts
/// only if another one follows, for alone it is the line's own.
fn prefix(line: &[u8]) -> Prefix {
    let mut found = Prefix::default();
    loop {
        let rest = &line[found.len..];
        if let Some(len) = date(rest) {
            found.len += len;
            if let [b'0'..=b'9', b'0'..=b'9', b'O' | b'E', mark, ..] =
                line[found.len..]
            {
                found.len += 3 + usize::from(mark == b'+' || mark == b' ');
                found.continued = mark == b'+';
            }
            continue;
        }
        let level = level(rest).unwrap_or(0);
        if let Some(len) = stamp(&rest[level..])
            && kernel_or_date(&rest[level + len..])
        {
            found.len += level + len;
            continue;
        }
        return found;
    }
}

fn kernel_or_date(text: &[u8]) -> bool {
    let level = level(text).unwrap_or(0);
    stamp(&text[level..]).is_some() || date(text).is_some()
}

/// Length of `[ *\d+\.\d{6}\](\[ *[TC]\d+\])? ` at the start of `text`.
fn stamp(text: &[u8]) -> Option<usize> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.byte(b'[')?;
    cursor.spaces();
    cursor.digits(1..=usize::MAX)?;
    cursor.byte(b'.')?;
    cursor.digits(6..=6)?;
    cursor.byte(b']')?;
    if cursor.peek() == Some(b'[') {
        cursor.at += 1;
        cursor.spaces();
        cursor.one_of(b"TC")?;
        cursor.digits(1..=usize::MAX)?;
        cursor.byte(b']')?;
    }
    cursor.byte(b' ')?;
    Some(cursor.at)
}

/// Length of a calendar time with or without brackets, and the spaces after.
fn date(text: &[u8]) -> Option<usize> {
    let mut cursor = Cursor { text, at: 0 };
    let bracket = cursor.byte(b'[').is_some();
    cursor.digits(4..=4)?;
    cursor.byte(b'-')?;
    cursor.digits(2..=2)?;
    cursor.byte(b'-')?;
    cursor.digits(2..=2)?;
    cursor.one_of(b"T ")?;
    cursor.digits(2..=2)?;
    cursor.byte(b':')?;
    cursor.digits(2..=2)?;
    cursor.byte(b':')?;
    cursor.digits(2..=2)?;
    if cursor.one_of(b".,").is_some() {
        cursor.digits(1..=usize::MAX)?;
    }
    if cursor.byte(b'Z').is_none() && cursor.one_of(b"+-").is_some() {
        cursor.digits(2..=2)?;
        let _colon = cursor.byte(b':');
        cursor.digits(2..=2)?;
    }
    if bracket {
        cursor.byte(b']')?;
    }
    let _colon = cursor.byte(b':');
    cursor.spaces();
    Some(cursor.at)
}

/// Length of `<\d+>` at the start of `text`.
fn level(text: &[u8]) -> Option<usize> {
    let mut cursor = Cursor { text, at: 0 };
    cursor.byte(b'<')?;
    cursor.digits(1..=3)?;
    cursor.byte(b'>')?;
    Some(cursor.at)
}

/// Start of the `<\d+>` that ends at `at`, or `at` if there is none.
fn level_before(text: &[u8], from: usize, at: usize) -> usize {
    (from.max(at.saturating_sub(5))..at)
        .find(|&start| level(&text[start..at]) == Some(at - start))
        .unwrap_or(at)
}

/// Reads simple forms; a step that fails leaves the cursor where it was.
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.one_of(&[byte])
    }

    fn one_of(&mut self, bytes: &[u8]) -> Option<()> {
        bytes.contains(&self.peek()?).then(|| self.at += 1)
    }

    fn spaces(&mut self) {
        while self.byte(b' ').is_some() {}
    }

    fn digits(
        &mut self,
        count: core::ops::RangeInclusive<usize>,
    ) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        count.contains(&digits).then(|| self.at += digits)
    }
}

#[cfg(test)]
mod tests {
    use super::{any_prefix, without_kernel_lines, without_prefixes};

    fn spliced(text: &str) -> String {
        let cut = without_kernel_lines(text.as_bytes());
        String::from_utf8(cut.bytes().to_vec()).unwrap()
    }

    fn unprefixed(text: &str) -> String {
        let cut = without_prefixes(text.as_bytes());
        String::from_utf8(cut.bytes().to_vec()).unwrap()
    }

    #[test]
    fn kernel_lines_go() {
        for (torn, whole) in [
            ("ab[   12.345678] usb 1-1: new\ncd\n", "abcd\n"),
            ("ab<6>[    0.000001] x\ncd", "abcd"),
            ("a[1.000000][  T17] x\n<4>[1.000002][ C1] y\nb", "ab"),
            ("ab[    1.234567] no end", "ab"),
            ("a[    1.23456] short\nb", "a[    1.23456] short\nb"),
            ("a[   x1.234567] no\nb", "a[   x1.234567] no\nb"),
            ("[    1.234567]no space\n", "[    1.234567]no space\n"),
            ("[    1.234567] kern~p1:f~\n", "~p1:f~\n"),
            ("[[<9[    1.234567] x\n>", "[[<9>"),
        ] {
            assert_eq!(spliced(torn), whole, "{torn:?}");
        }
    }

    #[test]
    fn prefixes_go() {
        for (with, bare) in [
            ("2026-11-05T12:00:00.123456Z 00O text\n", "text\n"),
            (
                "2026-11-05T12:00:00Z 00O ab\n2026-11-05T12:00:00Z 00O+cd\n",
                "abcd\n",
            ),
            ("[2026-11-05T12:00:00Z] a\n[2026-11-05 12:00:01] b", "a\nb"),
            (
                "2026-11-05T12:00:00+01:00 [    1.234567] kernel\n",
                "[    1.234567] kernel\n",
            ),
            ("[    9.000001] [    1.234567] k\n", "[    1.234567] k\n"),
            ("[    1.234567] k\n", "[    1.234567] k\n"),
            ("2026-11 no date\n", "2026-11 no date\n"),
        ] {
            assert_eq!(unprefixed(with), bare, "{with:?}");
        }
    }

    #[test]
    fn all_that_stands_in_front() {
        let line = b"2026-11-05T12:00:00Z <6>[    1.234567][ T1] text";
        assert_eq!(&line[any_prefix(line)..], b"text");
        assert_eq!(any_prefix(b"text"), 0);
        assert_eq!(any_prefix(b""), 0);
    }
}
