//! Exact profiles: which functions the instructions of a run are in.
//!
//! A plugin in QEMU (`xtask/plugin`) counts how often each instruction is
//! carried out between the marks that the payload executes where the measured
//! window of a run begins and ends. Here that plugin is found or built, and
//! its counts become functions of each run.

pub mod counts;
pub mod diff;
pub mod kallsyms;
pub mod modules;
pub mod sampled;
pub mod symbols;
pub mod table;

use self::counts::Window;
use self::symbols::{Names, Symbols};
use crate::arch::Arch;
use crate::interrupt;
use crate::model::profile::{Function, Profile, Space};
use crate::model::{Report, hex};
use crate::{supply, tools};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the plugin writes, until it is read.
const COUNTS: &str = "profile.counts";

/// Refuses a machine that has no exact profile.
///
/// # Errors
///
/// It is not deterministic, or its QEMU takes no plugins.
pub fn check(arch: &Arch, deterministic: bool) -> Result<()> {
    if !deterministic {
        bail!(
            "--profile counts instructions, which only a machine that \
             repeats itself has exactly; add --deterministic, or have \
             samples taken instead: sample=997 in the plan"
        );
    }
    let program = arch.qemu.program;
    let help = Command::new(tools::program(program)).arg("-help").output();
    let help = help.with_context(|| format!("{program} -help"))?;
    // One that a signal ended has said nothing.
    interrupt::check()?;
    match String::from_utf8_lossy(&help.stdout).contains("\n-plugin ") {
        true => Ok(()),
        false => bail!(
            "--profile: this {program} was built without plugins; take one \
             that was built with --enable-plugins, as those of Debian, Ubuntu \
             and Fedora are, or have samples taken instead: sample=997 in \
             the plan"
        ),
    }
}

/// What makes profiles of the boots of one kernel.
#[derive(Debug, Clone)]
pub struct Profiler {
    plugin: PathBuf,
    symbols: Symbols,
}

impl Profiler {
    /// Finds or builds the plugin, and reads the names of functions: those of
    /// the kernel in its image and in the modules that go with it, and those
    /// of the payload as it was linked.
    ///
    /// # Errors
    ///
    /// The plugin does not build, or a file cannot be read.
    pub fn new(
        kernel: &Path,
        modules: &[(&str, &[u8])],
        payload: &Path,
    ) -> Result<Self> {
        let plugin = supply::plugin()?;
        let say = |note: &str| crate::tell!("{note}");
        let symbols = Symbols::of(kernel, modules, payload, say)?;
        Ok(Self { plugin, symbols })
    }

    /// What QEMU is told with `-plugin`, for a machine that writes to `dir`.
    #[must_use]
    pub fn option(&self, arch: &Arch, dir: &Path) -> String {
        let path =
            |path: &PathBuf| path.display().to_string().replace(',', ",,");
        let [begin, end] = arch.marks.map(hex);
        let [plugin, out] = [&self.plugin, &dir.join(COUNTS)].map(path);
        format!("{plugin},out={out},begin={begin},end={end}")
    }

    /// Puts the profile of each run into the report of a boot. Without one
    /// window for each run that was measured there is none, and the text says
    /// so.
    ///
    /// # Errors
    ///
    /// What the plugin wrote cannot be read.
    pub fn attach(
        &self,
        dir: &Path,
        report: &mut Report,
    ) -> Result<Option<String>> {
        let file = dir.join(COUNTS);
        let what = || file.display().to_string();
        let text = fs::read_to_string(&file).with_context(what)?;
        fs::remove_file(&file).with_context(what)?;
        let Some(windows) = counts::read(&text).with_context(what)? else {
            let why = "no profile: QEMU did not end by itself";
            return Ok(Some(why.to_owned()));
        };
        let measured = report.runs.iter_mut().filter(|run| run.wall_ns > 0);
        let measured: Vec<_> = measured.collect();
        if measured.len() != windows.len() {
            return Ok(Some(format!(
                "no profile: {} runs were measured, and {} windows seen",
                measured.len(),
                windows.len()
            )));
        }
        let names = self.symbols.with_modules(&windows);
        for (run, window) in measured.into_iter().zip(&windows) {
            let iterations = run.groups.iter().map(|group| group.iterations);
            let iterations = iterations.sum();
            let mut profile = of_window(window, &names, iterations);
            profile.plain();
            run.profile = Some(profile);
        }
        Ok(None)
    }
}

/// The functions of a window.
#[must_use]
pub fn of_window(
    window: &Window,
    names: &Names<'_>,
    iterations: u64,
) -> Profile {
    let mut sums: BTreeMap<(Space, &str), [u64; 2]> = BTreeMap::new();
    for count in &window.counts {
        let (space, name, first) = names.find(count);
        let [instructions, calls] = sums.entry((space, name)).or_default();
        *instructions += count.count;
        *calls += if first { count.count } else { 0 };
    }
    let functions = sums.into_iter().map(|((space, name), sums)| Function {
        name: name.to_owned(),
        space,
        instructions: sums[0],
        calls: sums[1],
    });
    let mut functions: Vec<Function> = functions.collect();
    // Those that are equal stay in the order of their names.
    functions.sort_by_key(|function| u64::MAX - function.instructions);
    Profile {
        iterations,
        instructions: functions.iter().map(|it| it.instructions).sum(),
        functions,
    }
}

#[cfg(test)]
mod tests {
    use super::counts::{Count, Window};
    use super::diff::difference;
    use super::symbols::Symbols;
    use super::{check, of_window, table};
    use crate::arch::Arch;
    use crate::model::profile::{Function, Profile, Space};
    use proptest::prelude::{any, proptest};

    fn profile(iterations: u64, of: &[(&str, u64)]) -> Profile {
        let functions = of.iter().map(|&(name, instructions)| Function {
            name: name.to_owned(),
            space: Space::Kernel,
            instructions,
            calls: instructions / 10,
        });
        Profile {
            iterations,
            instructions: of.iter().map(|(_, number)| number).sum(),
            functions: functions.collect(),
        }
    }

    #[test]
    fn a_machine_that_does_not_repeat_itself_has_none() {
        let error = check(Arch::host(), false).unwrap_err().to_string();
        assert!(
            error.contains("add --deterministic, or have samples"),
            "{error}"
        );
    }

    #[test]
    fn a_table_sums_to_the_whole() {
        let names: Vec<String> = (0..30).map(|n| format!("f{n}")).collect();
        let of: Vec<(&str, u64)> =
            names.iter().map(|name| (&**name, 500)).collect();
        let text = table::render(&profile(10, &of));
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[0].contains("1500.0 instructions an iteration, of 10"));
        assert_eq!(lines.len(), 2 + 20 + 2);
        assert!(lines[22].contains("500.0   33.33 %"), "{text}");
        assert!(lines[22].ends_with("10 more"), "{text}");
        assert!(lines[23].contains("100.00 %"), "{text}");
    }

    #[test]
    fn what_differs_most_comes_first() {
        let a = profile(10, &[("same", 100), ("gone", 50), ("more", 40)]);
        let b = profile(20, &[("same", 200), ("new", 400), ("more", 100)]);
        let of = difference("Run", [core::slice::from_ref(&a), &[b]]);
        let rows: Vec<(&str, f64)> =
            of.rows.iter().map(|r| (&*r.name, r.difference)).collect();
        let expected =
            [("new", 20.0), ("gone", -5.0), ("more", 1.0), ("same", 0.0)];
        assert_eq!(rows, expected);
        let said = "Run: +16.00 instructions an iteration (+84.21 %): new \
                    +20.00, gone -5.00, more +1.00";
        assert_eq!(of.summary(), said);
        let text = of.render();
        assert!(text.contains("+16.00  19.00  35.00          all"), "{text}");
        let same = difference("Run", [core::slice::from_ref(&a); 2]);
        let said = "Run: not an instruction more or less";
        assert_eq!(same.summary(), said);
    }

    proptest! {
        #[test]
        fn rows_sum_to_the_whole(
            counts in proptest::collection::vec(
                (any::<u64>(), 0..1_u64 << 40, any::<u8>()),
                0..40,
            ),
        ) {
            let counts = counts.into_iter().map(|(address, count, byte)| Count {
                address,
                count,
                bytes: vec![byte],
            });
            let counts: Vec<Count> = counts.collect();
            let whole = counts.iter().map(|count| count.count).sum::<u64>();
            let window = Window { counts };
            let symbols = Symbols::default();
            let names = symbols.with_modules(&[]);
            let profile = of_window(&window, &names, 3);
            assert_eq!(profile.instructions, whole);
            let of = |space| profile.of_space(space);
            assert_eq!(of(Space::Kernel) + of(Space::User), whole);
            let other = Profile::default();
            let of = difference("x", [&[profile], &[other]]);
            let rows = of.rows.iter().map(|row| row.instructions[0]);
            assert_eq!(rows.sum::<u64>(), of.instructions[0]);
        }
    }
}
