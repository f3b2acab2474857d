//! What a sample above the limit of `trace_stop=` sets off.

use core::fmt::Write;
use heapless::String;
use rustix::fd::BorrowedFd;
use rustix::io::write;

/// Ends a recording of kernel events. The files are opened before the first
/// clone, so that it takes two writes and nothing else.
#[derive(Debug, Clone, Copy)]
pub struct Alarm<'r> {
    /// `tracing_on` of the recording.
    pub on: BorrowedFd<'r>,
    /// Its `trace_marker`.
    pub marker: BorrowedFd<'r>,
}

impl Alarm<'_> {
    /// Marks the sample, and ends the recording.
    #[cold]
    pub fn ring(&self, ns: u64) {
        let mut text: String<64> = String::new();
        // The widest number fits.
        let _fits = write!(text, "pidone: stop at a sample of {ns} ns");
        // Whoever reads the trace sees whether this came to pass.
        let _written = write(self.marker, text.as_bytes());
        let _written = write(self.on, b"0");
    }
}
