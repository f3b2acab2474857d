//! The kernel's log during a run.

use crate::kit::text::{digits, has};
use core::str::from_utf8;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, SeekFrom, openat, seek};
use rustix::io::{Errno, read};

/// Texts that mean that the kernel is in trouble.
const INCIDENTS: &[&str] = &[
    "WARNING: ",
    "BUG: ",
    "kernel BUG at",
    "Oops",
    #[cfg(target_arch = "x86_64")]
    "general protection",
    #[cfg(target_arch = "aarch64")]
    "Internal error:",
    #[cfg(target_arch = "x86_64")]
    "unable to handle",
    #[cfg(not(target_arch = "x86_64"))]
    "Unable to handle",
    "rcu: INFO:",
    "detected stall",
    "blocked for more than",
    "soft lockup",
    "hard LOCKUP",
    "possible circular locking",
    "possible recursive locking",
    "inconsistent lock state",
    "suspicious RCU usage",
    "scheduling while atomic",
    "sleeping function called from invalid",
    "KASAN:",
    "KCSAN:",
    "UBSAN:",
    "refcount_t:",
    "sched_ext: BPF scheduler",
];

/// Whether a log line reports trouble.
#[must_use]
pub fn is_incident(text: &str) -> bool {
    INCIDENTS.iter().any(|incident| has(text, incident))
}

/// One line of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'b> {
    /// syslog level, 0 to 7.
    pub level: u8,
    /// Time stamp in µs.
    pub time_us: u64,
    /// The text.
    pub text: &'b str,
}

impl<'b> Line<'b> {
    /// Parses one record of `/dev/kmsg`.
    #[must_use]
    pub fn parse(record: &'b [u8]) -> Option<Self> {
        let split = record.iter().position(|&b| b == b';')?;
        let head = from_utf8(record.get(..split)?).ok()?;
        let body = record.get(split + 1..)?;
        let end = body.iter().position(|&b| b == b'\n');
        let body = body.get(..end.unwrap_or(body.len()))?;
        let text = match from_utf8(body) {
            Ok(text) => text,
            Err(error) => from_utf8(&body[..error.valid_up_to()]).ok()?,
        };
        let mut fields = head.split(',');
        let priority = digits(fields.next()?)?;
        let time_us = digits(fields.nth(1)?)?;
        let level = u8::try_from(priority & 7).ok()?;
        Some(Self {
            level,
            time_us,
            text,
        })
    }
}

/// A pair of readers that stand at one place in the log: the second goes
/// over the lines before the first does.
#[derive(Debug)]
pub struct Kmsg {
    first: Reader,
    second: Reader,
}

/// A reader that stands at one place in the log.
#[derive(Debug)]
pub struct Reader(OwnedFd);

/// What a read of the log gave.
#[derive(Debug)]
pub enum Next<'b> {
    /// A line.
    Line(Line<'b>),
    /// Lines were overwritten before they could be read.
    Lost,
    /// Nothing new.
    End,
}

impl Kmsg {
    /// Opens the log at its end. `None` where it may not be read.
    #[must_use]
    pub fn open() -> Option<Self> {
        let (first, second) = (Reader::open()?, Reader::open()?);
        Some(Self { first, second })
    }

    /// Goes to the end.
    pub fn skip(&self) {
        self.first.skip();
        self.second.skip();
    }

    /// The reader that goes first over the lines, to judge them.
    #[must_use]
    pub fn judge(&self) -> &Reader {
        &self.second
    }

    /// The reader that goes over the same lines again, to send them.
    #[must_use]
    pub fn send(&self) -> &Reader {
        &self.first
    }
}

impl Reader {
    /// Opens the log at its end. `None` where it may not be read.
    #[must_use]
    pub fn open() -> Option<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = openat(CWD, "/dev/kmsg", flags, Mode::empty()).ok()?;
        let reader = Self(fd);
        reader.skip();
        Some(reader)
    }

    /// Goes to the end.
    pub fn skip(&self) {
        // An error leaves the position, and old lines are only too many.
        let _position = seek(&self.0, SeekFrom::End(0));
    }

    /// Reads the next line into `buf`.
    pub fn next<'b>(&self, buf: &'b mut [u8]) -> Next<'b> {
        loop {
            match read(&self.0, &mut *buf) {
                Ok(n) => {
                    return match Line::parse(&buf[..n]) {
                        Some(line) => Next::Line(line),
                        None => Next::Lost,
                    };
                }
                Err(Errno::PIPE) => return Next::Lost,
                Err(Errno::INTR) => {}
                Err(_) => return Next::End,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, is_incident};

    #[test]
    fn a_record_is_parsed() {
        let record = b"4,881,1234567,-;WARNING: CPU: 1 PID: 7\n SUBSYSTEM=x\n";
        let line = Line::parse(record).unwrap();
        assert_eq!((line.level, line.time_us), (4, 1_234_567));
        assert_eq!(line.text, "WARNING: CPU: 1 PID: 7");
        assert!(is_incident(line.text));
        assert!(!is_incident("random: crng init done"));
        assert_eq!(Line::parse(b"no semicolon"), None);
    }
}
