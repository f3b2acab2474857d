//! Exact profiles: which functions the instructions of a run are in.
//!
//! A plugin in QEMU (`xtask/plugin`) counts how often each instruction is
//! carried out between the marks that the payload executes where the measured
//! window of a run begins and ends. Here that plugin is found or built, and
//! its counts become functions of each run.

pub mod counts;
pub mod diff;
pub mod kallsyms;
pub mod symbols;
pub mod table;

use self::counts::Window;
use self::symbols::Symbols;
use crate::arch::Arch;
use crate::build;
use crate::model::profile::{Function, Profile, Space};
use crate::model::{Report, hex};
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
             repeats itself has exactly; add --deterministic"
        );
    }
    let program = arch.qemu.program;
    let help = Command::new(program).arg("-help").output();
    let help = help.with_context(|| format!("{program} -help"))?;
    match String::from_utf8_lossy(&help.stdout).contains("\n-plugin ") {
        true => Ok(()),
        false => bail!(
            "--profile: this {program} was built without plugins; take one \
             that was built with --enable-plugins, as those of Debian, Ubuntu \
             and Fedora are"
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
    /// the kernel in its image, and those of the payload as it was linked.
    ///
    /// # Errors
    ///
    /// The plugin does not build, or a file cannot be read.
    pub fn new(kernel: &Path, payload: &Path) -> Result<Self> {
        let plugin = build::plugin()?;
        let say = |note: &str| eprintln!("{note}");
        let symbols = Symbols::of(kernel, payload, say)?;
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
        for (run, window) in measured.into_iter().zip(&windows) {
            let iterations = run.groups.iter().map(|group| group.iterations);
            let iterations = iterations.sum();
            let mut profile = of_window(window, &self.symbols, iterations);
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
    symbols: &Symbols,
    iterations: u64,
) -> Profile {
    let mut sums: BTreeMap<(Space, &str), [u64; 2]> = BTreeMap::new();
    for count in &window.counts {
        let (space, name, first) = symbols.find(count);
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
