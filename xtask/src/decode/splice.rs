//! Kernel log text and fixed prefixes, found so that they can be cut out.
//!
//! A printk line lands whole in the middle of a line of ours, and log
//! collectors put a time in front of every line. Both are reversible: what
//! was inserted has a form of its own. Cutting too much costs nothing, since
//! the text is scanned uncut as well and a frame is accepted on its CRC only.

use super::clean::Cut;
use super::collector::regex;
use core::ops::Range;
use pidone::wire::frame::START;
use regex::bytes::Regex;
use std::sync::LazyLock;

/// What the kernel puts in front of its lines: level, time, task or CPU.
const STAMP: &str =
    r"(?:<\d{1,3}>)?\[ *\d+\.\d{6}(?:,\d+)?\](?:\[ *[TC]\d+\])? ";
/// A calendar time with or without brackets, and the spaces after.
const DATE: &str = concat!(
    r"\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?",
    r"(?:Z|[+-]\d\d:?\d\d)?\]?:? *",
);

static KERNEL: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(r"{STAMP}|\*\* \d+ printk messages dropped \*\*"))
});
/// Where a kernel line ends.
static STOP: LazyLock<Regex> = LazyLock::new(|| regex(&format!("\n|{START}")));
static AT_STAMP: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("^{STAMP}")));
static ONLY_STAMP: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("^{STAMP}$")));
/// A kernel's time counts only if another time follows, for alone it is the
/// line's own.
static PREFIX: LazyLock<Regex> = LazyLock::new(|| {
    regex(&format!(r"^(?:{DATE}(?:\d\d[OE](?P<more>[+ ])?)?|{STAMP})"))
});
static AT_TIME: LazyLock<Regex> =
    LazyLock::new(|| regex(&format!("^(?:{DATE}|{STAMP})")));
/// The end of a line that a terminal or a mail program wrapped, and what may
/// stand in front of the rest of it.
static WRAP: LazyLock<Regex> = LazyLock::new(|| regex(r"=?[ \t]*\n[ \t>|]*"));

/// Cuts every kernel log line, with its newline. A line that a frame's start
/// mark interrupts ends before that mark.
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

/// Cuts all newlines, for lines that were wrapped.
#[must_use]
pub fn without_newlines(text: &[u8]) -> Cut {
    Cut::without(text, WRAP.find_iter(text).map(|it| it.range()))
}

/// The first kernel log line in `text` that starts at or after `from`.
#[must_use]
pub fn kernel_line(text: &[u8], from: usize) -> Option<Range<usize>> {
    let found = KERNEL.find_at(text, from)?;
    let end = match STOP.find_at(text, found.end()) {
        Some(stop) if stop.as_bytes() == b"\n" => stop.end(),
        Some(stop) => stop.start(),
        None => text.len(),
    };
    Some(found.start()..end)
}

/// Whether `text` is what the kernel puts in front of a line, and no more.
#[must_use]
pub fn is_stamp(text: &[u8]) -> bool {
    ONLY_STAMP.is_match(text)
}

/// Length of what the kernel puts in front of a line, at the start of `text`.
#[must_use]
pub fn stamp(text: &[u8]) -> usize {
    AT_STAMP.find(text).map_or(0, |stamp| stamp.len())
}

/// Length of what stands in front of the message at the start of `line`:
/// times of log collectors and of the kernel.
#[must_use]
pub fn any_prefix(line: &[u8]) -> usize {
    let len = prefix(line).len;
    len + stamp(&line[len..])
}

/// Where `needle` first occurs in `text`.
#[must_use]
pub fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    text.windows(needle.len()).position(|w| w == needle)
}

/// What a log collector of a known kind put in front of a line.
#[derive(Debug, Default)]
pub struct Prefix {
    /// Its length.
    pub len: usize,
    /// The line goes on with the one before it.
    pub continued: bool,
}

/// What a log collector put in front of `line`: times, and GitLab's marks.
#[must_use]
pub fn prefix(line: &[u8]) -> Prefix {
    let mut found = Prefix::default();
    while let Some(more) = PREFIX.captures(&line[found.len..]) {
        let len = more.get(0).map_or(0, |it| it.len());
        if stamp(&line[found.len..]) > 0
            && !AT_TIME.is_match(&line[found.len + len..])
        {
            break;
        }
        found.len += len;
        if let Some(mark) = more.name("more") {
            found.continued = mark.as_bytes() == b"+";
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{prefix, without_kernel_lines, without_newlines};

    fn spliced(text: &str) -> String {
        let cut = without_kernel_lines(text.as_bytes());
        String::from_utf8(cut.bytes().to_vec()).unwrap()
    }

    #[test]
    fn kernel_lines_go() {
        for (torn, whole) in [
            ("ab[   12.345678] usb 1-1: new\ncd\n", "abcd\n"),
            ("ab<6>[    0.000001] x\ncd", "abcd"),
            ("a[1.000000][  T17] x\n<4>[1.000002][ C1] y\nb", "ab"),
            ("ab[    1.234567] no end", "ab"),
            ("ab** 23 printk messages dropped **\ncd", "abcd"),
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
    fn wrapped_lines_are_joined() {
        for text in ["ab\ncd", "ab=\ncd", "ab \n cd", "ab\n> > cd"] {
            let cut = without_newlines(text.as_bytes());
            assert_eq!(cut.bytes(), b"abcd", "{text:?}");
        }
    }

    #[test]
    fn what_known_collectors_put_in_front() {
        for (with, bare) in [
            ("2026-11-05T12:00:00.123456Z 00O text", "text"),
            ("2026-11-05T12:00:00Z 00O+text", "text"),
            ("[2026-11-05T12:00:00Z] a", "a"),
            (
                "2026-11-05T12:00:00+01:00 [    1.234567] k",
                "[    1.234567] k",
            ),
            ("[    9.000001] [    1.234567] k", "[    1.234567] k"),
            ("[    1.234567] k", "[    1.234567] k"),
            ("2026-11 no date", "2026-11 no date"),
            ("", ""),
        ] {
            let len = prefix(with.as_bytes()).len;
            assert_eq!(&with[len..], bare, "{with:?}");
        }
    }
}
