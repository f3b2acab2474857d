//! A console's lines, told apart: the kernel's, and those of a program.
//!
//! Where the kernel stamps its lines, what has a stamp is the kernel's and
//! nothing else is, wherever in a line it begins: a line of a program that it
//! was put into goes on behind it. Where it does not, every line may be the
//! kernel's but for those whose form is ours.

use super::splice;
use core::ops::Range;

/// A line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it begins in the text.
    pub at: usize,
    /// Whether it may be the kernel's.
    pub kernel: bool,
    /// It, without stamp and newline.
    pub text: String,
}

/// What lines of ours begin with.
const OURS: &[&str] = &[
    "# ",
    "KTAP version ",
    "ok ",
    "not ",
    "1..",
    "Bail out!",
    "<LAVA_",
];

/// The lines of a text that collectors left nothing in.
#[must_use]
pub fn lines(text: &[u8]) -> Vec<Line> {
    let stamped = splice::kernel_line(text, 0).is_some();
    let mut lines: Vec<Line> = Vec::new();
    // A line that a kernel line was put into, to go on with the next.
    let mut torn: Option<(usize, Vec<u8>)> = None;
    let mut at = 0;
    for line in text.split_inclusive(|&b| b == b'\n') {
        let here = at..at + line.len();
        at = here.end;
        let found = splice::kernel_line(&text[..here.end], here.start);
        let kernel = found.unwrap_or(here.end..here.end);
        let before = &text[here.start..kernel.start];
        let (start, mut bytes) = match torn.take() {
            // What stood in front of a kernel line need not go on.
            Some((start, other)) if !is_ours(&other) && is_ours(before) => {
                lines.push(of_program(start, &other));
                (here.start, Vec::new())
            }
            torn => torn.unwrap_or((here.start, Vec::new())),
        };
        bytes.extend_from_slice(before);
        if !kernel.is_empty() && !bytes.is_empty() {
            torn = Some((start, bytes));
        } else if kernel.is_empty() {
            lines.push(Line {
                kernel: !stamped && !is_ours(&bytes),
                ..of_program(start, &bytes)
            });
        }
        if !kernel.is_empty() {
            lines.push(of_kernel(text, kernel));
        }
    }
    lines.extend(torn.map(|(at, bytes)| of_program(at, &bytes)));
    lines
}

/// Whether a line of ours begins so.
fn is_ours(bytes: &[u8]) -> bool {
    OURS.iter().any(|form| bytes.starts_with(form.as_bytes()))
}

fn of_program(at: usize, bytes: &[u8]) -> Line {
    Line {
        at,
        kernel: false,
        text: shown(bytes),
    }
}

fn of_kernel(text: &[u8], at: Range<usize>) -> Line {
    let line = &text[at.clone()];
    Line {
        at: at.start,
        kernel: true,
        text: shown(&line[splice::stamp(line)..]),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::lines;

    fn of(text: &str) -> Vec<(bool, String)> {
        let lines = lines(text.as_bytes()).into_iter();
        lines.map(|line| (line.kernel, line.text)).collect()
    }

    #[test]
    fn lines_are_told_apart_by_their_stamps() {
        let text = "KTAP ver[    1.000000] usb 1\nsion 1\n+ grep panic\n\
                    <4>[    2.000000][  T1] reboot: x\nok 2[    3.000000] y";
        let line = |kernel, text: &str| (kernel, text.to_owned());
        assert_eq!(
            of(text),
            [
                line(true, "usb 1"),
                line(false, "KTAP version 1"),
                line(false, "+ grep panic"),
                line(true, "reboot: x"),
                line(true, "y"),
                line(false, "ok 2"),
            ]
        );
    }

    #[test]
    fn what_is_in_front_of_a_kernel_line_is_no_beginning_of_ours() {
        let line = |kernel, text: &str| (kernel, text.to_owned());
        let text = "\u{feff}[    0.000000] Linux\nKTAP version 1\n\
                    no[    1.000000] x\nt ok 1 y\n";
        assert_eq!(
            of(text),
            [
                line(true, "Linux"),
                line(false, "\u{feff}"),
                line(false, "KTAP version 1"),
                line(true, "x"),
                line(false, "not ok 1 y"),
            ]
        );
    }

    #[test]
    fn without_stamps_all_but_ours_may_be_the_kernels() {
        let line = |kernel, text: &str| (kernel, text.to_owned());
        assert_eq!(
            of("Linux version 6\nok 1 x\n"),
            [line(true, "Linux version 6"), line(false, "ok 1 x")]
        );
    }
}
