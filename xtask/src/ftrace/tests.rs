//! Tests of the reader of traces.

use super::{Event, Sched, Wake, tell};

/// A wake through an idle CPU, one by a timer during a hog's turn, one of a
/// task that did not sleep, and one that raced with the way to sleep.
const TEXT: &str = include_str!("sample.txt");

#[test]
fn lines_are_read_whatever_tasks_are_called() {
    let events: Vec<_> = TEXT.lines().filter_map(Event::parse).collect();
    // All but four comments.
    assert_eq!(events.len(), TEXT.lines().count() - 4);
    let waking = &events[5];
    assert_eq!((waking.comm, waking.pid, waking.cpu), ("a-1 [b", 30, 1));
    assert_eq!((waking.us, waking.flags), (10_000_020, "d.h2."));
    assert!(waking.in_interrupt() && !events[2].in_interrupt());
    assert_eq!(events[3].field("next_pid"), Some("20"));
    assert_eq!(events[3].field("pid"), Some("1"));
    assert_eq!(events[9].comm, "a-1 [b");
    let tgid = events.iter().find(|event| event.us == 10_000_150).unwrap();
    assert_eq!((tgid.comm, tgid.pid), ("x y", 40));
    for bad in ["", "# a", "a-1 [000]", "a-1 [x] d 1.000000: e: f", "[0]"] {
        assert_eq!(Event::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_wake_is_what_ended_a_sleep() {
    let sched = Sched::of(TEXT);
    let wakes: Vec<_> = sched
        .wakes
        .iter()
        .map(|w| (w.tid, w.waker, w.interrupt, w.latency_us(), w.cpu))
        .collect();
    // That of a task which had been preempted is none.
    assert_eq!(
        wakes,
        [
            (20, 1, false, 4, 1),
            (20, 30, true, 100, 1),
            (20, 40, false, 10, 0)
        ]
    );
    let ran: Vec<_> = sched
        .ran(1, 10_000_007, 10_000_125)
        .iter()
        .map(|s| (s.tid, s.to_us - s.from_us))
        .collect();
    assert_eq!(ran, [(20, 3), (30, 110), (20, 5)]);
    assert_eq!(sched.tasks[&30].task, 2);
}

#[test]
fn the_slowest_wake_is_told() {
    let told = tell::slowest(&Sched::of(TEXT));
    let expected = "\
PipeIo (g0): slowest wake 100 us
  10.000020  w-20 (PipeIo worker 0)
             woken on CPU 1 by an interrupt during a-1 [b-30 (SpinWait \
worker 3, task 2)
  10.000120  runs on CPU 1
  meanwhile CPU 1 ran
       100 us  a-1 [b-30 (SpinWait worker 3, task 2)
SpinWait (g1): no wake ended a sleep
";
    let cut = |line: &str| line.chars().take(80).collect::<String>();
    let expected: Vec<_> = expected.lines().map(cut).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    // Without the comments it is of all tasks, the start of the run not.
    let bare: Vec<_> = TEXT.lines().filter(|l| !l.starts_with("# p")).collect();
    let told = tell::slowest(&Sched::of(&bare.join("\n")));
    assert!(
        told.starts_with("all tasks: slowest wake 100 us\n"),
        "{told}"
    );
    assert_eq!(tell::slowest(&Sched::of("")), "no wake ended a sleep\n");
}

/// Of a timer that expires on the CPU of the task that has just set it, and
/// of a waker on another CPU, neither of which has anything to wake.
#[test]
fn a_task_that_is_awake_already_is_not_woken() {
    let early = |waker: &str, wakeup: &str| {
        let text = format!(
            "idle-0 [001] d..2. 1.000000: sched_switch: prev_comm=i \
             prev_pid=0 prev_state=R ==> next_comm=w next_pid=20\n\
             {waker} 1.000010: sched_waking: comm=w pid=20\n\
             {wakeup}\
             w-20 [001] d..2. 1.000100: sched_switch: prev_comm=w \
             prev_pid=20 prev_state=S ==> next_comm=i next_pid=0\n\
             a-1 [000] d..2. 1.000150: sched_waking: comm=w pid=20\n\
             idle-0 [001] d..2. 1.000170: sched_switch: prev_comm=i \
             prev_pid=0 prev_state=R ==> next_comm=w next_pid=20\n"
        );
        let wakes = Sched::of(&text).wakes;
        wakes.iter().map(Wake::latency_us).collect::<Vec<_>>()
    };
    let wakeup = "a-1 [000] d..2. 1.000012: sched_wakeup: comm=w pid=20\n";
    assert_eq!(early("w-20 [001] d.h2.", ""), [20]);
    assert_eq!(early("a-1 [000] d..2.", wakeup), [20]);
    // Without it the task was on its way to sleep, and is woken there.
    assert_eq!(early("a-1 [000] d..2.", ""), [160]);
}
