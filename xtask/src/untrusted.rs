//! Texts of others on their way out.
//!
//! Nothing of a guest, an archive or a kernel's name is believed. There is one
//! gate on the way in, [`Report::plain`](crate::model::Report::plain), behind
//! which every text is one line of characters that are what they look like;
//! and one place for each way out: [`shown`] for terminals, by which all
//! printing goes ([`crate::cmd::print`], [`tell!`](crate::tell)),
//! [`json`], and the other forms in [`crate::format`] and
//! [`crate::report`], each of which escapes what it is given.

use serde::Serialize;
use std::borrow::Cow;
use std::io::{Write, stderr};

/// Stands for what is not shown.
const INSTEAD: char = '\u{fffd}';

/// Variables by which a CI says that what is printed goes through its runner,
/// which takes lines of a form of its own for commands.
const RUNNERS: [&str; 3] = ["GITHUB_ACTIONS", "TF_BUILD", "TEAMCITY_VERSION"];

/// Whether a character has no shape of its own: controls, among them those of
/// Latin-1, which terminals obey; what turns the direction of text or has no
/// width, by which a text seems to be another; and noncharacters, which
/// neither HTML nor XML allows.
#[must_use]
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{fdd0}'..='\u{fdef}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
        || u32::from(c) & 0xfffe == 0xfffe
}

/// A text as a terminal may have it: line ends and tabs stay, anything else
/// that is [`hidden`] is replaced. A carriage return stays where it ends a
/// line: alone it would have the line written over.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    let bare = |c: char| hidden(c) && !"\t\r\n".contains(c);
    if !text.contains(bare) && !text.contains('\r') {
        return text.into();
    }
    let parts = text.split("\r\n").map(|part| {
        part.replace(|c| bare(c) || c == '\r', &INSTEAD.to_string())
    });
    parts.collect::<Vec<_>>().join("\r\n").into()
}

/// A text as one line: blanks in place of line ends and tabs.
#[must_use]
pub fn line(text: &str) -> Cow<'_, str> {
    match text.contains(hidden) {
        false => text.into(),
        true => {
            let plain = |c| match c {
                '\t' | '\n' | '\r' => ' ',
                c if hidden(c) => INSTEAD,
                c => c,
            };
            text.chars().map(plain).collect::<String>().into()
        }
    }
}

/// JSON with a newline at its end, in which everything is escaped that a
/// terminal or a CI's runner would obey: it may be shown there.
///
/// # Errors
///
/// Those of the serialiser.
pub fn json(of: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string_pretty(of)?;
    let mut safe = String::with_capacity(text.len() + 1);
    let mut last = None;
    for c in text.chars() {
        // Outside of strings there is neither.
        if c != '\n' && hidden(c) || last == Some('#') && c == '#' {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe += &format!("\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
        last = Some(c);
    }
    safe.push('\n');
    Ok(safe)
}

/// A text as it is printed: as [`shown`], and if a CI's runner reads it,
/// without what that takes for commands.
#[must_use]
pub fn printed(text: &str) -> Cow<'_, str> {
    let runner = RUNNERS.iter().any(|name| std::env::var_os(name).is_some());
    match runner {
        false => shown(text),
        true => without_commands(&shown(text)).into(),
    }
}

/// A text that GitHub's, Azure's and TeamCity's runners take for no command:
/// lines do not begin with `::`, and `##` stands before no word with a bracket
/// behind it.
fn without_commands(text: &str) -> String {
    let lines = text.split_inclusive('\n').map(|line| {
        let rest = line.trim_start();
        let blank = &line[..line.len() - rest.len()];
        match rest.strip_prefix("::") {
            Some(rest) => format!("{blank}: :{rest}"),
            None => line.to_owned(),
        }
    });
    let text = lines.collect::<String>();
    ["[", "vso[", "teamcity["].iter().fold(text, |text, word| {
        text.replace(&format!("##{word}"), &format!("## {word}"))
    })
}

/// Writes a line to standard error. Nothing else in the library does, which
/// `clippy::print_stderr` holds.
#[macro_export]
macro_rules! tell {
    ($($line:tt)*) => {
        $crate::untrusted::tell(format_args!($($line)*))
    };
}

/// See [`tell!`](crate::tell).
pub fn tell(line: core::fmt::Arguments<'_>) {
    // A terminal that has gone takes no more.
    let _told = writeln!(stderr(), "{}", printed(&line.to_string()));
}

#[cfg(test)]
mod tests {
    use super::{json, line, shown, without_commands};

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let text = "a\x1b[31mb\u{9b}2Jc\x07\x08\x7f\td\r\n\re\r";
        let expected = "a\u{fffd}[31mb\u{fffd}2Jc\u{fffd}\u{fffd}\u{fffd}\td\
                        \r\n\u{fffd}e\u{fffd}";
        assert_eq!(shown(text), expected);
        assert_eq!(shown("\u{b5}s \u{2581}\n"), "\u{b5}s \u{2581}\n");
        assert_eq!(shown("a\u{202e}b\u{fffe}c"), "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn a_line_is_one_line() {
        let text = "a\nok 1\r\n\x0bb\u{2028}c\td\u{85}";
        assert_eq!(line(text), "a ok 1  \u{fffd}b\u{fffd}c d\u{fffd}");
        assert_eq!(line("plain \u{b5}s"), "plain \u{b5}s");
    }

    #[test]
    fn json_shows_nothing_and_loses_nothing() {
        let text = "\x1b\u{9b}\u{202e}\u{fffe}\u{1fffe}##[x]##\n\u{b5}";
        let json = json(&[text]).unwrap();
        assert_eq!(shown(&json), json);
        assert_eq!(without_commands(&json), json);
        assert!(json.contains("\\u202e") && json.contains('\u{b5}'));
        let read: [String; 1] = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [text]);
    }

    #[test]
    fn no_line_is_a_command_to_a_runner() {
        for (text, plain) in [
            ("::error::x\n", ": :error::x\n"),
            ("a\n\t ::stop-commands::x", "a\n\t : :stop-commands::x"),
            ("a ::b\r\n::c", "a ::b\r\n: :c"),
            ("x ##[error]y ##vso[z]", "x ## [error]y ## vso[z]"),
            ("##teamcity[a] # [b]", "## teamcity[a] # [b]"),
        ] {
            assert_eq!(without_commands(text), plain);
        }
    }
}
