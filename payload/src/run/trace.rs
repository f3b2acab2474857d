//! `trace=`: the kernel's own record of a run's measured window.
//!
//! Events go into a tracefs instance of our own, so that nothing of the
//! host's tracing changes, by a clock that is the one of all our stamps. What
//! comes of it is the kernel's own text, sent compressed behind the run's
//! results. Nothing here happens to a run that does not ask for it.

use crate::kit::alarm::Alarm;
use crate::kit::mounts::{TRACING, mount_kind};
use crate::kit::shm::{Scratch, cells};
use crate::kit::text::{
    Cut, each_piece, exists, has, path, read_bytes, read_file, word, write_file,
};
use crate::plan::nearest;
use crate::plan::trace::Trace;
use crate::run::crew::Crew;
use crate::run::findings::Findings;
use crate::run::output::Output;
use crate::wire::record::{self, Record, TraceText, Verdict};
use core::fmt::{self, Write};
use core::str::from_utf8;
use core::sync::atomic::Ordering::Relaxed;
use heapless::String;
use pidone_compute::lz;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::{Errno, write};
use rustix::process::getpid;

/// Where tracefs is.
const ROOT: &str = "/sys/kernel/tracing";
/// Most text that is sent over a console, in bytes.
const ON_CONSOLE: u64 = 256 * 1024;
/// Text in one record, at most.
const BLOCK: usize = 60 * 1024;
/// Compressed text in one record, at most: the rest of a record is short.
const PACKED: usize = record::MAX_RECORD - 64;
/// Longest list of a kernel's events that is looked at for a name.
const EVENTS: usize = 512 * 1024;

/// A call that failed, and how.
type Step = (&'static str, Errno);

/// An instance of tracefs that records one run.
#[derive(Debug)]
pub struct Recording {
    // In this order: the directory cannot go before its files are closed.
    on: OwnedFd,
    marker: OwnedFd,
    dir: Instance,
    kib: u32,
    /// A sample may end it.
    stops: bool,
}

/// The directory of an instance, removed when dropped. By then workers, which
/// have inherited its open files, have ended.
#[derive(Debug)]
struct Instance(String<96>);

impl Drop for Instance {
    fn drop(&mut self) {
        let _left = unlinkat(CWD, self.0.as_str(), AtFlags::REMOVEDIR);
    }
}

/// What there is in the buffers of a recording that has ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct Kept {
    /// Events that newer ones have overwritten.
    pub overrun: u64,
    /// Events that found no room.
    pub dropped: u64,
    /// A sample ended it.
    pub stopped: bool,
}

impl Recording {
    /// Prepares what the run asks for; `None` where it asks for nothing, or
    /// where that cannot be had, which degrades the run.
    pub fn new(
        trace: &Trace<'_>,
        pid1: bool,
        findings: &mut Findings,
    ) -> Option<Self> {
        let events = trace.events()?;
        let missing = |config: &str, findings: &mut Findings| {
            let verdict = Verdict::Degraded;
            findings.add(verdict, format_args!("NO_CONFIG:{config}"));
        };
        let instances = path(format_args!("{ROOT}/instances"));
        if !exists(&instances) && pid1 {
            // Whether it is there is seen below.
            let _none = mount_kind(c"tracefs", TRACING);
        }
        if !exists(&instances) {
            if pid1 {
                missing("CONFIG_FTRACE", findings);
            } else {
                let reason = format_args!("NO_TRACE: no tracefs at {ROOT}");
                findings.add(Verdict::Degraded, reason);
            }
            return None;
        }
        let dir = match pid1 {
            true => path(format_args!("{instances}/pidone")),
            // Others may be at it on the same host.
            false => {
                let pid = getpid().as_raw_nonzero().get();
                path(format_args!("{instances}/pidone-{pid}"))
            }
        };
        let made = Self::make(dir, trace).and_then(|it| {
            for event in events {
                match it.add("set_event", event) {
                    Ok(()) => {}
                    Err(Errno::INVAL) => no_event(event, findings),
                    Err(Errno::NOENT) => {
                        missing("CONFIG_EVENT_TRACING", findings);
                    }
                    Err(errno) => return Err(("set_event", errno)),
                }
            }
            Ok(it)
        });
        match made {
            Ok(it) => Some(it),
            Err((step, errno)) => {
                let errno = errno.raw_os_error();
                findings.add(
                    Verdict::Degraded,
                    format_args!("NO_TRACE({step}, {errno})"),
                );
                None
            }
        }
    }

    fn make(dir: String<96>, trace: &Trace<'_>) -> Result<Self, Step> {
        let at = |step| move |errno| (step, errno);
        let mode = Mode::from_raw_mode(0o755);
        mkdirat(CWD, dir.as_str(), mode).map_err(at("mkdir"))?;
        let dir = Instance(dir);
        let open = |name| {
            let file = path(format_args!("{}/{name}", dir.0));
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            openat(CWD, file.as_str(), flags, Mode::empty()).map_err(at(name))
        };
        let it = Self {
            on: open("tracing_on")?,
            marker: open("trace_marker")?,
            dir,
            kib: trace.kib,
            stops: trace.stop.is_some(),
        };
        // A new instance records from the start.
        write(&it.on, b"0").map_err(at("tracing_on"))?;
        it.set("trace_clock", "mono").map_err(at("trace_clock"))?;
        it.set("options/overwrite", "1").map_err(at("overwrite"))?;
        let mut kib: String<16> = String::new();
        // The widest number fits.
        let _fits = write!(kib, "{}", it.kib);
        it.set("buffer_size_kb", &kib).map_err(at("trace_kib"))?;
        Ok(it)
    }

    fn set(&self, name: &str, text: &str) -> Result<(), Errno> {
        write_file(&path(format_args!("{}/{name}", self.dir.0)), text)
    }

    /// As `set`, for a file that forgets what it had when it is truncated.
    fn add(&self, name: &str, text: &str) -> Result<(), Errno> {
        let file = path(format_args!("{}/{name}", self.dir.0));
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CLOEXEC;
        let file = openat(CWD, file.as_str(), flags, Mode::empty())?;
        write(file, text.as_bytes()).map(drop)
    }

    /// What a worker with a sample above the limit sets off.
    #[must_use]
    pub fn alarm(&self) -> Option<Alarm<'_>> {
        self.stops.then_some(Alarm {
            on: self.on.as_fd(),
            marker: self.marker.as_fd(),
        })
    }

    /// Begins to record, and marks the begin of the measured window of this
    /// run, counted from 0.
    pub fn begin(&self, number: u16, name: &str) {
        // It was opened for this, and is seen in what it recorded.
        let _on = write(&self.on, b"1");
        self.mark(format_args!("pidone: begin run={number} {name}"));
    }

    /// Marks the end of the measured window and records no more.
    pub fn end(&self, number: u16) {
        self.mark(format_args!("pidone: end run={number}"));
        let _off = write(&self.on, b"0");
    }

    fn mark(&self, args: fmt::Arguments<'_>) {
        let mut text: String<192> = String::new();
        let _cut = Cut(&mut text).write_fmt(args);
        // Without a mark the trace is read all the same.
        let _none = write(&self.marker, text.as_bytes());
    }

    /// Whether it is recording, asked before [`Self::end`]; a sample may have
    /// ended it.
    #[must_use]
    pub fn is_on(&self) -> bool {
        let on = path(format_args!("{}/tracing_on", self.dir.0));
        let mut buf = [0; 8];
        read_file(&on, &mut buf).is_none_or(|text| text.starts_with('1'))
    }

    /// What is in the buffers, and what of it is lost, which degrades the
    /// run. That the oldest events go is what `trace_stop=` is for.
    pub fn kept(&self, stopped: bool, findings: &mut Findings) -> Kept {
        let mut kept = Kept {
            stopped,
            ..Kept::default()
        };
        let mut buf = [0; 512];
        for cpu in 0_u32.. {
            let stats =
                path(format_args!("{}/per_cpu/cpu{cpu}/stats", self.dir.0));
            let Some(text) = read_file(&stats, &mut buf) else {
                // CPUs that are not there have no directory.
                break;
            };
            for line in text.lines() {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                let count = word(value, 0).unwrap_or(0);
                match name {
                    "overrun" => kept.overrun += count,
                    "commit overrun" | "dropped events" => {
                        kept.dropped += count;
                    }
                    _ => {}
                }
            }
        }
        let lost = match self.stops {
            true => kept.dropped,
            false => kept.overrun + kept.dropped,
        };
        if lost > 0 {
            let kib = self.kib;
            findings.add(
                Verdict::Degraded,
                format_args!("TRACE_LOST:{lost} events (trace_kib={kib})"),
            );
        }
        kept
    }

    /// Sends the text of what was recorded: all of it to a port for records,
    /// the newest of it to a console. Behind it, in comments, stands whose
    /// task has which id.
    pub fn send(
        &self,
        number: u16,
        crews: &[Crew<'_>],
        kept: Kept,
        out: &mut Output<'_>,
    ) {
        if !out.send {
            return;
        }
        let mut skip = 0;
        if out.records.is_none() {
            let mut all = 0;
            self.read(&mut |bytes| all += bytes.len() as u64);
            skip = all.saturating_sub(ON_CONSOLE);
        }
        let mut text = Text {
            number,
            out,
            block: Scratch::new(BLOCK),
            packed: Scratch::new(PACKED),
            used: 0,
            sum: record::Trace {
                run: number,
                kib: self.kib,
                blocks: 0,
                bytes: 0,
                lines: 0,
                left_out: 0,
                overrun: kept.overrun,
                dropped: kept.dropped,
                stopped: kept.stopped,
            },
            at: 0,
            skip,
            line: Line::Start,
        };
        self.read(&mut |bytes| text.take(bytes));
        crews.iter().for_each(|crew| text.tasks(crew));
        text.end();
    }

    /// Hands over the kernel's text of it, piece by piece; the same each
    /// time.
    fn read(&self, take: &mut dyn FnMut(&[u8])) {
        each_piece(&path(format_args!("{}/trace", self.dir.0)), take);
    }
}

/// Says that there is no such event, and which one may have been meant.
fn no_event(event: &str, findings: &mut Findings) {
    let mut text: String<160> = String::new();
    let _cut = write!(Cut(&mut text), "NO_EVENT:{event}");
    let all = path(format_args!("{ROOT}/available_events"));
    if let Some(mut room) = Scratch::new(EVENTS)
        && let Some(all) = read_bytes(&all, room.bytes())
        && let Ok(all) = from_utf8(all)
    {
        let whole = has(event, ":");
        let near = nearest::of(event, &|take| {
            for line in all.lines() {
                let (_, name) = line.split_once(':').unwrap_or(("", line));
                take(if whole { line } else { name });
            }
        });
        if let Some(near) = near {
            let _cut = write!(Cut(&mut text), "; nearest is {near}");
        }
    }
    findings.add(Verdict::Degraded, format_args!("{text}"));
}

/// Where the bytes of a line go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// The next byte begins a line.
    Start,
    /// They are kept.
    Kept,
    /// They are older than what is sent.
    LeftOut,
}

/// Text on its way to the host, in blocks that stand alone.
struct Text<'o, 'b> {
    number: u16,
    out: &'o mut Output<'b>,
    block: Option<Scratch>,
    packed: Option<Scratch>,
    used: usize,
    sum: record::Trace,
    /// Bytes seen.
    at: u64,
    /// Lines that begin before here are left out, but for the header.
    skip: u64,
    line: Line,
}

impl Text<'_, '_> {
    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(&first) = bytes.first() {
            if self.line == Line::Start {
                let header = first == b'#';
                let kept = header || self.at >= self.skip;
                self.line = if kept { Line::Kept } else { Line::LeftOut };
                match kept {
                    true => self.sum.lines += u64::from(!header),
                    false => self.sum.left_out += 1,
                }
            }
            let newline = bytes.iter().position(|&b| b == b'\n');
            let len = newline.map_or(bytes.len(), |at| at + 1);
            let (line, rest) = bytes.split_at(len);
            if self.line == Line::Kept {
                self.keep(line);
            }
            if newline.is_some() {
                self.line = Line::Start;
            }
            self.at += len as u64;
            bytes = rest;
        }
    }

    /// Names the tasks of a group.
    fn tasks(&mut self, crew: &Crew<'_>) {
        let (number, work) = (crew.number, crew.group.row().name);
        for index in 0..crew.workers {
            for (slot, lane) in crew.tasks_of(index).iter().zip(0_u32..) {
                let tid = slot.tid.load(Relaxed);
                let mut line: String<128> = String::new();
                let _cut = writeln!(
                    Cut(&mut line),
                    "# pidone: tid={tid} group={number} worker={index} \
                     task={lane} {work}"
                );
                self.take(line.as_bytes());
            }
        }
    }

    fn keep(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Some(block) = &mut self.block else {
                return;
            };
            let room = block.bytes().get_mut(self.used..).unwrap_or(&mut []);
            let len = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(len);
            room[..len].copy_from_slice(now);
            self.used += len;
            bytes = later;
            if self.used == BLOCK {
                self.flush();
            }
        }
    }

    /// Sends what is in the block.
    fn flush(&mut self) {
        let (Some(block), Some(packed)) = (&mut self.block, &mut self.packed)
        else {
            return;
        };
        let packed = packed.bytes();
        let mut text = block.bytes().get_mut(..self.used).unwrap_or(&mut []);
        while !text.is_empty() {
            // Half as much until it fits, which a trace does at once.
            let mut len = text.len();
            let (len, used) = loop {
                let (now, room) = (&mut text[..len], cells(packed));
                let used = lz::compress(cells(now), room);
                if used < room.len() || len <= PACKED / 2 {
                    break (len, used);
                }
                len /= 2;
            };
            let lz4 = packed.get(..used).unwrap_or(&[]);
            self.out.record(&Record::TraceText(TraceText {
                run: self.number,
                block: self.sum.blocks,
                len: u32::try_from(len).unwrap_or(0),
                lz4,
            }));
            self.sum.blocks += 1;
            self.sum.bytes += len as u64;
            text = text.split_at_mut(len).1;
        }
        self.used = 0;
    }

    fn end(mut self) {
        self.flush();
        let sum = self.sum;
        self.out.record(&Record::Trace(sum));
        self.out.flush();
    }
}
