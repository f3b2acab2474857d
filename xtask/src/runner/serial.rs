//! The runner that is built in: a board on a serial line, with commands for
//! its power and what is to be typed to whatever it starts with.

use super::ending::Ending;
use super::{Place, trouble};
use crate::decode::splice::find;
use crate::machine::{Ended, Running};
use crate::tools;
use anyhow::{Context, Result, anyhow, bail};
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_setfl, open};
use rustix::io::retry_on_intr;
use rustix::termios::{ControlModes, OptionalActions, tcgetattr, tcsetattr};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// How the first word of such a runner begins. A device follows.
const BEGIN: &str = "serial:";
/// Bits a second, unless it is told others.
const SPEED: u32 = 115_200;
/// How long a silent line is waited for.
const MOMENT: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// A board on a serial line, as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Serial {
    device: PathBuf,
    speed: u32,
    /// Words of what switches it on, and off.
    power: [Vec<String>; 2],
    steps: Vec<Step>,
}

/// What is done on the line.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    /// Until the board says this.
    Wait(String),
    /// A line is typed.
    Send(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wait(text) => write!(f, "wait={text}"),
            Self::Send(text) => write!(f, "send={text}"),
        }
    }
}

impl Serial {
    /// Of the words of a runner, if the first is a serial line.
    pub(super) fn parse(words: &[String]) -> Option<Result<Self, String>> {
        let (first, words) = words.split_first()?;
        let device = first.strip_prefix(BEGIN)?;
        let mut serial = Self {
            device: device.into(),
            speed: SPEED,
            power: [Vec::new(), Vec::new()],
            steps: Vec::new(),
        };
        if device.is_empty() {
            return Some(Err(format!(
                "`{first}`: a device follows, as in \
                                     {BEGIN}/dev/ttyUSB0"
            )));
        }
        let all = words.iter().try_for_each(|word| serial.option(word));
        Some(all.map(|()| serial))
    }

    fn option(&mut self, word: &str) -> Result<(), String> {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let own = || value.to_owned();
        let command = || match shlex::split(value) {
            Some(words) if !words.is_empty() => Ok(words),
            _ => Err(format!("`{word}`: no command")),
        };
        match name {
            "speed" => {
                let speed = value.parse().ok().filter(|&speed| speed > 0);
                let error = || format!("`{word}`: no number of bits a second");
                self.speed = speed.ok_or_else(error)?;
            }
            "on" => self.power[0] = command()?,
            "off" => self.power[1] = command()?,
            "wait" if !value.is_empty() => {
                self.steps.push(Step::Wait(own()));
            }
            "send" => self.steps.push(Step::Send(own())),
            _ => {
                return Err(format!(
                    "`{word}`: behind a serial line, valid are speed=, on= \
                     and off= with a command, wait= with a text, and send="
                ));
            }
        }
        Ok(())
    }

    /// Refuses a line that is none, and commands that are not there.
    pub(super) fn check(&self) -> Result<()> {
        let device = self.device.display();
        let meta = fs::metadata(&self.device);
        let meta = meta.with_context(|| format!("no serial line {device}"))?;
        if !meta.file_type().is_char_device() {
            bail!("{device} is no serial line");
        }
        let programs = self.power.iter().filter_map(|words| words.first());
        programs.map(String::as_str).try_for_each(super::is_there)
    }

    /// The line, for whoever has it first.
    fn open(&self) -> Result<File> {
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        // One without a carrier would be waited for.
        let now = flags | OFlags::NONBLOCK;
        let line = File::from(open(&self.device, now, Mode::empty())?);
        if line.try_lock().is_err() {
            bail!("another program has it");
        }
        let mut how = tcgetattr(&line).context("it is no serial line")?;
        how.make_raw();
        how.set_speed(self.speed)
            .with_context(|| format!("speed={}", self.speed))?;
        how.control_modes |= ControlModes::CLOCAL | ControlModes::CREAD;
        how.control_modes -= ControlModes::CRTSCTS;
        tcsetattr(&line, OptionalActions::Flush, &how)?;
        fcntl_setfl(&line, flags)?;
        Ok(line)
    }

    /// A command for the power, if there is one, that is given what a runner
    /// is.
    fn command(&self, on: bool, given: &Given) -> Result<Option<Command>> {
        let words = &self.power[usize::from(!on)];
        let Some((program, args)) = words.split_first() else {
            return Ok(None);
        };
        let mut command = tools::ours(program, "TERM");
        command.args(args).envs(given.env.iter().cloned());
        command.stdin(Stdio::null()).process_group(0);
        let log = || given.log.try_clone();
        command.stdout(log()?).stderr(log()?);
        Ok(Some(command))
    }
}

/// What a boot gives to whoever carries it out.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) env: Vec<(&'static str, OsString)>,
    pub(super) console: PathBuf,
    pub(super) log: File,
    /// A directory for files of its own.
    pub(super) own: PathBuf,
}

/// A board that is booted: what it says goes to a file.
#[derive(Debug)]
pub(super) struct Board {
    serial: Serial,
    given: Arc<Given>,
    ending: Ending,
    place: Place,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Board {
    /// Takes its line, and boots it.
    ///
    /// # Errors
    ///
    /// There is no thread for it.
    pub(super) fn start(
        serial: &Serial,
        place: Place,
        given: Given,
    ) -> Result<Self> {
        let given = Arc::new(given);
        let stop = Arc::new(AtomicBool::new(false));
        let console = File::create(&given.console)?;
        let (own, of, told) =
            (serial.clone(), Arc::clone(&given), Arc::clone(&stop));
        let talk = move || {
            let device = own.device.display().to_string();
            let line = own.open().with_context(|| device.clone())?;
            let mut talk = Talk {
                line,
                console,
                heard: Vec::new(),
            };
            talk.hold(&own, &of, &told).with_context(|| device)
        };
        Ok(Self {
            serial: serial.clone(),
            ending: Ending::of(given.console.clone()),
            given,
            place,
            stop,
            thread: Some(thread::Builder::new().spawn(talk)?),
        })
    }
}

impl Running for Board {
    fn ended(&mut self) -> Result<Option<Ended>> {
        // Asked before the console is: what comes then is its last.
        let done = self.thread.take_if(|thread| thread.is_finished());
        let over = self.ending.look()?;
        let Some(thread) = done else {
            let settled = over == Some(true);
            return Ok(settled.then_some(Ended::ByItself));
        };
        // The machine had ended: whatever befell its line then is no matter.
        if over.is_some() {
            return Ok(Some(Ended::ByItself));
        }
        let said = thread.join().map_err(|_panic| anyhow!("it panicked"));
        let why = said.flatten().err().map(|error| format!(": {error:#}"));
        let why = trouble(self.place.runner(), &why.unwrap_or_default());
        Ok(Some(Ended::NoEvidence(why)))
    }

    fn begun(&self) -> bool {
        self.ending.begun()
    }

    fn stats(&mut self) -> Vec<String> {
        Vec::new()
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _said = thread.join();
        }
        if let Ok(Some(mut off)) = self.serial.command(false, &self.given)
            && let Ok(mut child) = off.spawn()
        {
            super::patiently(&mut child);
            super::stop(&mut child);
        }
        // It stays if there is something in it.
        let _empty = fs::remove_dir(&self.given.own);
    }
}

/// A line that is written and read.
struct Talk {
    line: File,
    console: File,
    /// What was said since the last step.
    heard: Vec<u8>,
}

impl Talk {
    /// Switches the board on, does the steps, and listens until it is told to
    /// stop.
    fn hold(
        &mut self,
        serial: &Serial,
        given: &Given,
        stop: &AtomicBool,
    ) -> Result<()> {
        note(given, serial.steps.first())?;
        let on = serial.command(true, given)?;
        let mut on = on.map(|mut on| on.spawn()).transpose().context("on=")?;
        let held = self.steps(serial, given, stop, &mut on);
        if let Some(mut on) = on {
            super::stop(&mut on);
        }
        held
    }

    fn steps(
        &mut self,
        serial: &Serial,
        given: &Given,
        stop: &AtomicBool,
        on: &mut Option<Child>,
    ) -> Result<()> {
        let mut steps = serial.steps.iter();
        let mut step = steps.next();
        while !stop.load(Ordering::Relaxed) {
            self.listen()?;
            if let Some(status) = ended(on)? {
                *on = None;
                if !status.success() {
                    bail!("what switches it on failed: {status}");
                }
            }
            match step {
                None => {
                    self.heard.clear();
                    continue;
                }
                Some(Step::Wait(text)) => {
                    let Some(at) = find(&self.heard, text.as_bytes()) else {
                        // Its beginning may be here.
                        let rest = self.heard.len() + 1;
                        self.heard.drain(..rest.saturating_sub(text.len()));
                        continue;
                    };
                    self.heard.drain(..at + text.len());
                }
                Some(Step::Send(text)) => {
                    self.send(&filled(text, &given.env)?)?;
                }
            }
            step = steps.next();
            note(given, step)?;
        }
        Ok(())
    }

    /// Takes what the board says, which is waited for for a moment.
    fn listen(&mut self) -> Result<()> {
        let mut line = [PollFd::new(&self.line, PollFlags::IN)];
        if retry_on_intr(|| poll(&mut line, Some(&MOMENT)))? == 0 {
            return Ok(());
        }
        let mut bytes = [0; 4096];
        let read = self.line.read(&mut bytes)?;
        if read == 0 {
            bail!("the line is gone");
        }
        self.console.write_all(&bytes[..read])?;
        self.heard.extend_from_slice(&bytes[..read]);
        Ok(())
    }

    /// Types a line. What reads it has no room for more than a few characters:
    /// the next one comes when something came back.
    fn send(&mut self, text: &str) -> Result<()> {
        for byte in text.bytes().chain([b'\r']) {
            self.line.write_all(&[byte])?;
            self.listen()?;
        }
        Ok(())
    }
}

/// Says what is done next, for whoever asks why a board did not boot.
fn note(given: &Given, step: Option<&Step>) -> Result<()> {
    let mut log = &given.log;
    step.map_or(Ok(()), |step| writeln!(log, "{step}"))?;
    Ok(())
}

/// How a program ended, if it has.
fn ended(child: &mut Option<Child>) -> Result<Option<ExitStatus>> {
    let Some(child) = child else {
        return Ok(None);
    };
    child.try_wait().context("on=")
}

/// A text with what a runner is given in place of its variables.
fn filled(text: &str, env: &[(&str, OsString)]) -> Result<String> {
    let mut text = text.to_owned();
    for (name, value) in env {
        let variable = format!("${name}");
        if text.contains(&variable) {
            let value = value.to_str();
            let value = value.with_context(|| format!("{name} is no text"))?;
            text = text.replace(&variable, value);
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::{
        Board, Ended, Ending, Given, OsString, Place, Running, SPEED, Serial,
        Step, filled,
    };
    use anyhow::bail;
    use std::fs;
    use std::os::unix::ffi::OsStringExt;
    use std::path::Path;
    use std::sync::Arc;
    use std::thread;

    fn parsed(text: &str) -> Result<Serial, String> {
        let words = shlex::split(text).unwrap();
        Serial::parse(&words).unwrap()
    }

    #[test]
    fn a_line_has_a_speed_power_and_steps() {
        let serial = parsed(
            "serial:/dev/x speed=1500000 'on=sh \"a b\"' off=false \
             'wait==> ' 'send=setenv a b' send=",
        );
        let serial = serial.unwrap();
        assert_eq!(serial.device, Path::new("/dev/x"));
        assert_eq!(serial.speed, 1_500_000);
        assert_eq!(serial.power[0], ["sh", "a b"]);
        assert_eq!(serial.power[1], ["false"]);
        let steps = [
            Step::Wait("=> ".to_owned()),
            Step::Send("setenv a b".to_owned()),
            Step::Send(String::new()),
        ];
        assert_eq!(serial.steps, steps);
        assert_eq!(parsed("serial:x").unwrap().speed, SPEED);
        for (text, why) in [
            ("serial:", "a device follows"),
            ("serial:x speed=fast", "no number of bits"),
            ("serial:x speed=0", "no number of bits"),
            ("serial:x on=", "no command"),
            ("serial:x wait=", "valid are speed=, on= and off="),
            ("serial:x -v", "valid are speed=, on= and off="),
        ] {
            let error = parsed(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(Serial::parse(&["ssh".to_owned()]).is_none());
        let error = parsed("serial:/dev/none").unwrap().check().unwrap_err();
        assert!(error.to_string().contains("no serial line"), "{error}");
        let error = parsed("serial:/etc/passwd").unwrap().check();
        let error = error.unwrap_err().to_string();
        assert!(error.contains("is no serial line"), "{error}");
    }

    #[test]
    fn a_line_that_goes_down_with_its_machine_is_no_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let console = dir.path().join("console");
        let begin = "Linux version 6.12\nKTAP version 1\n";
        let end = "[    9.000000] reboot: Power down\n";
        for (said, good) in [
            (format!("{begin}{end}"), true),
            // It went down first.
            (begin.to_owned(), false),
        ] {
            fs::write(&console, said).unwrap();
            let runner = "serial:/dev/x".parse().unwrap();
            let thread = thread::spawn(|| bail!("Input/output error"));
            while !thread.is_finished() {
                thread::yield_now();
            }
            let mut board = Board {
                serial: parsed("serial:/dev/x").unwrap(),
                ending: Ending::of(console.clone()),
                given: Arc::new(Given {
                    env: Vec::new(),
                    console: console.clone(),
                    log: tempfile::tempfile().unwrap(),
                    own: dir.path().join("own"),
                }),
                place: Place::take(&[runner], &[]).unwrap(),
                stop: Arc::default(),
                thread: Some(thread),
            };
            match board.ended().unwrap() {
                Some(Ended::ByItself) if good => {}
                Some(Ended::NoEvidence(why)) if !good => {
                    assert!(why.contains("Input/output error"), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn variables_of_the_contract_are_filled_in() {
        let env = [
            ("PIDONE_CMDLINE", "quiet -- work=PipeIo".into()),
            ("PIDONE_DIR", OsString::from_vec(vec![0xff])),
        ];
        let text = "setenv bootargs '$PIDONE_CMDLINE' ${kernel_addr_r}";
        assert_eq!(
            filled(text, &env).unwrap(),
            "setenv bootargs 'quiet -- work=PipeIo' ${kernel_addr_r}"
        );
        let error = filled("cp $PIDONE_DIR/x", &env).unwrap_err().to_string();
        assert_eq!(error, "PIDONE_DIR is no text");
    }
}
