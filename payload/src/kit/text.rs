//! Small text helpers that need no allocator.

use core::fmt;
use heapless::String;
use heapless::string::StringView;

/// Reads a whole small file, `/proc` or `/sys` for the most part, into
/// `buf` and returns what is valid UTF-8 of it. `None` if it cannot be
/// opened or read; a file longer than `buf` is cut.
pub fn read_file<'b>(path: &str, buf: &'b mut [u8]) -> Option<&'b str> {
    let bytes = read_bytes(path, buf)?;
    match core::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // A cut inside a character.
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
    }
}

/// As [`read_file`], whatever is in it.
pub fn read_bytes<'b>(path: &str, buf: &'b mut [u8]) -> Option<&'b [u8]> {
    try_read(path, buf).ok()
}

/// As [`read_bytes`].
///
/// # Errors
///
/// What open or read said.
pub fn try_read<'b>(
    path: &str,
    buf: &'b mut [u8],
) -> rustix::io::Result<&'b [u8]> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty())?;
    let mut used = 0;
    while used < buf.len() {
        match rustix::io::read(&fd, &mut buf[used..]) {
            Ok(0) => break,
            Ok(n) => used += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(buf.get(..used).unwrap_or(&[]))
}

/// Whether there is something at this path that may be looked at.
#[must_use]
pub fn exists(path: &str) -> bool {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat(CWD, path, flags, Mode::empty()).is_ok()
}

/// Hands over a file, however long it is, piece by piece, as far as it can be
/// read.
pub fn each_piece(path: &str, take: &mut dyn FnMut(&[u8])) {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let Ok(file) = openat(CWD, path, flags, Mode::empty()) else {
        return;
    };
    let mut buf = [0; 8192];
    loop {
        match rustix::io::read(&file, &mut buf) {
            Ok(0) => return,
            Ok(n) => take(buf.get(..n).unwrap_or(&[])),
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Writes `text` to a file, `/proc` or `/sys` for the most part.
///
/// # Errors
///
/// What open or write said.
pub fn write_file(path: &str, text: &str) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty())?;
    rustix::io::write(&fd, text.as_bytes()).map(drop)
}

/// Formats a short path; one that does not fit is cut, and so not found.
#[must_use]
pub fn path(args: fmt::Arguments<'_>) -> String<96> {
    let mut path = String::new();
    let _cut = fmt::write(&mut path, args);
    path
}

/// Whether `part` is somewhere in `text`. The searcher of `str::contains`
/// is several times as large.
#[must_use]
pub fn has(text: &str, part: &str) -> bool {
    let mut rest = text.as_bytes();
    while !rest.starts_with(part.as_bytes()) {
        let Some((_, after)) = rest.split_first() else {
            return false;
        };
        rest = after;
    }
    true
}

/// What is in front of and behind the last `byte`, an ASCII character.
#[must_use]
pub fn around_last(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = text.bytes().rposition(|b| b == byte)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// A whole number in decimal digits, and nothing else.
#[must_use]
pub fn digits(text: &str) -> Option<u64> {
    let mut number = 0_u64;
    for byte in text.bytes() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    (!text.is_empty()).then_some(number)
}

/// Decimal digits, perhaps behind a minus sign.
#[must_use]
pub fn signed(text: &str) -> Option<i64> {
    match text.strip_prefix('-') {
        Some(text) => 0_i64.checked_sub_unsigned(digits(text)?),
        None => i64::try_from(digits(text)?).ok(),
    }
}

/// The `n`-th word, from 0, as a whole number.
#[must_use]
pub fn word(text: &str, n: usize) -> Option<u64> {
    digits(text.split_ascii_whitespace().nth(n)?)
}

/// Whether a text is of printable ASCII only.
#[must_use]
pub fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Writes `key=value` and an end. One call of this is much smaller than one
/// of `write!`.
///
/// # Errors
///
/// What `text` said.
pub fn entry(
    text: &mut dyn fmt::Write,
    key: &str,
    value: &dyn fmt::Display,
    end: &str,
) -> fmt::Result {
    text.write_str(key)?;
    write!(text, "={value}{end}")
}

/// Appends `key=value` as a line, if it fits.
pub fn pair(text: &mut StringView, key: &str, value: &dyn fmt::Display) {
    let _fits = entry(&mut Cut(text), key, value, "\n");
}

/// Appends formatted text; what does not fit is left out.
#[derive(Debug)]
pub struct Cut<'s>(pub &'s mut StringView);

impl fmt::Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self.0.capacity() - self.0.len();
        let fits = text.floor_char_boundary(room);
        let (fits, rest) = text.split_at_checked(fits).unwrap_or((text, ""));
        self.0.push_str(fits).map_err(|_| fmt::Error)?;
        if rest.is_empty() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

/// A duration for people: three or four digits and a unit.
#[derive(Debug, Clone, Copy)]
pub struct Human(pub u64);

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ns = self.0;
        let (scale, unit) = match ns {
            0..10_000 => (1, "ns"),
            10_000..10_000_000 => (1_000, "us"),
            10_000_000..10_000_000_000 => (1_000_000, "ms"),
            _ => (1_000_000_000, "s"),
        };
        let whole = ns / scale;
        if scale > 1 && whole < 100 {
            write!(f, "{whole}.{}{unit}", ns % scale * 10 / scale)
        } else {
            write!(f, "{whole}{unit}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Human, digits, has, signed};
    use std::format;

    #[test]
    fn finds_parts() {
        assert!(has("a kernel BUG at", "BUG"));
        assert!(has("BUG", "BUG") && has("BUG", "") && has("", ""));
        assert!(!has("BU", "BUG") && !has("bug", "BUG") && !has("", "B"));
    }

    #[test]
    fn whole_numbers() {
        let max = "18446744073709551615";
        assert_eq!(digits(max), Some(u64::MAX));
        for bad in ["", "+1", "-1", "1 ", "0x1", "18446744073709551616"] {
            assert_eq!(digits(bad), None, "{bad}");
        }
        assert_eq!(signed("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(signed("9223372036854775807"), Some(i64::MAX));
        for bad in ["", "-", "--1", "9223372036854775808"] {
            assert_eq!(signed(bad), None, "{bad}");
        }
    }

    #[test]
    fn durations_for_people() {
        for (ns, text) in [
            (0, "0ns"),
            (9_999, "9999ns"),
            (12_345, "12.3us"),
            (999_999, "999us"),
            (12_000_000, "12.0ms"),
            (3_000_000_000, "3000ms"),
            (12_345_000_000, "12.3s"),
        ] {
            assert_eq!(format!("{}", Human(ns)), text);
        }
    }
}
