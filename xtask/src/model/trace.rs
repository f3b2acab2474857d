//! What a run recorded of the kernel's events, as text.

use super::plain;
use core::fmt::Write;
use pidone::wire::record;
use serde::{Deserialize, Serialize};

/// The trace of a run. Its text goes to a file of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "as record::Trace, whose docs they are")]
pub struct Trace {
    /// The file beside the report of a stored run.
    pub file: String,
    pub kib: u32,
    pub bytes: u64,
    pub lines: u64,
    pub left_out: u64,
    pub overrun: u64,
    pub dropped: u64,
    pub stopped: bool,
    /// Pieces of the text that did not arrive.
    pub lost_blocks: u32,
    /// The text.
    #[serde(skip)]
    pub text: String,
    /// The number that the next piece has.
    #[serde(skip)]
    next: u32,
    /// What came last is a hole.
    #[serde(skip)]
    holed: bool,
}

impl Trace {
    /// See [`Report::plain`](super::Report::plain). The text is that of a
    /// file.
    pub(super) fn plain(&mut self) {
        let Self {
            file,
            kib: _,
            bytes: _,
            lines: _,
            left_out: _,
            overrun: _,
            dropped: _,
            stopped: _,
            lost_blocks: _,
            text: _,
            next: _,
            holed: _,
        } = self;
        plain::text(file);
    }

    /// Takes a piece; they come in order.
    pub(super) fn take(&mut self, piece: &record::TraceText<'_>) {
        self.hole(piece.block);
        let len = usize::try_from(piece.len).unwrap_or(usize::MAX);
        // A byte of LZ4 stands for 255 at most: no more room than that is
        // made for what a record says of itself.
        let fits = len <= piece.lz4.len() * 255;
        let text = fits.then(|| lz4_flex::block::decompress(piece.lz4, len));
        let next = piece.block.saturating_add(1);
        let bytes = match text {
            Some(Ok(bytes)) if bytes.len() == len => bytes,
            // Its record is whole, so that only a payload of another release
            // could have sent it.
            _ => return self.hole(next),
        };
        let text = String::from_utf8_lossy(&bytes);
        // Behind a hole, a piece begins in the middle of a line.
        let text = match core::mem::take(&mut self.holed) {
            true => text.split_once('\n').map_or("", |(_, rest)| rest),
            false => &*text,
        };
        self.text.push_str(text);
        self.next = next;
    }

    /// Takes what is known of the whole.
    pub(super) fn close(&mut self, all: &record::Trace) {
        self.hole(all.blocks);
        (self.kib, self.bytes, self.lines) = (all.kib, all.bytes, all.lines);
        self.left_out = all.left_out;
        (self.overrun, self.dropped) = (all.overrun, all.dropped);
        self.stopped = all.stopped;
    }

    /// Notes that pieces before this one are lost, if they are; a comment to
    /// all readers.
    fn hole(&mut self, before: u32) {
        let lost = before.saturating_sub(self.next);
        if lost > 0 {
            self.lost_blocks = self.lost_blocks.saturating_add(lost);
            if let Some(end) = self.text.rfind('\n') {
                self.text.truncate(end + 1);
            }
            // Writing to a String cannot fail.
            let _ok = writeln!(self.text, "# pieces lost here: {lost}");
            self.next = before;
            self.holed = true;
        }
    }

    /// What is missing of it, in words; empty if nothing is.
    #[must_use]
    pub fn missing(&self) -> String {
        let mut parts = Vec::new();
        if self.stopped {
            parts.push("ended by a sample above the limit".to_owned());
        }
        for (count, what) in [
            (self.overrun, "older events overwritten"),
            (self.dropped, "events dropped"),
            (self.left_out, "older lines not sent over the console"),
            (self.lost_blocks.into(), "pieces of text lost"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

/// The name of the file for the trace of a run, counted from 1, in a boot
/// with so many traces.
#[must_use]
pub fn file_name(run: usize, traces: usize) -> String {
    match traces {
        0 | 1 => "trace.txt".to_owned(),
        _ => format!("trace-{run}.txt"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Trace, file_name};
    use pidone::kit::shm::cells;
    use pidone::wire::record::{self, TraceText};
    use pidone_compute::lz;

    fn take(trace: &mut Trace, block: u32, text: &str) {
        let mut text = text.as_bytes().to_vec();
        let mut packed = vec![0; lz::bound(text.len())];
        let used = lz::compress(cells(&mut text), cells(&mut packed));
        trace.take(&TraceText {
            run: 0,
            block,
            len: text.len().try_into().unwrap(),
            lz4: &packed[..used],
        });
    }

    fn close(trace: &mut Trace, blocks: u32) {
        trace.close(&record::Trace {
            run: 0,
            kib: 64,
            blocks,
            bytes: 0,
            lines: 7,
            left_out: 3,
            overrun: 2,
            dropped: 0,
            stopped: true,
        });
    }

    #[test]
    fn pieces_become_a_text() {
        let mut trace = Trace::default();
        let lines = "a line that comes again and again\n".repeat(1000);
        let (one, two) = lines.split_at(10_001);
        take(&mut trace, 0, one);
        take(&mut trace, 1, two);
        close(&mut trace, 2);
        assert_eq!(trace.text, lines);
        assert_eq!(
            trace.missing(),
            "ended by a sample above the limit, 2 older events overwritten, \
             3 older lines not sent over the console"
        );
    }

    #[test]
    fn what_is_lost_is_a_comment_in_the_text() {
        let mut trace = Trace::default();
        take(&mut trace, 0, "one\ntw");
        take(&mut trace, 2, "ree\nfour\nfi");
        take(&mut trace, 3, "ve\n");
        close(&mut trace, 6);
        assert_eq!(
            trace.text,
            "one\n# pieces lost here: 1\nfour\nfive\n\
             # pieces lost here: 2\n"
        );
        assert_eq!(trace.lost_blocks, 3);
        // One that is no such block is lost as well.
        let mut trace = Trace::default();
        trace.take(&TraceText {
            run: 0,
            block: 0,
            len: 5,
            lz4: &[0xff, 1],
        });
        assert_eq!((trace.lost_blocks, trace.next), (1, 1));
    }

    #[test]
    fn one_trace_has_the_plain_name() {
        assert_eq!(file_name(3, 1), "trace.txt");
        assert_eq!(file_name(3, 2), "trace-3.txt");
    }
}
