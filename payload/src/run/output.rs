//! Where results go: KTAP lines and record frames.
//!
//! Lines end in CR LF on a terminal, whose own line-end processing is turned
//! off first: it would double what the kernel's console already does.

use crate::kit::text::Cut;
use crate::sys;
use crate::wire::frame::{CRC, StreamId, frames};
use crate::wire::record::{MAX_RECORD, Record};
use core::fmt::{self, Write};
use crc::{Crc, Digest, NoTable};
use heapless::{String, Vec};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, write};
use rustix::termios::tcdrain;

/// Longest KTAP line; what is longer is cut.
const LINE: usize = 400;
/// Most consoles that a kernel has.
pub const CONSOLES: usize = 8;

/// A device or file that takes lines.
#[derive(Debug)]
pub struct Sink {
    fd: OwnedFd,
    raw: bool,
}

impl Sink {
    /// Opens a device and takes its terminal processing off.
    ///
    /// # Errors
    ///
    /// What open said.
    pub fn open(path: &str) -> Result<Self, Errno> {
        let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty())?;
        let raw = sys::make_raw(fd.as_fd());
        Ok(Self { fd, raw })
    }

    /// Takes an open descriptor as it is.
    #[must_use]
    pub fn from_fd(fd: OwnedFd) -> Self {
        Self { fd, raw: false }
    }

    /// Prints a line; what is longer than 400 bytes is cut.
    pub fn say(&self, args: fmt::Arguments<'_>) {
        let mut text: String<LINE> = String::new();
        let _cut = Cut(&mut text).write_fmt(args);
        self.line(&text);
    }

    fn line(&self, text: &str) {
        let end = if self.raw { "\r\n" } else { "\n" };
        let mut line: String<{ LINE + 2 }> = String::new();
        // A text of at most LINE bytes and its end always fit. It may be a
        // program's, and hold what ends a line or rules a terminal.
        let plain = |c: char| if c.is_control() { ' ' } else { c };
        text.chars().for_each(|c| drop(line.push(plain(c))));
        let _fits = line.push_str(end);
        self.write(line.as_bytes());
    }

    fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match write(&self.fd, bytes) {
                Ok(n) => bytes = bytes.get(n..).unwrap_or(&[]),
                Err(Errno::INTR | Errno::AGAIN) => {}
                // Nobody is left to be told.
                Err(_) => return,
            }
        }
    }

    /// Waits until everything has left the machine.
    pub fn drain(&self) {
        // Not every sink is a terminal.
        let _done = tcdrain(&self.fd);
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Everything the payload prints.
pub struct Output<'b> {
    /// KTAP, and records unless they have a sink of their own.
    consoles: Vec<Sink, CONSOLES>,
    /// The records' own sink.
    pub records: Option<Sink>,
    /// Print KTAP.
    pub ktap: bool,
    /// Print signals of LAVA.
    pub lava: bool,
    /// Send records.
    pub send: bool,
    /// How often each burst is sent; with 0, records stay where they are
    /// collected.
    pub burst: u8,
    stream: StreamId,
    count: u32,
    digest: Digest<'static, u32, NoTable>,
    /// Records of the burst: two bytes of length, then the record.
    log: &'b mut [u8],
    used: usize,
}

static STREAM_CRC: Crc<u32, NoTable> = CRC;

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("stream", &self.stream)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

impl<'b> Output<'b> {
    /// An output that collects bursts in `log`.
    #[must_use]
    pub fn new(
        consoles: Vec<Sink, CONSOLES>,
        stream: StreamId,
        log: &'b mut [u8],
    ) -> Self {
        Self {
            consoles,
            records: None,
            ktap: true,
            lava: false,
            send: true,
            burst: 2,
            stream,
            count: 0,
            digest: STREAM_CRC.digest(),
            log,
            used: 0,
        }
    }

    /// An output that prints nothing and keeps all records in `log`, which is
    /// all zeroes, for [`kept`].
    #[must_use]
    pub fn keeping(log: &'b mut [u8]) -> Self {
        Self {
            ktap: false,
            burst: 0,
            ..Self::new(Vec::new(), StreamId::new(0), log)
        }
    }

    /// Whether there was room for all records that it was to keep.
    #[must_use]
    pub fn has_all(&self) -> bool {
        // One that does not fit has no bytes.
        split(&self.log[..self.used]).all(|bytes| !bytes.is_empty())
    }

    /// Whether only single workers' histograms that stand out are sent, since
    /// a console is slow.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.records.is_none() && self.burst > 0
    }

    /// Prints a KTAP line.
    pub fn line(&self, args: fmt::Arguments<'_>) {
        if self.ktap {
            self.say(args);
        }
    }

    /// Prints a signal that a run of cases begins or ends.
    pub fn signal(&self, what: &str) {
        if self.lava {
            self.say(format_args!("<LAVA_SIGNAL_{what} pidone>"));
        }
    }

    /// Prints a case as LAVA's dispatcher takes it from a console. One
    /// pattern reads all lines, so every one has a measurement.
    pub fn case(
        &self,
        id: fmt::Arguments<'_>,
        result: &str,
        value: u64,
        unit: &str,
    ) {
        if self.lava {
            self.say(format_args!(
                "<LAVA_SIGNAL_TESTCASE TEST_CASE_ID={id} RESULT={result} \
                 MEASUREMENT={value} UNITS={unit}>"
            ));
        }
    }

    /// Prints a line whatever `output=` says.
    pub fn say(&self, args: fmt::Arguments<'_>) {
        let mut text: String<LINE> = String::new();
        let _cut = Cut(&mut text).write_fmt(args);
        self.consoles.iter().for_each(|console| console.line(&text));
    }

    /// Adds a record to the burst.
    pub fn record(&mut self, record: &Record<'_>) {
        if !self.send {
            return;
        }
        if self.used + MAX_RECORD + 2 > self.log.len() {
            self.flush();
        }
        let Some(room) = self.log.get_mut(self.used + 2..) else {
            return;
        };
        let len = record.encode(room).map_or(0, <[u8]>::len);
        let Ok(short) = u16::try_from(len) else {
            return;
        };
        self.log[self.used..self.used + 2]
            .copy_from_slice(&short.to_le_bytes());
        self.used += 2 + len;
    }

    /// Sends the burst.
    pub fn flush(&mut self) {
        let sinks = match &self.records {
            Some(records) => core::slice::from_ref(records),
            None => &self.consoles,
        };
        let burst = &self.log[..self.used];
        let mut count = self.count;
        for copy in 0..self.burst {
            count = self.count;
            for bytes in split(burst) {
                if copy == 0 {
                    self.digest.update(bytes);
                }
                for frame in frames(self.stream, count, bytes) {
                    let line = frame.line();
                    sinks.iter().for_each(|sink| sink.line(&line));
                }
                count += 1;
            }
        }
        self.count = count;
        if self.burst > 0 {
            self.used = 0;
        }
    }

    /// Number and CRC-32 of all records sent.
    #[must_use]
    pub fn totals(&self) -> (u32, u32) {
        (self.count, self.digest.clone().finalize())
    }

    /// Waits until everything has left the consoles.
    pub fn drain_consoles(&self) {
        self.consoles.iter().for_each(Sink::drain);
    }

    /// Waits until everything has left the machine.
    pub fn drain(&self) {
        self.drain_consoles();
        if let Some(records) = &self.records {
            records.drain();
        }
    }
}

/// The records of an output that kept them.
pub fn kept(log: &[u8]) -> impl Iterator<Item = Record<'_>> {
    let bytes = split(log).take_while(|bytes| !bytes.is_empty());
    bytes.map_while(|bytes| Record::decode(bytes).ok())
}

/// The records of a burst.
fn split(mut burst: &[u8]) -> impl Iterator<Item = &[u8]> {
    core::iter::from_fn(move || {
        let (head, rest) = burst.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_le_bytes(*head));
        let (record, rest) = rest.split_at_checked(len)?;
        burst = rest;
        Some(record)
    })
}
