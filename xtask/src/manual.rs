//! The manual page, from what the help of each verb is made of.

use crate::program;
use argh::{CommandInfoWithArgs, FlagInfoKind, Optionality, PositionalInfo};
use core::fmt::Write;

/// The program's name: its structure does not know it.
const PROGRAM: &str = "pidonectl";

/// The page, in the language of man(7).
#[must_use]
pub fn page(info: &CommandInfoWithArgs) -> String {
    let mut page = Page(String::new());
    let version = env!("CARGO_PKG_VERSION");
    let about = info.description.trim_end_matches('.');
    page.line(&format!(
        ".TH PIDONECTL 1 \"\" \"pidone {version}\" \"User Commands\""
    ));
    page.section("NAME");
    page.line(&format!("{PROGRAM} \\- {}", escaped(&lower(about))));
    page.section("SYNOPSIS");
    page.line(&format!(
        ".B {PROGRAM}\n.I verb\n.RI [ options ]\n.RI [ words ]"
    ));
    page.section("DESCRIPTION");
    page.text(info.description);
    for note in info.notes {
        page.line(".PP");
        page.text(note);
    }
    page.section("VERBS");
    for verb in &info.commands {
        page.verb(verb.name, &verb.command);
    }
    page.section("EXIT STATUS");
    page.codes(info);
    page.section("EXAMPLES");
    page.examples(PROGRAM, info);
    program::named(&page.0, PROGRAM)
}

struct Page(String);

impl Page {
    fn line(&mut self, line: &str) {
        let _ok = writeln!(self.0, "{line}");
    }

    fn section(&mut self, name: &str) {
        self.line(&format!(".SH {name}"));
    }

    fn text(&mut self, text: &str) {
        self.line(&escaped(text));
    }

    fn verb(&mut self, path: &str, info: &CommandInfoWithArgs) {
        let words = info.positionals.iter().filter(|it| !it.hidden);
        let words: Vec<String> = words.map(shown).collect();
        let words = words.join(" ");
        self.line(&format!(".SS {}", escaped(&format!("{path} {words}"))));
        self.text(info.description);
        for word in info.positionals.iter().filter(|it| !it.hidden) {
            self.line(&format!(".TP\n.I {}", escaped(word.name)));
            self.text(word.description);
        }
        for flag in info.flags.iter().filter(|flag| !flag.hidden) {
            let long = escaped(flag.long);
            self.line(&match flag.kind {
                FlagInfoKind::Switch => format!(".TP\n.B {long}"),
                FlagInfoKind::Option { arg_name } => {
                    format!(".TP\n.BI {long} \" {}\"", escaped(arg_name))
                }
            });
            self.text(flag.description);
        }
        for note in info.notes {
            self.line(".PP");
            self.text(note);
        }
        if !info.examples.is_empty() {
            self.line(".PP");
            self.examples(&format!("{PROGRAM} {path}"), info);
        }
        if !info.error_codes.is_empty() {
            self.line(".PP\nIt ends with");
            self.codes(info);
        }
        for verb in &info.commands {
            self.verb(&format!("{path} {}", verb.name), &verb.command);
        }
    }

    fn codes(&mut self, info: &CommandInfoWithArgs) {
        for code in info.error_codes {
            self.line(&format!(".TP\n.B {}", code.code));
            self.text(code.description);
        }
    }

    fn examples(&mut self, command: &str, info: &CommandInfoWithArgs) {
        for example in info.examples {
            let example = example.replace("{command_name}", command);
            self.line(&format!(".PP\n.nf\n{}\n.fi", escaped(&example)));
        }
    }
}

/// A word as a synopsis has it.
fn shown(word: &PositionalInfo<'_>) -> String {
    let name = word.name;
    match word.optionality {
        Optionality::Required => name.to_owned(),
        Optionality::Optional => format!("[{name}]"),
        Optionality::Repeating | Optionality::Greedy => format!("[{name}...]"),
    }
}

fn lower(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}

/// A text in which nothing is a request or an escape, and a hyphen is one that
/// can be copied.
fn escaped(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    let lines = text
        .lines()
        .map(|line| match line.starts_with(['.', '\'']) {
            true => format!("\\&{line}"),
            false => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::{escaped, page};
    use crate::cli::pidonectl;

    #[test]
    fn nothing_that_is_said_is_a_request() {
        assert_eq!(escaped(".SH \\x --y\n'a"), "\\&.SH \\ex \\-\\-y\n\\&'a");
    }

    #[test]
    fn every_verb_and_option_is_in_the_page() {
        let info = pidonectl::info();
        let page = page(&info);
        for verb in &info.commands {
            let verbs = verb.command.commands.iter().map(|it| &it.command);
            for info in verbs.chain([&verb.command]) {
                for flag in info.flags.iter().filter(|flag| !flag.hidden) {
                    let option = escaped(flag.long);
                    assert!(page.contains(&option), "{option}");
                }
            }
            let head = format!("\n.SS {}", escaped(verb.name));
            assert!(page.contains(&head), "{head}");
        }
        assert!(!page.contains("{command_name}"), "{page}");
        assert!(!page.contains("cargo xtask"), "{page}");
    }
}
