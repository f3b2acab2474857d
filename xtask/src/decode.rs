//! Console logs back into records, whatever happened to them on the way.
//!
//! Frames are found anywhere by their start mark and believed on their CRC
//! only, so line ends, prefixes and text around them do not matter. The log
//! is scanned as it is, cleaned of control characters, without what a
//! collector put around its lines, with kernel lines cut out, with wrapped
//! lines joined and with torn ones mended; what all scans find is united.
//! Nothing is guessed: what is lost is listed.

pub mod boots;
pub mod clean;
pub mod collector;
pub mod console;
pub mod ktap;
pub mod older;
pub mod splice;
pub mod torn;
pub mod unite;

use core::ops::Range;
use pidone::wire::frame::{Frame, MAX_LINE, START, StreamId};
use pidone::wire::record::{Bye, Hello, Progress, Record, Run, Start};
use std::collections::BTreeMap;

use self::clean::Cut;
use self::ktap::Console;
use self::unite::{Frames, Lost};

/// Follows one port of a machine while it runs.
///
/// Only frames that arrived in one piece are seen live; [`Decoder::finish`]
/// goes through the whole log with all means.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    log: Vec<u8>,
    scanned: usize,
    frames: Frames,
}

impl Decoder {
    /// Takes what the port sent, and hands over each record it completed.
    pub fn push(
        &mut self,
        bytes: &[u8],
        mut arrived: impl FnMut(StreamId, u32, &Record<'_>),
    ) {
        self.log.extend_from_slice(bytes);
        scan(&self.log[self.scanned..], |_, frame| {
            let (stream, number) = (frame.stream, frame.record);
            if let Some(bytes) = self.frames.add(frame)
                && let Ok(record) = Record::decode(&bytes)
            {
                arrived(stream, number, &record);
            }
        });
        // A frame that is still on its way is shorter than a line.
        let unfinished = self.log.len().saturating_sub(MAX_LINE);
        self.scanned = self.scanned.max(unfinished);
    }

    /// Everything taken so far.
    #[must_use]
    pub fn log(&self) -> &[u8] {
        &self.log
    }

    /// What the log holds.
    #[must_use]
    pub fn finish(&self) -> Decoded {
        decode(&self.log)
    }
}

/// What one log holds.
#[must_use]
pub fn decode(log: &[u8]) -> Decoded {
    decode_ports(&[log])
}

/// What the logs of several ports of one machine hold together; the console
/// comes first.
#[must_use]
pub fn decode_ports(logs: &[&[u8]]) -> Decoded {
    let mut frames = Frames::default();
    let ports: Vec<Port> = logs
        .iter()
        .map(|log| Port::scan(log, &mut frames))
        .collect();
    Decoded::new(&ports, &frames)
}

/// The boots of a log.
#[derive(Debug, Clone)]
pub struct Decoded {
    boots: Vec<Boot>,
}

impl Decoded {
    /// The boots, oldest first, at least one.
    #[must_use]
    pub fn boots(&self) -> &[Boot] {
        &self.boots
    }

    /// The boot that began last.
    #[must_use]
    pub fn newest(self) -> Boot {
        self.boots.into_iter().next_back().unwrap_or_default()
    }

    fn new(ports: &[Port], frames: &Frames) -> Self {
        let mut boots: Vec<Boot> = Vec::new();
        for (index, port) in ports.iter().enumerate() {
            for span in boots::divide(port.bare.bytes(), &port.seen) {
                let raw = (index == 0).then(|| port.raw(&span.text));
                let text = port.text(span.text);
                let place = place(&boots, span.stream, index > 0);
                match place.and_then(|place| boots.get_mut(place)) {
                    Some(boot) => {
                        boot.stream = boot.stream.or(span.stream);
                        boot.text.push_str(&text);
                        boot.places.extend(raw);
                    }
                    None => boots.push(Boot {
                        stream: span.stream,
                        text,
                        places: raw.into_iter().collect(),
                        ..Boot::default()
                    }),
                }
            }
        }
        for stream in frames.streams() {
            if boots.iter().all(|boot| boot.stream != Some(stream)) {
                boots.push(Boot {
                    stream: Some(stream),
                    ..Boot::default()
                });
            }
        }
        for boot in &mut boots {
            if let Some(stream) = boot.stream {
                let records = frames.records(stream);
                boot.records = records.bytes;
                boot.upgraded = records.upgraded;
                boot.lost = records.lost;
                boot.errors = records.errors;
                boot.foreign = records.foreign;
            }
        }
        Self { boots }
    }
}

/// Which of the boots a piece of another port's log, or another piece of the
/// console, belongs to.
fn place(
    boots: &[Boot],
    stream: Option<StreamId>,
    other_port: bool,
) -> Option<usize> {
    let find = |wanted| boots.iter().position(|boot| boot.stream == wanted);
    match stream {
        Some(_) if other_port => find(stream).or_else(|| find(None)),
        Some(_) => find(stream),
        None if other_port => boots.len().checked_sub(1),
        None => None,
    }
}

/// One boot, or one run of the payload as a plain process.
#[derive(Debug, Clone, Default)]
pub struct Boot {
    /// Its stream; absent if not one frame of it arrived.
    pub stream: Option<StreamId>,
    /// The records that are known to be lost.
    pub lost: Vec<Lost>,
    /// What contradicts itself in the stream, one line each.
    pub errors: Vec<String>,
    /// Why not one record could be read: they are of another release.
    pub foreign: Option<String>,
    /// The console without control characters and frames.
    pub text: String,
    /// The parts of the console's log that it was made of.
    pub places: Vec<Range<usize>>,
    records: BTreeMap<u32, Vec<u8>>,
    /// Records of an older schema as this one has them.
    upgraded: BTreeMap<u32, Vec<u8>>,
}

impl Boot {
    /// The records that arrived, in order, with their numbers and the bytes
    /// that were sent.
    pub fn records(&self) -> impl Iterator<Item = (u32, &[u8], Record<'_>)> {
        self.records.iter().filter_map(|(&number, bytes)| {
            let read = self.upgraded.get(&number).unwrap_or(bytes);
            let record = Record::decode(read).ok()?;
            Some((number, bytes.as_slice(), record))
        })
    }

    /// What its console says in plain text.
    #[must_use]
    pub fn console(&self) -> Console {
        Console::read(&self.text)
    }

    /// Whether there is any sign of the payload in it.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.stream.is_some() || self.console().is_ours()
    }

    /// How many records are known to be lost.
    #[must_use]
    pub fn lost_records(&self) -> u64 {
        let count = |[first, last]: &Lost| u64::from(last - first) + 1;
        self.lost.iter().map(count).sum()
    }

    /// The first record.
    #[must_use]
    pub fn hello(&self) -> Option<Hello<'_>> {
        self.records().find_map(|(_, _, record)| match record {
            Record::Hello(hello) => Some(hello),
            _ => None,
        })
    }

    /// The last record; absent if the stream was cut off or it is lost.
    #[must_use]
    pub fn bye(&self) -> Option<Bye> {
        self.records().find_map(|(_, _, record)| match record {
            Record::Bye(bye) => Some(bye),
            _ => None,
        })
    }

    /// The verdicts that arrived.
    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.records().filter_map(|(_, _, record)| match record {
            Record::Run(run) => Some(run),
            _ => None,
        })
    }

    /// The run that the machine was in when the stream ended, and the last
    /// sign of life from it: started last, and without any result.
    #[must_use]
    pub fn unfinished(&self) -> Option<(Start<'_>, Option<Progress>)> {
        if self.bye().is_some() {
            return None;
        }
        let start = self
            .records()
            .filter_map(|(_, _, record)| match record {
                Record::Start(start) => Some(start),
                _ => None,
            })
            .last()?;
        let finished = self
            .records()
            .any(|(_, _, r)| r.result_of() >= Some(start.run));
        let progress = self
            .records()
            .filter_map(|(_, _, record)| match record {
                Record::Progress(p) if p.run == start.run => Some(p),
                _ => None,
            })
            .last();
        (!finished).then_some((start, progress))
    }
}

/// The log of one port.
struct Port {
    /// Where its lines begin, and where it ends.
    lines: Vec<usize>,
    /// Without control characters.
    clean: Cut,
    /// Without control characters and what a collector put around lines.
    bare: Cut,
    /// Frames found whole there, in rising order.
    whole: Vec<Range<usize>>,
    /// Where frames of which stream were found by any scan.
    seen: Vec<(usize, StreamId)>,
}

impl Port {
    fn scan(log: &[u8], frames: &mut Frames) -> Self {
        let clean = clean::clean(log);
        let bare = collector::without(clean.bytes());
        let (mut whole, mut seen) = (Vec::new(), Vec::new());
        // A control character made by line noise may hide a frame from the
        // cleaned text, hence the scan of the log as it is; and what was
        // taken for a collector's work may be ours, hence that of the text
        // with it.
        scan(log, |_, frame| {
            frames.add(frame);
        });
        let spliced = splice::without_kernel_lines(clean.bytes());
        for (text, within) in [(&clean, None), (&spliced, Some(&spliced))] {
            scan(text.bytes(), |at, frame| {
                let at = within.map_or(at.start, |cut| cut.origin(at.start));
                seen.push((bare.place(at), frame.stream));
                frames.add(frame);
            });
        }
        scan(bare.bytes(), |at, frame| {
            seen.push((at.start, frame.stream));
            whole.push(at);
            frames.add(frame);
        });
        let both = splice::without_kernel_lines(bare.bytes());
        scan(both.bytes(), |at, frame| {
            seen.push((both.origin(at.start), frame.stream));
            frames.add(frame);
        });
        let joined = splice::without_newlines(both.bytes());
        scan(joined.bytes(), |at, frame| {
            let at = both.origin(joined.origin(at.start));
            seen.push((at, frame.stream));
            frames.add(frame);
        });
        let mut mended = Vec::new();
        torn::mend(
            both.bytes(),
            |frame| !frames.has(frame),
            |at, frame| mended.push((at, frame)),
        );
        for (at, frame) in mended {
            seen.push((both.origin(at), frame.stream));
            frames.add(frame);
        }
        let begins = log.iter().enumerate().filter(|(_, b)| **b == b'\n');
        let lines = [0].into_iter().chain(begins.map(|(at, _)| at + 1));
        Self {
            lines: lines.chain([log.len()]).collect(),
            clean,
            bare,
            whole,
            seen,
        }
    }

    /// The lines of the log that `range` is of, which end where others begin.
    fn raw(&self, range: &Range<usize>) -> Range<usize> {
        let begin = |at: usize| {
            if at == 0 {
                return 0;
            }
            if at == self.bare.bytes().len() {
                return self.lines.last().copied().unwrap_or_default();
            }
            let at = self.clean.origin(self.bare.origin(at));
            let after = self.lines.partition_point(|begin| *begin <= at);
            self.lines[..after].last().copied().unwrap_or_default()
        };
        begin(range.start)..begin(range.end)
    }

    /// The text in `range` without the frames, for people and for outcomes.
    fn text(&self, range: Range<usize>) -> String {
        let bytes = self.bare.bytes();
        let first = self.whole.partition_point(|f| f.start < range.start);
        let frames = self.whole[first..]
            .iter()
            .take_while(|frame| frame.end <= range.end)
            .map(|frame| with_its_line(bytes, frame));
        let shifted = frames.map(|f| {
            f.start.max(range.start) - range.start
                ..f.end.min(range.end) - range.start
        });
        let cut = Cut::without(&bytes[range.clone()], shifted);
        String::from_utf8_lossy(cut.bytes()).into_owned()
    }
}

/// Longest text in front of a frame that may be a prefix of its line.
const LONGEST_PREFIX: usize = 80;

/// A frame with its diagnostic mark, its newline, and the prefix in front of
/// it if there is nothing else on the line.
fn with_its_line(text: &[u8], frame: &Range<usize>) -> Range<usize> {
    let before = &text[..frame.start];
    let before = before.strip_suffix(b"# ").unwrap_or(before);
    let window = before.len().saturating_sub(LONGEST_PREFIX);
    let line = before[window..]
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(window, |newline| window + newline + 1);
    let start = match splice::any_prefix(&before[line..]) {
        len if line + len == before.len() => line,
        _ => before.len(),
    };
    let newline = text.get(frame.end) == Some(&b'\n');
    start..frame.end + usize::from(newline)
}

/// Hands over every frame in `text` that starts with its mark and has a
/// valid CRC.
fn scan(text: &[u8], mut found: impl FnMut(Range<usize>, Frame)) {
    let mut from = 0;
    while let Some(offset) = splice::find(&text[from..], START.as_bytes()) {
        let start = from + offset;
        from = start + START.len();
        if let Some((frame, used)) = Frame::parse(&text[start..]) {
            from = start + used;
            found(start..from, frame);
        }
    }
}

#[cfg(test)]
mod tests;
