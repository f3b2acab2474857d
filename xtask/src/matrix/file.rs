//! The text of a matrix file, read entry by entry. All that is wrong with it
//! is found at once.

use super::cells::{Entry, OptionValue, Row, cells};
use super::{Cell, Kind, Wrong};
use crate::boot::BootRequest;
use crate::usage::{self, near};
use argh::{ArgsInfo, FlagInfo, FlagInfoKind, FromArgs, Optionality};
use core::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Keys of the file.
const KEYS: [&str; 6] = [
    "defaults", "kernels", "machines", "plans", "exclude", "include",
];
/// How often a cell is booted.
const BOOTS: &str = "boots";
/// What is no option of `boot` and means something in one kind of entry. The
/// first of a kind is what an entry of nothing but a text gives.
const OWN: [(Kind, &str); 4] = [
    (Kind::Kernel, "kernel"),
    (Kind::Kernel, "url"),
    (Kind::Kernel, "kbuild"),
    (Kind::Plan, "plan"),
];
/// What several runners may be called, which are one pool.
const POOL: (&str, &str) = ("runners", "runner");
/// Options of a boot that are for the command line, or have a place of their
/// own.
const OTHERS: [&str; 4] = ["--kernel", "--logs", "--setup", "--help"];
const TEXT: &str = "a text between quotes";
const ROWS: &str = "tables that name kernels, machines and plans, as in \
    `[[exclude]]` with `machine = \"small\"`";

type Value<'i> = Spanned<DeValue<'i>>;

/// What a file holds.
#[derive(Debug, Default)]
pub(super) struct File {
    /// What holds for every boot unless an entry says otherwise.
    pub(super) defaults: Entry,
    /// Kernels, machines and plans.
    pub(super) entries: [Vec<Entry>; 3],
    pub(super) exclude: Vec<Row>,
    pub(super) include: Vec<Row>,
}

/// The cells of a file, in its order.
///
/// # Errors
///
/// All that is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Cell>, Vec<Wrong>> {
    let mut reader = Reader {
        text,
        wrong: Vec::new(),
    };
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let what = error.message().replace('\n', ", ");
        reader.wrong(&error.span().unwrap_or(0..0), what);
    }
    if !errors.is_empty() {
        return Err(reader.wrong);
    }
    let file = reader.file(table.get_ref());
    match reader.wrong.is_empty() {
        true => cells(&file),
        false => Err(reader.wrong),
    }
}

/// The options of `boot` that a file may give.
fn options() -> impl Iterator<Item = &'static FlagInfo<'static>> + Clone {
    let flags = BootRequest::get_args_info().flags.iter();
    flags.filter(|flag| !OTHERS.contains(&flag.long))
}

fn bare(flag: &FlagInfo<'static>) -> &'static str {
    flag.long.trim_start_matches('-')
}

/// The pairs of a table in the order of the file.
fn pairs<'t, 'i>(
    table: &'t DeTable<'i>,
) -> Vec<(&'t str, Range<usize>, &'t Value<'i>)> {
    let mut all: Vec<_> = table
        .iter()
        .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
        .collect();
    all.sort_by_key(|(_, span, _)| span.start);
    all
}

/// A text or a number as a word.
fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => Some(number.to_string()),
        DeValue::Float(number) => Some(number.as_str().to_owned()),
        _ => None,
    }
}

struct Reader<'t> {
    text: &'t str,
    wrong: Vec<Wrong>,
}

impl Reader<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        let before = self.text.as_bytes().iter().take(span.start);
        before.filter(|byte| **byte == b'\n').count() + 1
    }

    fn wrong(&mut self, span: &Range<usize>, what: impl Into<String>) {
        let line = self.line(span);
        self.wrong.push(Wrong::new(line, what));
    }

    fn no_such(&mut self, value: &Value<'_>, name: &str, valid: &str) {
        let is = value.get_ref().type_str();
        let what = format!("`{name}` is of type {is}; valid is {valid}");
        self.wrong(&value.span(), what);
    }

    fn file(&mut self, table: &DeTable<'_>) -> File {
        let mut file = File::default();
        for (key, span, value) in pairs(table) {
            let kind = Kind::ALL.into_iter().find(|kind| kind.table() == key);
            match (key, kind) {
                (_, Some(kind)) => self.entries(kind, value, &mut file),
                ("defaults", _) => {
                    file.defaults = self.entry(None, key, &span, value);
                }
                ("exclude", _) => file.exclude = self.rows(key, value),
                ("include", _) => file.include = self.rows(key, value),
                _ => {
                    let near = near(key, KEYS.into_iter());
                    self.wrong(&span, format!("no key `{key}`{near}"));
                }
            }
        }
        for kind in Kind::ALL {
            if !table.contains_key(kind.table()) {
                let example = match kind {
                    Kind::Kernel => "new = \"debian:6.12-cloud\"",
                    Kind::Machine => "small = { smp = 2 }",
                    Kind::Plan => "pipes = \"time=1s work=PipeIo\"",
                };
                let table = kind.table();
                let what = format!("no [{table}], as in `{example}`");
                self.wrong(&(self.text.len()..self.text.len()), what);
            }
        }
        file
    }

    fn boots(&mut self, value: &Value<'_>) -> Option<u64> {
        let number = value.get_ref().as_integer();
        let number = number.and_then(|n| n.to_string().parse().ok());
        let number = number.filter(|&number| number > 0);
        if number.is_none() {
            let what = "`boots` is a whole number, 1 or more";
            self.wrong(&value.span(), what);
        }
        number
    }

    fn entries(&mut self, kind: Kind, value: &Value<'_>, file: &mut File) {
        let DeValue::Table(table) = value.get_ref() else {
            let valid = "a table of names and what they are";
            return self.no_such(value, kind.table(), valid);
        };
        if table.is_empty() {
            let what = format!("[{}] is empty", kind.table());
            self.wrong(&value.span(), what);
        }
        for (name, span, value) in pairs(table) {
            let fits =
                |c: char| c.is_ascii_alphanumeric() || ".+-_".contains(c);
            if name.is_empty() || !name.chars().all(fits) {
                let what = format!(
                    "`{name}` is no name; valid are letters, digits and .+-_"
                );
                self.wrong(&span, what);
            }
            let mut known = Kind::ALL.into_iter().zip(&file.entries);
            let other = known.find_map(|(of, entries)| {
                entries.iter().find(|entry| entry.name == name)?;
                Some(of.name())
            });
            if let Some(other) = other {
                let what = format!(
                    "`{name}` is the name of a {other} already; one means one"
                );
                self.wrong(&span, what);
            }
            let entry = self.entry(Some(kind), name, &span, value);
            file.entries[kind as usize].push(entry);
        }
    }

    fn entry(
        &mut self,
        kind: Option<Kind>,
        name: &str,
        span: &Range<usize>,
        value: &Value<'_>,
    ) -> Entry {
        let mut entry = Entry {
            name: name.to_owned(),
            line: self.line(span),
            ..Entry::default()
        };
        let own = OWN.iter().filter(|(of, _)| Some(*of) == kind);
        let own = own.map(|(_, name)| *name);
        let first = own.clone().next();
        match (value.get_ref(), first) {
            (DeValue::Table(table), _) => {
                for (key, span, value) in pairs(table) {
                    if let Some(key) = own.clone().find(|own| *own == key) {
                        self.own(&mut entry, key, value);
                    } else if key == BOOTS {
                        entry.boots = self.boots(value);
                    } else {
                        self.option(&mut entry, kind, key, &span, value);
                    }
                }
            }
            (DeValue::String(_) | DeValue::Array(_), Some(first)) => {
                self.own(&mut entry, first, value);
            }
            _ => self.no_such(value, name, "a table of options of `boot`"),
        }
        if let Some(first) = first
            && entry.own.is_empty()
            && self.wrong.is_empty()
        {
            let what = format!("`{name}` has no `{first}`");
            self.wrong(span, what);
        }
        entry
    }

    /// What only this kind of entry has.
    fn own(&mut self, entry: &mut Entry, key: &'static str, value: &Value<'_>) {
        let words = match (key, value.get_ref()) {
            ("plan", DeValue::String(text)) => words_of(text),
            ("plan", DeValue::Array(_)) => self.texts(key, value),
            (_, DeValue::String(text)) => vec![text.to_string()],
            ("plan", _) => {
                return self.no_such(value, key, "a text, or a list of words");
            }
            _ => return self.no_such(value, key, TEXT),
        };
        if words.iter().all(String::is_empty) {
            self.wrong(&value.span(), format!("`{key}` is empty"));
        }
        entry.own.insert(key, words);
    }

    fn texts(&mut self, key: &str, value: &Value<'_>) -> Vec<String> {
        let one = core::slice::from_ref(value);
        let all = match value.get_ref() {
            DeValue::Array(all) => all.iter().collect::<Vec<_>>(),
            _ => one.iter().collect(),
        };
        let mut texts = Vec::new();
        for value in all {
            match value.get_ref() {
                DeValue::String(text) => texts.push(text.to_string()),
                _ => self.no_such(value, key, TEXT),
            }
        }
        texts
    }

    /// An option of `boot`.
    fn option(
        &mut self,
        entry: &mut Entry,
        kind: Option<Kind>,
        key: &str,
        span: &Range<usize>,
        value: &Value<'_>,
    ) {
        let name = if key == POOL.0 { POOL.1 } else { key };
        let Some(flag) = options().find(|flag| bare(flag) == name) else {
            let what = match OWN.iter().find(|(_, own)| *own == key) {
                Some((of, _)) => format!("`{key}` is for [{}]", of.table()),
                None => {
                    let own = OWN.iter().filter(|(of, _)| Some(*of) == kind);
                    let names = own.map(|(_, name)| *name);
                    let names = names.chain([BOOTS]);
                    let names = names.chain(options().map(bare));
                    format!("no option `{key}`{}", near(key, names))
                }
            };
            return self.wrong(span, what);
        };
        let repeats = flag.optionality == Optionality::Repeating;
        let mut given = OptionValue {
            name: bare(flag),
            line: self.line(span),
            // A pool is given as a whole.
            repeats: repeats && name != POOL.1,
            words: Vec::new(),
        };
        let switch = matches!(flag.kind, FlagInfoKind::Switch);
        let implied = usage::implied(flag.long);
        match value.get_ref() {
            DeValue::Boolean(false) => {}
            DeValue::Boolean(true) if switch => {
                given.words.push(flag.long.to_owned());
            }
            DeValue::Boolean(true) if implied.is_some() => {
                let value = implied.into_iter().map(str::to_owned);
                given.words.push(flag.long.to_owned());
                given.words.extend(value);
            }
            DeValue::Array(values) if repeats => {
                for value in values {
                    self.value(&mut given, flag, value);
                }
            }
            _ if switch => self.no_such(value, key, "true or false"),
            _ => self.value(&mut given, flag, value),
        }
        entry.options.push(given);
    }

    fn value(
        &mut self,
        given: &mut OptionValue,
        flag: &FlagInfo<'static>,
        value: &Value<'_>,
    ) {
        let Some(word) = word(value.get_ref()) else {
            let valid = match given.repeats {
                true => "a text, a number or a list of them",
                false => "a text or a number",
            };
            return self.no_such(value, given.name, valid);
        };
        let words = [flag.long, &word];
        if let Err(early) = BootRequest::from_args(&["matrix"], &words) {
            let said = early.output.trim_end().replace('\n', " ");
            let said = said.split_once("': ").map_or(&*said, |said| said.1);
            let what = format!("`{} = {word}`: {said}", given.name);
            self.wrong(&value.span(), what);
        }
        given.words.extend(words.map(str::to_owned));
    }

    fn rows(&mut self, key: &str, value: &Value<'_>) -> Vec<Row> {
        let DeValue::Array(tables) = value.get_ref() else {
            self.no_such(value, key, ROWS);
            return Vec::new();
        };
        let mut rows = Vec::new();
        for value in tables {
            let DeValue::Table(table) = value.get_ref() else {
                self.no_such(value, key, ROWS);
                continue;
            };
            let mut row = Row {
                line: self.line(&value.span()),
                names: Default::default(),
            };
            for (key, span, value) in pairs(table) {
                let mut kinds = Kind::ALL.into_iter();
                let Some(kind) = kinds.find(|kind| kind.name() == key) else {
                    let names = Kind::ALL.map(Kind::name).into_iter();
                    let what = format!("no key `{key}`{}", near(key, names));
                    self.wrong(&span, what);
                    continue;
                };
                row.names[kind as usize] = self.texts(key, value);
            }
            if table.is_empty() {
                self.wrong(&value.span(), format!("`{key}` names nothing"));
            }
            rows.push(row);
        }
        rows
    }
}

/// The words of a plan: what is between quotes is one of them.
pub(crate) fn words_of(text: &str) -> Vec<String> {
    let (mut words, mut quoted) = (vec![String::new()], false);
    for c in text.chars() {
        quoted ^= c == '"';
        match c.is_whitespace() && !quoted {
            true => words.push(String::new()),
            false => words.last_mut().into_iter().for_each(|w| w.push(c)),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}
