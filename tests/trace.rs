//! `trace=`: what is recorded, what is not, and that others can read it.

use crate::boots::plain_boot;
use crate::{good_on, machine};
use pidone::wire::record::Verdict;
use std::fs;
use std::path::Path;
use std::process::Command;
use xtask::arch::Arch;
use xtask::boot::BootRequest as Args;
use xtask::decode::decode;
use xtask::ftrace::{Event, Sched};
use xtask::model::{Report, Run};
use xtask::{build, ci};

const KERNEL: &str = "debian:6.12-cloud";

fn deterministic() -> Args {
    Args {
        deterministic: Some(1),
        ..machine(KERNEL)
    }
}

/// The text of a run's trace.
#[track_caller]
fn text(run: &Run) -> &str {
    &run.trace.as_ref().unwrap().text
}

/// Every run of a boot that can have a trace, and those that cannot.
#[test]
fn runs_record_what_they_are_asked_to() {
    let report = good_on(
        deterministic(),
        "time=50ms trace=sched \
         work=PipeIo with=SpinWait workers=2 warmup=20ms \
         work=PipeIo trace_stop=wake>20us with=SpinWait workers=4 \
         work=PipeIo trace_kib=64 \
         work=PipeIo trace=off \
         work=PipeIo trace=sched_swtich,nope:nothing,timer,sched:sched_switch \
         work=SignalStorm trace_stop=sig>5us \
         work=Schbench",
    );
    let [whole, stopped, lost, off, odd, handler, tasks] = &report.runs[..]
    else {
        panic!("{} runs", report.runs.len());
    };
    the_window(whole);
    assert!(off.trace.is_none());

    // What led to the sample is there, and what came later is not.
    let trace = stopped.trace.as_ref().unwrap();
    assert!(trace.stopped && stopped.verdict == Verdict::Ok, "{trace:?}");
    let sched = Sched::of(&trace.text);
    let mark = sched.marks.last().unwrap();
    let sample = mark.text.strip_prefix("stop at a sample of ").unwrap();
    let sample: u64 = sample.strip_suffix(" ns").unwrap().parse().unwrap();
    let hist = &stopped.groups[0].hist["wake"];
    assert!(sample > 20_000 && sample <= hist.max_ns, "{sample}");
    assert_eq!(sched.tasks[&mark.pid].work, "PipeIo");
    let events: Vec<_> = trace.text.lines().filter_map(Event::parse).collect();
    let after = events.iter().filter(|event| event.us > mark.us).count();
    assert!(after < 20, "{after} events behind the mark");
    let window = events.last().unwrap().us - events[0].us;
    assert!(window < 50_000, "it ended before its time, {window} us");
    // A handler of signals can do it too.
    assert!(handler.trace.as_ref().unwrap().stopped);

    let trace = lost.trace.as_ref().unwrap();
    assert!(trace.overrun > 0 && trace.kib == 64, "{trace:?}");
    let reason = format!("TRACE_LOST:{} events (trace_kib=64)", trace.overrun);
    assert_eq!(
        (lost.verdict, &lost.reasons),
        (Verdict::Degraded, &vec![reason])
    );

    let reasons = [
        "NO_EVENT:sched_swtich; nearest is sched_switch",
        "NO_EVENT:nope:nothing",
    ];
    assert_eq!(
        (odd.verdict, &odd.reasons[..]),
        (Verdict::Degraded, &reasons.map(str::to_owned)[..])
    );
    let names = |name: &str| {
        let events = text(odd).lines().filter_map(Event::parse);
        events.filter(|event| event.name == name).count()
    };
    // A whole system, and one event of another.
    assert!(names("hrtimer_start") > 0 && names("sched_switch") > 0);
    assert_eq!(names("sched_waking"), 0);

    // A message thread and a worker thread, of a thread that does nothing.
    let sched = Sched::of(text(tasks));
    let of_one = sched.tasks.values().map(|task| (task.worker, task.task));
    assert!(of_one.clone().all(|(worker, _)| worker == 0));
    let known = of_one.count();
    assert_eq!(known, tasks.groups[0].workers[0].tasks as usize);
    assert!(known > 1);
}

/// From the begin of the measured window to its end, and nothing else.
fn the_window(run: &Run) {
    let trace = run.trace.as_ref().unwrap();
    assert_eq!(trace.missing(), "");
    assert!(trace.text.starts_with("# tracer: nop\n"));
    let sched = Sched::of(&trace.text);
    assert_eq!(trace.lines, sched.events as u64);
    let [begin, end] = &sched.marks[..] else {
        panic!("{:?}", sched.marks);
    };
    assert_eq!(begin.text, "begin run=0 PipeIo+SpinWait");
    assert_eq!(end.text, "end run=0");
    let wall = (end.us - begin.us) * 1000;
    assert!(
        wall.abs_diff(run.wall_ns) < 200_000,
        "{wall} {}",
        run.wall_ns
    );
    // Every worker runs in it, by the kernel's clock as by ours.
    for worker in run.groups.iter().flat_map(|group| &group.workers) {
        let stretches = sched.cpus.values().flatten();
        let mine = stretches.filter(|s| s.tid == worker.tid);
        let mut ran: u64 = mine.map(|s| (s.to_us - s.from_us) * 1000).sum();
        let cpu = worker.cpu_ns;
        if ran == 0 {
            // One that nobody else took the CPU from is not seen at all.
            assert!(worker.nivcsw.unwrap() + worker.nvcsw.unwrap() < 3);
            ran = wall.min(cpu);
        }
        // One that runs as the window begins is not seen to begin.
        assert!(ran * 10 >= cpu * 7 && ran <= cpu + 6_000_000, "{ran} {cpu}");
    }
}

/// The figures of a run are the same bytes whether it is recorded or not
/// asked to be, and repeat themselves in both cases.
#[test]
fn a_recorded_run_repeats_itself() {
    let boot = || {
        let plan = "time=50ms trace=sched work=PipeIo";
        good_on(deterministic(), plan)
    };
    let (one, two) = (boot(), boot());
    assert_eq!(one.digest, two.digest);
    assert_eq!(text(&one.runs[0]), text(&two.runs[0]));
}

/// A console gets the newest events, and says how many are left out.
#[test]
fn a_console_gets_the_newest() {
    let plan = ["pidone.time=100ms", "pidone.trace=sched"];
    let words = [&plan[..], &["pidone.work=PipeIo"]].concat();
    let log = plain_boot(KERNEL, Some(1), &words);
    let report = Report::new(&decode(&log).newest());
    assert_eq!(report.lost_records, 0);
    let trace = report.runs[0].trace.as_ref().unwrap();
    assert!(trace.left_out > 0, "{trace:?}");
    assert!(trace.bytes <= 257 * 1024 && trace.bytes >= 250 * 1024);
    let sched = Sched::of(&trace.text);
    assert_eq!(sched.events as u64, trace.lines);
    assert!(trace.text.starts_with("# tracer: nop\n"));
    let marks: Vec<_> = sched.marks.iter().map(|mark| mark.text).collect();
    assert_eq!(marks, ["end run=0"]);
}

/// A plain process records where it may, and says so where not.
#[test]
fn a_plain_process_says_why_it_does_not_record() {
    let payload = build::payload(Arch::host(), false).unwrap();
    let done = Command::new(payload)
        .args(["time=20ms", "trace=sched", "work=PipeIo"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    let may = Path::new("/sys/kernel/tracing/instances").exists();
    assert_eq!(said.contains("# degraded: NO_TRACE"), !may, "{said}");
}

/// What is stored is opened by a reader that is none of ours: TRAPpy, which
/// knows the form of kernels before 5.12, without the last of the letters.
#[test]
fn others_read_it() {
    let dir = tempfile::tempdir().unwrap();
    let runs = dir.path().join("runs");
    let xtask = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        let done = command.args(words).arg("--store").arg(&runs);
        let done = done.output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let wrong = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), said, wrong)
    };
    let runs_arg = format!("--store={}", runs.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    let plan = ["--deterministic", "--", "time=50ms", "trace=sched"];
    let plan = plan.iter().chain(&["work=PipeIo", "with=SpinWait"]);
    let done = command
        .args(["boot", &runs_arg])
        .args(plan)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert_eq!(done.status.code(), Some(0), "{said}");
    assert!(said.contains(" lines, trace.txt\n"), "{said}");
    assert!(said.contains("cargo xtask trace"), "{said}");
    let stored = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(stored.join("trace.txt")).unwrap();
    let sched = Sched::of(&text);

    // Our own verb tells of it.
    let (code, told, _) = xtask(&["trace"]);
    assert_eq!(code, Some(0));
    assert!(told.contains("PipeIo (g0): slowest wake "), "{told}");
    assert!(
        told.lines().all(|line| line.chars().count() <= 80),
        "{told}"
    );
    let (code, _, wrong) = xtask(&["trace", "no-such-run"]);
    assert_eq!(code, Some(255));
    assert!(wrong.contains("no run `no-such-run`"), "{wrong}");

    let four: String = text
        .lines()
        .map(
            |line| match line.find("] ").filter(|_| !line.starts_with('#')) {
                Some(at) => format!("{}{}\n", &line[..at + 6], &line[at + 7..]),
                None => format!("{line}\n"),
            },
        )
        .collect();
    let file = dir.path().join("four.txt");
    fs::write(&file, four).unwrap();
    let read = "import sys, warnings\n\
        warnings.simplefilter('ignore')\n\
        import trappy\n\
        t = trappy.FTrace(sys.argv[1], normalize_time=False)\n\
        s = t.sched_switch.data_frame\n\
        print(len(s), len(t.sched_wakeup.data_frame), \
              sorted(set(s['__cpu'])), \
              round(s.index[-1] * 1e6), \
              int(s['next_pid'].sum()), s['prev_state'].iloc[-1])\n";
    let python = ci::tools::traces(false).unwrap().join("python");
    let done = Command::new(python)
        .args(["-c", read])
        .arg(&file)
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let switches: Vec<_> = text
        .lines()
        .filter_map(Event::parse)
        .filter(|event| event.name == "sched_switch")
        .collect();
    let wakeups = text.matches(": sched_wakeup: ").count();
    let last = switches.last().unwrap();
    let next = |event: &Event<'_>| -> u64 {
        event.field("next_pid").unwrap().parse().unwrap()
    };
    let cpus: Vec<_> = sched.cpus.keys().copied().collect();
    let expected = format!(
        "{} {wakeups} {cpus:?} {} {} {}\n",
        switches.len(),
        last.us,
        switches.iter().map(next).sum::<u64>(),
        last.field("prev_state").unwrap()
    );
    assert_eq!(String::from_utf8_lossy(&done.stdout), expected);
}
