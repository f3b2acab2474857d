//! The constructors of the library, made of the rows as the pages are.

use crate::catalogue::range;
use crate::text;
use core::fmt::Write;
use pidone::row::{Kind, Param, Row};
use pidone::workloads::rows;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;

/// Where they are.
pub const CONSTRUCTORS: &str = "payload/src/plan/work_type/constructors.rs";
/// Where the types are that stand for words.
pub const CHOICES: &str = "payload/src/plan/work_type/choices.rs";
/// Parameters that a function may have; types with more take a structure.
const MOST: usize = 7;
/// The type whose parameters are the author's.
const CUSTOM: &str = "Custom";
/// How a generated file comes about.
const FROM: &str = "//!\n\
     //! This file is generated from the rows of `workloads/`:\n\
     //! `PIDONE_OVERWRITE=1 cargo test -p xtask --lib catalogue`.\n\n";

/// All of [`CHOICES`].
#[must_use]
pub fn choices() -> String {
    let mut choices: BTreeMap<&str, &[&str]> = BTreeMap::new();
    for row in typed() {
        for param in row.params {
            if let Kind::Choice { names, .. } = param.kind {
                let same = *choices.entry(param.name).or_insert(names) == names;
                assert!(same, "{}.{}: taken", row.name, param.name);
            }
        }
    }
    let mut text = String::from("//! Types for parameters that are words.\n");
    text += FROM;
    text += "use crate::plan::work_type::Argument;\n\
             use crate::row::Value;\n\nchoices! {\n";
    for (key, words) in choices {
        let _ok = writeln!(text, "    /// What `{key}` can be.");
        let _ok = writeln!(text, "    {} {{", camel_case(key));
        for word in words {
            let variant = camel_case(word);
            let _ok = writeln!(text, "        {variant} = {word:?},");
        }
        text += "    }\n";
    }
    text + "}\n"
}

/// All of [`CONSTRUCTORS`].
#[must_use]
pub fn constructors() -> String {
    let mut choices: Vec<_> = typed().flat_map(|row| row.params).collect();
    choices.retain(|param| matches!(param.kind, Kind::Choice { .. }));
    let choices: BTreeSet<_> = choices.into_iter().map(type_of).collect();
    let mut text = String::from("//! A constructor of each work type.\n");
    text += FROM;
    text += "use crate::plan::error::PlanError;\n\
             use crate::plan::work_type::choices::{\n";
    let mut line = String::from("   ");
    for choice in choices {
        if line.len() + choice.len() + 2 > 80 {
            text += &line;
            text += "\n";
            line = "   ".to_owned();
        }
        let _ok = write!(line, " {choice},");
    }
    text += &line;
    text += "\n};\n\
             use crate::plan::work_type::{Argument, WorkType, default_of};\n\
             use core::time::Duration;\n\nconstructors! {\n";
    for row in typed().filter(|row| row.params.len() <= MOST) {
        intro(&mut text, row);
        let make = function_of(row);
        let _ok = write!(text, "    {:?} fn {make}(", row.name);
        if !row.params.is_empty() {
            text += "\n";
            text += &params(row);
            text += "    ";
        }
        text += ");\n";
    }
    text += "}\n\noptions! {\n";
    for row in typed().filter(|row| row.params.len() > MOST) {
        intro(&mut text, row);
        let (name, make) = (row.name, function_of(row));
        let texts = row.params.iter().any(|p| type_of(p) == "&'t str");
        let (own, any) = if texts { ("<'t>", "<'_>") } else { ("", "") };
        let _ok = writeln!(text, "    {name:?} fn {make}({name}{own},");
        let _ok = writeln!(text, "    default {name}{any} {{");
        text += &params(row);
        text += "    });\n";
    }
    text + "}\n"
}

/// Those whose parameters have types of their own.
fn typed() -> impl Iterator<Item = &'static Row> {
    rows().filter(|row| row.name != CUSTOM)
}

/// What a type is, and what its parameters are.
fn intro(text: &mut String, row: &'static Row) {
    let (name, summary) = (row.name, row.summary.text());
    wrap(text, &format!("`{name}`: {summary}."));
    if !row.params.is_empty() {
        text.push_str("    ///\n");
    }
    for param in row.params {
        let (name, summary) = (param.name, param.summary.text());
        let range = range(&param.kind).replace(['[', ']'], "`");
        wrap(text, &format!("- `{name}`: {summary}: {range}"));
    }
}

/// Writes a sentence, or an item of a list, in lines of at most 80 columns.
fn wrap(text: &mut String, item: &str) {
    let indent = if item.starts_with("- ") { "  " } else { "" };
    let rest = format!("    /// {indent}");
    *text += &text::filled(item, "    /// ", &rest, 80);
    *text += "\n";
}

fn params(row: &'static Row) -> String {
    let line = |p: &Param| format!("        {}: {},\n", p.name, type_of(p));
    row.params.iter().map(line).collect()
}

/// The type in Rust of a parameter's values.
fn type_of(param: &Param) -> String {
    match param.kind {
        Kind::Count { .. } => "u64".to_owned(),
        Kind::CountOr { .. } => "Option<u64>".to_owned(),
        Kind::Duration { .. } => "Duration".to_owned(),
        Kind::Flag { .. } => "bool".to_owned(),
        Kind::Choice { .. } => camel_case(param.name),
        Kind::Text { .. } => "&'t str".to_owned(),
    }
}

/// The name of a type's constructor: that of its file.
fn function_of(row: &Row) -> &'static str {
    let file = Path::new(row.file.text()).file_stem();
    file.and_then(OsStr::to_str).unwrap_or_default()
}

fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(1);
        first.to_ascii_uppercase() + rest
    };
    let name: String = name.split('_').map(capital).collect();
    // The only one that is a word of the language.
    if name == "Self" {
        "Itself".to_owned()
    } else {
        name
    }
}
