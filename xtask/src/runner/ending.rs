//! The end of a machine, seen on its console: its program may go on for long,
//! as that of a serial line does.

use crate::decode::boots::{BANNER, END, PANIC, POWER};
use crate::decode::splice::find;
use crate::exit::NoEvidence;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use pidone::wire::frame::START;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;
use std::time::Instant;

/// How long a console that has shown an end may be silent until it counts.
const QUIET: Duration = Duration::from_secs(2);
/// How long anything may follow: a board that starts again is not waited for.
const MOST: Duration = Duration::from_secs(10);

/// Bytes that no console comes to: what has more is none, and fills the host's
/// disk.
const TOO_MUCH: u64 = 1 << 30;

/// Follows a console to the end of its machine.
#[derive(Debug)]
pub(super) struct Ending {
    path: PathBuf,
    file: Option<File>,
    /// The last line so far, which is not whole.
    rest: Vec<u8>,
    state: State,
    begun: bool,
    /// When it last said something.
    heard: Instant,
    /// When its end was seen.
    over: Option<Instant>,
}

/// How far a machine has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// What was there before may say anything.
    Before,
    /// A kernel has begun.
    Kernel,
    /// So has the payload.
    Payload,
    /// It is done.
    Over,
}

impl State {
    /// Behind this line. A system that was there before may go down before
    /// ours comes up.
    fn after(self, line: &[u8]) -> Self {
        let has = |what: &str| find(line, what.as_bytes()).is_some();
        let kernel = |what: &str| {
            line.starts_with(what.as_bytes()) || has(&format!("] {what}"))
        };
        match self {
            Self::Over => self,
            Self::Kernel | Self::Payload if kernel(PANIC) => Self::Over,
            Self::Payload if kernel(POWER) => Self::Over,
            Self::Kernel if has(END) || has(START) => Self::Payload,
            Self::Before if kernel(BANNER) => Self::Kernel,
            _ => self,
        }
    }
}

impl Ending {
    pub(super) fn of(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            rest: Vec::new(),
            state: State::Before,
            begun: false,
            heard: Instant::now(),
            over: None,
        }
    }

    /// Whether the console has said anything.
    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    /// Takes what came since; nothing if the machine has shown no end, or else
    /// whether nothing more is waited for.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is no console.
    pub(super) fn look(&mut self) -> Result<Option<bool>> {
        let what = || self.path.display().to_string();
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = File::open(&self.path).with_context(what)?;
                self.file.insert(file)
            }
        };
        if file.metadata().with_context(what)?.len() > TOO_MUCH {
            bail!(NoEvidence(format!(
                "what the runner prints is no console: it is more than {} MiB",
                TOO_MUCH >> 20
            )));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).with_context(what)?;
        if !bytes.is_empty() {
            (self.begun, self.heard) = (true, Instant::now());
            self.take(&bytes);
        }
        Ok(self.over.map(|since| {
            self.heard.elapsed() > QUIET || since.elapsed() > MOST
        }))
    }

    fn take(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
        let Some(end) = self.rest.iter().rposition(|&b| b == b'\n') else {
            return;
        };
        for line in self.rest[..end].split(|&b| b == b'\n') {
            self.state = self.state.after(line);
        }
        self.rest.drain(..=end);
        if self.state == State::Over {
            self.over.get_or_insert_with(Instant::now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ending, State};

    /// How far a console's machine came, whatever pieces it arrives in.
    fn state(console: &str) -> State {
        let of = |pieces: usize| {
            let mut ending = Ending::of("/none".into());
            for piece in console.as_bytes().chunks(pieces) {
                ending.take(piece);
            }
            assert_eq!(ending.over.is_some(), ending.state == State::Over);
            ending.state
        };
        assert_eq!(of(1), of(4096));
        of(4096)
    }

    #[test]
    fn an_end_is_that_of_our_machine() {
        const BANNER: &str = "[    0.000000] Linux version 6.12\r\n";
        let ktap = format!("{BANNER}KTAP version 1\n");
        let end = "[    9.000000][    T1] reboot: Power down\r\n";
        for (console, expected) in [
            (String::new(), State::Before),
            // Another system went down before ours came up.
            (format!("{end}U-Boot\n{BANNER}"), State::Kernel),
            (format!("{BANNER}{end}"), State::Kernel),
            (ktap.clone(), State::Payload),
            (format!("{ktap}# reboot: x\n"), State::Payload),
            (format!("{ktap}{end}"), State::Over),
            (format!("{ktap}ok 1{end}"), State::Over),
            (format!("{ktap}reboot: Restarting system\n"), State::Over),
            (
                format!("{BANNER}Kernel panic - not syncing: x\n"),
                State::Over,
            ),
            // Not yet whole.
            (format!("{ktap}[    9.000000] reboot: Pow"), State::Payload),
        ] {
            assert_eq!(state(&console), expected, "{console:?}");
        }
    }
}
