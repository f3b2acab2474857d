//! Plans of boots, checked before anything is built.

use super::BootRequest;
use super::scheduler::Packed;
use crate::build;
use anyhow::{Result, bail};
use core::time::Duration;
use initramfs::newc::Archive;
use pidone::kit::duration::DURATION_RULE;
use pidone::plan::run::Run;
use pidone::plan::settings::Boot;
use pidone::plan::sources::Sources;
use pidone::plan::token::Source;
use pidone::plan::{Plan, builtin};
use pidone::row::Row;
use pidone::row::attr::scx::Scx;

/// A plan that was checked, and what is packed for it.
pub(super) struct Planned {
    pub(super) tokens: Vec<String>,
    pub(super) added: Archive,
    /// How long its runs take.
    pub(super) takes: Duration,
    works: Vec<Works>,
}

/// The work types of a run, one a group.
pub type Works = Vec<&'static Row>;

/// The work types of each run, without booting; none of a plan that only a
/// payload of its own understands.
///
/// # Errors
///
/// The plan is wrong.
pub fn works(request: &BootRequest) -> Result<Vec<Works>> {
    Ok(Planned::new(request)?.works)
}

/// How long the runs of a plan take.
///
/// # Errors
///
/// The plan is wrong.
pub fn takes(request: &BootRequest) -> Result<Duration> {
    Ok(Planned::new(request)?.takes)
}

impl Planned {
    pub(super) fn new(request: &BootRequest) -> Result<Self> {
        let words = request.plan.iter().filter(|word| *word != "--");
        let mut tokens: Vec<String> = words.cloned().collect();
        let option = tokens.iter().find(|word| word.starts_with("--"));
        if let Some(option) = option {
            bail!("`{option}` is in the plan; options come before it");
        }
        let mut additions = request.add.clone();
        let packed = request.scheduler.as_deref().map(Packed::parse);
        let packed = packed.transpose()?;
        additions.extend(packed.as_ref().map(|it| it.addition.clone()));
        let mut added = build::additions(&additions)?;
        // A word with spaces stays one.
        for word in &mut tokens {
            if word.contains(char::is_whitespace) && !word.contains('"') {
                *word = format!("\"{word}\"");
            }
        }
        if let Some(packed) = packed {
            packed.begin(&mut tokens, &added)?;
            let limit = packed.limit(request.timeout, &tokens, &added);
            tokens.splice(..0, limit);
        }
        let plan = tokens.join(" ");
        let (takes, works) = match &request.payload {
            Some(_) => (FOREIGN, Vec::new()),
            None => check(&plan, &added)?,
        };
        if tokens.len() > MOST_WORDS || plan.len() > LONGEST_PLAN {
            build::pack_plan(&mut added, "boot", plan)?;
            tokens = vec!["plan=boot".to_owned()];
        }
        Ok(Self {
            tokens,
            added,
            takes,
            works,
        })
    }
}

/// How long a plan may take that only a payload of its own understands.
const FOREIGN: Duration = Duration::from_secs(150);
/// What each worker adds, which is set up and ends one after another.
const EACH_WORKER: Duration = Duration::from_millis(25);
/// Most words of a plan on the kernel command line: with more than 32 behind
/// `--` the kernel panics, and some of them are ours.
const MOST_WORDS: usize = 24;
/// Longest plan on the kernel command line, of which x86 has 2048 bytes.
const LONGEST_PLAN: usize = 1000;

/// Checks a plan before anything is built; returns how long its runs take
/// and their work types.
///
/// # Errors
///
/// It is wrong.
pub fn check(tokens: &str, added: &Archive) -> Result<(Duration, Vec<Works>)> {
    let mut text = String::new();
    let mut sources = Sources {
        args: Source::args(tokens),
        ..Sources::default()
    };
    if let Some(name) = sources.plan_name() {
        if let Some(plan) = build::packed_plan(added, name) {
            sources.file = Source::file(plan);
        } else if builtin(name, &mut text).is_some() {
            sources.file = Source::file(&text);
        }
    }
    let plan = match Plan::parse(&sources) {
        Ok(plan) => plan,
        Err(error) => match error.to_string() {
            // An hour or a day is meant, which is no unit.
            said if said.ends_with(DURATION_RULE) => {
                bail!("{said}; the longest time is 1440m, a day")
            }
            said => bail!("{said}"),
        },
    };
    let program = plan.boot.scx.and_then(Scx::program);
    if let Some(path) = program.filter(|path| added.get(path).is_none()) {
        bail!(
            "bad plan: `{path}` is not in the image; --scheduler FILE adds \
             one, and --add FILE:{path}"
        );
    }
    let takes = |run: &Run<'_>| {
        let groups = run.groups.iter();
        let workers = groups.map(|group| group.workers(1).unwrap_or(0)).sum();
        run.settings.warmup + run.settings.time + EACH_WORKER * workers
    };
    let runs = plan.runs().map(takes);
    // What is usual is within what a machine may be silent for.
    let usual = Boot::DEFAULT.scx_load;
    let load = program.map(|_| plan.boot.scx_load.saturating_sub(usual));
    let works = plan.runs().map(|run| {
        let groups = run.groups.iter();
        groups.map(|group| group.row()).collect()
    });
    Ok((runs.chain(load).sum(), works.collect()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use core::time::Duration;
    use initramfs::newc::Archive;

    #[test]
    fn many_workers_take_longer() {
        let takes = |plan: &str| check(plan, &Archive::default()).unwrap().0;
        let few = takes("time=1s warmup=1s work=FutexPingPong workers=2");
        assert_eq!(few, Duration::from_millis(2050));
        let many = takes("time=1s work=FutexPingPong workers=4096");
        assert_eq!(many, Duration::from_millis(103_400));
    }
}
