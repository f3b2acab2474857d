//! The kernel's Kconfig language, as far as it takes to say why a symbol is
//! not what was asked for.
//!
//! The kernel's own `conf` decides what a configuration becomes, but drops
//! what cannot be without a word. What is read here only explains that: a
//! mistake of this reader can spoil a message, never a build.

mod expr;
mod parser;

use super::Config;
use expr::{Expr, Tri};
use parser::{Inside, Parser};
use std::collections::{BTreeMap, BTreeSet};

/// Largest depth of an explanation, and of files that include files.
const DEPTH: usize = 5;
const FILES_DEPTH: usize = 20;
/// So many are included in all; Linux has some 2,000.
const FILES: usize = 20_000;
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
            open: Vec::new(),
            files: 0,
        };
        parser.file("Kconfig");
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

    #[test]
    fn files_that_include_each_other_come_to_an_end() {
        let mut reads = 0_usize;
        let mut read = |path: &str| {
            reads += 1;
            let number: u32 =
                path.trim_matches(char::is_alphabetic).parse().ok()?;
            let next = number + 1;
            Some(format!(
                "source Kconfig0\nsource Kconfig{number}\n\
                 source Kconfig{next}\nsource Kconfig{next}\nconfig A\n"
            ))
        };
        let mut root = |path: &str| match path {
            "Kconfig" => Some("source Kconfig\nsource Kconfig0\n".to_owned()),
            other => read(other),
        };
        assert!(Kconfig::parse(&mut root, "x86").knows("A"));
        assert!(reads <= super::FILES, "{reads}");
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
