//! `files`: what the program carries.

use crate::exit::Exit;
use crate::supply::{self, Supply};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use std::fs;
use std::path::{Path, PathBuf};

/// List the files that this program carries, or write them.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "files")]
#[argh(
    example = "The licences:\n\
               \x20 {command_name} LICENSE-MIT THIRD-PARTY.txt",
    example = "{command_name} --output pidone",
    note = "They are the payload of each architecture, the plugin that counts \
            instructions, fragments of kernel configurations, the header for \
            programs of one's own, and licences. `pack` writes images.",
    error_code(0, "they are listed or written"),
    error_code(255, "it carries none, or not that one")
)]
pub struct Args {
    /// an empty directory, or one to make, into which all of them go
    #[argh(option)]
    output: Option<PathBuf>,
    /// files to print
    #[argh(positional)]
    name: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// The program carries none or not that one, or something cannot be written.
pub fn run(args: &Args) -> Result<Exit> {
    let dir = match supply::find()? {
        Supply::Files(dir) => dir,
        Supply::Sources(dir) => bail!(
            "this program carries no files: it was built to use the sources in \
             {}",
            dir.display()
        ),
    };
    let names = names(dir)?;
    match (&args.output, &*args.name) {
        (None, []) => super::print(&(names.join("\n") + "\n"))?,
        (Some(out), []) => {
            if fs::read_dir(out).is_ok_and(|mut dir| dir.next().is_some()) {
                bail!("{} is not empty", out.display());
            }
            for name in &names {
                write(&dir.join(name), &out.join(name))?;
            }
        }
        (None, some) => {
            for name in some {
                if !names.contains(name) {
                    bail!("no file `{name}`; there are {}", names.join(", "));
                }
                let text = fs::read(dir.join(name))?;
                let text = String::from_utf8(text).ok().with_context(|| {
                    format!("`{name}` is no text; --output writes it")
                })?;
                super::print(&text)?;
            }
        }
        (Some(_), _) => bail!("--output writes all files; give it alone"),
    }
    Ok(Exit::Good)
}

fn write(from: &Path, to: &Path) -> Result<()> {
    let what = || to.display().to_string();
    fs::create_dir_all(to.parent().unwrap_or(to)).with_context(what)?;
    fs::copy(from, to).with_context(what).map(drop)
}

/// The files below a directory, in order.
fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let what = || folder.display().to_string();
        for entry in fs::read_dir(&folder).with_context(what)? {
            let path = entry.with_context(what)?.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                names.push(path.strip_prefix(dir)?.display().to_string());
            }
        }
    }
    names.sort();
    Ok(names)
}
