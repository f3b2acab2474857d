//! What a machine is asked to run, as its payload will read it, held against
//! what it says it ran.
//!
//! A plan goes through a command line, a bootloader and a kernel. Whatever
//! happens to it there, another plan than the one that was asked for is no
//! result.

use crate::exit::Exit;
use crate::model::{Outcome, Report, only_prints};
use crate::untrusted;
use anyhow::{Result, bail};
use pidone::plan::sources::Sources;
use pidone::plan::token::{PREFIX, Source, split_dashes};
use pidone::plan::{Plan, builtin};
use pidone::row::Feature;

/// Longest command line that kernels take, without its end.
pub const LONGEST: usize = 2047;

/// The words of a plan as the payload reports them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedPlan {
    words: Vec<String>,
    /// Whether the words of its runs are all that is held.
    runs_alone: bool,
}

/// Refuses a command line that a kernel would cut.
///
/// # Errors
///
/// It is too long.
pub fn fits(line: &str) -> Result<()> {
    let len = line.len();
    if len > LONGEST {
        bail!(
            "the kernel command line has {len} bytes, and kernels take \
             {LONGEST}; pack the plan into the image: `pack --add \
             FILE:/plans/NAME`, and the plan is plan=NAME"
        );
    }
    Ok(())
}

impl ExpectedPlan {
    /// What a payload makes of `line`, which must have `tokens` and no other
    /// plan behind `--`. `packed` is the text of the plan in the image that
    /// is named; `known` says that the payload's types are ours alone.
    ///
    /// # Errors
    ///
    /// The line is too long, or the plan is not in it as it should be.
    pub fn of(
        line: &str,
        tokens: &[String],
        packed: &dyn Fn(&str) -> Option<String>,
        known: bool,
    ) -> Result<Self> {
        fits(line)?;
        let mut sources = Sources {
            kernel: Source::kernel(line),
            args: Source::args(split_dashes(line).1),
            ..Sources::default()
        };
        let checked =
            sources.kernel.check().and_then(|()| sources.args.check());
        if let Err(error) = checked {
            bail!("{error}");
        }
        let tokens = tokens.join(" ");
        let texts = |source: Source<'_>| -> Vec<String> {
            source.tokens().map(|t| t.text.to_owned()).collect()
        };
        let (meant, found) =
            (texts(Source::args(&tokens)), texts(sources.args));
        if meant != found {
            bail!(
                "what is behind `--` on the kernel command line would be \
                 `{}`, not `{}`: words for the kernel have no `--` of their \
                 own, and no quote that is never closed",
                found.join(" "),
                meant.join(" ")
            );
        }
        let text = sources.plan_name().and_then(|name| {
            packed(name).or_else(|| {
                let mut text = String::new();
                builtin(name, &mut text).map(|()| text)
            })
        });
        if let Some(text) = &text {
            sources.file = Source::file(text);
        }
        if known && let Err(error) = Plan::parse(&sources) {
            bail!("{error}");
        }
        let words = sources.words();
        Ok(Self {
            words: words
                // As they are in a report.
                .map(|(before, word)| {
                    let word = before.to_owned() + word;
                    untrusted::line(&word).into_owned()
                })
                .collect(),
            runs_alone: false,
        })
    }

    /// Makes a report of another plan one of none, and returns its exit code.
    pub fn hold(&self, report: &mut Report, exit: Exit) -> Exit {
        let Some(hello) = &report.hello else {
            return exit;
        };
        // A plan is never empty, so it did not arrive.
        if hello.plan.is_empty() {
            if exit == Exit::Good {
                report.outcome = Outcome::Fail;
                report.reason =
                    "cannot tell: which plan ran is lost".to_owned();
                return Exit::CannotTell;
            }
            return exit;
        }
        let ran: Vec<&str> = self.held(hello.plan.iter().chain(&hello.set));
        let asked = self.held(&self.words);
        if ran == asked {
            return exit;
        }
        // Without /proc there is no command line to read, and nothing is run.
        let proc_fs = Feature::ProcFs.config();
        let unread = hello.absent.iter().any(|symbol| symbol == proc_fs);
        if unread && exit == Exit::CannotTell {
            return exit;
        }
        report.outcome = Outcome::PlanError;
        report.reason = format!(
            "the plan that ran is not the one that was asked for: `{}`, not \
             `{}`",
            ran.join(" "),
            asked.join(" ")
        );
        Exit::Tool
    }

    /// Holds the words of its runs alone, all that a payload of another
    /// release may report.
    #[must_use]
    pub fn of_runs(self) -> Self {
        Self {
            runs_alone: true,
            ..self
        }
    }

    /// Those that are compared.
    fn held<'w>(
        &self,
        words: impl IntoIterator<Item = &'w String>,
    ) -> Vec<&'w str> {
        let setting =
            |word: &str| word.starts_with(PREFIX) || word.starts_with("-- ");
        let words = words.into_iter().map(String::as_str);
        words
            .filter(|word| !(self.runs_alone && setting(word)))
            .filter(|word| !only_prints(word))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::ExpectedPlan;
    use crate::exit::Exit;
    use crate::model::{Hello, Outcome, Report};

    const PLAN: [&str; 3] = ["time=1s", "work=PipeIo", "expect=rate>1"];

    fn asked(before: &str) -> anyhow::Result<ExpectedPlan> {
        let tokens = PLAN.map(str::to_owned);
        let line = format!("console=ttyS0 {before} -- {}", PLAN.join(" "));
        ExpectedPlan::of(&line, &tokens, &|_| None, true)
    }

    #[test]
    fn words_are_those_of_the_plan_and_of_the_kernel() {
        let asked = asked("quiet pidone.seed=7").unwrap();
        let plan = PLAN.map(str::to_owned).to_vec();
        let all = [&plan[..], &["pidone.seed=7".to_owned()]].concat();
        assert_eq!(asked.words, all);
        let report = |plan: &[String], set: &[String]| Report {
            hello: Some(Hello {
                plan: plan.to_vec(),
                set: set.to_vec(),
                ..Hello::default()
            }),
            ..Report::default()
        };
        let set = ["pidone.seed=7".to_owned()];
        let hold = |mut report: Report| {
            let exit = asked.hold(&mut report, Exit::Good);
            (exit, report.outcome)
        };
        let mut same = report(&plan, &set);
        assert_eq!(asked.hold(&mut same, Exit::Good), Exit::Good);
        // A lab may have more printed than was asked for.
        let printed = ["output=ktap,records,lava".to_owned()];
        let mut same = report(&[&printed, &plan[..]].concat(), &set);
        assert_eq!(asked.hold(&mut same, Exit::Good), Exit::Good);
        let other = (Exit::Tool, Outcome::PlanError);
        assert_eq!(hold(report(&plan[..2], &set)), other);
        assert_eq!(hold(report(&plan, &[])), other);
        assert_eq!(hold(report(&[&plan[..], &plan].concat(), &set)), other);
        let lost = (Exit::CannotTell, Outcome::Fail);
        assert_eq!(hold(report(&[], &[])), lost);
        // Nothing was run where no command line can be read.
        let mut unread = report(&plan, &[]);
        let hello = unread.hello.as_mut().unwrap();
        hello.absent = vec!["CONFIG_PROC_FS".to_owned()];
        for (exit, held) in [
            (Exit::CannotTell, Exit::CannotTell),
            (Exit::Good, Exit::Tool),
            (Exit::Bad, Exit::Tool),
        ] {
            assert_eq!(asked.hold(&mut unread.clone(), exit), held);
        }

        let asked = asked.of_runs();
        for set in [&set[..], &[]] {
            let mut same = report(&plan, set);
            assert_eq!(asked.hold(&mut same, Exit::Good), Exit::Good);
            let mut other = report(&plan[..2], set);
            assert_eq!(asked.hold(&mut other, Exit::Good), Exit::Tool);
        }
    }

    #[test]
    fn a_line_that_would_change_the_plan_is_refused() {
        for (before, why) in [
            ("dyndbg=\"file kernel/sched/* +p", "never closed"),
            ("a -- b=c", "no `--` of their own"),
            ("pidone_expect=rate>9", "this is none"),
            ("'pidone.expect=rate>9'", "this is none"),
            ("pidone.work=PipeIo pidone.expect=", "a condition"),
        ] {
            let error = asked(before).unwrap_err().to_string();
            assert!(error.contains(why), "{before}: {error}");
        }
        let error = asked(&"x".repeat(2000)).unwrap_err().to_string();
        assert!(error.contains("kernels take 2047"), "{error}");
        assert!(error.contains("pack --add"), "{error}");
    }
}
