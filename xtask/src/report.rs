//! Runs as one page of HTML that needs nothing else: no network, no script.
//!
//! The page is made by [`html`], which escapes whatever it is given: names,
//! reasons, messages and console come from a kernel that may be broken or
//! hostile. Figures of several boots stand side by side; nothing is judged
//! here beyond what the machine itself judged.

mod boots;
mod compared;
mod html;
pub mod matrix;
mod number;
mod plot;
mod profile;
mod runs;
mod sampled;
mod scheduler;
pub mod sides;
mod trace;
mod tunables;

use self::html::Html;
use crate::finished::Meta;
use crate::model::{Group, Outcome, Report, Run};
use crate::program;
use core::fmt;

/// How every page begins, by which one is told from other files.
pub const MARK: &str =
    "<!doctype html>\n<html lang=\"en\" data-made-by=\"pidone report\">";

/// Lines of the console that are shown of a boot that ended badly.
const TAIL: usize = 40;

/// A boot to report on.
#[derive(Debug, Clone, Default)]
pub struct Source {
    /// Where it was read from.
    pub name: String,
    /// What it was made of, if it is stored.
    pub meta: Option<Meta>,
    /// What came of it.
    pub report: Report,
    /// What the console said, without frames.
    pub console: String,
}

impl Source {
    /// The kernel's release, or what it was asked for by.
    fn kernel(&self) -> &str {
        let hello = self.report.hello.as_ref();
        let meta = self.meta.as_ref().map(|meta| &meta.kernel);
        let stored = || {
            let meta = meta?;
            Some(meta.release.as_deref().unwrap_or(&meta.spec))
        };
        let told = hello.map(|hello| hello.kernel.as_str()).or_else(stored);
        told.filter(|told| !told.is_empty())
            .unwrap_or("unknown kernel")
    }

    /// What makes a kernel the same as another.
    fn identity(&self) -> (&str, &str) {
        let meta = self.meta.as_ref();
        let image = meta.map_or("", |meta| meta.kernel.sha256.as_str());
        (self.kernel(), image)
    }

    /// The last lines of the console, if the boot went wrong.
    fn tail(&self) -> Option<String> {
        let is = match self.report.outcome {
            Outcome::Ok => false,
            Outcome::Fail => self.report.runs.is_empty(),
            _ => true,
        };
        let mut lines: Vec<&str> = self.console.lines().collect();
        lines.drain(..lines.len().saturating_sub(TAIL));
        let text = lines.join("\n");
        (is && !text.trim().is_empty()).then_some(text)
    }
}

/// What a boot is called on the page and how it is drawn: a colour for each
/// kernel, and dashes and a mark by which those of one colour differ.
#[derive(Debug, Clone)]
pub(crate) struct Key {
    letters: String,
    colour: usize,
    dashes: usize,
    kernel: String,
}

/// How many colours, dashes and marks there are.
const STYLES: usize = 6;

/// Marks, as paths around a place: circle, square, triangle, diamond, cross
/// and the triangle that points down.
const FORMS: [&str; STYLES] = [
    "m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
    "m-2.7-2.7h5.4v5.4h-5.4z",
    "m0-3.6l3.4 6h-6.8z",
    "m0-3.9l3.5 3.9l-3.5 3.9l-3.5-3.9z",
    "m-1.2-3.4h2.4v2.2h2.2v2.4h-2.2v2.2h-2.4v-2.2h-2.2v-2.4h2.2z",
    "m0 3.6l3.4-6h-6.8z",
];

impl Key {
    /// Of the `number`-th boot, the `again`-th of the `kernel`-th kernel.
    fn new(
        number: usize,
        kernel: usize,
        again: usize,
        release: String,
    ) -> Self {
        Self {
            letters: letters(number),
            colour: kernel % STYLES,
            dashes: (kernel + again) % STYLES,
            kernel: release,
        }
    }

    /// The classes of its lines.
    fn class(&self) -> String {
        format!("c{} d{}", self.colour, self.dashes)
    }

    fn form(&self) -> &'static str {
        FORMS[self.dashes]
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.letters)
    }
}

/// A to Z, AA to ZZ and so on.
fn letters(number: usize) -> String {
    let letter = char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number % 26]);
    match number / 26 {
        0 => letter.to_string(),
        more => letters(more - 1) + &letter.to_string(),
    }
}

/// The boots of a page.
struct Page<'a> {
    sources: &'a [Source],
    keys: Vec<Key>,
    sections: Vec<Section<'a>>,
}

/// The runs of one name and place, one of each boot that has it.
struct Section<'a> {
    name: &'a str,
    runs: Vec<Option<&'a Run>>,
}

impl<'a> Section<'a> {
    /// The groups of one place and type, by boot.
    fn groups(&self) -> Vec<(&'a str, Vec<Option<&'a Group>>)> {
        let mut all: Vec<(u16, &str, Vec<Option<&Group>>)> = Vec::new();
        for (at, run) in self.runs.iter().enumerate() {
            for group in run.iter().flat_map(|run| &run.groups) {
                let (index, work) = (group.group_idx, group.work.as_str());
                let same =
                    |(i, w, _): &&mut (u16, &str, _)| (*i, *w) == (index, work);
                match all.iter_mut().find(same) {
                    Some((.., groups)) => groups[at] = Some(group),
                    None => {
                        let mut groups = vec![None; self.runs.len()];
                        groups[at] = Some(group);
                        all.push((index, work, groups));
                    }
                }
            }
        }
        all.sort_by_key(|(index, ..)| *index);
        all.into_iter()
            .map(|(_, work, groups)| (work, groups))
            .collect()
    }
}

impl<'a> Page<'a> {
    fn new(sources: &'a [Source]) -> Self {
        let mut kernels: Vec<((&str, &str), usize)> = Vec::new();
        let mut keys = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            let identity = source.identity();
            let known = kernels.iter().position(|(k, _)| *k == identity);
            let at = known.unwrap_or(kernels.len());
            if known.is_none() {
                kernels.push((identity, 0));
            }
            let again = &mut kernels[at].1;
            let cell = source.meta.as_ref().and_then(|m| m.cell.as_ref());
            let release = match cell {
                Some(cell) => format!("{} {}", source.kernel(), cell.name),
                None => source.kernel().to_owned(),
            };
            keys.push(Key::new(number, at, *again, release));
            *again += 1;
        }
        Self {
            sources,
            keys,
            sections: sections(sources),
        }
    }

    /// Whether there is anything to tell apart.
    fn several(&self) -> bool {
        self.sources.len() > 1
    }

    /// Heads of a table whose rows are boots.
    fn heads<'h>(&self, rest: &[&'h str]) -> Vec<&'h str> {
        let boot = self.several().then_some("boot");
        boot.into_iter().chain(rest.iter().copied()).collect()
    }

    /// Heads of the columns that are boots.
    fn columns(&self) -> Vec<String> {
        let head = |key: &Key| match self.several() {
            true => format!("#{key}"),
            false => "#value".to_owned(),
        };
        self.keys.iter().map(head).collect()
    }

    /// The cell that says whose row it is, over so many rows.
    fn head(&self, h: &mut Html, at: usize, rows: usize, scope: &str) {
        let key = &self.keys[at];
        if self.several() && rows > 0 {
            let rows = rows.to_string();
            let attrs = [
                ("scope", scope),
                ("class", "key"),
                ("rowspan", rows.as_str()),
                ("title", key.kernel.as_str()),
            ];
            h.el("th", &attrs, |h| {
                plot::sample(h, key);
                h.text(&format!(" {key}"));
            });
        }
    }

    /// Which line is whose, of these boots.
    fn legend(&self, h: &mut Html, boots: impl Iterator<Item = usize>) {
        if !self.several() {
            return;
        }
        h.el("ul", &[("class", "legend")], |h| {
            for key in boots.map(|at| &self.keys[at]) {
                h.el("li", &[], |h| {
                    plot::sample(h, key);
                    h.text(&format!(" {key} {}", key.kernel));
                });
            }
        });
    }
}

/// Runs of the same name belong together, the first with the first.
fn sections(sources: &[Source]) -> Vec<Section<'_>> {
    let mut sections: Vec<(&str, usize, Section<'_>)> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let runs = &source.report.runs;
        let mut before = None;
        for (place, run) in runs.iter().enumerate() {
            let known = |place: usize| {
                let id = (runs[place].name.as_str(), nth(runs, place));
                sections.iter().position(|(name, n, _)| (*name, *n) == id)
            };
            let found = known(place).unwrap_or_else(|| {
                // Where its own boot has it: behind the run before, or else
                // in front of the next that others have, too.
                let next = || (place..runs.len()).find_map(known);
                let at = before.map(|at: usize| at + 1).or_else(next);
                at.unwrap_or(sections.len())
            });
            if known(place).is_none() {
                let name = run.name.as_str();
                let runs_of = vec![None; sources.len()];
                let section = Section {
                    name,
                    runs: runs_of,
                };
                sections.insert(found, (name, nth(runs, place), section));
            }
            sections[found].2.runs[at] = Some(run);
            before = Some(found);
        }
    }
    sections.into_iter().map(|(.., section)| section).collect()
}

/// How many of the same name are in front of a run.
fn nth(runs: &[Run], place: usize) -> usize {
    let same = |run: &&Run| run.name == runs[place].name;
    runs[..place].iter().filter(same).count()
}

/// The page.
#[must_use]
pub fn render(sources: &[Source]) -> String {
    let page = Page::new(sources);
    let title = title(sources);
    document(
        &title,
        |h| {
            h.classed("p", "kicker", "Scheduler measurements");
            h.leaf("h1", &[], &title);
            boots::header(h, &page);
        },
        |h| {
            boots::boots(h, &page);
            runs::glance(h, &page);
            for (section, number) in page.sections.iter().zip(1..) {
                runs::section(h, &page, section, number);
            }
            boots::consoles(h, &page);
            boots::details(h, &page);
        },
        |h| footer(h, &page),
    )
}

/// A page with a title and its three parts.
fn document(
    title: &str,
    header: impl FnOnce(&mut Html),
    main: impl FnOnce(&mut Html),
    footer: impl FnOnce(&mut Html),
) -> String {
    let mut html = Html::default();
    let attrs = [("lang", "en"), ("data-made-by", "pidone report")];
    html.el("html", &attrs, |h| {
        h.el("head", &[], |h| head(h, title));
        h.el("body", &[], |h| {
            h.el("header", &[], header);
            h.el("main", &[], main);
            h.el("footer", &[], footer);
        });
    });
    html.into_page()
}

fn head(h: &mut Html, title: &str) {
    h.el("meta", &[("charset", "utf-8")], |_| {});
    let fits = "width=device-width, initial-scale=1";
    let viewport = [("name", "viewport"), ("content", fits)];
    h.el("meta", &viewport, |_| {});
    let schemes = [("name", "color-scheme"), ("content", "light dark")];
    h.el("meta", &schemes, |_| {});
    // Should a text become markup after all, it can neither run nor fetch.
    let policy = [
        ("http-equiv", "Content-Security-Policy"),
        ("content", "default-src 'none'; style-src 'unsafe-inline'"),
    ];
    h.el("meta", &policy, |_| {});
    h.leaf("title", &[], title);
    h.style(include_str!("report/style.css"));
}

/// The kernels, each once.
fn title(sources: &[Source]) -> String {
    let mut kernels: Vec<&str> = Vec::new();
    for source in sources {
        let kernel = source.kernel();
        if !kernels.contains(&kernel) {
            kernels.push(kernel);
        }
    }
    let kernels = match &kernels[..] {
        [first, .., last] if kernels.len() > 3 => {
            format!("{first} to {last}, {} kernels", kernels.len())
        }
        [rest @ .., one, two] => {
            let rest = rest.iter().map(|kernel| format!("{kernel}, "));
            rest.collect::<String>() + one + " and " + two
        }
        one => one.concat(),
    };
    format!("Linux {kernels}")
}

fn footer(h: &mut Html, page: &Page<'_>) {
    h.el("p", &[], |h| {
        h.text(&format!(
            "{} stands for what the kernel does not tell. Values of a \
             histogram are exact to 1.6 %. A percentile in italics has no \
             sample beyond it: p99 needs 100 of them. Plots leave out to the \
             left what a thousandth of the samples is below.",
            number::ABSENT
        ));
    });
    if page.several() {
        h.el("p", &[], |h| {
            h.text(
                "Figures of single boots stand side by side here; whether a \
                 difference is more than noise is for ",
            );
            let compare = format!("{} compare", program::name());
            h.leaf("code", &[], &compare);
            h.text(" to say.");
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, STYLES, Source, letters, sections, title};
    use crate::model::{Hello, Report, Run};
    use std::collections::BTreeSet;

    fn source(kernel: &str, runs: &str) -> Source {
        let named = |name: &str| Run {
            name: name.to_owned(),
            ..Run::default()
        };
        Source {
            report: Report {
                hello: Some(Hello {
                    kernel: kernel.to_owned(),
                    ..Hello::default()
                }),
                runs: runs.split_whitespace().map(named).collect(),
                ..Report::default()
            },
            ..Source::default()
        }
    }

    #[test]
    fn runs_of_a_name_are_side_by_side_in_the_order_of_their_plans() {
        let order = |plans: &[&str]| {
            let sources: Vec<Source> =
                plans.iter().map(|plan| source("k", plan)).collect();
            let sections = sections(&sources);
            let all = sections.iter().map(|section| {
                let there = section.runs.iter().map(|run| match run {
                    Some(run) if run.name == section.name => 'x',
                    Some(_) => '!',
                    None => '-',
                });
                format!("{}:{}", section.name, there.collect::<String>())
            });
            all.collect::<Vec<_>>().join(" ")
        };
        assert_eq!(order(&["a b", "a b"]), "a:xx b:xx");
        assert_eq!(order(&["a", "b", "c"]), "a:x-- b:-x- c:--x");
        assert_eq!(order(&["a c", "a b c"]), "a:xx b:-x c:xx");
        assert_eq!(order(&["b c", "a b"]), "a:-x b:xx c:x-");
        assert_eq!(order(&["a a", "a b a a"]), "a:xx b:-x a:xx a:-x");
        assert_eq!(order(&["", "a"]), "a:-x");
    }

    #[test]
    fn boots_are_told_apart_by_more_than_colour() {
        let styles = STYLES * STYLES;
        let keys = (0..styles).map(|n| {
            let key = Key::new(n, n / STYLES, n % STYLES, String::new());
            (key.class(), key.form())
        });
        assert_eq!(keys.collect::<BTreeSet<_>>().len(), styles);
        // Two kernels differ in dashes and mark, too.
        let [one, two] = [0, 1].map(|n| Key::new(n, n, 0, String::new()));
        assert!(one.dashes != two.dashes && one.form() != two.form());
        let names = [0, 25, 26, 51, 52, 701, 702].map(letters);
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }

    #[test]
    fn a_title_has_each_kernel_once() {
        let kernels = |names: &str| {
            let names = names.split_whitespace();
            let sources = names.map(|name| source(name, ""));
            title(&sources.collect::<Vec<_>>())
        };
        assert_eq!(kernels("6.1 6.12 6.1"), "Linux 6.1 and 6.12");
        assert_eq!(kernels("1 2 3 4"), "Linux 1 to 4, 4 kernels");
        assert_eq!(kernels("1 2 3"), "Linux 1, 2 and 3");
        assert_eq!(title(&[Source::default()]), "Linux unknown kernel");
    }
}
