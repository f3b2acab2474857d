//! Small text helpers that need no allocator.

use core::fmt;
use heapless::String;

/// Reads a whole small file, `/proc` or `/sys` for the most part, into
/// `buf` and returns what is valid UTF-8 of it. `None` if it cannot be
/// opened or read; a file longer than `buf` is cut.
pub fn read_file<'b>(path: &str, buf: &'b mut [u8]) -> Option<&'b str> {
    use rustix::fs::{CWD, Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let fd = openat(CWD, path, flags, Mode::empty()).ok()?;
    let mut used = 0;
    while used < buf.len() {
        match rustix::io::read(&fd, &mut buf[used..]) {
            Ok(0) => break,
            Ok(n) => used += n,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return None,
        }
    }
    let bytes = &buf[..used];
    match core::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        // A cut inside a character.
        Err(error) => core::str::from_utf8(&bytes[..error.valid_up_to()]).ok(),
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

/// Whether a text is of printable ASCII only.
#[must_use]
pub fn plain(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Appends formatted text; what does not fit is left out.
#[derive(Debug)]
pub struct Cut<'s, const N: usize>(pub &'s mut String<N>);

impl<const N: usize> fmt::Write for Cut<'_, N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.0.push(c).is_err() {
                return Err(fmt::Error);
            }
        }
        Ok(())
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
    use super::Human;
    use std::format;

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
