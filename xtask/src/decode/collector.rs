//! What log collectors put around every line, found from the lines
//! themselves.
//!
//! Where a line of ours or of the kernel begins is known by its form. What
//! stands in front of it on most lines was put there, and so was what stands
//! behind the end of a frame: a time, the name of a board or a container, a
//! quoting mark, a wrapping in JSON. Its form is learned from those lines, as
//! digits, letters and all else, and cut from the others too.

use super::clean::Cut;
use super::splice::{self, Prefix};
use core::ops::Range;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// Longest text that a collector puts in front of or behind a line.
const LONGEST: usize = 400;
/// So many lines must show a form before it is believed.
const LEAST: usize = 3;

static FRAME: LazyLock<Regex> = LazyLock::new(|| regex("# ~p1:"));
static BEGIN: LazyLock<Regex> =
    LazyLock::new(|| regex(r"KTAP version 1|(?:<\d{1,3}>)?\[ *\d+\.\d{6}\]"));
static END: LazyLock<Regex> =
    LazyLock::new(|| regex(r"(?::[0-9a-f]{8}~|KTAP version 1)"));

/// A line in JSON, or in YAML as LAVA has it, of which one alone is known: the
/// line is the value of one of these keys.
static WRAPPED: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#""((?:[^"\\\n]|\\.)*)""#;
    let keys = "(?i:msg|message|log|line|text)";
    regex(&format!(
        r#"^(?:- )?\{{(?:[^\n]*?, ?)?"{keys}": ?{text}(?:,[^\n]*)?\}}\n?$"#
    ))
});
/// What JSON has in place of a character, before the character if that is its
/// own; a terminal's sequence is one.
static ESCAPE: LazyLock<Regex> = LazyLock::new(|| {
    let sequence = r"(?i:u001b|x1b|e)\[[0-?]*[ -/]*[@-~]";
    regex(&format!(
        r"\\(?:{sequence}|u[0-9a-fA-F]{{4}}|x[0-9a-fA-F]{{2}}|[a-z])?"
    ))
});

/// A form that is known to be one.
#[expect(clippy::expect_used, reason = "of text in this program alone")]
pub(super) fn regex(form: &str) -> Regex {
    let built = RegexBuilder::new(form).unicode(false).build();
    built.expect("the form is right")
}

/// Cuts what a collector put around lines, and the newline of lines that it
/// broke (GitLab marks the continuation with `+`).
#[must_use]
pub fn without(text: &[u8]) -> Cut {
    let around = Around::learn(text);
    let mut at = 0;
    let mut holes = Vec::new();
    for line in text.split_inclusive(|&b| b == b'\n') {
        if let Some(message) = WRAPPED.captures(line).and_then(|it| it.get(1)) {
            let newline = usize::from(line.ends_with(b"\n"));
            holes.push(at..at + message.start());
            let escapes = escapes(message.as_bytes());
            let begin = at + message.start();
            holes.extend(escapes.map(|it| begin + it.start..begin + it.end));
            holes.push(at + message.end()..at + line.len() - newline);
            at += line.len();
            continue;
        }
        let fixed = around.fixed(line);
        let len = fixed.len + around.before(&line[fixed.len..]);
        let body = &line[len..];
        if len > 0 {
            let start = at - usize::from(fixed.continued && at > 0);
            holes.push(start..at + len);
        }
        if let Some(behind) = around.behind(body) {
            let end = line.len() - (body.len() - behind.end);
            holes.push(at + len + behind.start..at + end);
        }
        at += line.len();
    }
    Cut::without(text, holes)
}

/// Where in a text of JSON there is something for a character that is noise, or
/// in front of one that is none.
fn escapes(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut from = 0;
    core::iter::from_fn(move || {
        let found = ESCAPE.find_at(text, from)?;
        // What it stands in front of is a backslash, at most.
        let own = usize::from(found.len() == 1);
        from = found.end() + own;
        Some(found.range())
    })
}

/// The forms of what stands around lines; `None` for nothing.
struct Around {
    /// Times as the kernel puts them are a collector's.
    stamps: bool,
    before: Option<Regex>,
    behind: Option<Regex>,
}

impl Around {
    fn learn(text: &[u8]) -> Self {
        let mut frames = Votes::default();
        let mut all = Votes::default();
        let mut behind = Votes::default();
        let (mut stamps, mut doubled) = (0, 0);
        let mut indent = usize::MAX;
        for line in text.split(|&b| b == b'\n') {
            let fixed = splice::prefix(line).len;
            if splice::stamp(line) > 0 {
                stamps += 1;
                doubled += usize::from(fixed > 0);
            }
            let line = &line[fixed..];
            let bare = line.trim_ascii_start();
            if !bare.is_empty() {
                indent = indent.min(line.len() - bare.len());
            }
            let window = &line[..line.len().min(LONGEST)];
            if let Some(begin) = FRAME.find(window) {
                frames.add(&window[..begin.start()]);
                all.add(&window[..begin.start()]);
            } else if let Some(begin) = BEGIN.find(window) {
                all.add(&window[..begin.start()]);
            }
            let window = &line[line.len().saturating_sub(LONGEST)..];
            if let Some(end) = END.find(window) {
                behind.add(&window[end.end()..]);
            }
        }
        let before = match frames.count() >= LEAST {
            true => frames.form(),
            false => all.form(),
        };
        // Text that a torn line goes on with begins otherwise.
        let wraps = |form: &String| {
            let first = form.strip_prefix('\\').unwrap_or(form).chars().next();
            first.is_some_and(|c| "\"'\\<>)]}|".contains(c))
        };
        let before = match before {
            Some(form) => Some(format!("^[ \t]*{form}")),
            // A text is quoted so.
            None if (1..LONGEST).contains(&indent) => {
                Some(format!("^[ \t]{{{indent}}}"))
            }
            None => None,
        };
        Self {
            stamps: doubled >= LEAST && doubled * 2 >= stamps,
            before: before.map(|form| regex(&form)),
            behind: behind
                .form()
                .filter(wraps)
                .map(|form| regex(&format!("{form}\n?$"))),
        }
    }

    /// What a collector of a known kind put in front of `line`.
    fn fixed(&self, line: &[u8]) -> Prefix {
        let found = splice::prefix(line);
        match self.stamps && found.len == 0 {
            true => Prefix {
                len: splice::stamp(line),
                ..found
            },
            false => found,
        }
    }

    /// Length of what was put in front of `line`.
    fn before(&self, line: &[u8]) -> usize {
        let form = self.before.as_ref();
        form.and_then(|form| form.find(line))
            .map_or(0, |it| it.len())
    }

    /// Where in `line` that is which was put behind it, the newline aside.
    fn behind(&self, line: &[u8]) -> Option<Range<usize>> {
        let found = self.behind.as_ref()?.find(line)?;
        let newline = usize::from(line.ends_with(b"\n"));
        Some(found.start()..found.end() - newline)
    }
}

/// Texts at one place of many lines, by their form.
#[derive(Default)]
struct Votes(BTreeMap<Vec<Kind>, (usize, Vec<Piece>)>);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Digits,
    Letters,
    Spaces,
    Other(u8),
}

/// A piece of a form: what it was in the first line, and whether it has been
/// anything else since.
struct Piece {
    text: Vec<u8>,
    varies: bool,
}

impl Votes {
    fn count(&self) -> usize {
        self.0.values().map(|(votes, _)| votes).sum()
    }

    fn add(&mut self, text: &[u8]) {
        // The kernel's own words, into which a line of ours was put.
        if splice::kernel_line(text, 0)
            .is_some_and(|line| !splice::is_stamp(&text[line.start..]))
        {
            return;
        }
        let mut kinds = Vec::new();
        let mut texts: Vec<&[u8]> = Vec::new();
        // Numbers may be padded.
        let mut rest = text.trim_ascii_start();
        while let Some(&first) = rest.first() {
            let kind = kind(first);
            let len = match kind {
                Kind::Other(_) => 1,
                _ => {
                    rest.iter().take_while(|&&b| self::kind(b) == kind).count()
                }
            };
            let (piece, after) = rest.split_at(len);
            kinds.push(kind);
            texts.push(piece);
            rest = after;
        }
        let (votes, pieces) = self.0.entry(kinds).or_insert_with(|| {
            let piece = |text: &&[u8]| Piece {
                text: text.to_vec(),
                varies: false,
            };
            (0, texts.iter().map(piece).collect())
        });
        *votes += 1;
        for (piece, text) in pieces.iter_mut().zip(texts) {
            piece.varies |= piece.text != text;
        }
    }

    /// The form that most lines have; `None` if that is nothing.
    fn form(&self) -> Option<String> {
        let all = self.count();
        let most = self.0.iter().max_by_key(|(_, (votes, _))| *votes);
        let (kinds, (votes, pieces)) = most?;
        if *votes < LEAST || votes * 2 < all || kinds.is_empty() {
            return None;
        }
        let mut form = String::new();
        for (kind, piece) in kinds.iter().zip(pieces) {
            match kind {
                Kind::Spaces => form += "[ \t]+",
                Kind::Digits if piece.varies => form += "[0-9]+",
                Kind::Letters if piece.varies => form += "[A-Za-z]+",
                _ => {
                    for &byte in &piece.text {
                        form += &literal(byte);
                    }
                }
            }
        }
        Some(form)
    }
}

fn kind(byte: u8) -> Kind {
    match byte {
        b'0'..=b'9' => Kind::Digits,
        b'a'..=b'z' | b'A'..=b'Z' => Kind::Letters,
        b' ' | b'\t' => Kind::Spaces,
        other => Kind::Other(other),
    }
}

fn literal(byte: u8) -> String {
    match byte.is_ascii() {
        true => regex::escape(&char::from(byte).to_string()),
        false => format!("\\x{byte:02x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    fn bare(text: &str) -> String {
        String::from_utf8(without(text.as_bytes()).bytes().to_vec()).unwrap()
    }

    #[test]
    fn what_all_lines_share_goes() {
        let body = [
            "[    0.000000] Linux version 6",
            "# ~p1:a:00000000~",
            "# ~p1:b:00000000~",
            "# ~p1:to",
            "rn:00000000~",
            "KTAP version 1",
        ];
        for around in [
            |n: usize, l: &str| format!("05:06:{n:02} {l}"),
            |_, l: &str| format!("board-1  | {l}"),
            |_, l: &str| format!("> > {l}"),
            |n, l: &str| format!("{:>3} |{l}", n * 90),
            |n, l: &str| format!("Nov 2{n} 03:16:3{n} host qemu[81{n}]: {l}"),
            |n, l: &str| format!("{{\"log\":\"{l}\\n\",\"t\":\"{n}.5Z\"}}"),
            |n, l: &str| format!("- {{\"at\": \"T:{n}\", \"msg\": \"{l}\"}}"),
            |n, l: &str| {
                let log = "\"lvl\": \"target\", \"msg\": ";
                format!("- {{\"dt\": \"T:{n}\", {log}\"{l}\"}}")
            },
            |n, l: &str| format!("2026-11-05T12:00:0{n}.123456Z 00O {l}"),
            |_, l: &str| format!("\u{2502} {l}"),
            |_, l: &str| format!("    {l}"),
            |n, l: &str| format!("[1764324{n}00.1234{n}6] {l}"),
            |n, l: &str| format!("{{\"log\": \"{l}\\r\\n\", \"t\": {n}}}"),
            |n, l: &str| format!("{{\"t\":{n},\"message\":\"\\u001b[m{l}\"}}"),
            |_, l: &str| l.to_owned(),
        ] {
            let around: fn(usize, &str) -> String = around;
            let lines = body.iter().enumerate();
            let text: Vec<_> = lines.map(|(n, l)| around(n, l)).collect();
            assert_eq!(bare(&text.join("\n")), body.join("\n"), "{text:?}");
        }
    }

    #[test]
    fn texts_in_json_are_as_they_were() {
        let text = r#"{"log":"expect=\"a\" \\ b\n","stream":"stdout"}"#;
        assert_eq!(bare(text), r#"expect="a" \ b"#);
    }

    #[test]
    fn what_few_lines_share_stays() {
        for text in [
            "a # ~p1:x\na # ~p1:y\n",
            "ab# ~p1:x\n# ~p1:y\n# ~p1:z\n# ~p1:w\n",
            "[    1.000000] k: x# ~p1:a\n[    1.000000] k: x# ~p1:a\n\
             [    1.000000] k: x# ~p1:a\n",
            ":00000000~rest\n:00000000~rest\n:00000000~rest\n",
        ] {
            assert_eq!(bare(text), text);
        }
    }

    #[test]
    fn lines_that_gitlab_broke_are_whole() {
        let time = "2026-11-05T12:00:00Z 00O";
        let text = format!("{time} ab\n{time}+cd\n{time} ef\n");
        assert_eq!(bare(&text), "abcd\nef\n");
    }
}
