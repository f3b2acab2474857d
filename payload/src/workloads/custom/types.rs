//! Work types of one's own, in Rust.
//!
//! The payload's own crate is the binary: it registers its types with
//! `init!` and has everything a built-in type has. A type is
//! selected by `work=Custom custom.name=MyWork`, or by its bare name if no
//! built-in type has it, and gets the plan's [`CustomCfg`].

use crate::ctx::Ctx;
use crate::ctx::instance::{Instance, Place};
use crate::ctx::workload::Workload;
use crate::kit::stop::Stop;
use crate::row::{Family, Hist, Metric, Need, Row, Shared, Work};
use crate::workloads::custom::config::{self, CUSTOM, CustomCfg, NAME, PARAMS};
use core::fmt;
use core::marker::PhantomData;

/// A work type of one's own.
pub trait CustomWork {
    /// Its name, for the plan and the report.
    const NAME: &'static str;
    /// What one iteration is.
    const ITERATION: &'static str = "iteration";
    /// What one work unit is.
    const UNIT: &'static str = "unit";
    /// Its histograms, in order of their indices.
    const HISTS: &'static [Hist] = &[];
    /// Its figures, in order of their indices.
    const METRICS: &'static [Metric] = &[];
    /// What it needs of kernel and machine.
    const NEEDS: &'static [Need] = &[];
    /// It exits, forks, execs, or changes directory, session or signal
    /// dispositions, so that threads cannot run it.
    const FORK_ONLY: bool = false;

    /// Workers per instance; `None` where any number will do, each on its
    /// own.
    #[must_use]
    fn group_size(_cfg: &CustomCfg) -> Option<u32> {
        None
    }

    /// What the workers of one instance share, on so many CPUs.
    #[must_use]
    fn shared(_cfg: &CustomCfg, _cpus: u32) -> Shared {
        Shared::NONE
    }

    /// Runs in the supervisor for each instance before its workers are made.
    ///
    /// # Errors
    ///
    /// Why it cannot be run here.
    fn setup(_setup: &Setup<'_>) -> Result<(), Stop> {
        Ok(())
    }

    /// The worker: sets itself up, meets the others at [`Ctx::start`], and
    /// loops until [`Ctx::stop`].
    ///
    /// # Errors
    ///
    /// Why it ended before it was asked to.
    fn run(c: &mut Ctx<'_>) -> Result<(), Stop>;
}

/// What [`CustomWork::setup`] sees.
#[derive(Debug)]
pub struct Setup<'r> {
    /// What the workers of the instance will share.
    pub instance: Instance<'r>,
    /// Where the instance is.
    pub place: Place<'r>,
}

impl Setup<'_> {
    /// What the plan says.
    #[must_use]
    pub fn config(&self) -> CustomCfg {
        CustomCfg::of(self.place.work)
    }

    /// Skips with fewer CPUs.
    ///
    /// # Errors
    ///
    /// `TOO_FEW_CPUS`.
    pub fn need_cpus(&self, cpus: u32) -> Result<(), Stop> {
        match self.place.cpus.len() < cpus {
            true => Err(Stop::skip(&"TOO_FEW_CPUS")),
            false => Ok(()),
        }
    }
}

impl Ctx<'_> {
    /// What the plan tells work of one's own.
    #[must_use]
    pub fn config(&self) -> CustomCfg {
        CustomCfg::of(self.work())
    }
}

/// The work type that a type of one's own is.
struct Typed<W>(PhantomData<W>);

impl<W: CustomWork> Typed<W> {
    const WORKLOAD: Workload = Workload {
        row: &Row {
            name: W::NAME,
            family: Family::Compound,
            params: PARAMS,
            group: |work| W::group_size(&CustomCfg::of(work)),
            iteration: W::ITERATION,
            unit: W::UNIT,
            hists: W::HISTS,
            metrics: W::METRICS,
            needs: W::NEEDS,
            shared: |work, cpus| W::shared(&CustomCfg::of(work), cpus),
            check: config::check_type,
            fork_only: W::FORK_ONLY,
            ..Row::BASE
        },
        create: |instance, place| {
            W::setup(&Setup {
                instance: *instance,
                place: *place,
            })
        },
        run: W::run,
        ..Workload::BASE
    };
}

/// The work type that a value's type is.
#[must_use]
pub const fn workload<W: CustomWork>(_: &W) -> Workload {
    Typed::<W>::WORKLOAD
}

/// A work type that is its name and a function,
/// `fn(&mut Ctx<'_>) -> Result<(), Stop>`.
#[macro_export]
macro_rules! fn_work {
    ($name:literal, $run:path) => {{
        struct Function;

        impl $crate::workloads::custom::types::CustomWork for Function {
            const NAME: &'static str = $name;

            fn run(
                c: &mut $crate::ctx::Ctx<'_>,
            ) -> Result<(), $crate::kit::stop::Stop> {
                $run(c)
            }
        }

        Function
    }};
}

/// The registered type that a plan names for its `Custom`.
#[must_use]
pub(crate) fn named<'t>(work: &Work<'t>) -> Option<&'t str> {
    let custom = work.name() == CUSTOM;
    Some(work.text(&NAME)).filter(|name| custom && !name.is_empty())
}

/// That type, with what the plan says of it.
#[must_use]
pub(crate) fn registered<'t>(work: &Work<'t>, row: &'static Row) -> Work<'t> {
    let mut work = work.renamed(row.name);
    // It has done its duty.
    let _valid = work.set(NAME.name, NAME.kind.default());
    work
}

/// The types that a binary registered.
#[derive(Clone, Copy, Default)]
pub struct Registered(pub &'static [&'static Workload]);

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0).finish()
    }
}

impl Registered {
    /// The type of that exact name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&'static Workload> {
        let mut all = self.0.iter().copied();
        all.find(|workload| workload.row.name == name)
    }

    /// The row of each of them.
    pub fn rows(&self) -> impl Iterator<Item = &'static Row> + use<> {
        self.0.iter().map(|workload| workload.row)
    }
}

#[cfg(test)]
mod tests {
    use super::{CustomWork, Registered, workload};
    use crate::ctx::Ctx;
    use crate::ctx::workload::Workload;
    use crate::kit::stop::Stop;
    use crate::plan::Plan;
    use crate::plan::run::Run;
    use crate::plan::sources::Sources;
    use crate::plan::token::Source;
    use crate::workloads::custom::config::CustomCfg;
    use std::string::{String, ToString};

    struct Pairs;

    impl CustomWork for Pairs {
        const NAME: &'static str = "Pairs";
        const FORK_ONLY: bool = true;

        fn group_size(cfg: &CustomCfg) -> Option<u32> {
            u32::try_from(cfg.u64s[0]).ok().filter(|&size| size > 0)
        }

        fn run(_: &mut Ctx<'_>) -> Result<(), Stop> {
            Ok(())
        }
    }

    fn nothing(_: &mut Ctx<'_>) -> Result<(), Stop> {
        Ok(())
    }

    static WORKS: &[&Workload] = &[
        &workload(&Pairs),
        &workload(&crate::fn_work!("probe", nothing)),
    ];

    fn run(words: &str) -> Result<Run<'_>, String> {
        let sources = Sources {
            args: Source::args(words),
            works: Registered(WORKS),
            ..Sources::default()
        };
        let plan = Plan::parse(&sources).map_err(|e| e.to_string())?;
        Ok(plan.distinct()[0].clone())
    }

    #[test]
    fn both_spellings_name_a_type_and_configure_it() {
        for words in [
            "work=Pairs custom.u64.0=3",
            "work=Custom custom.u64.0=3 custom.name=Pairs",
        ] {
            let run = run(words).unwrap();
            assert_eq!(run.to_string(), "Pairs", "{words}");
            assert_eq!(run.groups[0].workers(1).unwrap(), 3);
        }
        assert_eq!(run("work=probe").unwrap().to_string(), "probe");
        assert_eq!(run("work=SpinWait").unwrap().to_string(), "SpinWait");
    }

    #[test]
    fn rules_of_a_type_hold_and_names_are_known() {
        for (words, message) in [
            ("work=Pairz", "nearest is `Pairs`"),
            ("work=Custom custom.name=Pairz", "nearest is `Pairs`"),
            ("work=Pairs custom.u64.0=2 workers=3", "in groups of 2"),
            ("work=Pairs clone=thread", "clone=fork only"),
            ("work=Pairs custom.exec=/b", "not for a registered type"),
            ("work=Pairs custom.name=probe", "not for a registered type"),
        ] {
            let error = run(words).expect_err(words);
            assert!(error.contains(message), "{words}: {error}");
        }
    }
}
