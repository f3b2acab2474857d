//! The text of tracefs' `trace`, read: who woke whom, and what ran meanwhile.
//!
//! Times are those of the text, in microseconds. A wake is counted only if it
//! ended a sleep: the kernel also traces the waking of a task that is on its
//! way to sleep and then does not, and of one that runs already.

pub mod tell;

use std::collections::BTreeMap;

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'t> {
    /// Name of the task that ran.
    pub comm: &'t str,
    /// Its thread id; 0 is the idle task.
    pub pid: u32,
    /// Where it ran.
    pub cpu: u32,
    /// What the kernel says of interrupts and preemption, a letter each.
    pub flags: &'t str,
    /// When, in µs.
    pub us: u64,
    /// Name of the event.
    pub name: &'t str,
    /// What follows.
    pub rest: &'t str,
}

impl<'t> Event<'t> {
    /// Reads a line; `None` for comments and for what is no event.
    #[must_use]
    pub fn parse(line: &'t str) -> Option<Self> {
        if line.starts_with('#') {
            return None;
        }
        // A task may be called anything, `a-1 [b` too.
        line.match_indices(" [").find_map(|(at, _)| {
            let (task, rest) = line.split_at_checked(at)?;
            // Kernels asked to do so write the id of its process here.
            let task = task.split_once(" (").map_or(task, |(task, _)| task);
            let (comm, pid) = task.trim().rsplit_once('-')?;
            let (cpu, rest) = rest.get(2..)?.split_once(']')?;
            let (head, rest) = rest.split_once(": ")?;
            let mut head = head.split_whitespace();
            let time = head.next_back()?;
            let (seconds, micros) = time.split_once('.')?;
            let (name, rest) = rest.split_once(':')?;
            let seconds: u64 = seconds.parse().ok()?;
            let micros = micros.parse::<u64>().ok().filter(|&m| m < 1_000_000);
            Some(Self {
                comm,
                pid: pid.parse().ok()?,
                cpu: cpu.parse().ok()?,
                flags: head.next().unwrap_or(""),
                us: seconds * 1_000_000 + micros?,
                name,
                rest: rest.trim_start(),
            })
        })
    }

    /// The value of a field, a number for the most part.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&'t str> {
        let at = self.rest.match_indices(name).find(|&(at, _)| {
            let begins = at == 0 || self.rest[..at].ends_with(' ');
            begins && self.rest[at + name.len()..].starts_with('=')
        })?;
        let value = &self.rest[at.0 + name.len() + 1..];
        Some(value.split(' ').next().unwrap_or(value))
    }

    /// Whether it happened in an interrupt, so that the task has no part in
    /// it.
    #[must_use]
    pub fn in_interrupt(&self) -> bool {
        let third = self.flags.chars().nth(2);
        third.is_some_and(|flag| "hHsZz".contains(flag))
    }

    fn id(&self, name: &str) -> Option<u32> {
        self.field(name)?.parse().ok()
    }

    /// The name of a task, which may have spaces in it: what stands between
    /// two fields.
    fn between(&self, begin: &str, end: &str) -> Option<&'t str> {
        let (_, rest) = self.rest.split_once(begin)?;
        Some(rest.split_once(end)?.0)
    }
}

/// A wake that ended a sleep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wake {
    /// Who was woken.
    pub tid: u32,
    /// When, by `sched_waking`.
    pub waking_us: u64,
    /// When it was put among those that can run, by `sched_wakeup`, if the
    /// trace has it.
    pub wakeup_us: Option<u64>,
    /// Who ran where it was woken: the waker, or whoever a timer or a device
    /// interrupted.
    pub waker: u32,
    /// Where that was.
    pub waker_cpu: u32,
    /// It was woken by an interrupt.
    pub interrupt: bool,
    /// When it ran, by `sched_switch`.
    pub run_us: u64,
    /// Where it ran.
    pub cpu: u32,
}

impl Wake {
    /// From waking to running, in µs.
    #[must_use]
    pub fn latency_us(&self) -> u64 {
        self.run_us.saturating_sub(self.waking_us)
    }
}

/// A task on a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Whose; 0 is the idle task.
    pub tid: u32,
    /// From when, in µs.
    pub from_us: u64,
    /// To when, in µs.
    pub to_us: u64,
}

/// A moment that the payload marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark<'t> {
    /// When, in µs.
    pub us: u64,
    /// Which task wrote it.
    pub pid: u32,
    /// What it says, as in `begin run=0 PipeIo`.
    pub text: &'t str,
}

/// Whose task an id is, as the payload says in comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task<'t> {
    /// The number of the group.
    pub group: u16,
    /// The number of the worker.
    pub worker: u32,
    /// Which of its tasks.
    pub task: u32,
    /// The work type.
    pub work: &'t str,
}

/// What a trace says of scheduling.
#[derive(Debug, Clone, Default)]
pub struct Sched<'t> {
    /// How many events it has.
    pub events: usize,
    /// Wakes that ended a sleep, in order of their ends.
    pub wakes: Vec<Wake>,
    /// Tasks that slept at the end, or had been woken and did not run yet.
    pub off: Vec<u32>,
    /// What ran on each CPU, in order.
    pub cpus: BTreeMap<u32, Vec<Stretch>>,
    /// When a task was moved: its id, when, from where and to where.
    pub moves: Vec<(u32, u64, u32, u32)>,
    /// Marks of the payload.
    pub marks: Vec<Mark<'t>>,
    /// Names of tasks.
    pub comms: BTreeMap<u32, &'t str>,
    /// Tasks of workers.
    pub tasks: BTreeMap<u32, Task<'t>>,
}

/// Where a task is.
#[derive(Debug, Clone, Copy)]
enum State {
    /// On a CPU; woken since it was, or not.
    Running(Option<Wake>),
    /// Could run.
    Runnable,
    Sleeping,
    /// Its sleep is over.
    Woken(Wake),
}

impl<'t> Sched<'t> {
    /// Goes through the text of a trace.
    #[must_use]
    pub fn of(text: &'t str) -> Self {
        let mut sched = Self::default();
        let mut states: BTreeMap<u32, State> = BTreeMap::new();
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# pidone: ") {
                sched.comment(comment);
            } else if let Some(event) = Event::parse(line) {
                sched.events += 1;
                sched.take(&event, &mut states);
            }
        }
        let off = states.into_iter().filter(|(_, state)| {
            matches!(state, State::Woken(_) | State::Sleeping)
        });
        sched.off = off.map(|(tid, _)| tid).collect();
        sched
    }

    fn comment(&mut self, text: &'t str) {
        let mut words = text.split(' ');
        let mut number = |name: &str| {
            let value = words.next()?.strip_prefix(name)?.strip_prefix('=')?;
            value.parse::<u32>().ok()
        };
        let ids = (number("tid"), number("group"), number("worker"));
        let task = number("task");
        if let ((Some(tid), Some(group), Some(worker)), Some(task)) =
            (ids, task)
            && let Ok(group) = u16::try_from(group)
            && let Some(work) = words.next()
        {
            let it = Task {
                group,
                worker,
                task,
                work,
            };
            self.tasks.insert(tid, it);
        }
    }

    fn take(&mut self, event: &Event<'t>, states: &mut BTreeMap<u32, State>) {
        match event.name {
            "sched_waking" => {
                if let Some(tid) = event.id("pid") {
                    waking(tid, event, states);
                }
            }
            "sched_wakeup" => {
                let state =
                    event.id("pid").and_then(|tid| states.get_mut(&tid));
                match state {
                    Some(State::Woken(wake)) => {
                        wake.wakeup_us = Some(event.us);
                    }
                    // Awake again before it had slept.
                    Some(state @ State::Running(_)) => {
                        *state = State::Running(None);
                    }
                    _ => {}
                }
            }
            "sched_switch" => self.switch(event, states),
            "sched_migrate_task" => {
                if let (Some(tid), Some(from), Some(to)) = (
                    event.id("pid"),
                    event.id("orig_cpu"),
                    event.id("dest_cpu"),
                ) {
                    self.moves.push((tid, event.us, from, to));
                }
            }
            "tracing_mark_write" => {
                if let Some(text) = event.rest.strip_prefix("pidone: ") {
                    self.marks.push(Mark {
                        us: event.us,
                        pid: event.pid,
                        text,
                    });
                }
            }
            _ => {}
        }
    }

    fn switch(&mut self, event: &Event<'t>, states: &mut BTreeMap<u32, State>) {
        let (Some(prev), Some(next), Some(state)) = (
            event.id("prev_pid"),
            event.id("next_pid"),
            event.field("prev_state"),
        ) else {
            return;
        };
        if let Some(comm) = event.between("prev_comm=", " prev_pid=") {
            self.comms.insert(prev, comm);
        }
        if let Some(comm) = event.between("next_comm=", " next_pid=") {
            self.comms.insert(next, comm);
        }
        let stretches = self.cpus.entry(event.cpu).or_default();
        if let Some(last) = stretches.last_mut() {
            last.to_us = event.us;
        }
        stretches.push(Stretch {
            tid: next,
            from_us: event.us,
            to_us: event.us,
        });
        // Every CPU has an idle task of the same id.
        if prev != 0 {
            let woken = match states.get(&prev) {
                Some(State::Running(woken)) => *woken,
                _ => None,
            };
            let now = match (state.starts_with('R'), woken) {
                (true, _) => State::Runnable,
                (false, Some(wake)) => State::Woken(wake),
                (false, None) => State::Sleeping,
            };
            states.insert(prev, now);
        }
        if next != 0 {
            let before = states.insert(next, State::Running(None));
            if let Some(State::Woken(wake)) = before {
                self.wakes.push(Wake {
                    run_us: event.us,
                    cpu: event.cpu,
                    ..wake
                });
            }
        }
    }

    /// What ran on a CPU from one moment to another, in order.
    #[must_use]
    pub fn ran(&self, cpu: u32, from_us: u64, to_us: u64) -> Vec<Stretch> {
        let all = self.cpus.get(&cpu).map_or(&[][..], Vec::as_slice);
        let first = all.partition_point(|s| s.to_us <= from_us);
        let within = all[first..].iter().take_while(|s| s.from_us < to_us);
        within
            .map(|s| Stretch {
                tid: s.tid,
                from_us: s.from_us.max(from_us),
                to_us: s.to_us.min(to_us),
            })
            .filter(|s| s.from_us < s.to_us)
            .collect()
    }
}

/// Notes that a task is woken, if it sleeps or is about to.
fn waking(tid: u32, event: &Event<'_>, states: &mut BTreeMap<u32, State>) {
    let wake = Wake {
        tid,
        waking_us: event.us,
        wakeup_us: None,
        waker: event.pid,
        waker_cpu: event.cpu,
        interrupt: event.in_interrupt(),
        run_us: 0,
        cpu: 0,
    };
    let now = match states.get(&tid) {
        // One that the trace has not seen yet must have slept: whoever runs
        // is not woken by others.
        None if tid != event.pid => State::Woken(wake),
        Some(State::Sleeping) => State::Woken(wake),
        // By an interrupt on its own CPU, it is awake without having slept.
        Some(State::Running(None)) if tid != event.pid => {
            State::Running(Some(wake))
        }
        _ => return,
    };
    states.insert(tid, now);
}

#[cfg(test)]
mod tests;
