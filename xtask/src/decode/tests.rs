//! Streams made by the payload's own encoder, damaged and decoded.

use super::{Boot, Decoder, decode, decode_ports};
use crate::testing::{Stream, bye, hello, progress};
use pidone::wire::frame::{CRC, START, StreamId, frames};
use pidone::wire::record::Record;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeSet;

fn numbers(boot: &Boot) -> Vec<u32> {
    boot.records().map(|(number, ..)| number).collect()
}

#[test]
fn a_burst_sent_twice_is_one_stream() {
    let stream = Stream::sample();
    let boot = decode(stream.console().as_bytes()).newest();
    assert_eq!(boot.errors, [""; 0]);
    assert_eq!(boot.lost, [[0; 2]; 0]);
    assert_eq!(numbers(&boot).len(), stream.records.len());
    let kernel = boot.hello().map(|hello| hello.kernel.to_owned());
    assert_eq!(kernel.as_deref(), Some("6.12.117"));
    assert!(boot.bye().is_some());
    assert!(!boot.text.contains(START), "{}", boot.text);
}

#[test]
fn a_log_cut_off_anywhere_keeps_what_came() {
    let stream = Stream::sample();
    let log = stream.once();
    for end in (0..log.len()).step_by(97) {
        let boot = decode(&log.as_bytes()[..end]).newest();
        let whole = log[..end].matches("~\n").count();
        let frames = boot.records().map(|(_, bytes, _)| bytes.len());
        let frames: usize = frames.map(|len| len.div_ceil(57)).sum();
        assert!(frames <= whole + 1, "cut at {end}");
        assert!(boot.bye().is_none() || end + 1 >= log.len());
    }
}

#[test]
fn holes_are_listed_by_number() {
    let stream = Stream::sample();
    let last = u32::try_from(stream.records.len()).unwrap() - 1;
    let gone = [3, 4, 7];
    let log: String = stream
        .lines()
        .filter(|(number, _)| !gone.contains(number))
        .map(|(_, line)| line + "\n")
        .collect();
    let boot = decode(log.as_bytes()).newest();
    assert_eq!(boot.lost, [[3, 4], [7, 7]]);
    assert_eq!(boot.bye().map(|bye| bye.records), Some(last));

    let log: String = stream
        .lines()
        .filter(|(number, _)| *number != 5 && *number < 9)
        .map(|(_, line)| line + "\n")
        .collect();
    let boot = decode(log.as_bytes()).newest();
    assert_eq!(boot.lost, [[5, 5]], "nothing is known after the last");
}

#[test]
fn contradictions_are_listed_and_not_believed() {
    let mut one = Stream::sample();
    let log = one.once();
    one.records[2] = Stream::encode(&progress(9, 9));
    let log = log + &one.once();
    let boot = decode(log.as_bytes()).newest();
    assert!(boot.errors[0].contains("two versions"), "{:?}", boot.errors);
    assert_eq!(boot.lost, [[2, 2]]);
    assert!(!numbers(&boot).contains(&2));
}

#[test]
fn a_false_total_is_an_error() {
    let mut stream = Stream::of(0x77, &[hello(), progress(0, 1)]);
    let mut end = bye(&stream.records);
    end.crc ^= 1;
    stream.records.push(Stream::encode(&Record::Bye(end)));
    let boot = decode(stream.once().as_bytes()).newest();
    assert!(boot.errors[0].contains("checksum"), "{:?}", boot.errors);
}

#[test]
fn another_schema_is_refused() {
    let mut stream = Stream::sample();
    stream.records[0][1] = 9;
    let boot = decode(stream.once().as_bytes()).newest();
    assert!(boot.errors[0].contains("schema 9"), "{:?}", boot.errors);
    assert_eq!(numbers(&boot), [0; 0]);
    assert_eq!(boot.lost.len(), 1);
}

#[test]
fn boots_in_one_log_are_kept_apart() {
    let old = Stream::of(0xaaaaaa, &[hello(), progress(0, 1)]);
    let new = Stream::of(0x111111, &[hello(), progress(0, 2)]);
    let log = format!(
        "[    0.000000] Linux version 6.1\n{}[    3.0] old\n\
         [    0.000000] Linux version 6.12\n{}",
        old.once(),
        new.once()
    );
    let decoded = decode(log.as_bytes());
    assert_eq!(decoded.boots().len(), 2);
    assert!(decoded.boots()[0].text.contains("old"));
    let newest = decoded.newest();
    assert_eq!(newest.stream, Some(StreamId::new(0x111111)));
    assert!(newest.text.contains("6.12"));
}

#[test]
fn two_ports_are_one_boot() {
    let stream = Stream::sample();
    let console = "[    0.000000] Linux version 6.12\nKTAP version 1\n";
    let decoded =
        decode_ports(&[console.as_bytes(), stream.console().as_bytes()]);
    assert_eq!(decoded.boots().len(), 1);
    let boot = decoded.newest();
    assert_eq!(boot.lost.len(), 0);
    assert!(boot.text.starts_with(console));
}

#[test]
fn records_are_seen_while_they_arrive() {
    let stream = Stream::sample();
    for piece in [1, 7, 64, 1000] {
        let mut decoder = Decoder::default();
        let mut seen = Vec::new();
        for bytes in stream.console().as_bytes().chunks(piece) {
            decoder.push(bytes, |_, number, _| seen.push(number));
        }
        let all: Vec<u32> = (0..).take(stream.records.len()).collect();
        assert_eq!(seen, all, "in pieces of {piece}");
        assert_eq!(decoder.finish().newest().lost.len(), 0);
    }
}

#[test]
fn a_kernel_line_inside_our_text_and_the_reverse() {
    let stream = Stream::sample();
    let kernel = "<4>[   12.345678][ T117] usb 1-1: new [device]\n";
    let mut serial = String::new();
    let mut virtio = String::new();
    for (_, line) in stream.lines() {
        let (head, tail) = line.split_at(line.len() / 2);
        serial += &format!("{head}{kernel}{kernel}{tail}\r\n");
        virtio += &format!("[   12.345678] BUG: ker{line}\nnel text\n");
    }
    for log in [&serial, &virtio] {
        let boot = decode(log.as_bytes()).newest();
        assert_eq!(boot.lost.len(), 0);
        assert_eq!(numbers(&boot).len(), stream.records.len());
    }
    let boot = decode(virtio.as_bytes()).newest();
    assert!(boot.text.contains("] BUG: kernel text\n"), "{}", boot.text);
}

#[test]
fn terminals_and_collectors() {
    let stream = Stream::sample();
    let date = "2026-11-05T12:00:00.123456Z 00O";
    let mut wrapped = String::new();
    let mut gitlab = String::new();
    let mut escaped = String::new();
    for (_, line) in stream.lines() {
        for piece in line.as_bytes().chunks(80) {
            wrapped += core::str::from_utf8(piece).unwrap();
            wrapped += "\r\n";
        }
        let (head, tail) = line.split_at(line.len() / 2);
        gitlab += &format!("{date} {head}\n{date}+{tail}\n");
        escaped += &format!("\x1b[0m{head}\x1b[31;1m{tail}\x1b[K\r\r\n");
    }
    for log in [&wrapped, &gitlab, &escaped] {
        let boot = decode(log.as_bytes()).newest();
        assert_eq!(boot.lost.len(), 0);
        assert_eq!(numbers(&boot).len(), stream.records.len());
    }
}

/// One line as it comes out of a console: what was put in front of it, what
/// was put into it and where, and which of its bytes were changed.
type Damage = (usize, Option<(usize, usize)>, Vec<(usize, u8)>, bool);

const PREFIXES: &[&str] = &[
    "",
    "[   12.345678] ",
    "<6>[   12.345678] ",
    "[   12.345678][ T1] ",
    "[2026-11-05T12:00:00.123Z] ",
    "2026-11-05T12:00:00.123456Z 00O ",
    "\x1b[0m",
];

const INSERTED: &[&str] = &[
    "[   12.345678] usb 1-1: new device\r\n",
    "<4>[  120.000001][  T99] WARNING: something [x] ~ happened\n",
    "\x1b[31m",
    "no time stamp\n",
];

fn damage() -> impl Strategy<Value = Damage> {
    (
        0..PREFIXES.len(),
        proptest::option::weighted(0.2, (0..INSERTED.len(), 6..30_usize)),
        proptest::collection::vec((0..100_usize, 1..=255_u8), 0..=2),
        any::<bool>(),
    )
}

proptest! {
    #[test]
    fn any_bytes(log in proptest::collection::vec(any::<u8>(), 0..600)) {
        let boot = decode(&log).newest();
        prop_assert_eq!(boot.records().count(), 0);
    }

    #[test]
    fn marks_and_any_bytes(
        log in "(~p1:|# |[0-9a-f]{1,3}|:|/|~|\
            \\[ 1\\.000000\\] |\n|\r|\x1b\\[){0,200}",
        at in 0..2000_usize,
    ) {
        // Text inside a frame may look like a part of it, so one copy is
        // left alone.
        let stream = Stream::sample().once();
        let at = at.min(stream.len());
        let log =
            [&stream[..at], &log, &stream[at..], "\n", &stream].concat();
        let boot = decode(log.as_bytes()).newest();
        prop_assert!(boot.bye().is_some());
    }

    /// Every frame that is undamaged in at least one copy is recovered, and
    /// no record appears that was not sent.
    #[test]
    fn nothing_undamaged_is_lost(
        records in proptest::collection::vec(
            proptest::collection::vec(any::<u8>(), 1..150), 1..12),
        damages in proptest::collection::vec(damage(), 100),
    ) {
        let id = StreamId::new(0xc0ffee);
        let mut log = Vec::new();
        let mut safe = BTreeSet::new();
        let mut sent = BTreeSet::new();
        let twice = records.iter().zip(0..).chain(records.iter().zip(0..));
        let lines = twice.flat_map(|(bytes, number)| {
            frames(id, number, bytes).map(move |f| (number, f))
        });
        for ((number, frame), (prefix, insert, changes, crlf)) in
            lines.zip(damages.iter().cycle())
        {
            sent.insert((number, frame.part));
            let mut line = frame.line().as_bytes().to_vec();
            // About one byte in a hundred.
            for &(at, xor) in changes {
                if at < line.len() && at % 2 == 0 {
                    line[at] ^= xor;
                }
            }
            if line == frame.line().as_bytes() && insert.is_none() {
                safe.insert((number, frame.part));
            }
            if let Some((text, at)) = *insert {
                let at = at.min(line.len());
                line.splice(at..at, INSERTED[text].bytes());
            }
            log.extend_from_slice(PREFIXES[*prefix].as_bytes());
            log.extend_from_slice(&line);
            log.extend_from_slice(if *crlf { b"\r\n" } else { b"\n" });
        }
        let mut all = super::Frames::default();
        let _port = super::Port::scan(&log, &mut all);
        for (number, bytes) in records.iter().zip(0..).map(|(b, n)| (n, b)) {
            for frame in frames(id, number, bytes) {
                let wanted = all.wants(&frame);
                let safe = safe.contains(&(number, frame.part));
                prop_assert!(!(safe && wanted), "{number}/{}", frame.part);
                // What is there is what was sent.
                prop_assert!(wanted || all.clone().add(frame).is_none()
                    || all.records(id).errors.is_empty());
            }
        }
        prop_assert!(all.streams().count() <= 1);
    }

    /// An undamaged frame with kernel lines inside is recovered, whatever
    /// happened to the lines around it.
    #[test]
    fn kernel_lines_cost_nothing(
        bytes in proptest::collection::vec(any::<u8>(), 57),
        before in "[ -}]{0,80}",
        cuts in proptest::collection::vec((6..110_usize, 0..2_usize), 1..4),
        newline in any::<bool>(),
    ) {
        let frame = frames(StreamId::new(1), 2, &bytes).next().unwrap();
        let line = frame.line();
        let mut cuts = cuts.clone();
        cuts.sort_unstable();
        let mut log = before.clone();
        if newline {
            log.push('\n');
        }
        let mut from = 0;
        for (at, text) in cuts {
            let at = at.min(line.len());
            log += &line[from..at];
            log += INSERTED[text];
            from = at;
        }
        log += &line[from..];
        log += "\n";
        let mut all = super::Frames::default();
        super::Port::scan(log.as_bytes(), &mut all);
        prop_assert_eq!(all.streams().count(), 1);
        prop_assert!(!all.wants(&frame));
    }
}

#[test]
fn a_number_beyond_all_sense_is_cheap() {
    let bytes = Stream::encode(&progress(0, 1));
    let line = frames(StreamId::new(1), u32::MAX, &bytes).next().unwrap();
    let boot = decode(line.line().as_bytes()).newest();
    assert_eq!(boot.lost, [[0, u32::MAX - 1]]);
    assert_eq!(CRC.checksum(b"123456789"), 0xcbf4_3926);
}
