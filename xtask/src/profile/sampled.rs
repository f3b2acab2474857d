//! Sampled profiles: shares of time, each with its error.
//!
//! `sample=HZ` in a plan has the payload look at each CPU so often a second
//! (`payload/src/run/samples.rs`). What was seen is a sample of what there was,
//! so that no figure of it goes without an interval.

pub mod diff;

use super::counts::Count;
use super::symbols::Symbols;
use super::table::number;
use crate::model::Report;
use crate::model::profile::Space;
use crate::model::sampled::{Sampled, Seen};
use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets::NOTHING};
use statrs::distribution::{ContinuousCDF, Normal};
use std::path::Path;

/// How sure the interval of a share is.
pub const SURE: f64 = 0.95;
/// Functions that are shown, unless one more would be all.
const SHOWN: usize = 20;

/// A figure, and between which bounds the true one is.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// The figure.
    pub value: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Estimate {
    /// The share of `all` samples that `some` of them are, with Wilson's
    /// interval of that coverage. It is wide where there are few samples, and
    /// never empty, not even for none.
    #[must_use]
    pub fn share(some: u64, all: u64, coverage: f64) -> Self {
        let z = Normal::standard().inverse_cdf(0.5 + coverage / 2.0);
        #[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
        let (some, all) = (some.min(all) as f64, all as f64);
        if all < 1.0 {
            let [value, low, high] = [0.0, 0.0, 1.0];
            return Self { value, low, high };
        }
        let value = some / all;
        let z2 = z * z / all;
        let middle = (value + z2 / 2.0) / (1.0 + z2);
        let spread = value * (1.0 - value) / all + z2 / (4.0 * all);
        let half = z * spread.sqrt() / (1.0 + z2);
        Self {
            value,
            low: (middle - half).max(0.0).min(value),
            high: (middle + half).min(1.0).max(value),
        }
    }

    /// The same of something that is `whole` in all.
    #[must_use]
    pub fn of(self, whole: f64) -> Self {
        let Self { value, low, high } = self;
        let [value, low, high] = [value, low, high].map(|x| x * whole);
        Self { value, low, high }
    }

    /// Whether the bounds of two have values in common.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.low <= other.high && other.low <= self.high
    }
}

impl Sampled {
    /// The share of the samples that are in a function.
    #[must_use]
    pub fn share(&self, samples: u64) -> Estimate {
        Estimate::share(samples, self.samples, SURE)
    }

    /// CPU time of so many samples for each iteration, in ns; for the run, if
    /// it has none.
    #[must_use]
    pub fn each_ns(&self, samples: u64) -> f64 {
        let of = (samples, self.hz, self.iterations);
        each_ns(of)
    }
}

/// Of samples, how many of them a second has, and iterations.
#[expect(clippy::cast_precision_loss, reason = "shown with few digits")]
fn each_ns((samples, hz, iterations): (u64, u32, u64)) -> f64 {
    let ns = samples as f64 / f64::from(hz.max(1)) * 1e9;
    ns / iterations.max(1) as f64
}

/// Gives addresses of the payload the names of its functions, in every sampled
/// profile of a boot.
///
/// # Errors
///
/// The payload cannot be read.
pub fn name(report: &mut Report, payload: &Path) -> Result<()> {
    let mut sampled = report.runs.iter_mut();
    if sampled.all(|run| run.sampled.is_none()) {
        return Ok(());
    }
    let symbols = Symbols::of_payload(payload)?;
    let sampled = report
        .runs
        .iter_mut()
        .filter_map(|run| run.sampled.as_mut());
    sampled.for_each(|sampled| with_symbols(sampled, &symbols));
    Ok(())
}

fn with_symbols(sampled: &mut Sampled, symbols: &Symbols) {
    let names = symbols.with_modules(&[]);
    sampled.unite(|space, name| {
        let address = name.strip_prefix("0x").filter(|_| space == Space::User);
        match address.map(|hex| u64::from_str_radix(hex, 16)) {
            Some(Ok(address)) => {
                let (count, bytes) = (0, Vec::new());
                let at = Count {
                    address,
                    count,
                    bytes,
                };
                names.find(&at).1.to_owned()
            }
            _ => name,
        }
    });
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

/// The functions that were seen most, what the others have together, and the
/// whole.
#[must_use]
pub fn render(sampled: &Sampled) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["ns", "share", "95 %", "samples", "", "function"]);
    let shown = match sampled.functions.len() {
        all if all <= SHOWN + 1 => all,
        _ => SHOWN,
    };
    let mut row = |samples: u64, bounds: bool, of: [&str; 2]| {
        let share = sampled.share(samples);
        let between = [share.low, share.high].map(|x| x * 100.0);
        let between = match bounds {
            true => format!("{:.2} .. {:.2} %", between[0], between[1]),
            false => String::new(),
        };
        table.add_row([
            number(sampled.each_ns(samples)),
            percent(share.value),
            between,
            samples.to_string(),
            of[0].to_owned(),
            of[1].to_owned(),
        ]);
    };
    for seen in &sampled.functions[..shown] {
        row(seen.samples, true, [seen.space.name(), &seen.name]);
    }
    let rest = &sampled.functions[shown..];
    if !rest.is_empty() {
        let add = |sum: u64, seen: &Seen| sum.saturating_add(seen.samples);
        let sum = rest.iter().fold(0, add);
        row(sum, true, ["", &format!("{} more", rest.len())]);
    }
    row(sampled.samples, false, ["", "all"]);
    for column in table.column_iter_mut().take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let user = sampled.share(sampled.of_space(Space::User)).value;
    let each = match sampled.iterations {
        0 => "in the run, which has no iterations".to_owned(),
        1 => "in 1 iteration".to_owned(),
        n => format!("an iteration, of {n}"),
    };
    let mut text = format!(
        "  sampled profile: {} samples, {} a second by {}; {} ns of CPU time \
         {each}; {} of it user space's\n",
        sampled.samples,
        sampled.hz,
        sampled.event.name(),
        number(sampled.each_ns(sampled.samples)),
        percent(user)
    );
    for missing in sampled.missing() {
        text += &format!("  sampled profile: {missing}\n");
    }
    text + &format!("{}\n", table.trim_fmt())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Estimate, SURE, render, with_symbols};
    use crate::model::profile::Space;
    use crate::model::sampled::{Event, Sampled, Seen};
    use crate::profile::symbols::Symbols;
    use pidone::wire::record::Scope;
    use proptest::prelude::{any, proptest};
    use statrs::distribution::{Binomial, Discrete};

    /// A profile by 1,000 samples a second.
    pub(crate) fn sampled(iterations: u64, of: &[(&str, u64)]) -> Sampled {
        let functions = of.iter().map(|&(name, samples)| Seen {
            name: name.to_owned(),
            space: Space::Kernel,
            samples,
        });
        Sampled {
            iterations,
            hz: 1000,
            event: Event::CpuClock,
            scope: Scope::Cpus,
            samples: of.iter().map(|(_, samples)| samples).sum(),
            lost: 0,
            throttled: 0,
            no_room: 0,
            lost_rows: 0,
            functions: functions.collect(),
        }
    }

    #[test]
    fn an_interval_has_the_coverage_that_it_states() {
        for (all, share) in [(200, 0.3), (1000, 0.1), (2000, 0.02)] {
            let of = Binomial::new(share, all).unwrap();
            let covered = |some: &u64| {
                let found = Estimate::share(*some, all, SURE);
                (found.low..=found.high).contains(&share)
            };
            let covers = (0..=all).filter(covered);
            let coverage: f64 = covers.map(|some| of.pmf(some)).sum();
            assert!((0.93..0.97).contains(&coverage), "{share}: {coverage}");
        }
    }

    #[test]
    fn a_table_says_that_it_is_sampled_and_sums_to_the_whole() {
        let names: Vec<String> = (0..30).map(|n| format!("f{n}")).collect();
        let of: Vec<(&str, u64)> =
            names.iter().map(|name| (&**name, 100)).collect();
        let mut profile = sampled(6000, &of);
        (profile.lost, profile.scope) = (3, Scope::WorkersUser);
        let text = render(&profile);
        let lines: Vec<&str> = text.lines().collect();
        let said = "  sampled profile: 3000 samples, 1000 a second by the CPU \
                    clock; 500000 ns of CPU time an iteration, of 6000; 0.00 % \
                    of it user space's";
        assert_eq!(lines[0], said);
        assert!(lines[1].ends_with("only, not in the kernel"), "{text}");
        assert!(lines[2].ends_with("3 samples lost"), "{text}");
        assert!(lines[24].contains("33.33 %  31.67 .. 35.04 %"), "{text}");
        assert!(lines[24].ends_with("10 more"), "{text}");
        assert!(lines[25].contains("100.00 %"), "{text}");
    }

    #[test]
    fn addresses_that_no_function_has_are_one_row() {
        let mut profile = sampled(1, &[("0x10", 2), ("0x20", 3), ("a", 1)]);
        for seen in &mut profile.functions[..2] {
            seen.space = Space::User;
        }
        with_symbols(&mut profile, &Symbols::default());
        let rows = profile.functions.iter();
        let rows: Vec<_> = rows.map(|it| (&*it.name, it.samples)).collect();
        assert_eq!(rows, [("[vDSO and other programs]", 5), ("a", 1)]);
    }

    proptest! {
        #[test]
        fn bounds_are_shares(some in any::<u64>(), all in any::<u64>()) {
            let found = Estimate::share(some, all, SURE);
            assert!(0.0 <= found.low && found.low <= found.value);
            assert!(found.value <= found.high && found.high <= 1.0);
            assert!(found.low < found.high || all > 1 << 50);
        }
    }
}
