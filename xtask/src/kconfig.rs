//! Kernel configurations: reading, merging and verifying them; no I/O.
//!
//! Names of symbols have no `CONFIG_` here, as in the kernel's Kconfig files;
//! [`lang`] reads those and says why a symbol cannot be had.

pub mod lang;

use crate::model::hex;
use anyhow::{Result, bail};
use core::fmt::{self, Write};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// How a reason begins whose line may be left out where a tree, or an
/// architecture, does not know the symbol.
pub const WHERE_IT_EXISTS: &str = "(where it exists) ";

/// How a reason begins whose line is an alternative to the line above: one of
/// them has to hold, whichever the tree has.
pub const OR: &str = "(or) ";

/// A symbol's name without its prefix.
#[must_use]
pub fn bare(name: &str) -> &str {
    name.strip_prefix("CONFIG_").unwrap_or(name)
}

/// A `.config`: what every symbol is set to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    values: BTreeMap<String, String>,
    /// Version of the kernel it belongs to, from the first lines.
    pub kernel: Option<String>,
}

impl Config {
    /// Reads one; a line that sets nothing is passed over, as the kernel does.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let values = text
            .lines()
            .filter_map(assignment)
            .map(|(symbol, value)| (symbol.to_owned(), value.to_owned()))
            .collect();
        let kernel = text.lines().take(5).find_map(|line| {
            let words = line.strip_suffix(" Kernel Configuration")?;
            words.rsplit(' ').next().map(str::to_owned)
        });
        Self { values, kernel }
    }

    /// SHA-256 of all that is set, in order.
    #[must_use]
    pub fn sha256(&self) -> String {
        hex(&Sha256::digest(self.to_string()))
    }

    /// What a symbol is set to: `n` if it is not set or not known.
    #[must_use]
    pub fn get(&self, symbol: &str) -> &str {
        self.values.get(bare(symbol)).map_or("n", String::as_str)
    }

    /// Whether it is built in.
    #[must_use]
    pub fn is_y(&self, symbol: &str) -> bool {
        self.get(symbol) == "y"
    }

    /// Whether nothing is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What to give to the kernel's `conf`: what is set here, and behind it
    /// what the fragments ask for. The order matters: of the members of a
    /// choice the last one is taken.
    #[must_use]
    pub fn merged(&self, requests: &[Request]) -> String {
        let mut base = self.clone();
        for request in requests {
            base.values.remove(&request.symbol);
        }
        let asked = requests.iter().map(|request| format!("{request}\n"));
        base.to_string() + &asked.collect::<String>()
    }
}

impl fmt::Display for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (symbol, value) in &self.values {
            writeln!(f, "{}", Line(symbol, value))?;
        }
        Ok(())
    }
}

/// A line of a `.config`.
struct Line<'a>(&'a str, &'a str);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(symbol, "n") => write!(f, "# CONFIG_{symbol} is not set"),
            Self(symbol, value) => write!(f, "CONFIG_{symbol}={value}"),
        }
    }
}

/// The symbol and the value that a line sets.
fn assignment(line: &str) -> Option<(&str, &str)> {
    if let Some(off) = line.strip_prefix("# CONFIG_") {
        let symbol = off.strip_suffix(" is not set")?;
        return Some((symbol, "n"));
    }
    line.strip_prefix("CONFIG_")?.split_once('=')
}

/// A line of a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The symbol.
    pub symbol: String,
    /// What it shall be: `n` for "is not set".
    pub value: String,
    /// The fragment's name.
    pub fragment: String,
    /// The comment above it, without [`WHERE_IT_EXISTS`] and [`OR`].
    pub reason: String,
    /// Whether a tree may lack the symbol.
    pub optional: bool,
    /// For an alternative to the line above, the symbol of the first line of
    /// them all; that line has its own.
    pub one_of: Option<String>,
}

impl Request {
    /// Whether both are lines of the same alternatives.
    fn is_alternative_to(&self, other: &Self) -> bool {
        self.one_of.is_some()
            && self.one_of == other.one_of
            && self.fragment == other.fragment
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Line(&self.symbol, &self.value))
    }
}

/// Reads a fragment: a comment that ends right above a line is its reason.
///
/// # Errors
///
/// A line that is neither empty nor a comment nor sets a symbol, or a symbol
/// that is set twice.
pub fn fragment(name: &str, text: &str) -> Result<Vec<Request>> {
    let mut requests: Vec<Request> = Vec::new();
    let mut comment = String::new();
    for (line, number) in text.lines().zip(1..) {
        let Some((symbol, value)) = assignment(line) else {
            match line.strip_prefix('#') {
                Some(text) if comment.is_empty() => {
                    text.trim().clone_into(&mut comment);
                }
                Some(text) => {
                    comment.push(' ');
                    comment.push_str(text.trim());
                }
                None if line.trim().is_empty() => comment.clear(),
                None => bail!("{name}, line {number}: `{line}` sets no symbol"),
            }
            continue;
        };
        if requests.iter().any(|r| r.symbol == symbol) {
            bail!("{name}, line {number}: CONFIG_{symbol} is set twice");
        }
        let there = comment.strip_prefix(WHERE_IT_EXISTS);
        let mut request = Request {
            symbol: symbol.to_owned(),
            value: value.to_owned(),
            fragment: name.to_owned(),
            reason: there.unwrap_or(&comment).to_owned(),
            optional: there.is_some(),
            one_of: None,
        };
        if let Some(reason) = comment.strip_prefix(OR) {
            let Some(above) = requests.last_mut() else {
                bail!(
                    "{name}, line {number}: there is no line above that \
                     CONFIG_{symbol} is an alternative to"
                );
            };
            let first = || above.symbol.clone();
            let first = above.one_of.get_or_insert_with(first);
            request.one_of = Some(first.clone());
            request.optional = above.optional;
            reason.clone_into(&mut request.reason);
        }
        requests.push(request);
        comment.clear();
    }
    Ok(requests)
}

/// What fragments ask for together: of a symbol that several name, the last
/// one's, as with the kernel's `merge_config.sh`. Who names one of several
/// alternatives of another fragment decides them all.
#[must_use]
pub fn merge(fragments: Vec<Vec<Request>>) -> Vec<Request> {
    let mut merged: Vec<Request> = Vec::new();
    for request in fragments.into_iter().flatten() {
        let same = merged.iter().find(|r| r.symbol == request.symbol).cloned();
        if let Some(same) = same {
            merged.retain(|earlier| {
                earlier.symbol != same.symbol
                    && !earlier.is_alternative_to(&same)
            });
        }
        merged.push(request);
    }
    merged
}

/// What was asked for and is not so, nor is an alternative to it.
#[must_use]
pub fn unmet<'r>(requests: &'r [Request], config: &Config) -> Vec<&'r Request> {
    let met = |r: &Request| config.get(&r.symbol) == r.value;
    let other = |request: &Request| {
        requests
            .iter()
            .any(|other| request.is_alternative_to(other) && met(other))
    };
    requests.iter().filter(|r| !met(r) && !other(r)).collect()
}

/// How many things these ask for: alternatives are one.
#[must_use]
pub fn count(requests: &[&Request]) -> usize {
    let first = |at: &usize| {
        let earlier = &requests[..*at];
        !earlier.iter().any(|r| r.is_alternative_to(requests[*at]))
    };
    (0..requests.len()).filter(first).count()
}

/// Says of each unmet request what stands against it.
#[must_use]
pub fn complaint(
    unmet: &[&Request],
    config: &Config,
    kconfig: &lang::Kconfig,
) -> String {
    let mut text = String::new();
    for (request, at) in unmet.iter().zip(0..) {
        let above = unmet[..at].last();
        let nor = above.is_some_and(|above| request.is_alternative_to(above));
        // Writing to a String cannot fail.
        let _ok = write!(
            text,
            "\n{}{request} of {}{}: it is {}",
            if nor { "nor " } else { "" },
            request.fragment,
            if nor { "" } else { " cannot be had" },
            config.get(&request.symbol)
        );
        for line in kconfig.why(&request.symbol, &request.value, config) {
            let _ok = write!(text, "\n  {line}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Config, count, fragment, merge, unmet};
    use proptest::prelude::{prop_assert_eq, proptest};

    #[test]
    fn a_config_is_read() {
        let config = Config::parse(
            "#\n# Automatically generated file; DO NOT EDIT.\n\
             # Linux/x86 6.12.117 Kernel Configuration\n#\n\
             CONFIG_A=y\nCONFIG_B=m\n# CONFIG_C is not set\n\
             CONFIG_D=\"a=b\"\nCONFIG_E=0x10\n",
        );
        let values = ["A", "CONFIG_B", "C", "D", "E", "F"];
        let values = values.map(|symbol| config.get(symbol));
        assert_eq!(values, ["y", "m", "n", "\"a=b\"", "0x10", "n"]);
        assert_eq!(config.kernel.as_deref(), Some("6.12.117"));
        let again = Config::parse(&config.to_string());
        assert_eq!(again.to_string(), config.to_string());
    }

    #[test]
    fn a_reason_belongs_to_the_line_below_it() {
        let text = "# About all.\n\n# Why A,\n# at length.\nCONFIG_A=y\n\
             # (where it exists) Why not B.\n# CONFIG_B is not set\nCONFIG_C=1";
        let requests = fragment("f", text).unwrap();
        let reasons: Vec<_> =
            requests.iter().map(|r| (&*r.reason, r.optional)).collect();
        let want = [
            ("Why A, at length.", false),
            ("Why not B.", true),
            ("", false),
        ];
        assert_eq!(reasons, want);
        assert_eq!(requests[1].to_string(), "# CONFIG_B is not set");
        for (bad, said) in [
            (
                "CONFIG_A=y\n# CONFIG_A is not set",
                "line 2: CONFIG_A is set",
            ),
            ("CONFIG_A", "line 1: `CONFIG_A` sets no symbol"),
        ] {
            let error = fragment("f", bad).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_last_fragment_decides_and_is_verified() {
        let one = fragment("one", "CONFIG_A=y\nCONFIG_B=y").unwrap();
        let two = fragment("two", "# CONFIG_A is not set").unwrap();
        let requests = merge(vec![one, two]);
        let base = Config::parse("CONFIG_A=m\nCONFIG_C=y");
        let merged = base.merged(&requests);
        // Behind C, which may be of the same choice.
        let text = "CONFIG_C=y\nCONFIG_B=y\n# CONFIG_A is not set\n";
        assert_eq!(merged, text);
        let dropped = Config::parse("CONFIG_A=y\nCONFIG_C=y");
        let unmet: Vec<_> = unmet(&requests, &dropped)
            .iter()
            .map(|r| format!("{} of {}", r.symbol, r.fragment))
            .collect();
        assert_eq!(unmet, ["B of one", "A of two"]);
    }

    /// A fragment whose second symbol has another name in later trees.
    const RENAMED: &str = "# Why.\nCONFIG_A=y\n# Why B.\nCONFIG_OLD=y\n\
         # (or) Its later name.\nCONFIG_NEW=y\n\
         # (or) Its last.\nCONFIG_LAST=y\n";

    #[test]
    fn one_of_several_alternatives_is_enough() {
        let requests = fragment("f", RENAMED).unwrap();
        let reasons: Vec<_> = requests.iter().map(|r| &*r.reason).collect();
        let want = ["Why.", "Why B.", "Its later name.", "Its last."];
        assert_eq!(reasons, want);
        let left = |config: &str| {
            let config = Config::parse(config);
            let left = unmet(&requests, &config);
            let symbols: Vec<_> = left.iter().map(|r| &*r.symbol).collect();
            (symbols.join(" "), count(&left))
        };
        for there in ["OLD", "NEW", "LAST"] {
            let config = format!("CONFIG_A=y\nCONFIG_{there}=y\n");
            assert_eq!(left(&config), (String::new(), 0), "{there}");
            let alone = format!("CONFIG_{there}=y\n");
            assert_eq!(left(&alone), ("A".to_owned(), 1), "{there}");
        }
        assert_eq!(left("CONFIG_NEW=m\n"), ("A OLD NEW LAST".to_owned(), 2));
        // With the first line, all of them may be absent.
        let maybe = RENAMED.replace("# Why B", "# (where it exists) Why B");
        let maybe = fragment("f", &maybe).unwrap();
        let optional: Vec<_> = maybe.iter().map(|r| r.optional).collect();
        assert_eq!(optional, [false, true, true, true]);
        let error = fragment("f", "# (or) What?\nCONFIG_A=y").unwrap_err();
        assert!(error.to_string().contains("line 2: there is no line above"));
    }

    #[test]
    fn who_names_an_alternative_decides_them_all() {
        let base = fragment("base", RENAMED).unwrap();
        let mine = fragment("mine", "# CONFIG_NEW is not set").unwrap();
        let merged = merge(vec![base.clone(), mine]);
        let lines: Vec<_> = merged.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["CONFIG_A=y", "# CONFIG_NEW is not set"]);
        // Lines of one fragment do not contradict each other.
        assert_eq!(merge(vec![base.clone()]), base);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_reading_is_stable(text in "(?s).{0,200}") {
            let _any = fragment("f", &text);
            let config = Config::parse(&text);
            let again = Config::parse(&config.to_string());
            prop_assert_eq!(again.to_string(), config.to_string());
        }
    }
}
