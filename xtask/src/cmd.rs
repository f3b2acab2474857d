//! The verbs, one file each.

use crate::terminal::{coloured, painted};
use crate::untrusted::printed;
use anyhow::{Context, Result};
use core::fmt;
use std::io::{ErrorKind, Write, stdout};
use std::path::Path;

pub mod bisect;
pub mod boot;
pub mod build;
pub mod check;
pub mod ci;
pub mod compare;
pub mod completions;
pub mod decode;
pub mod dist;
pub mod explain;
pub mod files;
pub mod import;
pub mod judge;
pub mod kernel;
pub mod knobs;
pub mod list;
pub mod manual;
pub mod map;
pub mod matrix;
pub mod pack;
pub mod report;
pub mod review;
pub mod runs;
pub mod setup;
pub mod test;
pub mod trace;
pub mod which;

/// Writes to standard output. A reader that had enough is no error: the exit
/// code is the verdict's.
///
/// # Errors
///
/// Anything else that keeps the text from being written.
pub fn print(text: &str) -> Result<()> {
    write(&printed(text))
}

fn write(text: &str) -> Result<()> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("standard output"),
    }
}

/// Writes to standard output what has colours where there are any.
///
/// # Errors
///
/// As those of [`print()`].
pub fn print_painted(text: &str) -> Result<()> {
    write(&painted(text, coloured()))
}

/// Writes a line to standard output.
///
/// # Errors
///
/// As those of [`print()`].
pub fn say(line: fmt::Arguments<'_>) -> Result<()> {
    print(&format!("{line}\n"))
}

/// A file to write to, said to be none before anything is booted for it; `-`
/// is standard output.
///
/// # Errors
///
/// Nothing can be written there.
pub fn output_file(text: &str) -> Result<String, String> {
    let path = Path::new(text);
    let parent = path.parent().filter(|dir| *dir != Path::new(""));
    match parent.filter(|dir| !dir.is_dir()) {
        _ if text.is_empty() || path.is_dir() => {
            Err(format!("`{text}` is no file; `-` is standard output"))
        }
        Some(dir) => Err(format!("`{text}`: no directory {}", dir.display())),
        None => Ok(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::output_file;

    #[test]
    fn a_file_that_cannot_be_is_refused() {
        for good in ["-", "new.json", "/new.json", "./new.json"] {
            assert_eq!(output_file(good).as_deref(), Ok(good));
        }
        for (bad, why) in [
            ("", "is no file"),
            ("/", "is no file"),
            ("src", "is no file"),
            ("/none/x.json", "no directory /none"),
        ] {
            let error = output_file(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
