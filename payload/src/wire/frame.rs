//! Records as short lines of text that survive a serial console.
//!
//! A frame is one self-contained piece of a record inside a KTAP diagnostic:
//!
//! ```text
//! # ~p1:5e0c1f:2a:0/3:50:<base64url, no padding>:9ae0f1d2~
//!       stream rec part len payload              crc
//! ```
//!
//! All numbers are hexadecimal; `len` is the number of payload characters;
//! the CRC-32 covers everything between `~p1:` and the colon before it. The
//! form is printable ASCII without a tab, at most [`MAX_LINE`] characters, and
//! is never anchored on line ends, since consoles lose, double and prefix
//! them. `docs/wire.md` is the specification.

use base64ct::{Base64UrlUnpadded, Encoding};
use core::fmt::{self, Write};
use crc::{CRC_32_ISO_HDLC, Crc, NoTable};
use heapless::{String, Vec};

/// Longest line a frame makes, with the leading `# `.
pub const MAX_LINE: usize = 120;

/// Record bytes in a full frame: 76 characters of base64.
pub const CHUNK: usize = 57;

/// What every frame starts with.
pub const START: &str = "~p1:";

/// The checksum of frames and of the whole stream, without a table: a
/// kilobyte that does not compress, for a megabyte a second that nobody
/// needs here.
pub const CRC: Crc<u32, NoTable> = Crc::<u32, NoTable>::new(&CRC_32_ISO_HDLC);

/// Tells boots apart whose output ended up in one log; 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamId(u32);

impl StreamId {
    /// Keeps the low 24 bits of `seed`.
    #[must_use]
    pub fn new(seed: u32) -> Self {
        Self(seed & 0xff_ffff)
    }

    /// Its number.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0)
    }
}

/// One piece of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The boot it belongs to.
    pub stream: StreamId,
    /// Number of the record in the stream, from 0.
    pub record: u32,
    /// Number of the piece in the record, from 0.
    pub part: u16,
    /// How many pieces the record has, at least 1.
    pub parts: u16,
    /// The piece.
    pub bytes: Vec<u8, CHUNK>,
}

impl Frame {
    /// The line for this frame, without a line end.
    #[must_use]
    pub fn line(&self) -> String<MAX_LINE> {
        let mut text = String::new();
        // The widest numbers leave the line below MAX_LINE, so none of
        // these writes can fail; the test `longest_line_fits` holds that.
        let written = self.write(&mut text);
        debug_assert!(written.is_ok(), "a frame fits its line");
        text
    }

    fn write(&self, text: &mut String<MAX_LINE>) -> fmt::Result {
        let mut base64 = [0; CHUNK.div_ceil(3) * 4];
        let payload = Base64UrlUnpadded::encode(&self.bytes, &mut base64)
            .map_err(|_| fmt::Error)?;
        write!(
            text,
            "# {START}{}:{:x}:{:x}/{:x}:{:x}:{payload}",
            self.stream,
            self.record,
            u32::from(self.part),
            u32::from(self.parts),
            payload.len(),
        )?;
        let covered = &text.as_bytes()[2 + START.len()..];
        let crc = CRC.checksum(covered);
        write!(text, ":{crc:08x}~")
    }

    /// Reads a frame that starts at the beginning of `text`, and returns it
    /// with the number of bytes it takes. `None` for anything else.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<(Self, usize)> {
        let body = text.strip_prefix(START.as_bytes())?;
        let mut rest = body;
        let stream = number(&mut rest, b':', 6)?;
        let record = number(&mut rest, b':', 8)?;
        let part = number(&mut rest, b'/', 4)?;
        let parts = number(&mut rest, b':', 4)?;
        let len = number(&mut rest, b':', 2)? as usize;
        let payload = rest.get(..len)?;
        rest = rest.get(len..)?;
        let covered = body.len() - rest.len();
        rest = rest.strip_prefix(b":")?;
        let crc = number(&mut rest, b'~', 8)?;
        if CRC.checksum(body.get(..covered)?) != crc || part >= parts {
            return None;
        }
        let mut buf = [0; CHUNK];
        let bytes = Base64UrlUnpadded::decode(payload, &mut buf).ok()?;
        let frame = Self {
            stream: StreamId::new(stream),
            record,
            part: u16::try_from(part).ok()?,
            parts: u16::try_from(parts).ok()?,
            bytes: Vec::from_slice(bytes).ok()?,
        };
        Some((frame, text.len() - rest.len()))
    }
}

/// Cuts one encoded record into frames.
pub fn frames(
    stream: StreamId,
    record: u32,
    bytes: &[u8],
) -> impl Iterator<Item = Frame> {
    // MAX_RECORD / CHUNK is far below 65536, and a record is never empty.
    let parts = u16::try_from(bytes.len().div_ceil(CHUNK)).unwrap_or(u16::MAX);
    bytes
        .chunks(CHUNK)
        .zip(0..)
        .map(move |(chunk, part)| Frame {
            stream,
            record,
            part,
            parts,
            bytes: Vec::from_slice(chunk).unwrap_or_default(),
        })
}

/// Takes a lower-case hexadecimal number of 1 to `digits` digits and the
/// delimiter after it.
fn number(rest: &mut &[u8], delimiter: u8, digits: usize) -> Option<u32> {
    let end = rest.iter().take(digits + 1).position(|&b| b == delimiter)?;
    let (text, tail) = (rest.get(..end)?, rest.get(end + 1..)?);
    if text.is_empty() {
        return None;
    }
    let mut value = 0_u32;
    for &byte in text {
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        value = value << 4 | u32::from(digit);
    }
    *rest = tail;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Frame, MAX_LINE, StreamId, frames};
    use proptest::prelude::{any, prop_assert_eq, proptest};
    use std::{vec, vec::Vec};

    #[test]
    fn longest_line_fits() {
        let frame = Frame {
            stream: StreamId::new(u32::MAX),
            record: 0x00ff_ffff,
            part: 0x110,
            parts: 0x111,
            bytes: heapless::Vec::from_slice(&[0xff; CHUNK]).unwrap(),
        };
        let line = frame.line();
        assert!(line.len() <= MAX_LINE, "{} characters", line.len());
        assert!(line.ends_with('~'));
        assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)));
    }

    #[test]
    fn a_changed_character_is_refused() {
        let frame = frames(StreamId::new(0x1234), 7, b"a record that is sent")
            .next()
            .unwrap();
        let line = frame.line();
        let text = &line.as_bytes()[2..];
        assert_eq!(Frame::parse(text), Some((frame, text.len())));
        for at in 0..text.len() {
            let mut damaged = text.to_vec();
            damaged[at] ^= 1;
            assert_eq!(Frame::parse(&damaged), None, "byte {at}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(
            bytes in proptest::collection::vec(any::<u8>(), 1..2000),
            stream in any::<u32>(),
            record in 0..0x00ff_ffff_u32,
        ) {
            let mut joined = Vec::new();
            for frame in frames(StreamId::new(stream), record, &bytes) {
                let line = frame.line();
                let (back, used) =
                    Frame::parse(&line.as_bytes()[2..]).unwrap();
                prop_assert_eq!(used, line.len() - 2);
                joined.extend_from_slice(&back.bytes);
            }
            prop_assert_eq!(joined, bytes);
        }

        #[test]
        fn no_bytes_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let mut text = vec![];
            text.extend_from_slice(super::START.as_bytes());
            text.extend_from_slice(&bytes);
            let _frame = Frame::parse(&text);
            let _frame = Frame::parse(&bytes);
        }
    }
}
