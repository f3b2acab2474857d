//! A map that is small enough to be kept with the sources.
//!
//! Of each work type it has the names of all functions of the kernel that were
//! executed, and the numbers of those that matter. It is text: a line for each
//! type and each function, so that a difference can be read.

use super::profiles;
use crate::arch::Arch;
use crate::finished::FinishedBoot;
use crate::model::Run;
use crate::model::profile::{Function, Profile, Space};
use anyhow::{Context, Result, bail};
use core::fmt::Write;
use pidone::workloads::rows;
use std::collections::BTreeMap;

/// Those that are kept, of an older kernel and of a newer one.
pub const KEPT: [&str; 2] = [
    include_str!("../../../docs/maps/6.12-cloud.txt"),
    include_str!("../../../docs/maps/7.2-cloud.txt"),
];

/// What the first line says.
const FORM: &str = "pidone map 1";

/// Of what has fewer than one in so many of a type's instructions in the
/// kernel, the name alone is kept.
const PARTS: u64 = 500;

/// A map.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredMap {
    /// The kernel as it was asked for.
    pub kernel: String,
    /// Its release.
    pub release: String,
    /// The work types.
    pub types: Vec<TypeMap>,
}

/// What a work type executes in the kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeMap {
    /// The work type.
    pub name: String,
    /// Its iterations.
    pub iterations: u64,
    /// Instructions of user space and of the kernel.
    pub instructions: [u64; 2],
    /// The kernel's functions; of those that matter, instructions and calls.
    pub functions: BTreeMap<String, Option<[u64; 2]>>,
}

impl TypeMap {
    /// Of a profile, with the numbers of what is `named`.
    #[must_use]
    pub fn new(name: &str, profile: &Profile, named: &[&str]) -> Self {
        let kernel = profile.of_space(Space::Kernel);
        let functions = profile.functions.iter().filter(|function| {
            // What has no name is no function.
            function.space == Space::Kernel && !function.name.starts_with('[')
        });
        let functions = functions.map(|function| {
            let name = function.name.clone();
            let kept = function.instructions.saturating_mul(PARTS) >= kernel
                || named.contains(&&*name);
            let numbers = [function.instructions, function.calls];
            (name, kept.then_some(numbers))
        });
        Self {
            name: name.to_owned(),
            iterations: profile.iterations,
            instructions: [profile.of_space(Space::User), kernel],
            functions: functions.collect(),
        }
    }

    /// A number for each iteration; for the run, if it has none.
    #[must_use]
    pub fn each(&self, number: u64) -> f64 {
        let profile = Profile {
            iterations: self.iterations,
            ..Profile::default()
        };
        profile.each(number)
    }

    /// The share of a function in the kernel's instructions, if it is kept.
    #[must_use]
    pub fn share(&self, function: &str) -> f64 {
        let numbers = self.functions.get(function).copied().flatten();
        #[expect(clippy::cast_precision_loss, reason = "a share of two digits")]
        let share = |of: [u64; 2]| of[0] as f64 / self.instructions[1] as f64;
        numbers.map_or(0.0, share)
    }
}

impl StoredMap {
    /// The part of a map that is kept. `named` are functions of which the
    /// numbers are kept however few they are, by the work type.
    #[must_use]
    pub fn new<'n>(
        map: &FinishedBoot,
        named: impl Fn(&str) -> Vec<&'n str>,
    ) -> Self {
        let types = profiles(map)
            .map(|(name, profile)| TypeMap::new(name, profile, &named(name)));
        let release = map.meta.kernel.release.clone();
        Self {
            kernel: map.meta.kernel.spec.clone(),
            release: release.unwrap_or_default(),
            types: types.collect(),
        }
    }

    /// The map that is kept of a kernel, as it was asked for.
    ///
    /// # Errors
    ///
    /// One that is kept is of another form.
    pub fn kept(kernel: &str, arch: &Arch) -> Result<Option<Self>> {
        let maps = KEPT.iter().map(|text| Self::read(text));
        let maps: Vec<Self> = maps.collect::<Result<_>>()?;
        let mut maps = maps.into_iter();
        Ok(maps.find(|map| {
            map.kernel == kernel && map.release.ends_with(arch.debian)
        }))
    }

    /// A boot with the profiles that are known. Those of user space are not;
    /// functions without numbers have none of either.
    #[must_use]
    pub fn into_boot(self) -> FinishedBoot {
        let mut boot = FinishedBoot::default();
        boot.meta.kernel.spec = self.kernel;
        boot.meta.kernel.release = Some(self.release);
        boot.meta.deterministic = Some(1);
        let runs = self.types.into_iter().map(|of| Run {
            name: of.name,
            profile: Some(Profile {
                iterations: of.iterations,
                instructions: of.instructions.iter().sum(),
                functions: of.functions.into_iter().map(function).collect(),
            }),
            ..Run::default()
        });
        boot.report.runs = runs.collect();
        boot
    }

    /// A work type's part.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&TypeMap> {
        self.types.iter().find(|of| of.name == name)
    }

    /// As text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text =
            format!("{FORM}\nkernel {} {}\n", self.kernel, self.release);
        let mut functions: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        for (of, at) in self.types.iter().zip(0_u32..) {
            let [user, kernel] = of.instructions;
            let (name, iterations) = (&of.name, of.iterations);
            // Writing to a String cannot fail.
            let _ok =
                writeln!(text, "type {name} {iterations} {user} {kernel}");
            for (name, numbers) in &of.functions {
                let (types, all) = functions.entry(name).or_default();
                *types |= 1 << at;
                if let Some([instructions, calls]) = numbers {
                    let _ok = write!(all, " {at}:{instructions}/{calls}");
                }
            }
        }
        for (name, (types, numbers)) in functions {
            let _ok = writeln!(text, "{name} {types:x}{numbers}");
        }
        text
    }

    /// From text.
    ///
    /// # Errors
    ///
    /// It is of another form, or a line of it is.
    pub fn read(text: &str) -> Result<Self> {
        let mut lines = text.lines().zip(1..);
        if lines.next().is_none_or(|(line, _)| line != FORM) {
            bail!("no map: its first line is not `{FORM}`");
        }
        let mut map = Self::default();
        for (line, number) in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let read = map.read_line(&words);
            read.with_context(|| format!("line {number}: `{line}`"))?;
        }
        Ok(map)
    }

    fn read_line(&mut self, words: &[&str]) -> Option<()> {
        let decimal = |word: &str| word.parse::<u64>().ok();
        match *words {
            ["kernel", kernel, release] => {
                kernel.clone_into(&mut self.kernel);
                release.clone_into(&mut self.release);
            }
            ["type", name, iterations, user, kernel] => {
                self.types.push(TypeMap {
                    name: name.to_owned(),
                    iterations: decimal(iterations)?,
                    instructions: [decimal(user)?, decimal(kernel)?],
                    ..TypeMap::default()
                });
            }
            [name, types, ref numbers @ ..] => {
                let types = u64::from_str_radix(types, 16).ok()?;
                for at in (0..u64::BITS).filter(|at| types >> at & 1 == 1) {
                    let of = self.types.get_mut(usize::try_from(at).ok()?)?;
                    of.functions.insert(name.to_owned(), None);
                }
                for number in numbers {
                    let (at, number) = number.split_once(':')?;
                    let (instructions, calls) = number.split_once('/')?;
                    let of = self.types.get_mut(at.parse::<usize>().ok()?)?;
                    *of.functions.get_mut(name)? =
                        Some([decimal(instructions)?, decimal(calls)?]);
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// What the paths of rows say that the map does not: functions that a row
    /// names without a word of why they may be missing, and those that it has
    /// under neither of two names.
    #[must_use]
    pub fn wrong_paths(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for row in rows() {
            let of = self.of(row.name);
            let has = |name: &str| {
                of.is_some_and(|of| of.functions.contains_key(name))
            };
            let names = stated(row.path.text()).filter(|stated| {
                stated.why.is_none() || stated.other().is_some()
            });
            for stated in names {
                if !has(stated.name) && !stated.other().is_some_and(has) {
                    let (row, release) = (row.name, &self.release);
                    let name = stated.name;
                    wrong.push(format!("{row}: `{name}` on {release}"));
                }
            }
        }
        wrong
    }
}

/// A function of the kernel and its numbers, if they are kept.
fn function((name, numbers): (String, Option<[u64; 2]>)) -> Function {
    let [instructions, calls] = numbers.unwrap_or_default();
    Function {
        name,
        space: Space::Kernel,
        instructions,
        calls,
    }
}

/// A function that a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stated<'p> {
    /// Its name.
    pub name: &'p str,
    /// What stands behind it between parentheses, as in `f (inlined)`: why it
    /// may be in no profile.
    pub why: Option<&'p str>,
}

impl<'p> Stated<'p> {
    /// What it is elsewhere: `g` of `f (g in 7.2)`.
    #[must_use]
    pub fn other(&self) -> Option<&'p str> {
        let (name, _) = self.why?.split_once(" in ")?;
        (!name.contains(' ')).then_some(name)
    }
}

/// The functions that a path names: words with an underscore, and no capital.
/// What is passed to one, as in `f(FLAG)`, is passed over.
pub fn stated(path: &str) -> impl Iterator<Item = Stated<'_>> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = path;
    core::iter::from_fn(move || {
        loop {
            let begin = rest.find(is_word)?;
            let word = &rest[begin..];
            let end = word.find(|c| !is_word(c)).unwrap_or(word.len());
            let (name, mut behind) = word.split_at(end);
            if let Some((_, after)) = within(behind, "(") {
                behind = after;
            }
            let why = within(behind, " (");
            rest = why.map_or(behind, |(_, after)| after);
            let function = name.contains('_')
                && !name.contains(|c: char| c.is_ascii_uppercase());
            if function {
                let why = why.map(|(why, _)| why);
                return Some(Stated { name, why });
            }
            // What explains no function may name some.
            rest = behind;
        }
    })
}

/// What is between parentheses at the beginning, and what is behind them.
fn within<'t>(text: &'t str, open: &str) -> Option<(&'t str, &'t str)> {
    text.strip_prefix(open)?.split_once(')')
}

#[cfg(test)]
mod tests {
    use super::{StoredMap, TypeMap, stated};
    use crate::map::{hits, render};
    use crate::model::profile::{Function, Profile, Space};
    use proptest::prelude::proptest;

    #[test]
    fn functions_of_a_path() {
        let path = "pipe_write -> try_to_wake_up(WF_SYNC); read; ops.f_g \
                    (under sched_ext), __wake_up(&ep->wq), io (a_b) x_y";
        let all: Vec<_> = stated(path).map(|it| (it.name, it.why)).collect();
        let expected = [
            ("pipe_write", None),
            ("try_to_wake_up", None),
            ("f_g", Some("under sched_ext")),
            ("__wake_up", None),
            ("a_b", None),
            ("x_y", None),
        ];
        assert_eq!(all, expected);
        let other = |path| stated(path).next().unwrap().other();
        assert_eq!(other("f_g (h_i in 7.2)"), Some("h_i"));
        assert_eq!(other("f_g (as a rule in 7.2)"), None);
        assert_eq!(other("f_g (inlined)"), None);
    }

    fn profile() -> Profile {
        let function = |name: &str, space, instructions| Function {
            name: name.to_owned(),
            space,
            instructions,
            calls: 10,
        };
        Profile {
            iterations: 10,
            instructions: 3_000,
            functions: vec![
                function("main", Space::User, 1_000),
                function("pipe_read", Space::Kernel, 1_989),
                function("[kernel: no symbol]", Space::Kernel, 5),
                function("rare", Space::Kernel, 3),
                function("named", Space::Kernel, 3),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let of = TypeMap::new("PipeIo", &profile(), &["named"]);
        assert_eq!(of.instructions, [1_000, 2_000]);
        assert_eq!(of.functions["rare"], None);
        assert_eq!(of.functions["named"], Some([3, 10]));
        assert!((of.share("pipe_read") - 0.9945).abs() < 1e-9);
        let map = StoredMap {
            kernel: "debian:6.12-cloud".to_owned(),
            release: "6.12.1".to_owned(),
            types: vec![TypeMap::new("SpinWait", &profile(), &[]), of],
        };
        let text = map.to_text();
        assert!(text.contains("\nnamed 3 1:3/10\n"), "{text}");
        assert!(text.contains("\nrare 3\n"), "{text}");
        assert_eq!(StoredMap::read(&text).unwrap(), map);
        for (from, to, line) in [
            ("map 1", "map 2", "no map"),
            ("type PipeIo 10", "type PipeIo ten", "line 4"),
            ("rare 3", "rare 8", "line 7"),
            ("1:3/10", "2:3/10", "line 5"),
        ] {
            let error = StoredMap::read(&text.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(line), "{error:#}");
        }
    }

    #[test]
    fn what_is_kept_is_a_map() {
        let kept = |kernel: &str, arch: &str| {
            StoredMap::kept(kernel, arch.parse().unwrap()).unwrap()
        };
        assert!(kept("debian:6.12-cloud", "aarch64").is_none());
        assert!(kept("debian:6.12", "x86_64").is_none());
        let map = kept("debian:6.12-cloud", "x86_64").unwrap().into_boot();
        let of = |name: &str| {
            let hits = hits(&map, &[name.to_owned()]);
            (hits.len(), render(&hits))
        };
        let (types, text) = of("schedule");
        assert!(types > 40, "{text}");
        let ranked = " more, with 0.";
        assert!(text.contains(ranked), "{text}");
        // What no type executes often.
        let (types, text) = of("do_exit");
        assert!(types > 0, "{text}");
        assert!(text.contains(" do_exit few\n"), "{text}");
        assert!(text.contains("\n    few           few  "), "{text}");
        assert_eq!(of("pci_enable_device").0, 0);
    }

    #[test]
    fn a_path_that_is_not_taken_is_wrong() {
        let wrong = StoredMap::default().wrong_paths();
        let named = |name: &str| wrong.iter().any(|it| it.contains(name));
        assert!(named("PipeIo: `pipe_write` on "), "{wrong:?}");
        assert!(!named("blk_wait_io"), "{wrong:?}");
        assert!(!named("AluHot"), "{wrong:?}");
    }

    proptest! {
        #[test]
        fn anything_is_read(text in "(pidone map 1\n)?[a-f0-9 :/\n]{0,60}") {
            let _any = StoredMap::read(&text);
        }

        #[test]
        fn any_path_is_read(path in "[a_ ()>A\u{e9}-]{0,60}") {
            let _all = stated(&path).count();
        }
    }
}
