//! `which`: the work types for a function, or for a patch.

use crate::arch::KERNEL;
use crate::bisect::git::Repo;
use crate::exit::Exit;
use crate::finished::{FinishedBoot, on};
use crate::map::code::CodeChanges;
use crate::map::patch::{Changes, changes};
use crate::map::stored::StoredMap;
use crate::map::{self, absent, hits, names, render};
use crate::profile::symbols::functions;
use crate::program;
use crate::text::several;
use crate::{kernel, kernel_build, store};
use anyhow::{Context, Result, bail};
use argh::{ArgsInfo, FromArgs};
use pidone::plan::nearest;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Say which work types execute functions of the kernel, and how much of an
/// iteration that is: the plan for a patch.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "which")]
#[argh(
    usage = "[options] [function...]",
    example = "{command_name} try_to_wake_up",
    example = "What to run for the last commit of a kernel tree:\n\
               \x20 {command_name} --tree ~/linux --diff HEAD~1..HEAD",
    example = "For a patch from a mail:\n\
               \x20 {command_name} --patch v3-0001-sched-fair.patch",
    note = "What is known of a kernel is what `cargo xtask map` found; the \
            newest map counts. Without one, what is known of \
            debian:6.12-cloud and debian:7.2-cloud comes with pidone. A \
            function that was inlined has no instructions of its own.",
    error_code(0, "there are such types"),
    error_code(125, "cannot tell: no type executes any of them"),
    error_code(255, "the tool or its usage failed, or there is no map")
)]
pub struct Args {
    /// the kernel whose map is looked at, as --kernel of `boot` takes it
    #[argh(option, default = "String::from(KERNEL)")]
    kernel: String,
    /// a map in place of the kernel's newest: a directory that `map` named, a
    /// file that its --out wrote, or any stored run with profiles
    #[argh(option)]
    map: Option<String>,
    /// a patch, whose functions are looked up; `-` is standard input
    #[argh(option)]
    patch: Option<PathBuf>,
    /// two commits of --tree, as `git diff` takes them, in place of a patch
    #[argh(option)]
    diff: Option<String>,
    /// a kernel tree; by default the current directory
    #[argh(option)]
    tree: Option<PathBuf>,
    /// functions
    #[argh(positional)]
    function: Vec<String>,
}

/// Runs the verb.
///
/// # Errors
///
/// The usage is wrong, a patch cannot be read, or there is no map.
pub fn run(args: &Args) -> Result<Exit> {
    let diff = match (&args.patch, &args.diff) {
        (Some(_), Some(_)) => bail!("one of --patch and --diff"),
        (Some(patch), None) => Some(text(patch)?),
        (None, Some(range)) => Some(git(args, range)?),
        (None, None) => None,
    };
    let code = match &args.diff {
        Some(range) => code(args, range)?,
        None => BTreeSet::new(),
    };
    if args.tree.is_some() && args.diff.is_none() {
        bail!("--tree is for --diff, as in --diff HEAD~1..HEAD");
    }
    let Changes {
        functions,
        elsewhere,
    } = diff.as_deref().map_or(Ok(Changes::default()), |diff| {
        changes(diff).with_context(|| match &args.patch {
            Some(patch) => patch.display().to_string(),
            None => "git diff".to_owned(),
        })
    })?;
    let asked: Vec<String> = args
        .function
        .iter()
        .cloned()
        .chain(&functions | &code)
        .collect();
    if asked.is_empty() && elsewhere.is_empty() {
        bail!(match diff {
            Some(_) => "the patch changes no line: valid is a unified diff",
            None => {
                "which function: name some, as in `which try_to_wake_up`, or \
                 give --patch FILE or --diff A..B"
            }
        });
    }
    let map = map(args)?;
    not_executed(&map, &asked);
    for file in elsewhere {
        crate::tell!("note: {file} has changes outside of functions");
    }
    let found = hits(&map, &asked);
    let kernel = &map.meta.kernel;
    let release = kernel.release.as_deref().unwrap_or("another release");
    let whose = format!("{} ({release})", kernel.spec);
    if found.is_empty() {
        super::say(format_args!(
            "cannot tell: no work type executes any of that on {whose}"
        ))?;
        return Ok(Exit::CannotTell);
    }
    super::say(format_args!(
        "share of an iteration's instructions in that\non {whose}\n{}",
        on(&[map.meta.mode()])
    ))?;
    super::print(&render(&found))?;
    Ok(Exit::Good)
}

/// Says which of these functions no work type executes, and whether the kernel
/// has them.
fn not_executed(map: &FinishedBoot, asked: &[String]) {
    let missing = absent(map, asked);
    if missing.is_empty() {
        return;
    }
    // An image that is gone, or has no names, says nothing of them.
    let image = functions(Path::new(&map.meta.kernel.path)).ok();
    let executed = names(map);
    for name in missing {
        let known = image
            .as_ref()
            .map(|all| all.iter().any(|known| map::is_named(known, name)));
        let why = match known {
            Some(true) => String::new(),
            Some(false) => {
                ", and the kernel has no such function: it was inlined, is a \
                 module's, or was not built"
                    .to_owned()
            }
            None => ": it is not on their paths, or inlined".to_owned(),
        };
        let near = nearest::of(name, &|take| {
            executed.iter().for_each(|name| take(name));
        });
        let near = near.filter(|_| known != Some(true));
        let near =
            near.map_or(String::new(), |near| format!("; nearest is `{near}`"));
        crate::tell!("note: no work type executes `{name}`{why}{near}");
    }
}

fn text(path: &PathBuf) -> Result<String> {
    let bytes = match path.as_os_str() == "-" {
        true => {
            let mut bytes = Vec::new();
            io::Read::read_to_end(&mut io::stdin(), &mut bytes)?;
            bytes
        }
        false => fs::read(path).with_context(|| path.display().to_string())?,
    };
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn git(args: &Args, range: &str) -> Result<String> {
    if range.starts_with('-') {
        bail!("--diff `{range}`: two commits, as in HEAD~1..HEAD");
    }
    Repo::diff(&tree(args), &[range])
}

fn tree(args: &Args) -> PathBuf {
    args.tree.clone().unwrap_or_else(|| PathBuf::from("."))
}

/// The functions whose code differs between two commits, where kernels of
/// both were built: so the users of an inline function are known, too.
fn code(args: &Args, range: &str) -> Result<BTreeSet<String>> {
    let Some((a, b)) = range.split_once("..").filter(|(_, b)| {
        // What both have in common is no commit that was built.
        !b.starts_with('.')
    }) else {
        return Ok(BTreeSet::new());
    };
    let tree = Repo::top(&tree(args))?;
    let commit = |rev: &str| {
        let rev = if rev.is_empty() { "HEAD" } else { rev };
        Repo::commit(&tree, rev)
    };
    let (a, b) = (commit(a)?, commit(b)?);
    let arch = kernel::arch(&args.kernel, None)?;
    let Some([a, b]) = kernel_build::of_commits([&a, &b], arch)? else {
        crate::tell!(
            "note: functions that the patch names are looked up; where both \
             kernels were built, as `review` does, those are too whose code \
             differs"
        );
        return Ok(BTreeSet::new());
    };
    let code = CodeChanges::of_images([&a, &b])?;
    let all = code.all();
    crate::tell!(
        "both kernels were built: the code of {} differs",
        several(all.len(), "function")
    );
    Ok(all)
}

/// The map of that name: a directory, a stored run with profiles, or a file
/// that `map --out` wrote.
pub(super) fn named(name: &str) -> Result<FinishedBoot> {
    if Path::new(name).is_file() {
        let text = fs::read(name).with_context(|| name.to_owned())?;
        let map = StoredMap::read(&String::from_utf8_lossy(&text));
        return Ok(map.with_context(|| name.to_owned())?.into_boot());
    }
    let place = store::find::find(name, &map::dir()?)?;
    let map = store::StoredRun::at(&place)?.read()?;
    if map::profiles(&map).next().is_none() {
        bail!("{name} has no profiles; `boot --profile` makes them");
    }
    Ok(map)
}

fn map(args: &Args) -> Result<FinishedBoot> {
    if let Some(name) = &args.map {
        return named(name);
    }
    let kernel = &args.kernel;
    let arch = kernel::arch(kernel, None)?;
    let image = kernel::resolve(kernel, Some(arch), false);
    if let Ok(image) = &image
        && let Some(made) = map::find(&store::sha256(image)?)?
    {
        return Ok(made);
    }
    let make = format!("`{} map --kernel {kernel}`", program::name());
    let Some(kept) = StoredMap::kept(kernel, arch)? else {
        // Nor has a kernel that is not here a map.
        image?;
        bail!(
            "there is no map of {kernel} yet; {make} makes one, in some \
             minutes; --map takes that of another kernel"
        );
    };
    crate::tell!(
        "note: this is of the map that pidone brings, in which functions with \
         less than a 500th of a type's instructions in the kernel are `few`; \
         {make} makes a whole one, in some minutes"
    );
    Ok(kept.into_boot())
}
