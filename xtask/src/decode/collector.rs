//! What log collectors put around every line, found from the lines
//! themselves.
//!
//! Where a line of ours or of the kernel begins is known by its form. What
//! stands in front of it on most lines was put there, and so was what stands
//! behind the end of a frame: a time, the name of a board or a container, a
//! quoting mark, a wrapping in JSON. Its form is learned from those lines, as
//! digits, letters and all else, and cut from the others too.

use super::clean::Cut;
use super::splice;
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

/// LAVA's logs are YAML; of these lines one alone is known.
static LAVA: LazyLock<Regex> = LazyLock::new(|| {
    regex(r#"^- \{"dt": "[^"]*", "lvl": "[a-z]+", "msg": "(.*)"\}\n?$"#)
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
        if let Some(message) = LAVA.captures(line).and_then(|it| it.get(1)) {
            let newline = usize::from(line.ends_with(b"\n"));
            holes.push(at..at + message.start());
            at += line.len();
            holes.push(at - line.len() + message.end()..at - newline);
            continue;
        }
        let fixed = splice::prefix(line);
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

/// The forms of what stands around lines; `None` for nothing.
struct Around {
    before: Option<Regex>,
    behind: Option<Regex>,
}

impl Around {
    fn learn(text: &[u8]) -> Self {
        let mut frames = Votes::default();
        let mut all = Votes::default();
        let mut behind = Votes::default();
        for line in text.split(|&b| b == b'\n') {
            let line = &line[splice::prefix(line).len..];
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
        Self {
            before: before.map(|form| regex(&format!("^[ \t]*{form}"))),
            behind: behind
                .form()
                .filter(wraps)
                .map(|form| regex(&format!("{form}\n?$"))),
        }
    }

    /// Length of what was put in front of `line`.
    fn before(&self, line: &[u8]) -> usize {
        let form = self.before.as_ref();
        form.and_then(|form| form.find(line))
            .map_or(0, |it| it.len())
    }

    /// Where in `line` that is which was put behind it, the newline aside.
    fn behind(&self, line: &[u8]) -> Option<core::ops::Range<usize>> {
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
            |_, l: &str| l.to_owned(),
        ] {
            let around: fn(usize, &str) -> String = around;
            let lines = body.iter().enumerate();
            let text: Vec<_> = lines.map(|(n, l)| around(n, l)).collect();
            assert_eq!(bare(&text.join("\n")), body.join("\n"), "{text:?}");
        }
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
