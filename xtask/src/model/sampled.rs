//! Where the CPUs were during a run, by samples.

use super::plain::text;
use super::profile::{Space, folded};
use pidone::wire::record::{self, Scope};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What has no name, and what was seen too seldom to have one.
const UNNAMED: &str = "[kernel: no symbol]";
const PROGRAMS: &str = "[programs]";
const RARE: &str = "[seldom seen]";

/// The sampled profile of a run: an estimate, where an exact one is counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled {
    /// Iterations of the run, of all its groups.
    pub iterations: u64,
    /// Samples a second of each CPU that is busy.
    pub hz: u32,
    /// What they were taken by.
    pub event: Event,
    /// What was looked at.
    #[serde(with = "ScopeName")]
    pub scope: Scope,
    /// Samples: the sum of those of the functions.
    pub samples: u64,
    /// Samples that found no room in a buffer.
    pub lost: u64,
    /// How often the kernel took none for a while, to spare itself.
    pub throttled: u64,
    /// Samples among those seldom seen whose address was not counted.
    pub no_room: u64,
    /// Functions among those seldom seen whose record did not arrive.
    pub lost_rows: u64,
    /// The functions, those with the most samples first.
    pub functions: Vec<Seen>,
}

/// A function, with the parts that a compiler made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its name; between brackets what has none, and of a program perhaps an
    /// address.
    pub name: String,
    /// Whose it is.
    pub space: Space,
    /// How often a CPU was in it.
    pub samples: u64,
}

/// What samples are taken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The hardware's cycles.
    Cycles,
    /// The CPU's clock, a timer of the kernel.
    CpuClock,
}

impl Event {
    /// In words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cycles => "cycles",
            Self::CpuClock => "the CPU clock",
        }
    }
}

/// What was looked at, by name.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Scope", rename_all = "snake_case")]
enum ScopeName {
    Cpus,
    Workers,
    WorkersUser,
}

/// The records of a run, until all have come.
#[derive(Debug, Clone)]
pub(super) struct Pieces {
    head: record::Samples<'static>,
    rows: u64,
    counts: BTreeMap<(Space, String), u64>,
    /// Some do not go with the others.
    torn: bool,
}

impl Pieces {
    pub(super) fn new(first: &record::Samples<'_>) -> Self {
        Self {
            head: head(first),
            rows: 0,
            counts: BTreeMap::new(),
            torn: false,
        }
    }

    pub(super) fn take(&mut self, piece: &record::Samples<'_>) {
        self.torn |= head(piece) != self.head;
        for (name, count) in piece.counts.iter() {
            let address = name.strip_prefix("0x");
            let address = address.map(|hex| u64::from_str_radix(hex, 16));
            let key = match (address, name) {
                (Some(Ok(address)), _) => {
                    (Space::User, format!("{address:#x}"))
                }
                (_, "") => (Space::Kernel, UNNAMED.to_owned()),
                (_, name) => (Space::Kernel, folded(name).0.to_owned()),
            };
            let sum = self.counts.entry(key).or_default();
            *sum = sum.saturating_add(count);
            self.rows += 1;
        }
    }

    /// The profile of a run with so many iterations, in which `programs` other
    /// than the payload ran, or why it is not believed.
    pub(super) fn whole(
        self,
        iterations: u64,
        programs: bool,
    ) -> Result<Sampled, &'static str> {
        let Self {
            head,
            rows,
            mut counts,
            torn,
        } = self;
        let declared = u64::from(head.rows);
        let samples = head.user.checked_add(head.kernel);
        let samples = samples.filter(|_| !torn && rows <= declared);
        let samples = samples.ok_or("its records contradict each other")?;
        let all = [(Space::User, head.user), (Space::Kernel, head.kernel)];
        for (space, all) in all {
            let of = counts.iter().filter(|((of, _), _)| *of == space);
            let named = of.fold(0_u64, |sum, (_, n)| sum.saturating_add(*n));
            let rare = all.checked_sub(named);
            let rare = rare.ok_or("its functions have more than all of it")?;
            if rare > 0 {
                let key = (space, RARE.to_owned());
                *counts.entry(key).or_default() += rare;
            }
        }
        let functions = counts.into_iter().map(|((space, name), samples)| {
            // Two programs may have code at one address.
            let name = match space {
                Space::User if programs => PROGRAMS.to_owned(),
                _ => name,
            };
            Seen {
                name,
                space,
                samples,
            }
        });
        let mut sampled = Sampled {
            iterations,
            hz: head.hz,
            event: match head.cycles {
                true => Event::Cycles,
                false => Event::CpuClock,
            },
            scope: head.scope,
            samples,
            lost: head.lost,
            throttled: head.throttled,
            no_room: head.no_room,
            lost_rows: declared - rows,
            functions: functions.collect(),
        };
        sampled.unite(|_, name| name);
        Ok(sampled)
    }
}

/// What all records of a run have in common.
fn head(of: &record::Samples<'_>) -> record::Samples<'static> {
    record::Samples {
        counts: record::Pairs(""),
        ..*of
    }
}

impl Sampled {
    /// Gives functions other names, and makes one of those with the same.
    pub fn unite(&mut self, name: impl Fn(Space, String) -> String) {
        let mut sums: BTreeMap<(Space, String), u64> = BTreeMap::new();
        for seen in core::mem::take(&mut self.functions) {
            let key = (seen.space, name(seen.space, seen.name));
            let sum = sums.entry(key).or_default();
            *sum = sum.saturating_add(seen.samples);
        }
        let functions = sums.into_iter().map(|((space, name), samples)| Seen {
            name,
            space,
            samples,
        });
        self.functions = functions.collect();
        // Those that are equal stay in the order of their names.
        self.functions.sort_by_key(|seen| u64::MAX - seen.samples);
    }

    /// See [`Report::plain`](super::Report::plain).
    pub(super) fn plain(&mut self) {
        let Self {
            functions,
            iterations: _,
            hz: _,
            event: _,
            scope: _,
            samples: _,
            lost: _,
            throttled: _,
            no_room: _,
            lost_rows: _,
        } = self;
        for Seen {
            name,
            space: _,
            samples: _,
        } in functions
        {
            text(name);
        }
    }

    /// Samples in one space.
    #[must_use]
    pub fn of_space(&self, space: Space) -> u64 {
        let mine = self.functions.iter().filter(|seen| seen.space == space);
        mine.fold(0, |sum, seen| sum.saturating_add(seen.samples))
    }

    /// What is missing or not as it should be, in words.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut parts = Vec::new();
        match self.scope {
            Scope::Cpus => {}
            Scope::Workers => parts.push("of the workers only".to_owned()),
            Scope::WorkersUser => {
                parts.push("of the workers only, not in the kernel".to_owned());
            }
        }
        for (count, what) in [
            (self.lost, "samples lost"),
            (self.throttled, "times throttled"),
            (self.no_room, "samples whose address was not counted"),
            (self.lost_rows, "functions lost on the way"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, Pieces, Sampled};
    use crate::model::profile::Space;
    use pidone::wire::record::{Pairs, Samples, Scope};
    use proptest::prelude::{any, proptest};

    fn samples(counts: &str) -> Samples<'_> {
        Samples {
            run: 0,
            hz: 999,
            cycles: false,
            scope: Scope::Cpus,
            user: 10,
            kernel: 20,
            lost: 0,
            throttled: 0,
            no_room: 0,
            rows: 6,
            counts: Pairs(counts),
        }
    }

    fn whole(
        pieces: &[Samples<'_>],
        programs: bool,
    ) -> Result<Sampled, &'static str> {
        let mut all = Pieces::new(&pieces[0]);
        pieces.iter().for_each(|piece| all.take(piece));
        all.whole(5, programs)
    }

    fn names(sampled: &Sampled) -> Vec<(&str, u64)> {
        let all = sampled.functions.iter();
        all.map(|seen| (&*seen.name, seen.samples)).collect()
    }

    #[test]
    fn pieces_become_a_profile_that_sums_to_the_whole() {
        let one = samples("schedule=8\n0x201000=6\nschedule.cold=1");
        let two = samples("=4\n0x201004=2");
        let found = whole(&[one, two], false).unwrap();
        let expected = [
            ("schedule", 9),
            ("[seldom seen]", 7),
            ("0x201000", 6),
            ("[kernel: no symbol]", 4),
            ("0x201004", 2),
            ("[seldom seen]", 2),
        ];
        assert_eq!(names(&found), expected);
        assert_eq!((found.samples, found.event), (30, Event::CpuClock));
        assert_eq!(found.of_space(Space::User), 10);
        // A row less than the machine says that it sent.
        assert_eq!(found.missing(), ["1 functions lost on the way"]);
        let found = whole(&[one, two], true).unwrap();
        assert!(names(&found).contains(&("[programs]", 10)), "{found:?}");
    }

    #[test]
    fn what_contradicts_itself_is_not_believed() {
        let more = "its functions have more than all of it";
        let torn = "its records contradict each other";
        let most = u64::MAX;
        for (counts, why) in [
            ("a=21".to_owned(), more),
            (format!("a={most}\nb={most}"), more),
            ("0x1=11".to_owned(), more),
            ("a=1\n".repeat(7), torn),
        ] {
            assert_eq!(whole(&[samples(&counts)], false), Err(why), "{counts}");
        }
        let other = Samples {
            hz: 1,
            ..samples("a=1")
        };
        assert_eq!(whole(&[samples(""), other], false), Err(torn));
        let huge = Samples {
            user: most,
            ..samples("")
        };
        assert_eq!(whole(&[huge], false), Err(torn));
    }

    proptest! {
        #[test]
        fn whatever_is_believed_sums_to_the_whole(
            counts in "((0x|[a-z.]{0,3})[0-9a-f]{0,18}=[0-9]{1,3}\n){0,8}",
            user in any::<u64>(),
            kernel in 0..3000_u64,
            rows in 0..10_u32,
        ) {
            let piece = Samples { user, kernel, rows, ..samples(&counts) };
            if let Ok(found) = whole(&[piece], false) {
                let each = found.functions.iter().map(|seen| seen.samples);
                assert_eq!(each.sum::<u64>(), found.samples);
            }
        }
    }
}
