//! Words of a plan.

use crate::plan::error::{PlanError, Rule};
use crate::plan::nearest;

/// What the words of a kernel command line begin with that are a plan's.
pub const PREFIX: &str = "pidone.";
const NAME: &str = "pidone";
/// Longest word, so that each fits a record.
const LONGEST: usize = 4096;
/// SUB, which stands where bytes were that are no text.
pub const LOST: u8 = 0x1a;

/// One `key=value` word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token<'t> {
    /// The whole word without quotes and prefix.
    pub text: &'t str,
    /// What stands before the first `=`; the whole word if there is none.
    pub key: &'t str,
    /// What stands behind it, `None` without a `=`.
    pub value: Option<&'t str>,
}

impl<'t> Token<'t> {
    /// One that no text was split for, known by its key.
    pub(super) fn of(key: &'t str, value: &'t str) -> Self {
        Self {
            text: key,
            key,
            value: Some(value),
        }
    }
}

/// Where tokens come from.
#[derive(Debug, Clone, Copy, Default)]
pub struct Source<'t> {
    text: &'t str,
    prefix: &'static str,
    comments: bool,
}

impl<'t> Source<'t> {
    /// A plan file: `#` starts a comment that ends with the line.
    #[must_use]
    pub fn file(text: &'t str) -> Self {
        let (prefix, comments) = ("", true);
        Self {
            text,
            prefix,
            comments,
        }
    }

    /// Arguments: every word counts.
    #[must_use]
    pub fn args(text: &'t str) -> Self {
        let (prefix, comments) = ("", false);
        Self {
            text,
            prefix,
            comments,
        }
    }

    /// A kernel command line: the words before ` -- ` that start with
    /// `pidone.`.
    #[must_use]
    pub fn kernel(text: &'t str) -> Self {
        let (prefix, comments) = (PREFIX, false);
        let (text, _) = split_dashes(text);
        Self {
            text,
            prefix,
            comments,
        }
    }

    /// Whether its words are a kernel's, ours among others.
    #[must_use]
    pub fn is_kernel(&self) -> bool {
        !self.prefix.is_empty()
    }

    /// Refuses what cannot have been meant: a quote that is never closed,
    /// bytes that are no text, and, among a kernel's words, those that look
    /// like a plan's and are none. Nothing of a plan is passed over.
    ///
    /// # Errors
    ///
    /// The first such word.
    pub fn check(&self) -> Result<(), PlanError<'t>> {
        let mut words = self.tokens();
        while let Some(word) = words.word() {
            let quotes = word.bytes().filter(|&byte| byte == b'"').count();
            // Of arguments and files the rules of each key say more.
            let control = |byte: u8| {
                let blank = byte.is_ascii_whitespace() || !self.is_kernel();
                byte == LOST || byte.is_ascii_control() && !blank
            };
            let text = !word.bytes().any(control);
            let ours = !self.is_kernel() || near(word);
            let rule = if quotes % 2 > 0 {
                "a quote is opened here and never closed"
            } else if ours && !text {
                "it has a byte that is no text (UTF-8)"
            } else if ours && word.len() > LONGEST {
                "a word has 4096 bytes at most"
            } else if self.is_kernel() && ours && !is_ours(word) {
                "a word with pidone in it is one of a plan, such as \
                 pidone.work=PipeIo, and this is none: it may be spelt or \
                 quoted wrong"
            } else {
                continue;
            };
            let (token, rule) = (shortened(word), Rule::Is(rule));
            return Err(PlanError { token, rule });
        }
        Ok(())
    }

    /// Its tokens, in order.
    #[must_use]
    pub fn tokens(&self) -> Tokens<'t> {
        Tokens {
            rest: self.text,
            prefix: self.prefix,
            comments: self.comments,
        }
    }
}

/// Splits a kernel command line at the lone `--` behind which init's
/// arguments stand.
#[must_use]
pub fn split_dashes(cmdline: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut word = 0;
    for (at, c) in cmdline.char_indices() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_ascii_whitespace() && !quoted => {
                if let Some((before, rest)) = cmdline.split_at_checked(at)
                    && let Some(first) = before.strip_suffix("--")
                    && first.len() == word
                {
                    return (first, rest);
                }
                word = at + 1;
            }
            _ => {}
        }
    }
    (cmdline, "")
}

/// Iterator over the tokens of a source.
#[derive(Debug, Clone)]
pub struct Tokens<'t> {
    rest: &'t str,
    prefix: &'static str,
    comments: bool,
}

impl<'t> Tokens<'t> {
    fn word(&mut self) -> Option<&'t str> {
        loop {
            self.rest = self.rest.trim_ascii_start();
            if !(self.comments && self.rest.starts_with('#')) {
                break;
            }
            let end = self.rest.find('\n').unwrap_or(self.rest.len());
            self.rest = self.rest.get(end..)?;
        }
        let mut quoted = false;
        let end = self.rest.find(|c: char| {
            quoted ^= c == '"';
            c.is_ascii_whitespace() && !quoted
        });
        let end = end.unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        loop {
            let word = unquote(self.word()?);
            let Some(text) = word.strip_prefix(self.prefix) else {
                continue;
            };
            return Some(match text.split_once('=') {
                Some((key, value)) => {
                    let value = Some(unquote(value));
                    Token { text, key, value }
                }
                None => {
                    let (key, value) = (text, None);
                    Token { text, key, value }
                }
            });
        }
    }
}

/// Whether a kernel's word is one of a plan, and has no other in its value.
fn is_ours(word: &str) -> bool {
    let inner = unquote(word).strip_prefix(PREFIX);
    inner.is_some_and(|inner| !hides(inner))
}

/// Whether a kernel's word is a plan's or was meant to be one.
fn near(word: &str) -> bool {
    let key = word.split_once('=').map_or(word, |(key, _)| key);
    let (before, _) = key.split_once('.').unwrap_or(("", key));
    let misspelt = || {
        let name = |take: &mut dyn FnMut(_)| take(NAME);
        nearest::of(unquote(before), &name).is_some()
    };
    // A path is the name of a file.
    let named = !key.contains('/') && named_at(key).is_some();
    named || hides(word) || misspelt()
}

/// Where in `text` our name is, in any case.
fn named_at(text: &str) -> Option<usize> {
    let mut windows = text.as_bytes().windows(NAME.len());
    windows.position(|window| window.eq_ignore_ascii_case(NAME.as_bytes()))
}

/// Whether a word of a plan is somewhere in `text`, or one spelt with `_` or
/// `-` in place of the dot.
fn hides(text: &str) -> bool {
    let mut rest = text;
    while let Some(at) = named_at(rest) {
        rest = rest.get(at + NAME.len()..).unwrap_or("");
        let of_key = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        let key = rest.bytes().take_while(of_key).count();
        if key > 1 && rest.as_bytes().get(key) == Some(&b'=') {
            return true;
        }
    }
    false
}

/// A word as a message may have it.
fn shortened(word: &str) -> &str {
    word.get(..word.floor_char_boundary(80)).unwrap_or(word)
}

fn unquote(text: &str) -> &str {
    text.strip_prefix('"')
        .map_or(text, |text| text.strip_suffix('"').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::{Source, split_dashes};
    use proptest::prelude::{prop_assert, proptest};
    use std::string::ToString;
    use std::vec::Vec;

    fn texts<'t>(source: Source<'t>) -> Vec<&'t str> {
        source.tokens().map(|token| token.text).collect()
    }

    #[test]
    fn kernel_words_need_the_prefix() {
        let line = "quiet pidone.work=PipeIo x.y=1 pidone.time=2s -- a=b\n";
        let source = Source::kernel(line);
        assert_eq!(texts(source), ["work=PipeIo", "time=2s"]);
        assert_eq!(split_dashes(line).1.trim(), "a=b");
    }

    #[test]
    fn quotes_keep_spaces() {
        let source = Source::args(r#"a="b c" "d=e f" g=h"#);
        let values: Vec<_> = source.tokens().map(|t| t.value).collect();
        assert_eq!(values, [Some("b c"), Some("e f"), Some("h")]);
    }

    #[test]
    fn comments_end_with_their_line() {
        let source = Source::file("# all\na=1 # one\n  # two\nb=2");
        assert_eq!(texts(source), ["a=1", "b=2"]);
    }

    fn fault(source: Source<'_>) -> Option<std::string::String> {
        source.check().err().map(|error| error.to_string())
    }

    #[test]
    fn words_that_are_a_plans_by_their_looks_are_refused() {
        for bad in [
            "'pidone.expect=rate>1'",
            "\\\"pidone.expect=rate>1\\\"",
            "\u{201c}pidone.expect=rate>1\u{201d}",
            "pidone_expect=rate>1",
            "pidone-expect=rate>1",
            "PIDONE.expect=rate>1",
            "Pidone.work=PipeIo",
            "pidone",
            "pidone:expect=rate>1",
            "xpidone.expect=rate>1",
            "quiet,pidone.expect=rate>1",
            "foo=1,pidone.expect=rate>1",
            "pidone.work=PipeIo,pidone.expect=rate>1",
            "pidone.work=PipeIo\u{a0}pidone.expect=rate>1",
            "\"pidone.work=PipeIo pidone.expect=rate>1\"",
            "\u{feff}pidone.work=PipeIo",
            "pidoen.expect=rate>1",
            "pidon.expect=rate>1",
            "piidone.expect=rate>1",
            "pidone.label=caf\x1a",
            "pidone.work=PipeIo\x0bpidone.expect=rate>1",
            "\"pidone.expect=rate>1",
            "pidone.expect=\"rate>1",
            "dyndbg=\"file kernel/sched/* +p",
        ] {
            let line = std::format!("quiet {bad} pidone.time=1s");
            let said = fault(Source::kernel(&line));
            assert!(said.is_some(), "{bad:?}");
        }
    }

    #[test]
    fn what_others_put_beside_a_plan_is_theirs() {
        let line = "BOOT_IMAGE=/boot/pidone/bzImage initrd=pidone.cpio.gz \
                    rdinit=/pidone /srv/pidone.img ip=::::pidone:eth0 \
                    label=caf\x1a dyndbg=\"file x.c +p\" piston.x=1 \
                    \"pidone.work=PipeIo\" pidone.expect=\"rate>1\" -- a='b";
        assert_eq!(fault(Source::kernel(line)), None);
        let tokens = texts(Source::kernel(line));
        assert_eq!(tokens, ["work=PipeIo", "expect=\"rate>1\""]);
        assert!(fault(Source::args("a=\"b")).is_some());
        assert!(fault(Source::args("a=b\x1a")).is_some());
        assert_eq!(fault(Source::file("# don\"t\na=b")), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let read = [Source::file, Source::args, Source::kernel];
            for source in read.map(|read| read(&text)) {
                let _fault = source.check();
                for token in source.tokens() {
                    prop_assert!(text.contains(token.text));
                }
            }
        }
    }
}
