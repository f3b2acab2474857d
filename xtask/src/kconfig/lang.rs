//! The kernel's Kconfig language, as far as it takes to say why a symbol is
//! not what was asked for.
//!
//! The kernel's own `conf` decides what a configuration becomes, but drops
//! what cannot be without a word. What is read here only explains that: a
//! mistake of this reader can spoil a message, never a build.

use super::Config;
use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

/// Largest depth of an explanation, and of files that include files.
const DEPTH: usize = 5;
const FILES_DEPTH: usize = 20;
/// So many symbols that select another are named.
const SELECTORS: usize = 6;

/// All definitions of a tree.
#[derive(Debug, Default)]
pub struct Kconfig {
    symbols: BTreeMap<String, Vec<Definition>>,
    /// Targets of `select`: who selects, and on which condition.
    selects: BTreeMap<String, Vec<(String, Expr)>>,
    /// Members of each choice.
    choices: Vec<Vec<String>>,
}

/// One definition of a symbol; it may have several.
#[derive(Debug)]
struct Definition {
    /// Its own conditions and those of all that is around it.
    depends: Vec<Expr>,
    /// When a user may set it; `None` without a prompt.
    prompt: Option<Expr>,
    /// The choice it belongs to.
    choice: Option<usize>,
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expr {
    /// Always holds.
    Always,
    /// A symbol, a constant or a macro.
    Word(String),
    /// `!`.
    Not(Box<Self>),
    /// `&&`.
    And(Box<Self>, Box<Self>),
    /// `||`.
    Or(Box<Self>, Box<Self>),
    /// `=`, `!=`, `<` and so on.
    Compare(String, String, String),
}

/// Values in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tri {
    No,
    Module,
    Yes,
}

impl Kconfig {
    /// Reads a tree from its root; `read` gives the text of a file by its
    /// path there, and `srcarch` is what `$(SRCARCH)` stands for.
    pub fn parse(
        read: &mut dyn FnMut(&str) -> Option<String>,
        srcarch: &str,
    ) -> Self {
        let mut parser = Parser {
            read,
            srcarch,
            all: Self::default(),
            around: Vec::new(),
            inside: Inside::Nothing,
        };
        parser.file("Kconfig", 0);
        parser.all
    }

    /// Whether the tree has the symbol.
    #[must_use]
    pub fn knows(&self, symbol: &str) -> bool {
        self.symbols.contains_key(symbol)
    }

    /// Why `symbol` cannot be `wanted` with what `config` has, line by line.
    #[must_use]
    pub fn why(
        &self,
        symbol: &str,
        wanted: &str,
        config: &Config,
    ) -> Vec<String> {
        let mut lines = Vec::new();
        let mut seen = BTreeSet::new();
        match wanted {
            "n" => self.why_set(symbol, config, &mut lines),
            _ => self.why_not(symbol, config, 0, &mut seen, &mut lines),
        }
        lines
    }

    /// Why a symbol is set that should not be.
    fn why_set(&self, symbol: &str, config: &Config, lines: &mut Vec<String>) {
        let selectors: Vec<_> = self
            .selectors(symbol)
            .filter(|(by, when)| {
                config.get(by) != "n"
                    && when.value(config).is_none_or(|v| v != Tri::No)
            })
            .map(|(by, _)| by.as_str())
            .take(SELECTORS)
            .collect();
        match selectors.is_empty() {
            false => lines.push(format!(
                "it is selected by {}, which is set",
                selectors.join(", ")
            )),
            true => lines.push("its default cannot be changed here".to_owned()),
        }
    }

    /// Why a symbol is not set that should be.
    fn why_not(
        &self,
        symbol: &str,
        config: &Config,
        depth: usize,
        seen: &mut BTreeSet<String>,
        lines: &mut Vec<String>,
    ) {
        let indent = "  ".repeat(depth);
        let mut say = |text: String| lines.push(format!("{indent}{text}"));
        let Some(definitions) = self.symbols.get(symbol) else {
            say(format!("this tree has no symbol {symbol}"));
            return;
        };
        let mut missing: Vec<&Expr> = Vec::new();
        for definition in definitions {
            let unmet: Vec<&Expr> = definition
                .depends
                .iter()
                .flat_map(|expr| expr.parts())
                .filter(|part| part.value(config) != Some(Tri::Yes))
                .collect();
            if unmet.is_empty() {
                say(self.unset(symbol, definition, config, depth));
                return;
            }
            for expr in unmet {
                if !missing.contains(&expr) {
                    missing.push(expr);
                }
            }
        }
        for expr in missing {
            lines.push(format!("{indent}it needs {}", expr.told(config)));
            let Expr::Word(next) = expr else { continue };
            if depth < DEPTH && seen.insert(next.clone()) {
                self.why_not(next, config, depth + 1, seen, lines);
            }
        }
    }

    /// Why a symbol is not set whose dependencies are met.
    fn unset(
        &self,
        symbol: &str,
        definition: &Definition,
        config: &Config,
        depth: usize,
    ) -> String {
        let other = definition.choice.and_then(|choice| {
            let members = self.choices[choice].iter();
            members.into_iter().find(|&m| m != symbol && config.is_y(m))
        });
        if let Some(other) = other {
            return format!("{other} is set, and only one of them can be");
        }
        let offered = definition.prompt.as_ref();
        match offered.map(|when| (when, when.value(config))) {
            Some((_, Some(Tri::Yes))) if depth == 0 => {
                "all it depends on is set; such a value is not allowed for it"
                    .to_owned()
            }
            Some((_, Some(Tri::Yes))) => {
                format!("nothing stands against {symbol}: ask for it too")
            }
            Some((when, _)) => {
                format!("it is offered only with {}", when.told(config))
            }
            None => {
                let by: Vec<_> = self
                    .selectors(symbol)
                    .map(|(by, _)| by.as_str())
                    .take(SELECTORS)
                    .collect();
                match by.is_empty() {
                    true => format!("{symbol} cannot be asked for"),
                    false => format!(
                        "{symbol} cannot be asked for: {} select it",
                        by.join(", ")
                    ),
                }
            }
        }
    }

    fn selectors(&self, symbol: &str) -> impl Iterator<Item = &(String, Expr)> {
        self.selects.get(symbol).into_iter().flatten()
    }
}

impl Expr {
    fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let mut rest = &tokens[..];
        or(&mut rest)
    }

    /// All parts that must hold.
    fn parts(&self) -> Vec<&Self> {
        match self {
            Self::And(a, b) => [a.parts(), b.parts()].concat(),
            other => vec![other],
        }
    }

    /// Its value; `None` if the compiler or a script decides.
    fn value(&self, config: &Config) -> Option<Tri> {
        match self {
            Self::Always => Some(Tri::Yes),
            Self::Word(word) if word.starts_with("$(") => None,
            Self::Word(word) => Some(match value(word, config) {
                "y" => Tri::Yes,
                "m" => Tri::Module,
                _ => Tri::No,
            }),
            Self::Not(a) => Some(match a.value(config)? {
                Tri::No => Tri::Yes,
                Tri::Module => Tri::Module,
                Tri::Yes => Tri::No,
            }),
            Self::And(a, b) => match (a.value(config), b.value(config)) {
                (Some(Tri::No), _) | (_, Some(Tri::No)) => Some(Tri::No),
                (a, b) => Some(a?.min(b?)),
            },
            Self::Or(a, b) => match (a.value(config), b.value(config)) {
                (Some(Tri::Yes), _) | (_, Some(Tri::Yes)) => Some(Tri::Yes),
                (a, b) => Some(a?.max(b?)),
            },
            Self::Compare(a, op, b) => {
                if a.starts_with("$(") || b.starts_with("$(") {
                    return None;
                }
                let (a, b) = (value(a, config), value(b, config));
                let order = match (number(a), number(b)) {
                    (Some(a), Some(b)) => a.cmp(&b),
                    _ => a.cmp(b),
                };
                let holds = match op.as_str() {
                    "=" => order.is_eq(),
                    "!=" => order.is_ne(),
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    _ => order.is_ge(),
                };
                Some(if holds { Tri::Yes } else { Tri::No })
            }
        }
    }

    /// The condition, and what its symbols are.
    fn told(&self, config: &Config) -> String {
        let mut symbols = BTreeSet::new();
        self.symbols(&mut symbols);
        let values: Vec<_> = symbols
            .into_iter()
            .map(|symbol| format!("{symbol} is {}", value(symbol, config)))
            .collect();
        match (self, values.is_empty()) {
            (Self::Word(word), false) => {
                format!("{word}, which is {}", value(word, config))
            }
            (_, false) => format!("`{self}`: {}", values.join(", ")),
            (_, true) => format!("`{self}`, which the tools at hand decide"),
        }
    }

    fn symbols<'e>(&'e self, found: &mut BTreeSet<&'e str>) {
        let mut word = |word: &'e str| {
            let is = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let constant = matches!(word, "y" | "m" | "n");
            if !constant && word.chars().all(is) && number(word).is_none() {
                found.insert(word);
            }
        };
        match self {
            Self::Always => {}
            Self::Word(a) => word(a),
            Self::Compare(a, _, b) => {
                word(a);
                word(b);
            }
            Self::Not(a) => a.symbols(found),
            Self::And(a, b) | Self::Or(a, b) => {
                a.symbols(found);
                b.symbols(found);
            }
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = |e: &Self| match e {
            Self::And(..) | Self::Or(..) => format!("({e})"),
            _ => e.to_string(),
        };
        match self {
            Self::Always => f.write_str("y"),
            Self::Word(word) => f.write_str(word),
            Self::Not(a) => write!(f, "!{}", inner(a)),
            Self::And(a, b) => write!(f, "{} && {}", inner(a), inner(b)),
            Self::Or(a, b) => write!(f, "{} || {}", inner(a), inner(b)),
            Self::Compare(a, op, b) => write!(f, "{a} {op} {b}"),
        }
    }
}

/// What a word of a condition stands for.
fn value<'w>(word: &'w str, config: &'w Config) -> &'w str {
    if let Some(text) = word.strip_prefix('"') {
        return text.trim_end_matches('"');
    }
    match word {
        "y" | "m" | "n" => word,
        _ if number(word).is_some() => word,
        _ => config.get(word).trim_matches('"'),
    }
}

fn number(word: &str) -> Option<i64> {
    match word.strip_prefix("0x") {
        Some(hex) => i64::from_str_radix(hex, 16).ok(),
        None => word.parse().ok(),
    }
}

/// Words, strings, macros and operators.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |i| i + 2),
            '$' => macro_len(rest),
            '#' => break,
            _ if rest.starts_with("&&") || rest.starts_with("||") => 2,
            '!' | '<' | '>' if rest[1..].starts_with('=') => 2,
            '!' | '<' | '>' | '=' | '(' | ')' => 1,
            _ => rest
                .find(|c: char| " \t&|!=<>()\"".contains(c))
                .unwrap_or(rest.len())
                .max(first.len_utf8()),
        };
        let (token, tail) = rest.split_at(len);
        tokens.push(token.to_owned());
        rest = tail.trim_start();
    }
    tokens
}

/// Bytes of a macro, `$(...)` with brackets inside.
fn macro_len(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return at + 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn or(rest: &mut &[String]) -> Expr {
    let mut left = and(rest);
    while take(rest, "||") {
        left = Expr::Or(Box::new(left), Box::new(and(rest)));
    }
    left
}

fn and(rest: &mut &[String]) -> Expr {
    let mut left = unary(rest);
    while take(rest, "&&") {
        left = Expr::And(Box::new(left), Box::new(unary(rest)));
    }
    left
}

fn unary(rest: &mut &[String]) -> Expr {
    if take(rest, "!") {
        return Expr::Not(Box::new(unary(rest)));
    }
    if take(rest, "(") {
        let inner = or(rest);
        take(rest, ")");
        return inner;
    }
    let [word, tail @ ..] = rest else {
        return Expr::Always;
    };
    if let [op, right, after @ ..] = tail
        && ["=", "!=", "<", "<=", ">", ">="].contains(&op.as_str())
    {
        let compare = Expr::Compare(word.clone(), op.clone(), right.clone());
        *rest = after;
        return compare;
    }
    let word = Expr::Word(word.clone());
    *rest = tail;
    word
}

fn take(rest: &mut &[String], token: &str) -> bool {
    match rest {
        [first, tail @ ..] if first == token => {
            *rest = tail;
            true
        }
        _ => false,
    }
}

/// Where a line belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Inside {
    Nothing,
    /// A menu or a choice, whose conditions are those of all in it.
    Block,
    Symbol(String),
}

/// An `if`, a menu or a choice that is open.
struct Around {
    depends: Vec<Expr>,
    choice: Option<usize>,
}

struct Parser<'r> {
    read: &'r mut dyn FnMut(&str) -> Option<String>,
    srcarch: &'r str,
    all: Kconfig,
    around: Vec<Around>,
    inside: Inside,
}

impl Parser<'_> {
    fn file(&mut self, path: &str, depth: usize) {
        let Some(text) = (self.read)(path) else {
            return;
        };
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
                    if depth < FILES_DEPTH {
                        let name = rest.trim_matches('"');
                        let name = name.replace("$(SRCARCH)", self.srcarch);
                        self.file(&name, depth + 1);
                    }
                }
                _ => self.line(word, rest),
            }
        }
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

#[cfg(test)]
mod tests {
    use super::{Expr, Kconfig};
    use crate::kconfig::Config;
    use proptest::prelude::proptest;

    const ROOT: &str = r#"
mainmenu "Hand-made"

config CC_VERSION
    int
    default $(shell,cc --version)

menu "Scheduling"
    depends on MACHINE

config BPF
    bool "Programs \
in the kernel"
    help
      If this is set, then
        depends on NOTHING_OF_THIS

      config OR_THIS

config CLASS
    bool "A class" if EXPERT
    depends on BPF && TYPES
    depends on !SMALL
    select STACKS if BPF

endmenu

if BPF
source "arch/$(SRCARCH)/Kconfig"
endif

config STACKS
    bool

choice
    prompt "Which"
    default ONE

config ONE
    bool "One"

config TWO
    bool "Two"

endchoice

config CHECKED
    def_bool $(cc-option,-fchecked,(a))
    depends on $(cc-option,-fchecked)
    prompt "Checked"
"#;
    const ARCH: &str = r#"
config TYPES
    bool "Types"
    depends on CC_VERSION >= 116 || (OLD && MACHINE != n)
"#;

    fn kconfig() -> Kconfig {
        let mut read = |path: &str| match path {
            "Kconfig" => Some(ROOT.to_owned()),
            "arch/x86/Kconfig" => Some(ARCH.to_owned()),
            _ => None,
        };
        Kconfig::parse(&mut read, "x86")
    }

    fn why(symbol: &str, wanted: &str, config: &str) -> String {
        let config = Config::parse(config);
        kconfig().why(symbol, wanted, &config).join("\n")
    }

    #[test]
    fn an_unmet_dependency_is_followed_to_its_root() {
        let config = "CONFIG_MACHINE=y\nCONFIG_BPF=y\nCONFIG_EXPERT=y\n\
            CONFIG_CC_VERSION=0";
        assert_eq!(
            why("CLASS", "y", config),
            "it needs TYPES, which is n\n  \
             it needs `CC_VERSION >= 116 || (OLD && MACHINE != n)`: \
             CC_VERSION is 0, MACHINE is y, OLD is n"
        );
        let newer = config.replace("=0", "=125");
        let said = why("CLASS", "y", &newer);
        assert!(said.contains("nothing stands against TYPES"), "{said}");
        let said = why("BPF", "y", "");
        assert_eq!(
            said,
            "it needs MACHINE, which is n\n  this tree has no symbol MACHINE"
        );
        let small = format!("{newer}\nCONFIG_TYPES=y\nCONFIG_SMALL=y");
        let said = why("CLASS", "y", &small);
        assert_eq!(said, "it needs `!SMALL`: SMALL is y");
    }

    #[test]
    fn other_reasons_are_told_apart() {
        let met = "CONFIG_MACHINE=y\nCONFIG_BPF=y\nCONFIG_TYPES=y";
        let said = why("CLASS", "y", met);
        assert_eq!(said, "it is offered only with EXPERT, which is n");
        let said = why("STACKS", "y", "");
        assert_eq!(said, "STACKS cannot be asked for: CLASS select it");
        let said = why("STACKS", "n", &format!("{met}\nCONFIG_CLASS=y"));
        assert_eq!(said, "it is selected by CLASS, which is set");
        let said = why("ONE", "y", "CONFIG_TWO=y");
        assert_eq!(said, "TWO is set, and only one of them can be");
        let said = why("CHECKED", "y", "");
        assert!(said.contains("which the tools at hand decide"), "{said}");
        assert!(!kconfig().knows("OR_THIS"));
        assert_eq!(why("NONE", "y", ""), "this tree has no symbol NONE");
    }

    #[test]
    fn conditions_bind_as_in_c() {
        for (text, again) in [
            ("A||B&&!C", "A || (B && !C)"),
            ("(A || B) && C=y", "(A || B) && C = y"),
            ("!(A && $(ok,(1)))", "!(A && $(ok,(1)))"),
            ("\"$(ARCH)\" != \"x\"", "\"$(ARCH)\" != \"x\""),
        ] {
            assert_eq!(Expr::parse(text).to_string(), again);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(
            text in "([a-z]{0,3}|config A|if|depends on |[&|!()$\"\n\t ]|é)*"
        ) {
            let mut read = |path: &str| {
                (path == "Kconfig").then(|| text.clone())
            };
            let kconfig = Kconfig::parse(&mut read, "x86");
            let _any = kconfig.why("A", "y", &Config::default());
        }
    }
}
