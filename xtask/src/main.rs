//! `cargo xtask`: builds, packs, boots and decodes pidone.

use argh::{ArgsInfo, FromArgs};
use rustix::fs::Mode;
use rustix::process::umask;
use std::ffi::OsString;
use std::process::ExitCode;
use xtask::cmd::{
    bisect, boot, build, check, ci, compare, decode, dist, explain, import,
    judge, kernel, knobs, list, map, matrix, pack, report, review, runs, setup,
    test, trace, which,
};
use xtask::exit::{Exit, NoEvidence};
use xtask::interrupt;
use xtask::terminal;
use xtask::usage;

/// Build, pack and boot pidone, and decode what it says.
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(
    example = "See what the scheduler of a Linux 6.12 does with pipes:\n\
               \x20 {command_name} boot --setup -- time=1s work=PipeIo",
    example = "What can be measured:\n\
               \x20 {command_name} list\n\
               \x20 {command_name} explain PipeIo",
    note = "A value may follow an option as a word or behind `=`. Every verb \
            takes --color auto|always|never; auto uses colours on a terminal \
            unless NO_COLOR is set.",
    error_code(0, "all is well"),
    error_code(1, "the kernel or an expectation failed"),
    error_code(125, "cannot tell: no boot, or nothing but skipped runs"),
    error_code(255, "the tool, its usage or the plan failed")
)]
struct Args {
    #[argh(subcommand)]
    verb: Verb,
}

#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand)]
enum Verb {
    Setup(setup::Args),
    Build(build::Args),
    Pack(pack::Args),
    Boot(boot::Args),
    Compare(compare::Args),
    Matrix(matrix::Args),
    Judge(judge::Args),
    Bisect(bisect::Args),
    Review(review::Args),
    Decode(decode::Args),
    Report(report::Args),
    Runs(runs::Args),
    Import(import::Args),
    Trace(trace::Args),
    Knobs(knobs::Args),
    Map(map::Args),
    Which(which::Args),
    List(list::Args),
    Explain(explain::Args),
    Ci(ci::Args),
    Dist(dist::Args),
    Kernel(kernel::Args),
    Check(check::Args),
    Test(test::Args),
}

fn main() -> ExitCode {
    // A panic of ours must not look like a bad kernel to a bisection.
    let caught = std::panic::catch_unwind(real_main);
    caught.unwrap_or(Exit::Tool).into()
}

/// The exit code of nothing but a text.
fn said(text: &str) -> Exit {
    match xtask::cmd::print(text) {
        Ok(()) => Exit::Good,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> Exit {
    xtask::tell!("error: {error:#}");
    Exit::Tool
}

fn real_main() -> Exit {
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let words: Vec<String> = match words.collect() {
        Ok(words) => words,
        Err(word) => {
            xtask::tell!("error: {}", usage::not_utf8(&word));
            return Exit::Tool;
        }
    };
    if matches!(&*words, [word] if word == "--version" || word == "-V") {
        return said(&format!("pidone {}\n", env!("CARGO_PKG_VERSION")));
    }
    if let Some(why) = usage::stray(&words) {
        xtask::tell!("error: {why}");
        return Exit::Tool;
    }
    let words = match usage::without_colour(words) {
        Ok((words, colour)) => {
            terminal::choose(colour);
            words
        }
        Err(why) => {
            xtask::tell!("error: {why}");
            return Exit::Tool;
        }
    };
    let info = Args::get_args_info();
    let words = usage::normalised(&info, &words);
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    let args = match Args::from_args(&["cargo xtask"], &borrowed) {
        Ok(args) => args,
        Err(early) if early.status.is_ok() => {
            return said(&format!("{}\n", early.output));
        }
        Err(early) => {
            let why = usage::explained(&info, &words, &early.output);
            xtask::tell!("error: {why}");
            return Exit::Tool;
        }
    };
    // What is written is nobody else's to change, whatever we were given.
    let given = umask(Mode::empty());
    umask(given | Mode::WGRP | Mode::WOTH);
    if let Err(error) = interrupt::watch() {
        xtask::tell!("error: {error:#}");
        return Exit::Tool;
    }
    let result = match &args.verb {
        Verb::Setup(args) => setup::run(args),
        Verb::Build(args) => build::run(args),
        Verb::Pack(args) => pack::run(args),
        Verb::Boot(args) => boot::run(args),
        Verb::Compare(args) => compare::run(args),
        Verb::Matrix(args) => matrix::run(args),
        Verb::Judge(args) => judge::run(args),
        Verb::Bisect(args) => bisect::run(args),
        Verb::Review(args) => review::run(args),
        Verb::Decode(args) => decode::run(args),
        Verb::Report(args) => report::run(args),
        Verb::Runs(args) => runs::run(args),
        Verb::Import(args) => import::run(args),
        Verb::Trace(args) => trace::run(args),
        Verb::Knobs(args) => knobs::run(args),
        Verb::Map(args) => map::run(args),
        Verb::Which(args) => which::run(args),
        Verb::List(args) => list::run(args),
        Verb::Explain(args) => explain::run(args),
        Verb::Ci(args) => ci::run(args),
        Verb::Dist(args) => dist::run(args),
        Verb::Kernel(args) => kernel::run(args),
        Verb::Check(args) => check::run(args),
        Verb::Test(args) => test::run(args),
    };
    match result {
        Ok(exit) => exit,
        // It says nothing of a kernel.
        Err(error) if error.is::<NoEvidence>() || interrupt::happened() => {
            xtask::tell!("cannot tell: {error:#}");
            Exit::CannotTell
        }
        Err(error) => failed(&error),
    }
}
