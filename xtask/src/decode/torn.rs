//! Frames that text of no known form was put into.
//!
//! Without time stamps a kernel line in the middle of ours looks like
//! anything. But it lands whole, with its newline: what is in front of it is
//! the beginning of a frame, and the rest of the frame begins a later line.
//! So every place where the frame may have been cut is tried, and the CRC
//! tells which was right.

use super::splice::find;
use pidone::wire::frame::{Frame, MAX_LINE, START};
use std::collections::BTreeSet;

/// So many kernel lines in a row may have been put into a frame.
const LINES: usize = 6;
/// Longest head of a frame, up to the colon in front of its payload.
const HEAD: usize = 40;
/// How many checksums are tried for frames that were cut twice.
const TRIES: usize = 50_000;

/// Hands over every frame in `text` that is whole again without the lines in
/// it, and where it begins. `wanted` says of a stream, a record and a part
/// whether it is still to be found.
pub fn mend(
    text: &[u8],
    wanted: impl Fn([u32; 3]) -> bool,
    mut found: impl FnMut(usize, Frame),
) {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in text.split(|&b| b == b'\n') {
        lines.push((at, line));
        at += line.len() + 1;
    }
    let mut have: BTreeSet<[u32; 3]> = BTreeSet::new();
    let mut tries = TRIES;
    for cuts in [1, 2] {
        for (index, &(at, line)) in lines.iter().enumerate() {
            let Some(start) = find(line, START.as_bytes()) else {
                continue;
            };
            let torn = &line[start..];
            let head = Head::read(torn);
            let lacks = |id| wanted(id) && !have.contains(&id);
            let whole = head.as_ref().is_some_and(|head| {
                !lacks(head.id) || torn.get(head.frame - 1) == Some(&b'~')
            });
            if whole || Frame::parse(torn).is_some() {
                continue;
            }
            let rest = lines[index + 1..].iter().take(LINES * cuts);
            let rest: Vec<&[u8]> = rest.map(|&(_, line)| line).collect();
            let frame = match (head, cuts) {
                (Some(head), 1) => once(torn, &rest, &head),
                (Some(head), _) => twice(torn, &rest, &head, &mut tries),
                (None, 1) => in_its_head(torn, &rest),
                (None, _) => None,
            };
            if let Some(frame) = frame {
                let (record, part) = (frame.record, u32::from(frame.part));
                if have.insert([frame.stream.number(), record, part]) {
                    found(at + start, frame);
                }
            }
        }
    }
}

/// What the head of a frame tells.
struct Head {
    /// Stream, record and part.
    id: [u32; 3],
    /// Its own length.
    len: usize,
    /// The length of the whole frame.
    frame: usize,
}

impl Head {
    fn read(torn: &[u8]) -> Option<Self> {
        let text = torn.strip_prefix(START.as_bytes())?;
        let text = &text[..text.len().min(HEAD)];
        let mut fields = text.split(|&b| b == b':' || b == b'/');
        let mut len = START.len();
        let mut number = || {
            let digits = fields.next()?;
            len += digits.len() + 1;
            let digits = core::str::from_utf8(digits).ok()?;
            u32::from_str_radix(digits, 16).ok()
        };
        let id = [number()?, number()?, number()?];
        let (_parts, payload) = (number()?, number()?);
        // The last of them is whole only if something stands behind it.
        fields.next()?;
        let payload = usize::try_from(payload).ok()?;
        // A colon, eight digits and the end mark follow it.
        let frame = len.checked_add(payload)?.checked_add(10)?;
        (frame <= MAX_LINE).then_some(Self { id, len, frame })
    }
}

/// A frame that was cut behind its head: where, follows from the lengths.
fn once(torn: &[u8], rest: &[&[u8]], head: &Head) -> Option<Frame> {
    let run = run(torn);
    rest.iter().flat_map(|line| tails(line)).find_map(|tail| {
        let end = head.frame.checked_sub(tail.len())?;
        let fits = (head.len..=run).contains(&end);
        fits.then(|| parsed(&[&torn[..end], tail])).flatten()
    })
}

/// A frame that was cut behind its head and once more.
fn twice(
    torn: &[u8],
    rest: &[&[u8]],
    head: &Head,
    tries: &mut usize,
) -> Option<Frame> {
    let first = run(torn);
    for (at, middle) in rest.iter().take(LINES).enumerate() {
        let second = run(middle);
        let behind = rest[at + 1..].iter().take(LINES);
        for tail in behind.flat_map(|line| tails(line)) {
            let left = head.frame.saturating_sub(tail.len());
            for end in head.len..=first.min(left) {
                let more = left - end;
                if (1..=second).contains(&more) {
                    *tries = tries.checked_sub(1)?;
                    let parts = [&torn[..end], &middle[..more], tail];
                    if let Some(frame) = parsed(&parts) {
                        return Some(frame);
                    }
                }
            }
        }
    }
    None
}

/// A frame that was cut in its head.
fn in_its_head(torn: &[u8], rest: &[&[u8]]) -> Option<Frame> {
    let ends = START.len()..=run(torn).min(HEAD);
    ends.rev().find_map(|end| {
        let lines = rest.iter().flat_map(|line| tails(line));
        lines
            .into_iter()
            .find_map(|tail| parsed(&[&torn[..end], tail]))
    })
}

/// What a line may have of the end of a frame: all up to an end mark.
fn tails(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let run = &line[..run(line)];
    let marks = run.iter().enumerate().filter(|&(_, &b)| b == b'~');
    marks.map(|(at, _)| &line[..=at])
}

/// How much of a text, at its beginning, may be of a frame.
fn run(text: &[u8]) -> usize {
    let ours = |b: u8| b.is_ascii_alphanumeric() || b"-_:/~".contains(&b);
    text.iter().take(MAX_LINE).take_while(|&&b| ours(b)).count()
}

fn parsed(pieces: &[&[u8]]) -> Option<Frame> {
    Frame::parse(&pieces.concat()).map(|(frame, _)| frame)
}

#[cfg(test)]
mod tests {
    use super::mend;
    use pidone::wire::frame::{Frame, StreamId, frames};

    fn frame() -> Frame {
        let bytes: Vec<u8> = (0..57).collect();
        frames(StreamId::new(7), 3, &bytes).next().unwrap()
    }

    fn mended(text: &str) -> Vec<(usize, Frame)> {
        let mut all = Vec::new();
        mend(text.as_bytes(), |_| true, |at, frame| all.push((at, frame)));
        all
    }

    #[test]
    fn a_line_of_any_form_may_be_in_a_frame() {
        let line = frame().line();
        for at in 6..line.len() {
            let (head, tail) = line.split_at(at);
            for between in ["usb1: new\n", "A\nusb 1-1: new\nx: y\n", "\n"] {
                let text = format!("x\n{head}{between}{tail}\n");
                assert_eq!(mended(&text), [(4, frame())], "{at} {between:?}");
            }
        }
    }

    #[test]
    fn a_frame_may_be_cut_twice() {
        let line = frame().line();
        for (one, two) in [(40, 60), (40, 41), (32, 90), (60, 105)] {
            let (head, rest) = line.split_at(one);
            let (body, tail) = rest.split_at(two - one);
            let text = format!("{head}usb 1: x\n{body}wlan0: y\n{tail}\n");
            assert_eq!(mended(&text), [(2, frame())], "{one} {two}");
        }
    }

    #[test]
    fn what_is_there_is_not_looked_for() {
        let line = frame().line();
        let (head, tail) = line.split_at(60);
        let text = format!("{head}usb 1: x\n{tail}\n");
        let found = |_, frame| panic!("{frame:?}");
        mend(text.as_bytes(), |id| id != [7, 3, 0], found);
        assert_eq!(mended(&format!("{line}\n")), []);
    }
}
