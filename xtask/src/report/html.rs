//! HTML that is well-formed and escaped by the way it is made.
//!
//! Names of elements and attributes are ours; every other text goes through
//! [`escape`], so that nothing of a console can become markup.

use crate::untrusted::hidden;
use core::fmt::Write;

/// A name and a value.
pub(super) type Attr<'a> = (&'static str, &'a str);

/// Elements that have no end.
const VOID: [&str; 2] = ["meta", "br"];

/// A piece of a page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// The page.
    pub(super) fn into_page(self) -> String {
        format!("<!doctype html>\n{}", self.0)
    }

    /// An element with what is in it.
    pub(super) fn el(
        &mut self,
        name: &'static str,
        attrs: &[Attr<'_>],
        inner: impl FnOnce(&mut Self),
    ) {
        self.0.push('<');
        self.0.push_str(name);
        for (key, value) in attrs {
            // Writing to a String cannot fail.
            let _ok = write!(self.0, " {key}=\"");
            escape(value, &mut self.0);
            self.0.push('"');
        }
        self.0.push('>');
        if !VOID.contains(&name) {
            inner(self);
            let _ok = write!(self.0, "</{name}>");
        }
        // Where a line may end without a space becoming visible.
        if matches!(name, "tr" | "table" | "p" | "dd" | "section" | "path") {
            self.0.push('\n');
        }
    }

    /// An element with a text in it.
    pub(super) fn leaf(
        &mut self,
        name: &'static str,
        attrs: &[Attr<'_>],
        text: &str,
    ) {
        self.el(name, attrs, |h| h.text(text));
    }

    /// An element with a class and a text in it.
    pub(super) fn classed(
        &mut self,
        name: &'static str,
        class: &str,
        text: &str,
    ) {
        self.leaf(name, &[("class", class)], text);
    }

    /// A text.
    pub(super) fn text(&mut self, text: &str) {
        escape(text, &mut self.0);
    }

    /// The style sheet. In it `</` would be markup, so it is left out.
    pub(super) fn style(&mut self, css: &'static str) {
        self.el("style", &[], |h| h.0.push_str(&css.replace("</", "")));
    }

    /// A cell with a text.
    pub(super) fn cell(&mut self, text: &str) {
        self.leaf("td", &[], text);
    }

    /// A cell with a number.
    pub(super) fn number(&mut self, text: &str) {
        self.classed("td", "n", text);
    }

    /// A table, which may be wider than the screen. Heads of numbers begin
    /// with `#`.
    pub(super) fn table(
        &mut self,
        caption: &str,
        heads: &[&str],
        rows: impl FnOnce(&mut Self),
    ) {
        let region = [
            ("class", "wide"),
            ("role", "region"),
            ("aria-label", caption),
            ("tabindex", "0"),
        ];
        self.el("div", &region, |h| {
            h.el("table", &[], |h| {
                h.leaf("caption", &[], caption);
                h.el("thead", &[], |h| {
                    h.el("tr", &[], |h| {
                        for head in heads {
                            head_cell(h, head);
                        }
                    });
                });
                rows(h);
            });
        });
    }
}

fn head_cell(h: &mut Html, head: &str) {
    let scope = ("scope", "col");
    match head.strip_prefix('#') {
        Some(head) => h.leaf("th", &[scope, ("class", "n")], head),
        None => h.leaf("th", &[scope], head),
    }
}

/// Text as HTML. What is invisible, or would turn the text around it, is
/// shown as what it is.
fn escape(text: &str, to: &mut String) {
    for c in text.chars() {
        match c {
            '&' => to.push_str("&amp;"),
            '<' => to.push_str("&lt;"),
            '>' => to.push_str("&gt;"),
            '"' => to.push_str("&quot;"),
            '\'' => to.push_str("&#39;"),
            '\n' | '\t' => to.push(c),
            // Their pictures.
            '\0'..' ' => to.extend(char::from_u32(0x2400 + u32::from(c))),
            '\x7f' => to.push('\u{2421}'),
            c if hidden(c) => {
                let _ok = write!(to, "{}", c.escape_unicode());
            }
            c => to.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Html, escape};
    use proptest::prelude::{prop_assert, proptest};

    fn escaped(text: &str) -> String {
        let mut html = String::new();
        escape(text, &mut html);
        html
    }

    #[test]
    fn nothing_becomes_markup() {
        for (text, html) in [
            ("</pre><script>", "&lt;/pre&gt;&lt;script&gt;"),
            ("\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;"),
            ("a\0b\x1b[31m\r\n\t", "a\u{2400}b\u{241b}[31m\u{240d}\n\t"),
            ("\u{202e}evil\u{85}\u{7f}", "\\u{202e}evil\\u{85}\u{2421}"),
            ("\u{ffff}\u{1fffe}\u{fdd0}", "\\u{ffff}\\u{1fffe}\\u{fdd0}"),
            ("µs, 進捗 → 🙂", "µs, 進捗 → 🙂"),
        ] {
            assert_eq!(escaped(text), html);
        }
    }

    #[test]
    fn elements_nest_and_attributes_are_quoted() {
        let mut html = Html::default();
        html.el("p", &[("class", "a\"b")], |h| {
            h.text("<");
            h.el("br", &[], |_| {});
            h.leaf("b", &[], "x");
        });
        let page = "<!doctype html>\n\
            <p class=\"a&quot;b\">&lt;<br><b>x</b></p>\n";
        assert_eq!(html.into_page(), page);
    }

    proptest! {
        #[test]
        fn no_text_has_what_markup_is_made_of(text in "(?s).{0,80}") {
            let html = escaped(&text);
            prop_assert!(!html.contains(['<', '>', '"', '\'']));
        }
    }
}
