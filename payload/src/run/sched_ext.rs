//! The sched_ext scheduler under which the runs of a plan are carried out:
//! loads it, looks whether it is still there, and takes it out again.
//!
//! A run that goes on without it was carried out under another scheduler. So
//! the first run that finds it gone fails with the kernel's reason, and those
//! behind it skip.

pub mod btf;
pub mod builtin;

use crate::kit::clock::{MILLISECOND, SECOND, now};
use crate::kit::mounts::{TRACING, mount_kind};
use crate::kit::sched_ext::sched_ext_enabled;
use crate::kit::text::{digits, path, read_file};
use crate::row::Feature;
use crate::row::attr::scx::{MAX_COMMAND, Scx};
use crate::run::findings::Findings;
use crate::run::kmsg::{Next, Reader};
use crate::run::output::Output;
use crate::sys;
use crate::sys::process::{self, Ended, die_with};
use crate::sys::signal;
use crate::wire::record::{self, Record, Verdict};
use core::cell::Cell;
use core::time::Duration;
use heapless::String;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{MemfdFlags, memfd_create, tell};
use rustix::io::{Errno, pread};
use rustix::process::{Pid, Signal, getpid, kill_process_group, setpgid};

/// How long a program may take to leave after each of [`ENDS`], and the
/// kernel to throw a scheduler out.
const LEAVE_NS: u64 = 3 * SECOND;
/// How a program is asked to leave, and then made to.
const ENDS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::KILL];
/// How often it is looked at meanwhile.
const LOOK_NS: u64 = 20 * MILLISECOND;
/// Most bytes that are told of a program's output at once.
const OUTPUT: usize = 4096;
/// The environment of a program.
const ENVIRONMENT: &str = "PATH=/bin:/sbin:/usr/bin\0HOME=/\0";

/// Which in the row of all schedulers that this kernel has enabled.
const SEQ: &str = "enable_seq";

/// A scheduler that was asked for.
#[derive(Debug)]
pub struct Scheduler {
    hold: Hold,
    /// The name that the kernel knows it by, once it does.
    name: String<128>,
    /// Its [`SEQ`].
    seq: Option<u64>,
    /// The kernel's log, standing behind what was told of it.
    log: Option<Reader>,
    /// What a program wrote, and how much of it was told.
    output: Option<OwnedFd>,
    sent: Cell<u64>,
    /// How a program ended.
    ended: Cell<Option<Ended>>,
    /// A run has failed for its absence.
    told: Cell<bool>,
}

/// What keeps it loaded.
#[derive(Debug)]
enum Hold {
    /// Nothing: this kernel has no such class.
    NoClass,
    /// Nothing: we may not.
    NoRight,
    /// Nothing: a call failed.
    Failed(&'static str, Errno),
    /// Its link.
    Link(#[expect(dead_code, reason = "open is all it is")] OwnedFd),
    /// A program that holds the link.
    Program(Pid),
    /// Nothing: it was taken out.
    Out,
}

impl Scheduler {
    /// Loads one, for which a program has so long. Whether it could be
    /// loaded, each run asks.
    #[must_use]
    pub fn load(what: Scx<'_>, limit: Duration, features: &[Feature]) -> Self {
        let mut it = Self {
            hold: Hold::Out,
            name: String::new(),
            seq: None,
            log: Reader::open(),
            output: None,
            sent: Cell::new(0),
            ended: Cell::new(None),
            told: Cell::new(false),
        };
        let limit_ns =
            limit.as_secs() * SECOND + u64::from(limit.subsec_nanos());
        // The kernel counts a scheduler after it has called it enabled.
        let before = number(SEQ);
        it.hold = match what {
            _ if !features.contains(&Feature::SchedExt) => Hold::NoClass,
            _ if state(&mut [0; 16]) != "disabled" => {
                Hold::Failed("another scheduler", Errno::BUSY)
            }
            Scx::BuiltIn(which) => match builtin::load(which) {
                Ok(link) => Hold::Link(link),
                Err((_, Errno::PERM)) => Hold::NoRight,
                Err((call, errno)) => Hold::Failed(call, errno),
            },
            Scx::Program(command) => match it.start(command) {
                Ok(pid) => Hold::Program(pid),
                Err(errno) => Hold::Failed("clone", errno),
            },
        };
        it.wait(limit_ns, || {
            let counted = before.is_none() || number(SEQ) != before;
            !it.lives() || sched_ext_enabled() && counted
        });
        if let Some(name) = global("root/ops", &mut [0; 128]) {
            let _fits = it.name.push_str(name);
        }
        it.seq = number(SEQ);
        if let (true, Some(log)) = (it.is_there(), &it.log) {
            log.skip();
        }
        it
    }

    /// Starts a program that loads one and stays for as long as it is to be
    /// used.
    fn start(&mut self, command: &str) -> Result<Pid, Errno> {
        if getpid().is_init() {
            // What libbpf, and programs that use it, look for. One that
            // needs what cannot be had says so.
            let _none = mount_kind(c"tracefs", TRACING);
            let _none = mount_kind(c"bpf", c"/sys/fs/bpf");
        }
        // Without it, what it writes goes where our own output goes.
        self.output = memfd_create("scx", MemfdFlags::CLOEXEC).ok();
        let own = getpid();
        let Some(child) = process::fork()? else {
            self.become_program(command, own)
        };
        // The child does the same; whoever is first closes the race.
        let _raced = setpgid(Some(child), Some(child));
        Ok(child)
    }

    fn become_program(&self, command: &str, parent: Pid) -> ! {
        // A scheduler without its supervisor would stay for ever.
        let _asked = die_with(parent);
        let _raced = setpgid(None, None);
        for (number, output) in (1..=2).zip(self.output.iter().cycle()) {
            // Its output is lost at worst.
            let _placed = sys::exec::place(output.as_fd(), number);
        }
        signal::unblock_all_signals();
        let mut text: String<{ MAX_COMMAND + 1 }> = String::new();
        for word in command.split_ascii_whitespace() {
            // Each word but the last had a space behind it.
            let _fits = text.push_str(word).and_then(|()| text.push('\0'));
        }
        let errno = sys::exec::execve(&text, ENVIRONMENT);
        let why = path(format_args!("execve: {}\n", errno.raw_os_error()));
        let _lost = rustix::io::write(sys::stdout(), why.as_bytes());
        process::exit_group(127)
    }

    /// Waits for something, and sees to processes that end meanwhile.
    fn wait(&self, timeout_ns: u64, until: impl Fn() -> bool) {
        let deadline = now() + timeout_ns;
        while !until() && now() < deadline {
            let _woken = signal::wait_signal(&[signal::SIGCHLD], LOOK_NS);
            while let Ok(Some(ended)) = process::peek_ended() {
                self.saw_end(&ended);
                let _reaped = process::reap(ended.pid, true);
            }
        }
    }

    /// Whether it is a program that runs.
    pub fn lives(&self) -> bool {
        matches!(self.hold, Hold::Program(_)) && self.ended.get().is_none()
    }

    /// Takes note of the end of a process, before it is reaped.
    pub fn saw_end(&self, ended: &Ended) {
        if let Hold::Program(pid) = self.hold
            && pid == ended.pid
        {
            self.ended.set(Some(*ended));
            // The zombie still holds the group's id.
            let _none = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Whether it is the one that schedules.
    fn is_there(&self) -> bool {
        matches!(self.hold, Hold::Link(_) | Hold::Program(_))
            && sched_ext_enabled()
            && number(SEQ) == self.seq
    }

    /// Says why a run cannot be carried out under it.
    pub fn before(&self, findings: &mut Findings) {
        let skip = Verdict::Skip;
        match self.hold {
            Hold::NoClass => {
                let config = Feature::SchedExt.config();
                findings.add(skip, format_args!("NO_CONFIG:{config}"));
            }
            Hold::NoRight => findings.add(skip, format_args!("NO_CAP")),
            _ if self.told.get() => {
                let why = "NO_SCHED_EXT: gone since an earlier run";
                findings.add(skip, format_args!("{why}"));
            }
            _ => self.after(findings),
        }
    }

    /// Fails a run that was not carried out under it.
    pub fn after(&self, findings: &mut Findings) {
        if self.is_there() {
            return;
        }
        self.told.set(true);
        let fail = Verdict::Fail;
        if let Hold::Failed(call, errno) = self.hold {
            findings.call(call, errno.raw_os_error(), format_args!(": scx"));
        } else {
            // Then the kernel has said why.
            self.wait(LEAVE_NS, || state(&mut [0; 16]) != "disabling");
            let mut buf = [0; 16];
            let state = match state(&mut buf) {
                "enabled" => "replaced",
                state => state,
            };
            let name = match self.name.as_str() {
                "" => "the scheduler",
                name => name,
            };
            findings.add(fail, format_args!("scx: {name} is {state}"));
        }
        if let Some(Ended { code, signal, .. }) = self.ended.get() {
            let (code, signal) = (u32::from(code), u32::from(signal));
            let why = match signal {
                0 => {
                    format_args!("scx: its program left with exit code {code}")
                }
                _ => format_args!("scx: its program was killed by {signal}"),
            };
            findings.add(fail, why);
        }
        let mut buf = [0; 2048];
        while let Some(log) = &self.log {
            match log.next(&mut buf) {
                Next::Line(line) if line.text.starts_with("sched_ext: ") => {
                    let text = line.text;
                    findings.add(fail, format_args!("kernel: {text}"));
                }
                Next::End => return,
                _ => {}
            }
        }
    }

    /// Sends what the kernel says of it, and what its program wrote: behind
    /// a run, or in no run.
    pub fn report(&self, run: Option<u16>, out: &mut Output<'_>) {
        let (mut buf, mut text) = ([0; 16], [0; OUTPUT]);
        let state = state(&mut buf);
        let (output, dropped) = self.written(&mut text);
        out.record(&Record::Scheduler(record::Scheduler {
            run,
            name: &self.name,
            state,
            switch_all: number("switch_all").map(|all| all == 1),
            enable_seq: number(SEQ),
            nr_rejected: number("nr_rejected"),
            events: global("root/events", &mut [0; 2048]).unwrap_or(""),
            output,
            dropped,
        }));
        if run.is_none() && !self.name.is_empty() {
            out.line(format_args!("# scx: {} is {state}", self.name));
        }
    }

    /// The end of what the program wrote since the last time, and how much
    /// of it is left out.
    fn written<'b>(&self, buf: &'b mut [u8]) -> (&'b [u8], u64) {
        let Some(file) = &self.output else {
            return (&[], 0);
        };
        // The program writes at the position that it has in common with us.
        let size = tell(file).unwrap_or(0);
        let sent = self.sent.replace(size);
        let from = sent.max(size.saturating_sub(buf.len() as u64));
        let count = pread(file, &mut *buf, from).unwrap_or(0);
        (buf.get(..count).unwrap_or_default(), from - sent)
    }

    /// Takes it out.
    pub fn unload(&mut self) {
        if let Hold::Program(pid) = self.hold {
            for signal in ENDS {
                if self.lives() {
                    // It may have just ended.
                    let _gone = kill_process_group(pid, signal);
                }
                self.wait(LEAVE_NS, || !self.lives());
            }
        }
        self.hold = Hold::Out;
    }
}

/// A file that the kernel has for all schedulers.
fn global<'b>(name: &str, buf: &'b mut [u8]) -> Option<&'b str> {
    let file = path(format_args!("/sys/kernel/sched_ext/{name}"));
    read_file(&file, buf).map(str::trim_ascii)
}

fn number(name: &str) -> Option<u64> {
    digits(global(name, &mut [0; 24])?)
}

fn state(buf: &mut [u8]) -> &str {
    global("state", buf).unwrap_or("")
}
