//! Conditions of Kconfig: how they are read, and what they come to.

use crate::kconfig::Config;
use core::fmt;
use std::collections::BTreeSet;

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expr {
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
pub(super) enum Tri {
    No,
    Module,
    Yes,
}

impl Expr {
    pub(super) fn parse(text: &str) -> Self {
        let tokens = tokens(text);
        let mut rest = &tokens[..];
        or(&mut rest)
    }

    /// All parts that must hold.
    pub(super) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::And(a, b) => [a.parts(), b.parts()].concat(),
            other => vec![other],
        }
    }

    /// Its value; `None` if the compiler or a script decides.
    pub(super) fn value(&self, config: &Config) -> Option<Tri> {
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
    pub(super) fn told(&self, config: &Config) -> String {
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

    pub(super) fn symbols<'e>(&'e self, found: &mut BTreeSet<&'e str>) {
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
pub(super) fn value<'w>(word: &'w str, config: &'w Config) -> &'w str {
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
