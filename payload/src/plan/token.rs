//! Words of a plan.

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
        let (prefix, comments) = ("pidone.", false);
        let (text, _) = split_dashes(text);
        Self {
            text,
            prefix,
            comments,
        }
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

fn unquote(text: &str) -> &str {
    text.strip_prefix('"')
        .map_or(text, |text| text.strip_suffix('"').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::{Source, split_dashes};
    use proptest::prelude::{prop_assert, proptest};
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

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let read = [Source::file, Source::args, Source::kernel];
            for source in read.map(|read| read(&text)) {
                for token in source.tokens() {
                    prop_assert!(text.contains(token.text));
                }
            }
        }
    }
}
