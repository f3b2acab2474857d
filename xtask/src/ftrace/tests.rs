//! Tests of the reader of traces.

use super::{Event, Sched, tell};

/// A wake through an idle CPU, one by a timer during a hog's turn, one of a
/// task that did not sleep, and one that raced with the way to sleep.
const TEXT: &str = "\
# tracer: nop
#
          <idle>-0       [001] d.h2.     9.999999: other: pid=20
            init-1       [000] .....    10.000000: tracing_mark_write: pidone: begin run=0 X
            init-1       [000] d..2.    10.000001: sched_waking: comm=w pid=20 prio=120 target_cpu=001
          <idle>-0       [001] d..2.    10.000005: sched_switch: prev_comm=swapper/1 prev_pid=0 prev_prio=120 prev_state=R ==> next_comm=w pid=1 next_pid=20 next_prio=120
               w-20      [001] d..2.    10.000010: sched_switch: prev_comm=w pid=1 prev_pid=20 prev_prio=120 prev_state=S ==> next_comm=a-1 [b next_pid=30 next_prio=120
          a-1 [b-30      [001] d.h2.    10.000020: sched_waking: comm=w pid=20 prio=120 target_cpu=001
          a-1 [b-30      [001] d..2.    10.000120: sched_switch: prev_comm=a-1 [b prev_pid=30 prev_prio=120 prev_state=R+ ==> next_comm=w next_pid=20 next_prio=120
               w-20      [001] d..2.    10.000130: sched_switch: prev_comm=w prev_pid=20 prev_prio=120 prev_state=R ==> next_comm=a-1 [b next_pid=30 next_prio=120
          a-1 [b-30      [001] d..2.    10.000131: sched_waking: comm=w pid=20 prio=120 target_cpu=001
          a-1 [b-30      [001] d..2.    10.000140: sched_switch: prev_comm=a-1 [b prev_pid=30 prev_prio=120 prev_state=R ==> next_comm=w next_pid=20 next_prio=120
             x y-40   (   40) [000] d..2.    10.000150: sched_waking: comm=w pid=20 prio=120 target_cpu=001
               w-20      [001] d..2.    10.000151: sched_switch: prev_comm=w prev_pid=20 prev_prio=120 prev_state=D ==> next_comm=swapper/1 next_pid=0 next_prio=120
             x y-40      [000] d..2.    10.000152: sched_migrate_task: comm=w pid=20 prio=120 orig_cpu=1 dest_cpu=0
             x y-40      [000] d..2.    10.000160: sched_switch: prev_comm=x y prev_pid=40 prev_prio=120 prev_state=S ==> next_comm=w next_pid=20 next_prio=120
            init-1       [000] .....    10.000200: tracing_mark_write: pidone: end run=0
# pidone: tid=20 group=0 worker=0 task=0 PipeIo
# pidone: tid=30 group=1 worker=3 task=2 SpinWait
";

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
             woken on CPU 1 by an interrupt during a-1 [b-30 (SpinWait worker 3, task 2)
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
