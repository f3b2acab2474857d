//! What a console says in plain text: KTAP, and the kernel's own words.
//!
//! It is what `action/pidone-boot` judges by, and what a verdict rests on
//! whose record did not arrive, or was never sent (`output=ktap`).

use super::collector::regex;
use super::{console, splice};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// What a kernel says when it waited too long for something.
const WATCHDOG: &[&str] = &[
    "soft lockup",
    "hard LOCKUP",
    "detected stall",
    "self-detected stall",
    "detected expedited stalls",
    "blocked for more than",
];

/// What a kernel says when it found itself broken. A lockup is a `BUG: ` too,
/// so the watchdogs are asked first.
const OOPS: &[&str] = &[
    "BUG: ",
    "kernel BUG at",
    "Oops",
    "general protection fault",
    "Unable to handle kernel",
    "unable to handle",
    "Internal error:",
    "double fault",
];

/// What begins a line with which a kernel warns.
const WARNINGS: &[&str] = &["WARNING: ", "UBSAN: "];
/// What begins the last line of a machine that ends by itself.
const ENDS: &[&str] = &[
    "reboot: Power down",
    "reboot: Restarting system",
    "reboot: System halted",
    "reboot: machine restart",
    "Power down.",
    "Restarting system.",
    "System halted.",
];
const PANIC: &str = "Kernel panic - not syncing";

/// A result line of KTAP.
static RESULT: LazyLock<regex::bytes::Regex> = LazyLock::new(|| {
    regex(r"^(not )?ok (\d{1,9})(?: (?:- )?([^#]*?) *(?:# *SKIP ?(.*))?)?$")
});
static PLAN: LazyLock<regex::bytes::Regex> =
    LazyLock::new(|| regex(r"^1\.\.(\d{1,9})$"));
/// Where a warning was: its file, and the function behind it.
static PLACE: LazyLock<regex::bytes::Regex> =
    LazyLock::new(|| regex(r"^(WARNING: .*?\S+:\d+) (?:at )?([A-Za-z_]\S*)"));

/// A test's result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TestResult {
    /// Whether it is `ok`.
    pub ok: bool,
    /// What it is called.
    pub name: String,
    /// Why it was skipped, if it was.
    pub skip: Option<String>,
}

/// What kind of trouble a kernel had, and its words.
pub type Trouble = (&'static str, String);

/// What a console says of one boot, up to the end of the machine.
#[derive(Debug, Clone, Default)]
pub struct Console {
    /// The payload's KTAP begins.
    pub version: bool,
    /// How many results were announced.
    pub planned: Option<u32>,
    /// The results, by number.
    pub results: BTreeMap<u32, TestResult>,
    /// Why nothing more is carried out.
    pub bail: Option<String>,
    /// Some line has the stamp of a kernel's.
    pub stamped: bool,
    /// The kernel's command line, if it printed it.
    pub command_line: Option<String>,
    /// The kernel's panic.
    pub panic: Option<String>,
    /// The first sign of trouble since init was started, or, where it was
    /// not, of all.
    pub trouble: Option<Trouble>,
    /// Warnings, bugs and oopses from before init was started.
    pub boot_warnings: Vec<String>,
    /// The last warning.
    pub warning: Option<String>,
    /// The machine ended by itself.
    pub ended: bool,
    /// The last line that is not empty.
    pub last: Option<String>,
}

impl Console {
    /// Reads a console's text, without what a collector put around its lines.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let mut console = Self {
            stamped: splice::kernel_line(text.as_bytes(), 0).is_some(),
            ..Self::default()
        };
        // A result of which the first words are lost could be a failure.
        let mut torn = false;
        let mut early = None;
        let mut init = false;
        for line in console::lines(text.as_bytes()) {
            let text = line.text.as_str();
            if !text.is_empty() {
                console.last = Some(text.to_owned());
            }
            if console.ended {
                continue;
            }
            if line.kernel {
                init |= text.starts_with("Run ") && text.ends_with(" process");
                console.kernel(text, init, &mut early);
            } else {
                console.program(text, &mut torn);
                init |= console.version;
            }
        }
        if !init {
            console.trouble = console.trouble.or(early);
        }
        console
    }

    /// Whether all results that were announced have come.
    #[must_use]
    pub fn complete(&self) -> bool {
        let told = self.results.keys().copied().eq(1..=self.last_number());
        self.planned
            .is_some_and(|n| told && n == self.last_number())
    }

    fn last_number(&self) -> u32 {
        self.results.keys().next_back().copied().unwrap_or(0)
    }

    /// Whether its kernel was started for the payload, as far as it shows.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        let line = self.command_line.as_deref();
        self.version || line.is_some_and(|line| line.contains("pidone."))
    }

    fn kernel(&mut self, text: &str, init: bool, early: &mut Option<Trouble>) {
        let is = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let begins =
            |words: &[&str]| words.iter().any(|word| text.starts_with(word));
        let line = text.strip_prefix("Kernel ").unwrap_or(text);
        let line = line.strip_prefix("command line: ").or_else(|| {
            // The first of the two that a kernel prints.
            line.strip_prefix("Command line: ")
        });
        if let Some(line) = line {
            self.command_line.get_or_insert_with(|| line.to_owned());
            return;
        }
        if text.starts_with(PANIC) {
            self.panic.get_or_insert_with(|| text.to_owned());
            return;
        }
        if begins(ENDS) {
            self.ended = true;
            return;
        }
        let warns = begins(WARNINGS);
        let kind = match (is(WATCHDOG), is(OOPS)) {
            (true, _) => Some("watchdog"),
            (false, true) => Some("oops"),
            (false, false) => None,
        };
        if warns {
            self.warning = Some(placed(text));
        }
        if !init && (warns || kind.is_some()) {
            self.boot_warnings.push(placed(text));
        }
        if let Some(kind) = kind {
            let first = if init { &mut self.trouble } else { early };
            first.get_or_insert_with(|| (kind, text.to_owned()));
        }
    }

    fn program(&mut self, text: &str, torn: &mut bool) {
        if text == "KTAP version 1" {
            self.version = true;
        }
        if let Some(why) = text.strip_prefix("Bail out! ") {
            self.bail.get_or_insert_with(|| why.to_owned());
        }
        if !self.version {
            return;
        }
        let found = RESULT.captures(text.as_bytes());
        let part = |n| {
            let part = found.as_ref()?.get(n)?;
            Some(String::from_utf8_lossy(part.as_bytes()).into_owned())
        };
        if let Some(number) = part(2).and_then(|n| n.parse().ok()) {
            let result = TestResult {
                ok: part(1).is_none(),
                name: part(3).unwrap_or_default(),
                skip: part(4),
            };
            if !(*torn && result.ok) {
                self.results.entry(number).or_insert(result);
            }
        }
        *torn = found.is_none() && text.starts_with("not ");
        let plan = PLAN.captures(text.as_bytes());
        let plan = plan
            .and_then(|plan| String::from_utf8_lossy(&plan[1]).parse().ok());
        self.planned = self.planned.or(plan);
    }
}

/// A warning with the name of its function as one reads it.
fn placed(text: &str) -> String {
    let place = PLACE.replace(text.as_bytes(), &b"$1 in $2"[..]);
    String::from_utf8_lossy(&place).into_owned()
}

#[cfg(test)]
mod tests {
    use super::Console;

    const LOG: &str = "\
        [    0.000000] Linux version 6.12\n\
        [    0.000000] Kernel command line: quiet pidone.work=A\n\
        [    1.000000] WARNING: CPU: 0 PID: 1 at k/s.c:2408 build+0x1/0x2\n\
        [    1.500000] RETBleed: WARNING: Spectre v2 mitigation\n\
        [    2.000000] Run /init as init process\n\
        KTAP ver[    2.100000] usb 1-1: new\nsion 1\n1..4\n\
        ok 1 A\nnot o[    2.200000] usb\nk 2 B+C\n\
        ok 3 D # SKIP needs 2 nodes\n";

    #[test]
    fn results_are_read_around_kernel_lines() {
        let console = Console::read(LOG);
        assert!(console.version && console.is_ours());
        assert_eq!(console.planned, Some(4));
        let of = |n: u32| &console.results[&n];
        assert!(of(1).ok && of(1).name == "A" && of(1).skip.is_none());
        assert!(!of(2).ok && of(2).name == "B+C");
        assert_eq!(of(3).skip.as_deref(), Some("needs 2 nodes"));
        assert!(!console.complete());
        assert!(Console::read(&format!("{LOG}ok 4 E\n")).complete());
        let warning = "WARNING: CPU: 0 PID: 1 at k/s.c:2408 in build+0x1/0x2";
        assert_eq!(console.boot_warnings, [warning]);
        assert!(!console.ended && console.panic.is_none());
    }

    #[test]
    fn a_failure_whose_beginning_is_torn_off_is_no_pass() {
        let log = "KTAP version 1\n1..1\nnot usb 1-1: new\nok 1 A\n";
        assert!(!Console::read(log).complete());
    }

    #[test]
    fn what_is_behind_the_end_is_not_the_kernels() {
        let end = "[    3.000000] reboot: Power down\n";
        let panic = "[    0.500000] Kernel panic - not syncing: x\n";
        let console = Console::read(&format!("{LOG}{end}{panic}"));
        assert!(console.ended && console.panic.is_none());
        let quoted = "+ grep 'Kernel panic - not syncing' log\n";
        assert_eq!(Console::read(&format!("{LOG}{quoted}")).panic, None);
        let real = Console::read(&format!("{LOG}ok 4[{}", &panic[1..]));
        assert!(real.panic.is_some() && !real.ended);
    }

    #[test]
    fn trouble_is_that_of_the_runs() {
        let bug = "[    0.500000] BUG: sleeping function\n";
        let later = "[    2.900000] Oops: 0000 [#1] PREEMPT SMP\n";
        let log = LOG.replacen("[    1.0", &format!("{bug}[    1.0"), 1);
        assert_eq!(Console::read(&log).trouble, None);
        assert_eq!(Console::read(&log).boot_warnings.len(), 2);
        let console = Console::read(&format!("{log}{later}"));
        assert_eq!(console.trouble.unwrap().1, later.trim()[15..]);
        assert!(Console::read(bug).trouble.is_some());
    }
}
