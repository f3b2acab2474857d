//! Texts of others on their way to a terminal.

use std::borrow::Cow;

/// A text without what a terminal would obey: nothing of a guest, an archive
/// or a kernel's name is believed. Line ends and tabs stay.
#[must_use]
pub fn shown(text: &str) -> Cow<'_, str> {
    let obeyed = |c: char| c.is_control() && !"\t\r\n".contains(c);
    match text.contains(obeyed) {
        false => text.into(),
        true => text.replace(obeyed, "\u{fffd}").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn nothing_that_a_terminal_obeys_is_shown() {
        let text = "a\x1b[31mb\u{9b}2Jc\x07\x08\x7f\td\r\n";
        let expected =
            "a\u{fffd}[31mb\u{fffd}2Jc\u{fffd}\u{fffd}\u{fffd}\td\r\n";
        assert_eq!(shown(text), expected);
        assert_eq!(shown("\u{b5}s \u{2581}\n"), "\u{b5}s \u{2581}\n");
    }
}
