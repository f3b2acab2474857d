//! Kernels of our own fragments without one option, and with no more taken
//! away than needs it: what `kernel check` says of each is what its boot says.
//!
//! Each has a row in `docs/kernels.md`, which is what was seen. With
//! `PIDONE_OVERWRITE` set, a test writes its row instead of comparing it. One
//! kernel is a test's name: `cargo test -p xtask --features slow --test slow
//! lacking::futex`.

use pidone::wire::record;
use pidone::workloads::rows;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::Path;
use std::sync::Mutex;
use xtask::arch::X86_64;
use xtask::boot::{BootRequest, boot};
use xtask::build;
use xtask::exit::Exit;
use xtask::kernel_build::{self, Order};
use xtask::kernel_check::{self, Finding, Helps, Verdict};
use xtask::model::{Report, Run};

/// The newest sources that all fragments are known to fit.
const TREE: &str = "debian:7.2";
/// The smallest kernel: the fewer files, the sooner it is built.
const BASE: &[&str] = &["base"];

/// Where the table is.
const PAGE: &str = "docs/kernels.md";
/// Its first line, by which it is found.
const HEAD: &str = "| Off | With it | Skipped | Degraded | Exit |";
/// Held by whoever reads or writes it.
static TABLE: Mutex<()> = Mutex::new(());

/// A kernel that lacks something.
struct Lack {
    /// The fragments that it is otherwise made of.
    of: &'static [&'static str],
    /// What is off.
    off: &'static [&'static str],
    /// What cannot be as the fragments have it without these, or would switch
    /// them on again: off as well, or as given.
    with: &'static [&'static str],
}

/// One test for each kernel.
macro_rules! lacks {
    ($($test:ident: $of:expr, $off:expr, $with:expr;)*) => {
        $(#[test]
        fn $test() {
            let (of, off, with) = ($of, &$off, &$with);
            Lack { of, off, with }.does_as_the_table_says();
        })*
    };
}

lacks! {
    proc_fs: BASE, ["PROC_FS"], [
        "IKCONFIG_PROC", "PROC_SYSCTL", "SYSCTL", "PROC_PAGE_MONITOR",
        "SCHEDSTATS", "SCHED_INFO",
    ];
    sysfs: BASE, ["SYSFS"], [];
    tmpfs: BASE, ["TMPFS"], [];
    futex: BASE, ["FUTEX"], [];
    smp: BASE, ["SMP"], ["SCHED_MC", "SCHED_SMT", "NR_CPUS=1"];
    printk: BASE, ["PRINTK"], ["PRINTK_TIME", "EARLY_PRINTK"];
    tty: BASE, ["TTY"], [
        "SERIAL_8250", "SERIAL_8250_CONSOLE", "SERIAL_8250_PCI",
    ];
    schedstats: BASE, ["SCHEDSTATS"], ["SCHED_INFO"];
    posix_timers: BASE, ["POSIX_TIMERS"], [];
    epoll: BASE, ["EPOLL"], [];
    eventfd: BASE, ["EVENTFD"], [];
    shmem: BASE, ["SHMEM"], ["TMPFS"];
    memfd_create: BASE, ["MEMFD_CREATE"], ["TMPFS"];
    high_res_timers: BASE, ["HIGH_RES_TIMERS"], [];
    signalfd: BASE, ["SIGNALFD"], [];
    timerfd: BASE, ["TIMERFD"], [];
    multiuser: BASE, ["MULTIUSER"], [];
    aio: BASE, ["AIO"], [];
    ftrace: BASE, ["FTRACE"], ["ENABLE_DEFAULT_TRACERS"];
    kallsyms: BASE, ["KALLSYMS"], [];
    cgroups: &["base", "cgroup"], ["CGROUPS"], [
        "CGROUP_SCHED", "FAIR_GROUP_SCHED", "CFS_BANDWIDTH", "CPUSETS",
        "MEMCG", "CGROUP_PIDS",
    ];
    numa: &["base", "numa"], ["NUMA"], ["ACPI_NUMA", "NUMA_BALANCING"];
    bpf_syscall: &["base", "sched-ext"], ["BPF_SYSCALL"], [
        "BPF_JIT", "BPF_JIT_ALWAYS_ON", "DEBUG_INFO_DWARF5",
        "DEBUG_INFO_BTF", "SCHED_CLASS_EXT", "BPF_EVENTS",
    ];
    // What no work type, or only one, is said to need, all at once.
    many: BASE, [
        "AIO", "EPOLL", "EVENTFD", "FTRACE", "HIGH_RES_TIMERS", "KALLSYMS",
        "MEMFD_CREATE", "MULTIUSER", "SCHEDSTATS", "SCHED_INFO", "SHMEM",
        "SIGNALFD", "TIMERFD", "TMPFS",
    ], ["ENABLE_DEFAULT_TRACERS"];
}

#[test]
fn perf_events_cannot_be_off() {
    let dir = tempfile::tempdir().unwrap();
    let lack = Lack {
        of: BASE,
        off: &["PERF_EVENTS"],
        with: &[],
    };
    let error = lack.build(dir.path()).unwrap_err().to_string();
    assert!(error.contains("it is selected by X86"), "{error}");
}

impl Lack {
    fn build(&self, dir: &Path) -> anyhow::Result<kernel_build::Built> {
        let file = dir.join("lacking.config");
        let all = self.off.iter().chain(self.with);
        let lines = all.map(|symbol| match symbol.contains('=') {
            true => format!("CONFIG_{symbol}\n"),
            false => format!("# CONFIG_{symbol} is not set\n"),
        });
        fs::write(&file, lines.collect::<String>())?;
        let mut fragments: Vec<String> =
            self.of.iter().map(|&name| name.to_owned()).collect();
        fragments.push(file.display().to_string());
        kernel_build::build(&Order {
            tree: TREE.to_owned(),
            fragments,
            ..Order::of_tests(false)?
        })
    }

    fn does_as_the_table_says(&self) {
        let dir = tempfile::tempdir().unwrap();
        let image = self.build(dir.path()).unwrap().image;
        let image = image.display().to_string();
        let (config, _) = kernel_check::config(&image, None, false).unwrap();
        let helps = Helps::read().unwrap();
        let findings = kernel_check::check(&config, rows(), &helps);
        let (report, exit) = boot(&BootRequest {
            kernel: image,
            plan: vec!["plan=smoke".to_owned()],
            ..BootRequest::default()
        })
        .unwrap();
        let seen: Vec<_> = report
            .runs
            .iter()
            .map(|run| {
                format!("{} {} {:?}", run.name, run.verdict.name(), run.reasons)
            })
            .collect();
        let seen = seen.join("\n");
        println!("{}\n{seen}", report.reason);
        let runs = || report.runs.iter();
        let failed = runs().find(|run| run.verdict == record::Verdict::Fail);
        assert!(failed.is_none(), "{failed:?}");
        for run in runs() {
            agree(finding(&findings, run), run);
        }
        self.ends_well(&findings, &report, exit);
        is_in_the_table(&self.row(&report, exit), &self.off.join(", "));
    }

    /// Exit 0 says that something ran; what keeps a kernel from being heard is
    /// named.
    fn ends_well(&self, findings: &[Finding], report: &Report, exit: Exit) {
        let skip = record::Verdict::Skip;
        let ran = report.runs.iter().any(|run| run.verdict != skip);
        let good = if ran { Exit::Good } else { Exit::CannotTell };
        assert_eq!(exit, good, "{}", report.reason);
        let said = findings.iter().any(|f| f.verdict != Verdict::Skip);
        assert_eq!(ran, said, "{findings:?}");
        let named = |symbol: &&str| report.reason.contains(*symbol);
        let named = self.off.iter().any(named);
        assert!(ran || named, "{}", report.reason);
    }

    /// The kernel's row of the table.
    fn row(&self, report: &Report, exit: Exit) -> String {
        let names = self.of.iter().map(|&name| name.to_owned());
        let names: Vec<String> = names.collect();
        let asked = kernel_build::requests(&names, &X86_64).unwrap();
        let asked: BTreeSet<String> = asked
            .iter()
            .map(|r| format!("CONFIG_{}", r.symbol))
            .collect();
        let of = |verdict| {
            let mut types: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for run in report.runs.iter().filter(|r| r.verdict == verdict) {
                for reason in
                    run.reasons.iter().filter_map(|r| of_the_kernel(r))
                {
                    // What these fragments do not ask for, all such kernels
                    // lack.
                    let option = reason.strip_prefix(NO_CONFIG);
                    if option.is_none_or(|option| asked.contains(option)) {
                        types.entry(reason).or_default().insert(&run.name);
                    }
                }
            }
            let told = types.iter().map(|(reason, types)| {
                let of = match types.len() == report.runs.len() {
                    true => "all".to_owned(),
                    false => list(types.iter().copied()),
                };
                format!("{of}: {reason}")
            });
            told.collect::<Vec<_>>().join("; ")
        };
        format!(
            "| {} | {} | {} | {} | {} |",
            self.off.join(", "),
            list(self.with.iter().copied()),
            of(record::Verdict::Skip),
            of(record::Verdict::Degraded),
            exit.code()
        )
    }
}

fn list<'t, I: Iterator<Item = &'t str>>(of: I) -> String {
    of.collect::<Vec<_>>().join(", ")
}

/// How a reason begins that names an option.
const NO_CONFIG: &str = "NO_CONFIG:";

/// What a reason says of the kernel; nothing if it is of the machine.
fn of_the_kernel(reason: &str) -> Option<&str> {
    let kernel = [
        NO_CONFIG,
        "NO_SYSCALL(",
        "NO_CAP",
        "NO_COUNTER",
        "TOO_FEW_CPUS",
    ];
    let is = kernel.iter().any(|begin| reason.starts_with(begin));
    // Behind a colon is who found it.
    let name = reason.split(": ").next().unwrap_or_default();
    is.then_some(name)
}

/// What was said of a run's work type beforehand.
fn finding<'f>(findings: &'f [Finding], run: &Run) -> &'f Finding {
    let work = run.name.split('+').next().unwrap_or_default();
    findings
        .iter()
        .find(|finding| finding.name == work)
        .unwrap()
}

/// What was said beforehand has come true, and nothing else has.
fn agree(finding: &Finding, run: &Run) {
    let skipped = run.verdict == record::Verdict::Skip;
    let said = finding.verdict == Verdict::Skip;
    assert!(skipped || !said, "{finding:?}: {:?}", run.reasons);
    let lacks = ["NO_SYSCALL(", NO_CONFIG];
    for reason in &run.reasons {
        let Some(begin) = lacks.iter().find(|b| reason.starts_with(**b)) else {
            continue;
        };
        let name = reason.strip_prefix(NO_CONFIG).unwrap_or(" is off");
        let told = finding.reasons.iter().any(|told| told.contains(name));
        assert!(told, "{begin}: {finding:?}: {:?}", run.reasons);
    }
}

/// Compares a row with that of the table, or writes it there. A kernel that
/// was never seen has none, and what it did is printed.
#[track_caller]
fn is_in_the_table(row: &str, off: &str) {
    let _one_at_a_time = TABLE.lock();
    let page = build::workspace().join(PAGE);
    let text = fs::read_to_string(&page).unwrap();
    let (above, rest) = text.split_once(HEAD).unwrap();
    let (table, below) = rest.split_once("\n\n").unwrap();
    // Its second line is the rule below its first.
    let mut lines: Vec<&str> = table.lines().skip(1).collect();
    let begin = format!("| {off} |");
    let there = lines.iter().position(|line| line.starts_with(&begin));
    if env::var_os("PIDONE_OVERWRITE").is_none() {
        match there {
            Some(at) => assert_eq!(
                lines[at], row,
                "if it is right, PIDONE_OVERWRITE=1 writes it"
            ),
            None => println!(
                "{PAGE} has no row for it; PIDONE_OVERWRITE=1 writes\n{row}"
            ),
        }
        return;
    }
    match there {
        Some(at) => lines[at] = row,
        None => lines.push(row),
    }
    lines[1..].sort_unstable();
    let table = lines.join("\n");
    fs::write(page, format!("{above}{HEAD}\n{table}\n\n{below}")).unwrap();
}
