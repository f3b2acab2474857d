//! The command line: forms that argh does not read, and messages that help.

use crate::program;
use crate::terminal::Colour;
use argh::{CommandInfoWithArgs, FlagInfo, FlagInfoKind};
use pidone::plan::nearest;
use pidone::workloads;
use std::ffi::OsStr;

/// An option whose value may be left out.
struct Implied {
    name: &'static str,
    /// What it is then.
    value: &'static str,
    /// Whether a word looks like one that was given.
    given: fn(&str) -> bool,
}

const IMPLIED: &[Implied] = &[
    Implied {
        name: "--deterministic",
        value: "1",
        given: is_seed,
    },
    Implied {
        name: "--nic",
        value: "pair",
        given: |word| !word.starts_with('-') && !word.contains('='),
    },
];

// A plan may follow, whose words have a `=`.
fn is_seed(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit()) && !word.contains('=')
}

/// What an option is whose value is left out, if it may be.
pub(crate) fn implied(name: &str) -> Option<&'static str> {
    let known = IMPLIED.iter().find(|implied| implied.name == name);
    known.map(|implied| implied.value)
}

/// What a lone `-` stands for where a file is to be read.
pub(crate) const STDIN: &str = "/dev/stdin";

/// Rewrites `--name=value` as two words, and fills in values that were left
/// out, up to a lone `--`; a `-` that is no option's value becomes the file
/// that it stands for.
#[must_use]
pub fn normalised(info: &CommandInfoWithArgs, words: &[String]) -> Vec<String> {
    let verb = verb(info, words).map_or(info, |(_, verb)| verb);
    let mut all = Vec::new();
    let mut rest = words.iter().peekable();
    while let Some(word) = rest.next() {
        if word == "--" {
            all.push(word.clone());
            break;
        }
        let (name, mut value) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => {
                (name, Some(value.to_owned()))
            }
            // argh takes it for an option.
            _ if word == "-" => (STDIN, None),
            _ if word == "-h" => ("--help", None),
            _ => (word.as_str(), None),
        };
        let is = |flag: &&FlagInfo<'_>| flag.long == name;
        let flag = verb.flags.iter().find(is);
        let implied = IMPLIED.iter().find(|implied| implied.name == name);
        match (implied, rest.peek()) {
            _ if value.is_some() => {}
            (Some(implied), Some(next)) if (implied.given)(next) => {
                value = rest.next().cloned();
            }
            (Some(implied), _) => value = Some(implied.value.to_owned()),
            // Whatever a value looks like, it is one.
            (None, _) if flag.is_some_and(takes_value) => {
                value = rest.next().cloned();
            }
            (None, _) => {}
        }
        all.push(name.to_owned());
        all.extend(value);
    }
    all.extend(rest.cloned());
    all
}

/// Takes `--color`, which every verb has, out of the words in front of a lone
/// `--`, and what it says.
///
/// # Errors
///
/// It has no value, or one that is none.
pub fn without_colour(
    words: Vec<String>,
) -> Result<(Vec<String>, Colour), String> {
    let mut colour = Colour::Auto;
    let mut all = Vec::new();
    let mut rest = words.into_iter();
    while let Some(word) = rest.next() {
        if word == "--" {
            all.push(word);
            break;
        }
        match word.strip_prefix("--color") {
            Some("") => colour = rest.next().unwrap_or_default().parse()?,
            Some(value) if value.starts_with('=') => {
                colour = value[1..].parse()?;
            }
            _ => all.push(word),
        }
    }
    all.extend(rest);
    Ok((all, colour))
}

/// What argh found wrong, with the nearest valid name and where to read on.
#[must_use]
pub fn explained(
    info: &CommandInfoWithArgs,
    words: &[String],
    said: &str,
) -> String {
    let said = said.trim_end();
    let verb = verb(info, words);
    let name = verb.as_ref().map_or("", |(name, _)| name);
    let what = match said.strip_prefix("Unrecognized argument: ") {
        Some(word) => match verb {
            Some((_, verb)) => wrong_option(name.trim(), verb, word),
            None => wrong_verb(info, word),
        },
        None => {
            let verb = verb.as_ref().map_or(info, |(_, verb)| *verb);
            with_meanings(verb, said)
        }
    };
    format!("{what}\nsee `{}{name} --help`", program::name())
}

/// What is said of a word that is not UTF-8: no name, path or plan of ours is
/// anything else.
#[must_use]
pub fn not_utf8(word: &OsStr) -> String {
    format!("the argument {} is not UTF-8", word.display())
}

/// A word as a shell takes it.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-+=:,./@%".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', "'\\''")),
    }
}

/// The verb that is meant, and the verb of that one, with their names.
fn verb<'i>(
    info: &'i CommandInfoWithArgs,
    words: &[String],
) -> Option<(String, &'i CommandInfoWithArgs)> {
    let mut found: Option<(String, &CommandInfoWithArgs)> = None;
    for word in words.iter().filter(|word| !word.starts_with('-')) {
        let (name, at) = found.clone().unwrap_or((String::new(), info));
        let Some(verb) = at.commands.iter().find(|v| v.name == word) else {
            break;
        };
        found = Some((format!("{name} {word}"), &verb.command));
    }
    found
}

/// What is missing, each with what it means.
fn with_meanings(verb: &CommandInfoWithArgs, said: &str) -> String {
    let plain = plainer(said);
    let Some(names) = plain.strip_prefix("missing: ") else {
        return plain;
    };
    let about = |name: &str| {
        let positional = verb.positionals.iter().find(|it| it.name == name);
        let option = verb.flags.iter().find(|it| it.long == name);
        positional
            .map(|it| it.description)
            .or_else(|| option.map(|it| it.description))
    };
    let each = names.split(", ").map(|name| match about(name) {
        Some(about) => format!("missing: {name}, {about}"),
        None => format!("missing: {name}"),
    });
    each.collect::<Vec<_>>().join("\n")
}

/// How argh begins what a value's own parser has to say.
const OF_A_VALUE: [&str; 2] = [
    "Error parsing option '",
    "Error parsing positional argument '",
];

/// How argh begins a list of what is missing.
const MISSING: [&str; 3] = [
    "Required positional arguments not provided:",
    "Required options not provided:",
    "One of the following subcommands must be present:",
];

/// What the standard library says of a number, and what would be valid.
const NUMBERS: [(&str, &str); 4] = [
    ("invalid digit found in string", "it must be a whole number"),
    (
        "cannot parse integer from empty string",
        "it must be a whole number",
    ),
    ("number too large to fit in target type", "it is too large"),
    ("invalid float literal", "it must be a number"),
];

/// Words of argh's and of the standard library's in ours.
#[must_use]
pub fn plainer(said: &str) -> String {
    let of_value = OF_A_VALUE.iter().find_map(|it| said.strip_prefix(it));
    let parts = of_value.and_then(|rest| {
        let (name, rest) = rest.split_once("' with value '")?;
        let (value, why) = rest.split_once("': ")?;
        Some((name, value, why))
    });
    if let Some((name, value, why)) = parts {
        let number = NUMBERS.iter().find(|(theirs, _)| *theirs == why);
        let why = number.map_or(why, |(_, ours)| ours);
        return match why.contains(&format!("`{value}`")) {
            true => format!("{name}: {why}"),
            false => format!("{name}: `{value}`: {why}"),
        };
    }
    let (lists, names): (Vec<&str>, Vec<&str>) = said
        .lines()
        .map(str::trim)
        .partition(|line| MISSING.contains(line));
    match lists[..] {
        [] => said.to_owned(),
        [list] if list == MISSING[2] => {
            let verbs = names.into_iter().filter(|name| *name != "help");
            let verbs = verbs.collect::<Vec<_>>().join(", ");
            format!("a verb is missing; valid are {verbs}")
        }
        _ => format!("missing: {}", names.join(", ")),
    }
}

/// What is wrong with a work type that is a word of its own in a plan, as
/// which `boot` takes all its words that are no options.
#[must_use]
pub fn stray(words: &[String]) -> Option<String> {
    let boots = words.first().is_some_and(|verb| verb == "boot");
    let plan = words.iter().position(|word| word == "--");
    let from = plan.or_else(|| boots.then_some(0))?;
    let work = words[from..].windows(2).find_map(|two| {
        let value = plan.is_none() && two[0].starts_with("--");
        workloads::row(&two[1]).filter(|_| !value)
    })?;
    let work = work.name;
    Some(format!(
        "`{work}` is a work type: in a plan it is work={work}, or \
         with={work} for a group beside another"
    ))
}

fn takes_value(flag: &FlagInfo<'_>) -> bool {
    matches!(flag.kind, FlagInfoKind::Option { .. })
}

fn wrong_verb(info: &CommandInfoWithArgs, word: &str) -> String {
    if word.starts_with('-') {
        return format!("no option `{word}` here; options follow a verb");
    }
    let names = info.commands.iter().map(|verb| verb.name);
    format!("no verb `{word}`{}", near(word, names))
}

fn wrong_option(name: &str, verb: &CommandInfoWithArgs, word: &str) -> String {
    if !word.starts_with('-') {
        if !verb.commands.is_empty() {
            let names = verb.commands.iter().map(|verb| verb.name);
            let near = near(word, names);
            return format!("`{name}` has no verb `{word}`{near}");
        }
        return format!("`{word}` is one word too many for `{name}`");
    }
    let own = verb.flags.iter().filter(|flag| !flag.hidden);
    if word == "--runs" && own.clone().any(|flag| flag.long == "--store") {
        return format!(
            "`{name}` has no option `--runs`, which elsewhere is a number of \
             boots; `--store DIR` is where runs are stored"
        );
    }
    let options = own.map(|flag| flag.long);
    format!("`{name}` has no option `{word}`{}", near(word, options))
}

/// The nearest of `names`, or else all of them, behind a semicolon.
pub(crate) fn near<'v, N: Iterator<Item = &'v str> + Clone>(
    word: &str,
    names: N,
) -> String {
    let near = nearest::of(word, &|take| names.clone().for_each(take))
        .or_else(|| names.clone().find(|name| letters(name) == letters(word)))
        .or_else(|| only(names.clone().filter(|name| name.starts_with(word))));
    match near {
        Some(near) => format!("; nearest is `{near}`"),
        None => {
            let names: Vec<&str> =
                names.filter(|name| *name != "--help").collect();
            format!("; valid are {}", names.join(", "))
        }
    }
}

/// Letters in the wrong order are the right letters.
fn letters(word: &str) -> Vec<u8> {
    let mut letters = word.as_bytes().to_vec();
    letters.sort_unstable();
    letters
}

/// The one that there is, if there is just one.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::{explained, normalised, stray};
    use argh::{ArgsInfo, FromArgs};

    /// For the tests.
    #[derive(Debug, FromArgs, ArgsInfo)]
    struct Args {
        #[argh(subcommand)]
        _verb: Verb,
    }

    #[derive(Debug, FromArgs, ArgsInfo)]
    #[argh(subcommand)]
    #[expect(dead_code, reason = "parsed and not read")]
    enum Verb {
        Boot(Boot),
        Compare(Compare),
        Knobs(Knobs),
    }

    /// For the tests.
    #[derive(Debug, FromArgs, ArgsInfo)]
    #[argh(subcommand, name = "knobs")]
    struct Knobs {
        /// what is tried
        #[argh(positional, arg_name = "kernel")]
        _kernel: String,
    }

    /// For the tests.
    #[derive(Debug, FromArgs, ArgsInfo)]
    #[argh(subcommand, name = "boot")]
    struct Boot {
        /// for the tests
        #[argh(option, long = "deterministic")]
        _deterministic: Option<u64>,
        /// for the tests
        #[argh(option, long = "append")]
        _append: Vec<String>,
        /// for the tests
        #[argh(switch, long = "setup")]
        _setup: bool,
        /// for the tests
        #[argh(positional, greedy)]
        _plan: Vec<String>,
    }

    /// For the tests.
    #[derive(Debug, FromArgs, ArgsInfo)]
    #[argh(subcommand, name = "compare")]
    struct Compare {
        /// for the tests
        #[argh(option, long = "seeds")]
        _seeds: Option<u64>,
        /// for the tests
        #[argh(option, long = "store")]
        _store: Option<String>,
        /// for the tests
        #[argh(option, long = "append")]
        _append: Vec<String>,
        /// for the tests
        #[argh(option, long = "deterministic")]
        _deterministic: Option<u64>,
        /// for the tests
        #[argh(switch, long = "setup")]
        _setup: bool,
        /// for the tests
        #[argh(positional, greedy)]
        _words: Vec<String>,
    }

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn every_form_of_an_option() {
        let info = Args::get_args_info();
        for (given, read) in [
            ("boot --deterministic", "boot --deterministic 1"),
            ("boot --deterministic=7", "boot --deterministic 7"),
            ("boot --deterministic 7", "boot --deterministic 7"),
            (
                "boot --deterministic --setup",
                "boot --deterministic 1 --setup",
            ),
            (
                "boot --deterministic -- work=PipeIo --x=y",
                "boot --deterministic 1 -- work=PipeIo --x=y",
            ),
            (
                "boot --deterministic work=PipeIo",
                "boot --deterministic 1 work=PipeIo",
            ),
            (
                "boot --append=console=ttyS1 --append quiet=1",
                "boot --append console=ttyS1 --append quiet=1",
            ),
            (
                "boot --append --deterministic=x",
                "boot --append --deterministic=x",
            ),
            (
                "compare A B --seeds 3 --append=x=y --setup -- --append",
                "compare A B --seeds 3 --append x=y --setup -- --append",
            ),
            (
                "compare --deterministic A B",
                "compare --deterministic 1 A B",
            ),
            ("list", "list"),
            ("boot - --append -", "boot /dev/stdin --append -"),
            ("boot -h", "boot --help"),
            ("boot --append -h -- -h", "boot --append -h -- -h"),
        ] {
            assert_eq!(normalised(&info, &words(given)), words(read));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_right() {
        let info = Args::get_args_info();
        for (line, message) in [
            ("boto", "no verb `boto`; nearest is `boot`"),
            (
                "frobnicate",
                "no verb `frobnicate`; valid are boot, compare",
            ),
            (
                "boot --apend x",
                "`boot` has no option `--apend`; nearest is `--append`\n\
                 see `cargo xtask boot --help`",
            ),
            (
                "compare --seed 1",
                "has no option `--seed`; nearest is `--seeds`",
            ),
            ("compare --apend x", "nearest is `--append`"),
            (
                "compare --zzz",
                "valid are --seeds, --store, --append, --deterministic",
            ),
            ("boot --det", "nearest is `--deterministic`"),
            ("boot --zzz", "valid are --deterministic, --append, --setup"),
            (
                "compare --runs 3",
                "a number of boots; `--store DIR` is where runs are stored",
            ),
            ("--setup", "no option `--setup` here; options follow a verb"),
            ("boot --append", "No value provided for option '--append'"),
            (
                "boot --deterministic x",
                "--deterministic: `x`: it must be a whole number",
            ),
            ("", "a verb is missing; valid are boot, compare, knobs\nsee"),
            ("knobs", "missing: kernel, what is tried\nsee"),
        ] {
            let words = words(line);
            let borrowed: Vec<&str> =
                words.iter().map(String::as_str).collect();
            let early = Args::from_args(&["xtask"], &borrowed).unwrap_err();
            let said = explained(&info, &words, &early.output);
            assert!(said.contains(message), "{line}: {said}");
        }
    }

    #[test]
    fn a_work_type_in_place_of_a_word_is_told_apart() {
        for (line, work) in [
            ("boot PipeIo", Some("PipeIo")),
            ("boot --no-store time=1s PipeIo", Some("PipeIo")),
            ("judge --kernel x -- Schbench", Some("Schbench")),
            ("boot --store PipeIo work=PipeIo", None),
            ("boot --store PipeIo -- work=PipeIo", None),
            ("explain PipeIo", None),
            ("boot", None),
            ("", None),
        ] {
            let said = stray(&words(line));
            let means = |work| format!("`{work}` is a work type: in a plan");
            match (said, work.map(means)) {
                (Some(said), Some(means)) => {
                    assert!(said.starts_with(&means), "{said}");
                }
                (said, means) => assert_eq!(said, means, "{line}"),
            }
        }
    }
}
