//! What is shown while a machine runs.
//!
//! Both ports are followed as QEMU writes them. On a terminal there is a line
//! that changes; elsewhere, a line for each run as it begins.

use crate::decode::{Decoder, splice};
use crate::guest_clock::Signs;
use crate::machine::Machine;
use crate::untrusted::{hidden, line};
use core::time::Duration;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use pidone::wire::record::{Progress, Record};
use std::fs::File;
use std::io::{IsTerminal, Read, stderr};
use std::path::PathBuf;
use std::time::Instant;

/// How much of a kernel's line is shown.
const WIDTH: usize = 60;
const BOOTING: &str = "{spinner} {elapsed} {prefix}{msg}";
const RUNNING: &str = "{spinner} {elapsed} [{bar:24}] {prefix}{msg}";
/// Of several boots, how many have ended.
const COUNTING: &str = "  {elapsed} [{bar:24}] {pos} of {len} boots, {msg}";

/// Follows a machine.
#[derive(Debug)]
pub struct Live {
    console: Follower,
    records: Follower,
    view: View,
    screen: Screen,
    begin: Instant,
    signs: Signs,
}

impl Live {
    /// Shows a machine that is about to start.
    #[must_use]
    pub fn new(machine: &Machine, screen: &Screen) -> Self {
        let screen = screen.clone();
        screen.style(BOOTING);
        Self {
            console: Follower::new(machine.console()),
            records: Follower::new(machine.records()),
            view: View::default(),
            screen,
            begin: Instant::now(),
            signs: Signs::default(),
        }
    }

    /// The machine's signs of life so far.
    #[must_use]
    pub fn signs(&self) -> Signs {
        self.signs.clone()
    }

    /// Takes what came since the last time; whether anything did.
    pub fn update(&mut self) -> bool {
        let mut begun = Vec::new();
        let mut alive = false;
        let looks = self.begin.elapsed();
        for port in [&mut self.console, &mut self.records] {
            alive |= port.follow(|record| {
                self.signs.take(record, self.begin.elapsed());
                if self.view.take(record, Instant::now()) {
                    begun.push(self.view.heading());
                }
            });
        }
        self.signs.looked(looks);
        if !begun.is_empty() {
            self.screen.style(RUNNING);
        }
        match &self.screen {
            Screen::Named(_) => {}
            Screen::Lines => {
                begun.iter().for_each(|line| crate::tell!("{line}"));
            }
            Screen::Bar(bar) => {
                let now = Instant::now();
                bar.set_length(self.view.planned_ms.max(1));
                bar.set_position(self.view.elapsed_ms(now));
                let last = self.console.decoder.log();
                // The bar writes to the terminal by itself.
                bar.set_message(line(&self.view.line(last, now)).into_owned());
                bar.tick();
            }
        }
        alive
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if let Screen::Bar(bar) = &self.screen {
            bar.finish_and_clear();
        }
    }
}

/// Where a boot is shown.
#[derive(Debug, Clone)]
pub enum Screen {
    /// A line that changes.
    Bar(ProgressBar),
    /// A line for each run.
    Lines,
    /// Nothing but what is said of it, behind its name.
    Named(String),
}

impl Screen {
    /// For a boot that nothing else is shown beside.
    #[must_use]
    pub fn alone() -> Self {
        match stderr().is_terminal() {
            true => Self::Bar(ProgressBar::new(1)),
            false => Self::Lines,
        }
    }

    /// Says something of the boot that stays.
    pub fn say(&self, text: &str) {
        match self {
            Self::Bar(bar) => {
                let of = bar.prefix();
                bar.suspend(|| crate::tell!("{of}{text}"));
            }
            Self::Lines => crate::tell!("{text}"),
            Self::Named(name) => crate::tell!("{name}: {text}"),
        }
    }

    fn style(&self, template: &str) {
        if let Self::Bar(bar) = self {
            style(bar, template);
        }
    }
}

fn style(bar: &ProgressBar, template: &str) {
    // A template is right or wrong for good; a test tries them.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}

/// Where several boots are shown at once: a line that changes for each on a
/// terminal, and one below that counts.
#[derive(Debug)]
pub struct Board {
    bars: Option<(MultiProgress, ProgressBar)>,
}

impl Board {
    /// For so many boots.
    #[must_use]
    pub fn new(boots: usize) -> Self {
        let bars = stderr().is_terminal().then(|| {
            let bars = MultiProgress::new();
            let count = bars.add(ProgressBar::new(boots as u64));
            style(&count, COUNTING);
            count.enable_steady_tick(Duration::from_secs(1));
            (bars, count)
        });
        Self { bars }
    }

    /// The place of a boot that is about to begin.
    #[must_use]
    pub fn screen(&self, name: &str) -> Screen {
        match &self.bars {
            None => Screen::Named(name.to_owned()),
            Some((bars, count)) => {
                let bar = ProgressBar::new(1);
                let bar = bars.insert_before(count, bar);
                Screen::Bar(bar.with_prefix(format!("{name}: ")))
            }
        }
    }

    /// How many have ended, run and wait.
    pub fn count(&self, ended: usize, running: usize, waiting: usize) {
        if let Some((_, bar)) = &self.bars {
            bar.set_message(format!("{running} running, {waiting} waiting"));
            bar.set_position(ended as u64);
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        if let Some((_, bar)) = &self.bars {
            bar.finish_and_clear();
        }
    }
}

/// Reads a file as it grows.
#[derive(Debug)]
struct Follower {
    path: PathBuf,
    file: Option<File>,
    decoder: Decoder,
}

impl Follower {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            decoder: Decoder::default(),
        }
    }

    /// Hands over the records that are whole by now; whether anything came. A
    /// port that cannot be read is not shown; the end of the boot says why.
    fn follow(&mut self, mut arrived: impl FnMut(&Record<'_>)) -> bool {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut bytes = Vec::new();
        if let Some(file) = &mut self.file
            && file.read_to_end(&mut bytes).is_ok()
            && !bytes.is_empty()
        {
            self.decoder.push(&bytes, |_, _, record| arrived(record));
            return true;
        }
        false
    }
}

/// What is known of the plan while it is carried out.
#[derive(Debug, Default)]
struct View {
    runs: u16,
    /// Name of the run, its number from 1.
    run: Option<(String, u32)>,
    planned_ms: u64,
    begun: Option<Instant>,
    last: Option<Progress>,
    /// Iterations per second between the last two signs of life.
    rate: Option<u64>,
    done: bool,
}

impl View {
    /// Takes a record; whether it begins a run.
    fn take(&mut self, record: &Record<'_>, now: Instant) -> bool {
        match record {
            Record::Hello(hello) => self.runs = hello.runs,
            Record::Start(start) => {
                // The guest chose it, and it is shown on one line.
                let name = line(start.name).into_owned();
                self.run = Some((name, u32::from(start.run) + 1));
                self.planned_ms = start.planned_ms;
                self.begun = Some(now);
                (self.last, self.rate) = (None, None);
                return true;
            }
            Record::Progress(progress) => {
                let (time, count) = self
                    .last
                    .map_or((0, 0), |last| (last.elapsed_ms, last.iterations));
                let time = progress.elapsed_ms.saturating_sub(time);
                let count = progress.iterations.saturating_sub(count);
                self.rate = count.saturating_mul(1000).checked_div(time);
                self.last = Some(*progress);
            }
            Record::Bye(_) => self.done = true,
            _ => {}
        }
        false
    }

    /// Time in the run on the host's clock, in ms, at most what is planned.
    fn elapsed_ms(&self, now: Instant) -> u64 {
        let begun = self.begun.unwrap_or(now);
        let time = now.saturating_duration_since(begun).as_millis();
        u64::try_from(time).unwrap_or(u64::MAX).min(self.planned_ms)
    }

    fn heading(&self) -> String {
        let Some((name, number)) = &self.run else {
            return "ready".to_owned();
        };
        let planned = Duration::from_millis(self.planned_ms);
        format!("{name}, {number} of {}, {planned:?}", self.runs)
    }

    fn line(&self, console: &[u8], now: Instant) -> String {
        let Some((name, number)) = &self.run else {
            return format!("booting: {}", last_line(console));
        };
        if self.done {
            return "done".to_owned();
        }
        let (time, planned) = (self.elapsed_ms(now), self.planned_ms);
        let rate = self.rate.map(|rate| format!(", {rate} iterations/s"));
        format!(
            "{name}, {number} of {}, {}.{} of {}.{} s{}",
            self.runs,
            time / 1000,
            time % 1000 / 100,
            planned / 1000,
            planned % 1000 / 100,
            rate.unwrap_or_default()
        )
    }
}

/// The last whole line of a console, cut to what fits.
fn last_line(console: &[u8]) -> String {
    let tail = &console[console.len().saturating_sub(500)..];
    let tail = String::from_utf8_lossy(tail).into_owned();
    let mut lines = tail.rsplit('\n');
    let _unfinished = lines.next();
    let line = lines.map(str::trim).find(|line| !line.is_empty());
    let line = line.unwrap_or_default();
    let line = line
        .get(splice::any_prefix(line.as_bytes())..)
        .unwrap_or(line);
    let shown = line.chars().filter(|c| !hidden(*c));
    shown.take(WIDTH).collect()
}

#[cfg(test)]
mod tests {
    use super::{
        BOOTING, COUNTING, Follower, ProgressStyle, RUNNING, View, last_line,
    };
    use crate::testing::{Stream, hello, progress, start};
    use crate::untrusted::hidden;
    use core::time::Duration;
    use std::fs;
    use std::io::Write;
    use std::time::Instant;

    #[test]
    fn a_boot_from_its_first_line_to_its_last() {
        let now = Instant::now();
        let mut view = View::default();
        let kernel = b"[    0.5] x\n[    0.812345] Run /init as init\n[    0.9";
        assert_eq!(view.line(kernel, now), "booting: Run /init as init");
        assert!(!view.take(&hello(), now));
        assert!(view.take(&start(1, "PipeIo"), now));
        assert_eq!(view.heading(), "PipeIo, 2 of 2, 1s");
        assert!(!view.take(&progress(1, 500), now));
        let then = now + Duration::from_millis(740);
        let line = "PipeIo, 2 of 2, 0.7 of 1.0 s, 500 iterations/s";
        assert_eq!(view.line(b"", then), line);
        let late = now + Duration::from_secs(7);
        assert!(view.line(b"", late).contains("1.0 of 1.0 s"));
    }

    #[test]
    fn no_name_is_another_line_or_obeyed() {
        let now = Instant::now();
        for name in [
            "a\n::stop-commands::x",
            "a\r\nok: 9 runs, none failed",
            "a\x1b]0;x\x07",
            "a\u{9b}2J",
            "a\u{202e}b",
            "a\u{2028}b",
        ] {
            let mut view = View::default();
            assert!(view.take(&start(1, name), now));
            for shown in [view.heading(), view.line(b"", now)] {
                assert!(!shown.contains(hidden), "{shown:?}");
                assert!(shown.starts_with('a'), "{shown:?}");
            }
            // Before the first run there is the kernel's last line.
            let log = format!("{name}\n");
            let booting = View::default().line(log.as_bytes(), now);
            assert!(!booting.contains(hidden), "{booting:?}");
        }
    }

    #[test]
    fn a_port_is_followed_as_it_grows() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("records.log");
        let mut follower = Follower::new(path.clone());
        assert!(!follower.follow(|_| panic!("there is nothing yet")));
        let stream = Stream::sample();
        let mut file = fs::File::create(path).unwrap();
        let mut seen = 0;
        for bytes in stream.once().as_bytes().chunks(200) {
            file.write_all(bytes).unwrap();
            assert!(follower.follow(|_| seen += 1));
        }
        assert_eq!(seen, stream.records.len());
    }

    #[test]
    fn any_console_has_a_last_line() {
        assert_eq!(last_line(b""), "");
        assert_eq!(last_line(b"no end"), "");
        assert_eq!(last_line("\u{fffd}\x1b[1m\u{b5}s\r\n".as_bytes()).len(), 9);
        for template in [BOOTING, RUNNING, COUNTING] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}
