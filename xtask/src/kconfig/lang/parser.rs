//! Reads the files of a tree, as far as its definitions go.

use super::expr::Expr;
use super::{Definition, FILES, FILES_DEPTH, Kconfig};

/// Where a line belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    /// A menu or a choice, whose conditions are those of all in it.
    Block,
    Symbol(String),
}

/// An `if`, a menu or a choice that is open.
pub(super) struct Around {
    depends: Vec<Expr>,
    choice: Option<usize>,
}

pub(super) struct Parser<'r> {
    pub(super) read: &'r mut dyn FnMut(&str) -> Option<String>,
    pub(super) srcarch: &'r str,
    pub(super) all: Kconfig,
    pub(super) around: Vec<Around>,
    pub(super) inside: Inside,
    /// The files that are being read, each included by the one before it.
    pub(super) open: Vec<String>,
    /// How many were read.
    pub(super) files: usize,
}

impl Parser<'_> {
    /// Reads a file, unless that would never end: one that includes itself
    /// is an error to the kernel's own reader.
    pub(super) fn file(&mut self, path: &str) {
        let loops = self.open.iter().any(|open| open == path);
        if loops || self.open.len() > FILES_DEPTH || self.files >= FILES {
            return;
        }
        self.files += 1;
        let Some(text) = (self.read)(path) else {
            return;
        };
        self.open.push(path.to_owned());
        let joined = text.replace("\\\n", " ");
        let mut lines = joined.lines().peekable();
        while let Some(line) = lines.next() {
            let trimmed = line.trim();
            if trimmed == "help" || trimmed == "---help---" {
                // The text goes on while lines are indented as its first.
                let mut column = None;
                while let Some(next) = lines.peek() {
                    let blank = next.trim().is_empty();
                    let here = indent(next);
                    if !blank
                        && here < *column.get_or_insert_with(|| here.max(1))
                    {
                        break;
                    }
                    lines.next();
                }
                continue;
            }
            let (word, rest) = split(trimmed);
            match word {
                "source" | "rsource" | "osource" | "orsource" => {
                    self.inside = Inside::Nothing;
                    let name = rest.trim_matches('"');
                    let name = name.replace("$(SRCARCH)", self.srcarch);
                    self.file(&name);
                }
                _ => self.line(word, rest),
            }
        }
        self.open.pop();
    }

    fn line(&mut self, word: &str, rest: &str) {
        match word {
            "config" | "menuconfig" => self.symbol(rest),
            "if" => {
                self.open(vec![Expr::parse(rest)], None);
                self.inside = Inside::Nothing;
            }
            "menu" => self.open(Vec::new(), None),
            "choice" => {
                self.all.choices.push(Vec::new());
                self.open(Vec::new(), Some(self.all.choices.len() - 1));
            }
            "endif" | "endmenu" | "endchoice" => {
                self.around.pop();
                self.inside = Inside::Nothing;
            }
            "comment" | "mainmenu" => self.inside = Inside::Nothing,
            "depends" => self.depends(rest.trim_start_matches("on").trim()),
            "bool" | "tristate" | "string" | "hex" | "int" | "prompt"
                if !rest.is_empty() =>
            {
                self.prompt(rest);
            }
            "select" => {
                let (target, when) = condition(rest);
                if let Inside::Symbol(by) = &self.inside {
                    let selects = self.all.selects.entry(target.to_owned());
                    selects.or_default().push((by.clone(), when));
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, depends: Vec<Expr>, choice: Option<usize>) {
        self.around.push(Around { depends, choice });
        self.inside = Inside::Block;
    }

    fn symbol(&mut self, name: &str) {
        let around = self.around.iter();
        let depends = around.flat_map(|a| a.depends.iter().cloned()).collect();
        let choice = self.around.iter().rev().find_map(|a| a.choice);
        if let Some(choice) = choice {
            self.all.choices[choice].push(name.to_owned());
        }
        let definitions = self.all.symbols.entry(name.to_owned());
        definitions.or_default().push(Definition {
            depends,
            prompt: None,
            choice,
        });
        self.inside = Inside::Symbol(name.to_owned());
    }

    fn depends(&mut self, text: &str) {
        // "depends on A if B" asks for A only with B.
        let expr = match text.split_once(" if ") {
            Some((what, when)) => Expr::Or(
                Box::new(Expr::Not(Box::new(Expr::parse(when)))),
                Box::new(Expr::parse(what)),
            ),
            None => Expr::parse(text),
        };
        match (&self.inside, self.around.last_mut()) {
            (Inside::Symbol(_), _) => {
                if let Some(definition) = self.definition() {
                    definition.depends.push(expr);
                }
            }
            (Inside::Block, Some(block)) => block.depends.push(expr),
            _ => {}
        }
    }

    fn prompt(&mut self, text: &str) {
        let (_, when) = condition(text);
        if let Some(definition) = self.definition() {
            definition.prompt = Some(when);
        }
    }

    /// The definition that is being read.
    fn definition(&mut self) -> Option<&mut Definition> {
        let Inside::Symbol(name) = &self.inside else {
            return None;
        };
        self.all.symbols.get_mut(name)?.last_mut()
    }
}

/// What stands before `if`, and the condition behind it.
fn condition(text: &str) -> (&str, Expr) {
    // A prompt may have the word in it.
    let quoted = text.rfind('"').map_or(0, |at| at + 1);
    match text[quoted..].split_once("if ") {
        Some((what, when)) => {
            (text[..quoted + what.len()].trim(), Expr::parse(when))
        }
        None => (text.trim(), Expr::Always),
    }
}

/// The first word of a line, and the rest.
fn split(line: &str) -> (&str, &str) {
    let (word, rest) = line.split_once([' ', '\t', '"']).unwrap_or((line, ""));
    let quoted = line.len() > word.len() && line[word.len()..].starts_with('"');
    match quoted {
        true => (word, &line[word.len()..]),
        false => (word, rest.trim()),
    }
}

/// Columns before the first word; a tab goes to the next eighth.
fn indent(line: &str) -> usize {
    let blank = line.chars().take_while(|c| c.is_whitespace());
    blank.fold(0, |at, c| if c == '\t' { (at | 7) + 1 } else { at + 1 })
}
