//! Why a run is not simply ok.

use crate::kit::text::Cut;
use crate::wire::record::Verdict;
use core::fmt::{self, Write};
use heapless::String;
use rustix::io::Errno;

/// Why a run is not simply OK, and how bad that is.
#[derive(Debug)]
pub struct Findings {
    /// The worst so far.
    pub verdict: Verdict,
    /// One reason a line.
    pub reasons: String<1024>,
}

impl Findings {
    /// Adds that a call failed. A kernel that does not have it is no worse
    /// for that.
    pub fn call(&mut self, call: &str, errno: i32, of: fmt::Arguments<'_>) {
        let (verdict, what) = match errno == Errno::NOSYS.raw_os_error() {
            true => (Verdict::Skip, "NO_SYSCALL"),
            false => (Verdict::Fail, "FAIL"),
        };
        self.add(verdict, format_args!("{what}({call}, {errno}){of}"));
    }

    /// Adds a reason; the same one is kept once.
    pub fn add(&mut self, verdict: Verdict, reason: fmt::Arguments<'_>) {
        self.verdict = self.verdict.max(verdict);
        let mut text: String<256> = String::new();
        let _cut = Cut(&mut text).write_fmt(reason);
        if self.reasons.lines().any(|line| line == text) {
            return;
        }
        let _cut = writeln!(Cut(&mut self.reasons), "{text}");
    }
}

#[cfg(test)]
mod tests {
    use super::Findings;
    use crate::wire::record::Verdict;
    use heapless::String;
    use rustix::io::Errno;

    #[test]
    fn a_call_that_is_not_there_skips_and_one_that_fails_fails() {
        let mut findings = Findings {
            verdict: Verdict::Ok,
            reasons: String::new(),
        };
        let mut call = |errno: Errno| {
            let errno = errno.raw_os_error();
            findings.call("eventfd2", errno, format_args!(": a worker"));
            findings.verdict
        };
        assert_eq!(call(Errno::NOSYS), Verdict::Skip);
        assert_eq!(call(Errno::PERM), Verdict::Fail);
        assert_eq!(
            findings.reasons,
            "NO_SYSCALL(eventfd2, 38): a worker\nFAIL(eventfd2, 1): a worker\n"
        );
    }
}
