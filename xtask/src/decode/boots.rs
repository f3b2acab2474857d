//! Where one boot ends in a log and the next begins.
//!
//! A new boot begins with a kernel's first line after the boot before it had
//! shown an end or a sign of ours, or, where no such line is in the log, with
//! the first frame of another stream, or of any stream after a panic. A
//! kernel that prints its first line twice (early console) is still one boot.

use super::console;
use core::ops::Range;
use pidone::wire::frame::StreamId;

/// What a kernel prints first.
pub const BANNER: &str = "Linux version ";
/// After this, which is ours, a banner means that the machine started again.
pub const END: &str = "KTAP version ";
/// What a kernel says when it dies.
pub const PANIC: &str = "Kernel panic - not syncing";
/// What one says when it is about to do nothing more.
pub const POWER: &str = "reboot: ";
/// After these of the kernel it does nothing more, so that a frame is of
/// another boot, too.
const LAST: &[&str] = &[PANIC, POWER];

/// One boot's place in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Its stream, if a frame of it was found.
    pub stream: Option<StreamId>,
    /// Its text.
    pub text: Range<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    End,
    Last,
    Banner,
    Frame(StreamId),
}

/// Divides `text` into boots, at least one. `frames` tells where frames of
/// which stream were found, in any order.
#[must_use]
pub fn divide(text: &[u8], frames: &[(usize, StreamId)]) -> Vec<Span> {
    let mut events: Vec<(usize, Event)> = frames
        .iter()
        .map(|&(at, stream)| (at, Event::Frame(stream)))
        .collect();
    for line in console::lines(text) {
        let begins = |form: &&str| line.text.starts_with(*form);
        if line.kernel && begins(&BANNER) {
            events.push((line.at, Event::Banner));
        } else if line.kernel && LAST.iter().any(begins) {
            events.push((line.at, Event::Last));
        } else if begins(&END) {
            events.push((line.at, Event::End));
        }
    }
    events.sort_unstable();

    let mut boots: Vec<Span> = Vec::new();
    let mut current = Span {
        stream: None,
        text: 0..text.len(),
    };
    let (mut ended, mut over) = (false, false);
    let mut begin = |current: &mut Span, at: usize, stream| {
        current.text.end = at;
        let next = Span {
            stream,
            text: at..text.len(),
        };
        boots.push(core::mem::replace(current, next));
    };
    for (at, event) in events {
        match event {
            Event::End => ended = true,
            Event::Last => (ended, over) = (true, true),
            Event::Banner if ended || current.stream.is_some() => {
                begin(&mut current, at, None);
                (ended, over) = (false, false);
            }
            Event::Banner => {}
            Event::Frame(stream) => match current.stream {
                None if !over => current.stream = Some(stream),
                Some(same) if same == stream => {}
                None | Some(_) => {
                    begin(&mut current, at, Some(stream));
                    (ended, over) = (false, false);
                }
            },
        }
    }
    boots.push(current);
    boots
}

#[cfg(test)]
mod tests {
    use super::{Span, divide};
    use pidone::wire::frame::StreamId;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn streams(text: &str) -> Vec<Option<StreamId>> {
        let frames: Vec<_> = text
            .match_indices('~')
            .map(|(at, _)| {
                (at, StreamId::new(u32::from(text.as_bytes()[at + 1])))
            })
            .collect();
        divide(text.as_bytes(), &frames)
            .into_iter()
            .map(|boot| boot.stream)
            .collect()
    }

    #[test]
    fn boots_are_told_apart() {
        let stream = |name: u8| Some(StreamId::new(name.into()));
        let (a, b) = (stream(b'a'), stream(b'b'));
        for (text, expected) in [
            ("", vec![None]),
            ("Linux version 6\nLinux version 6\n~a\n~a\n", vec![a]),
            ("Linux version 6\n~a\nLinux version 6\n", vec![a, None]),
            ("~a\n~a\n~b\n", vec![a, b]),
            (
                "Linux version 6\nKernel panic - not syncing: x\n\
                 Linux version 6\n~b\n",
                vec![None, b],
            ),
            ("Kernel panic - not syncing: x\n~b\n", vec![None, b]),
            ("KTAP version 1\n~a\n", vec![a]),
            ("~a\nreboot: Restarting\nLinux version 6\n~b\n", vec![a, b]),
        ] {
            assert_eq!(streams(text), expected, "{text:?}");
        }
    }

    #[test]
    fn every_byte_belongs_to_one_boot() {
        let text = b"firmware\nLinux version 1\n~a\nLinux version 2\n~b\n";
        let frames = [(25, StreamId::new(1)), (44, StreamId::new(2))];
        let boots = divide(text, &frames);
        assert_eq!(
            boots,
            [
                Span {
                    stream: Some(StreamId::new(1)),
                    text: 0..28
                },
                Span {
                    stream: Some(StreamId::new(2)),
                    text: 28..text.len()
                },
            ]
        );
    }

    proptest! {
        /// However damaged a log is: its boots are the whole of it in order,
        /// and each frame is in one of its own stream.
        #[test]
        fn boots_are_the_whole_of_any_log(
            log in "(Linux version |KTAP version |reboot: |~|\n|[ -~]){0,40}",
            found in proptest::collection::vec((any::<u8>(), 0..3_u32), 0..9),
        ) {
            let of = |&(at, stream): &(u8, u32)| {
                (usize::from(at), StreamId::new(stream))
            };
            let mut frames: Vec<_> = found.iter().map(of).collect();
            frames.retain(|(at, _)| *at < log.len());
            // One begins at one place.
            frames.sort_unstable();
            frames.dedup_by_key(|(at, _)| *at);
            let boots = divide(log.as_bytes(), &frames);
            let mut end = 0;
            for boot in &boots {
                prop_assert_eq!(boot.text.start, end);
                end = boot.text.end;
            }
            prop_assert_eq!(end, log.len());
            for (at, stream) in frames {
                let mut boots = boots.iter();
                let mine = boots.find(|boot| boot.text.contains(&at));
                let mine = mine.map(|boot| boot.stream);
                prop_assert!(mine == Some(Some(stream)), "{at}: {mine:?}");
            }
        }
    }
}
