//! A review as plain text that fits into a mail to a list.

use super::{Changes, Commit, Found, Review};
use crate::bisect::show::short;
use crate::compare::table::value;
use crate::compare::{Comparison, Row, answer};
use crate::evidence::Verdict;
use crate::profile::diff::Difference;
use crate::profile::table::{number, shortened, signed};
use crate::program;
use crate::text::filled;
use crate::untrusted::line;
use crate::usage::quoted;
use core::fmt::Write;
use pidone::workloads::rows;

/// Columns of a line, at most.
const WIDTH: usize = 71;
/// Names of a list that are shown.
const NAMED: usize = 8;
/// Functions that are shown of a work type.
const FUNCTIONS: usize = 8;
/// A function that differs by less than this share of an iteration is not
/// shown: where code lies, and where a tick falls, moves that much.
const COUNTS: f64 = 0.001;

/// What figures are called, and what that means.
const FIGURES: [(&str, &str); 4] = [
    ("rate", "iterations a second"),
    ("cpu/iterations", "CPU time of an iteration"),
    ("wake.p50", "median from the wake-up to running"),
    ("timer.p50", "median from a timer's end to running"),
];

impl Review {
    /// The text.
    #[must_use]
    pub fn mail(&self) -> String {
        let mut mail = Mail::default();
        mail.head(self);
        mail.changes(&self.changes);
        match &self.found {
            Found::NotBuilt(at, why) => mail.not_built(*at, why, &self.tree),
            Found::SameImage => mail.text(
                "Both kernels are the same, to the byte, so that nothing was \
                 measured.",
            ),
            Found::NoType => mail.text(
                "No work type that runs on this machine executes any of \
                 that, so that nothing was measured.",
            ),
            Found::Compared(of) => {
                mail.text(&format!("{}.", answer::ascii(&of.answer)));
                mail.figures(of);
                mail.functions(of);
            }
        }
        mail.coverage(self);
        mail.how(self);
        mail.0
    }
}

/// The text so far.
#[derive(Debug, Default)]
struct Mail(String);

impl Mail {
    /// A line as it is.
    fn line(&mut self, text: &str) {
        let text = line(text);
        let _ok = writeln!(self.0, "{}", text.trim_end());
    }

    /// A paragraph.
    fn text(&mut self, text: &str) {
        self.line("");
        self.filled(text, "", "");
    }

    /// Words, as many in a line as fit; a word that is longer is cut.
    fn filled(&mut self, text: &str, first: &str, rest: &str) {
        for row in filled(text, first, rest, WIDTH).lines() {
            self.line(&row.chars().take(WIDTH).collect::<String>());
        }
    }

    fn head(&mut self, review: &Review) {
        let [a, b] = &review.sides;
        let what = match b.dirty {
            true => format!("{} and what is in no commit", short(&a.name)),
            false => format!("{}..{}", short(&a.name), short(&b.name)),
        };
        let title = format!(
            "pidone review of {}, {what}: {}",
            review.tree,
            review.verdict()
        );
        self.filled(&title, "", "  ");
        self.line("");
        for (letter, side) in ["A", "B"].iter().zip(&review.sides) {
            self.side(letter, side);
        }
    }

    fn side(&mut self, letter: &str, side: &Commit) {
        let what = match side.dirty {
            true => "the checkout, with changes that are in no commit".into(),
            false => format!("{} {}", short(&side.name), side.subject),
        };
        self.filled(&what, &format!("  {letter}: "), "     ");
        if !side.image.is_empty() {
            let kernel =
                format!("Linux {}, image {}", side.release, short(&side.image));
            self.filled(&kernel, "     ", "     ");
        }
    }

    fn changes(&mut self, changes: &Changes) {
        let mut parts = Vec::new();
        match &changes.code {
            Some(code) => {
                for (names, what) in [
                    (&code.changed, "changes the code of"),
                    (&code.added, "adds"),
                    (&code.removed, "removes"),
                ] {
                    if !names.is_empty() {
                        let names: Vec<&str> =
                            names.iter().map(String::as_str).collect();
                        parts.push(format!("{what} {}", listed(&names)));
                    }
                }
                if parts.is_empty() {
                    parts.push("changes the code of no function".to_owned());
                }
            }
            None if changes.patch.is_empty() => {}
            None => {
                let names: Vec<&str> =
                    changes.patch.iter().map(String::as_str).collect();
                parts.push(format!("changes {}", listed(&names)));
            }
        }
        if !changes.elsewhere.is_empty() {
            let files: Vec<&str> =
                changes.elsewhere.iter().map(String::as_str).collect();
            let files = listed(&files);
            parts
                .push(format!("changes lines outside of functions in {files}"));
        }
        if !parts.is_empty() {
            self.text(&format!("B {}.", parts.join("; it ")));
        }
    }

    fn not_built(&mut self, at: usize, why: &str, tree: &str) {
        let letter = ["A", "B"][at];
        let mut lines = why.lines();
        let _status = lines.next();
        let said: Vec<&str> = lines.collect();
        let errors = said.iter().filter(|line| line.contains("error: "));
        let errors: Vec<&&str> = errors.take(3).collect();
        self.text(&format!("{letter} does not build:"));
        self.line("");
        match errors.is_empty() {
            true => self.filled(why, "  ", "  "),
            false => {
                // Where in the tree, not on this host.
                let place = format!("/{tree}/");
                for error in errors {
                    let rest = error.rsplit_once(&place);
                    let error = rest.map_or(*error, |(_, rest)| rest);
                    self.filled(error, "  ", "    ");
                }
            }
        }
    }

    fn figures(&mut self, of: &Comparison) {
        let judged = || of.rows.iter().filter(|row| row.judged);
        let differs = |row: &&Row| row.verdict != Verdict::Same;
        let same = judged().count() - judged().filter(differs).count();
        self.text(&format!(
            "On {}. Figures, {}:",
            of.machines.join("; "),
            seeds(of)
        ));
        self.line("");
        // Where nothing differs, the first figure of each type stands for
        // all of it.
        let mut last = "";
        let shown: Vec<&Row> = match same == judged().count() {
            false => judged().filter(differs).collect(),
            true => judged()
                .filter(|row| {
                    let first = row.run != last;
                    last = &row.run;
                    first
                })
                .collect(),
        };
        let head = ["", "A", "B", "B - A", ""].map(str::to_owned);
        let mut cells = vec![head];
        cells.extend(shown.iter().map(|row| {
            let difference = row.difference.map(|d| d * 100.0);
            let difference = difference.map(|d| format!("{d:+.2} %"));
            [
                format!("  {}", row.metric),
                value(row.a, &row.unit),
                value(row.b, &row.unit),
                difference.unwrap_or_default(),
                match answer::grounds(row) {
                    none if none.is_empty() => row.verdict.to_string(),
                    grounds => format!("{}, {grounds}", row.verdict),
                },
            ]
        }));
        let lines = aligned(&cells, &[true, false, false, false, true]);
        self.line(&lines[0]);
        // A name may be longer than there is room for beside figures.
        let mut last = "";
        for (row, line) in shown.iter().zip(&lines[1..]) {
            if row.run != last {
                self.line(&format!("  {}", row.run));
                last = &row.run;
            }
            self.line(line);
        }
        let rest = same - shown.iter().filter(|row| !differs(row)).count();
        if rest > 0 {
            let s = if rest == 1 { " is" } else { "s are" };
            let text = format!("{rest} more figure{s} the same.");
            self.filled(&text, "  ", "  ");
        }
        let used = FIGURES
            .iter()
            .filter(|(name, _)| shown.iter().any(|row| row.metric == *name));
        let used: Vec<String> =
            used.map(|(name, what)| format!("{name}: {what}")).collect();
        if !used.is_empty() {
            self.text(&format!("({})", used.join("; ")));
        }
        for warning in &of.warnings {
            self.text(&format!("Warning: {warning}"));
        }
    }

    fn functions(&mut self, of: &Comparison) {
        if of.profiles.is_empty() {
            return;
        }
        let differ = |profile: &Difference| {
            let all = profile.each[0].max(profile.each[1]);
            let rows = profile.rows.iter();
            let rows = rows.filter(|row| row.difference.abs() > all * COUNTS);
            rows.count()
        };
        let (some, none): (Vec<_>, Vec<_>) =
            of.profiles.iter().partition(|profile| differ(profile) > 0);
        if !some.is_empty() {
            self.text(
                "Where, in instructions an iteration, all of which are \
                 counted:",
            );
        }
        for profile in some {
            self.line("");
            let [a, b] = profile.each;
            let whole = format!(
                "{}: {} ({:+.2} %), of {} and {}",
                profile.run,
                signed(profile.difference),
                profile.difference / a.max(1.0) * 100.0,
                number(a),
                number(b)
            );
            self.filled(&whole, "  ", "    ");
            let shown = differ(profile).min(FUNCTIONS);
            let mut cells: Vec<[String; 2]> = profile.rows[..shown]
                .iter()
                .map(|row| {
                    let name = shortened(&row.name).replace('…', "...");
                    [signed(row.difference), name]
                })
                .collect();
            let rest = &profile.rows[shown..];
            let rest = rest.iter().filter(|row| row.difference != 0.0);
            let (count, sum) = rest.fold((0, 0.0), |(count, sum), row| {
                (count + 1, sum + row.difference)
            });
            if count > 0 {
                let what = match count {
                    1 => "one other".to_owned(),
                    count => format!("{count} others together"),
                };
                cells.push([signed(sum), what]);
            }
            let indented = cells
                .into_iter()
                .map(|[n, what]| [String::from("  "), n, what]);
            let indented: Vec<[String; 3]> = indented.collect();
            for line in aligned(&indented, &[true, false, true]) {
                self.line(&line);
            }
        }
        if !none.is_empty() {
            let names: Vec<&str> =
                none.iter().map(|profile| profile.run.as_str()).collect();
            self.text(&format!(
                "In {} no function executes more or fewer instructions, \
                 beyond {:.1} % of an iteration.",
                listed(&names),
                COUNTS * 100.0
            ));
        }
    }

    /// What was run and why, and what was not.
    fn coverage(&mut self, review: &Review) {
        let works = &review.choice.works;
        if let Found::Compared(_) = review.found
            && !works.is_empty()
        {
            self.text(
                "These work types were run, for the share of an iteration \
                 that they spend in what changed:",
            );
            self.line("");
            for (work, share) in works {
                let row = rows().find(|row| row.name == work);
                let what = row.map_or("", |row| row.summary.text());
                let share = format!("{:.2} %", share * 100.0);
                self.filled(what, &format!("  {work} ({share}): "), "    ");
            }
        }
        let all = review.changes.functions();
        let (ran, missed) = review.split(&all);
        if !ran.is_empty() && !missed.is_empty() {
            self.text(&format!("Executed: {}.", listed(&ran)));
        }
        let known = |name: &str| review.executed.contains(name);
        let (other, never): (Vec<_>, Vec<_>) = match review.found {
            Found::NotBuilt(..) | Found::SameImage => return,
            Found::NoType => {
                all.iter().map(String::as_str).partition(|name| known(name))
            }
            Found::Compared(_) => {
                missed.into_iter().partition(|name| known(name))
            }
        };
        if !never.is_empty() {
            let names = listed(&never);
            self.text(&format!("No work type executes {names}."));
        }
        if !other.is_empty() {
            let names = listed(&other);
            self.text(&format!(
                "Not executed on this machine, but by work types on others: \
                 {names}."
            ));
        }
        if !review.choice.left.is_empty() {
            let left = review.choice.left.iter();
            let left = left.map(|it| format!("{} ({})", it.work, it.why));
            let left: Vec<String> = left.collect();
            let left: Vec<&str> = left.iter().map(String::as_str).collect();
            self.text(&format!(
                "Not run, for want of what they need: {}.",
                listed(&left)
            ));
        }
    }

    fn how(&mut self, review: &Review) {
        if let Found::Compared(_) = review.found {
            self.text(&format!(
                "Measured by pidone, an init that runs scheduler workloads on \
                 any kernel, in a virtual machine ({}) with -icount. Time \
                 there is a function of the instructions executed: every \
                 figure repeats, to the bit, on any host, and caches, memory \
                 and contention have no part in it.",
                review.machine
            ));
        }
        if !review.built_with.is_empty() {
            self.text(&format!("Kernels: {}.", review.built_with));
        }
        let dirty = match review.sides[1].dirty {
            true => ", in a checkout with the same changes",
            false => "",
        };
        self.text(&format!("To repeat it{dirty} ({}):", review.pidone));
        self.line("");
        self.command(&review.command);
    }

    /// A command, over as many lines as it takes.
    fn command(&mut self, words: &[String]) {
        let mut now = format!("  {}", program::name());
        for word in words {
            let word = quoted(word);
            let columns = now.chars().count() + 1 + word.chars().count();
            // Room for a backslash.
            if columns + 2 > WIDTH {
                self.line(&format!("{now} \\"));
                now = String::from("   ");
            }
            now.push(' ');
            now.push_str(&word);
        }
        self.line(&now);
    }
}

/// Lines of columns side by side, those to the left that say so, else to the
/// right.
fn aligned<const N: usize>(
    cells: &[[String; N]],
    left: &[bool; N],
) -> Vec<String> {
    let width = |at: usize| {
        let cells = cells.iter().map(|row| row[at].chars().count());
        cells.max().unwrap_or(0)
    };
    let lines = cells.iter().map(|row| {
        let mut text = String::from(" ");
        for (at, cell) in row.iter().enumerate() {
            let width = width(at);
            let _ok = match left[at] {
                true => write!(text, " {cell:width$}"),
                false => write!(text, " {cell:>width$}"),
            };
        }
        text.chars().take(WIDTH).collect()
    });
    lines.collect()
}

/// Names with commas; of many the first, and how many more.
fn listed(names: &[&str]) -> String {
    let shown = match names.len() {
        all if all <= NAMED + 1 => all,
        _ => NAMED,
    };
    let mut text = names[..shown].join(", ");
    if names.len() > shown {
        let _ok = write!(text, " and {} more", names.len() - shown);
    }
    text
}

/// Over which seeds.
fn seeds(of: &Comparison) -> String {
    let seeds = of.rows.iter().map(|row| &row.seeds);
    let seeds = seeds.max_by_key(|seeds| seeds.len());
    let numbers: Vec<u64> =
        seeds.into_iter().flatten().map(|seed| seed.0).collect();
    match numbers[..] {
        [] => "of each boot".to_owned(),
        [one] => format!("with seed {one}"),
        [first, .., last] => {
            format!("medians of {} seeds, {first} to {last}", numbers.len())
        }
    }
}
