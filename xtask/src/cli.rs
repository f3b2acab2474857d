//! The command lines: that of `cargo xtask` and that of `pidonectl`.
//!
//! Both have the same verbs, but for a few that need sources or are of no use
//! with them. Each verb is in one of these lists once.

pub mod pidonectl;
pub mod xtask;

use crate::exit::{Exit, NoEvidence};
use crate::program::{self, Program};
use crate::{cmd, interrupt, terminal, usage};
use anyhow::Result;
use argh::{ArgsInfo, FromArgs};
use rustix::fs::Mode;
use rustix::process::umask;
use std::ffi::OsString;
use std::process::ExitCode;

/// A command line with a verb.
pub(crate) trait Verbs: FromArgs + ArgsInfo {
    /// Carries out the verb.
    ///
    /// # Errors
    ///
    /// Whatever it fails with.
    fn run(&self) -> Result<Exit>;
}

/// Makes an enum of these verbs, each with its module.
macro_rules! verbs {
    ($($Verb:ident $verb:ident,)*) => {
        #[derive(Debug, argh::FromArgs, argh::ArgsInfo)]
        #[argh(subcommand)]
        enum Verb {
            $($Verb(crate::cmd::$verb::Args),)*
        }

        impl crate::cli::Verbs for Args {
            fn run(&self) -> anyhow::Result<crate::exit::Exit> {
                match &self.verb {
                    $(Verb::$Verb(args) => crate::cmd::$verb::run(args),)*
                }
            }
        }
    };
}

/// Makes the command line of a program, with what both say of themselves.
macro_rules! command_line {
    (
        $(#[doc = $doc:tt])*
        examples: [$($example:tt,)*],
        notes: [$($note:tt,)*],
    ) => {
        $(#[doc = $doc])*
        #[derive(Debug, argh::FromArgs, argh::ArgsInfo)]
        #[argh(
            $(example = $example,)*
            example = "What can be measured:\n\
                       \x20 {command_name} list\n\
                       \x20 {command_name} explain PipeIo",
            note = "A value may follow an option as a word or behind `=`. \
                    Every verb takes --color auto|always|never; auto uses \
                    colours on a terminal unless NO_COLOR is set.",
            $(note = $note,)*
            error_code(0, "all is well"),
            error_code(1, "the kernel or an expectation failed"),
            error_code(125, "cannot tell: no boot, or only skipped runs"),
            error_code(255, "the tool, its usage or the plan failed")
        )]
        struct Args {
            #[argh(subcommand)]
            verb: Verb,
        }
    };
}

/// Makes an enum of these verbs and those that both programs have.
macro_rules! with_shared_verbs {
    ($($own:tt)*) => {
        crate::cli::verbs! {
            Setup setup,
            Pack pack,
            Boot boot,
            Compare compare,
            Matrix matrix,
            Judge judge,
            Bisect bisect,
            Review review,
            Decode decode,
            Report report,
            Runs runs,
            Import import,
            Trace trace,
            Knobs knobs,
            Map map,
            Which which,
            List list,
            Explain explain,
            Ci ci,
            Kernel kernel,
            $($own)*
        }
    };
}
pub(crate) use {command_line, verbs, with_shared_verbs};

/// Runs a program with the words that it was given.
pub(crate) fn main<A: Verbs>(program: Program) -> ExitCode {
    program::set(program);
    // A panic of ours must not look like a bad kernel to a bisection.
    let caught = std::panic::catch_unwind(real_main::<A>);
    caught.unwrap_or(Exit::Tool).into()
}

/// The exit code of nothing but a text.
fn said(text: &str) -> Exit {
    match cmd::print(text) {
        Ok(()) => Exit::Good,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> Exit {
    crate::tell!("error: {error:#}");
    Exit::Tool
}

fn real_main<A: Verbs>() -> Exit {
    let words = std::env::args_os().skip(1).map(OsString::into_string);
    let words: Vec<String> = match words.collect() {
        Ok(words) => words,
        Err(word) => {
            crate::tell!("error: {}", usage::not_utf8(&word));
            return Exit::Tool;
        }
    };
    if matches!(&*words, [word] if word == "--version" || word == "-V") {
        return said(&format!("pidone {}\n", env!("CARGO_PKG_VERSION")));
    }
    if let Some(why) = usage::stray(&words) {
        crate::tell!("error: {why}");
        return Exit::Tool;
    }
    let words = match usage::without_colour(words) {
        Ok((words, colour)) => {
            terminal::choose(colour);
            words
        }
        Err(why) => {
            crate::tell!("error: {why}");
            return Exit::Tool;
        }
    };
    let info = A::get_args_info();
    let words = usage::normalised(&info, &words);
    let borrowed: Vec<&str> = words.iter().map(String::as_str).collect();
    let args = match A::from_args(&[program::name()], &borrowed) {
        Ok(args) => args,
        Err(early) if early.status.is_ok() => {
            return said(&format!(
                "{}\n",
                program::named(&early.output, program::name())
            ));
        }
        Err(early) => {
            let why = usage::explained(&info, &words, &early.output);
            crate::tell!("error: {why}");
            return Exit::Tool;
        }
    };
    // What is written is nobody else's to change, whatever we were given.
    let given = umask(Mode::empty());
    umask(given | Mode::WGRP | Mode::WOTH);
    if let Err(error) = interrupt::watch() {
        return failed(&error);
    }
    match args.run() {
        Ok(exit) => exit,
        // It says nothing of a kernel.
        Err(error) if error.is::<NoEvidence>() => {
            crate::tell!("cannot tell: {error:#}");
            Exit::CannotTell
        }
        // What was ended with us is what fails.
        Err(error) if interrupt::happened() => {
            crate::tell!("cannot tell: interrupted: {error:#}");
            Exit::CannotTell
        }
        Err(error) => failed(&error),
    }
}
