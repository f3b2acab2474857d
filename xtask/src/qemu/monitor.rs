//! QEMU's monitor, which says why it stopped a machine for want of a disk of
//! the host's: its kernel has seen nothing of that, and would seem to hang.
//!
//! Commands go through a pipe, and what is said comes in a file, which never
//! makes QEMU wait.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// QEMU's arguments.
pub(super) const ARGS: [&str; 4] = [
    "-chardev",
    "stdio,id=qmp,signal=off",
    "-mon",
    "chardev=qmp,mode=control",
];

/// A monitor, for as long as its machine runs.
#[derive(Debug)]
pub(super) struct Monitor {
    said: PathBuf,
    /// QEMU would take its end for that of the monitor.
    _commands: ChildStdin,
}

impl Monitor {
    /// The file for what it says.
    pub(super) fn file(dir: &Path) -> PathBuf {
        dir.join("qmp.log")
    }

    /// Connects a command to be started to its monitor.
    pub(super) fn connect(command: &mut Command, said: &Path) -> Result<()> {
        let file = File::create(said);
        let file = file.with_context(|| said.display().to_string())?;
        command.stdin(Stdio::piped()).stdout(file);
        Ok(())
    }

    /// Asks a started QEMU for its events.
    pub(super) fn of(child: &mut Child, said: PathBuf) -> Option<Self> {
        let mut commands = child.stdin.take()?;
        // Whether it has ended already is asked elsewhere.
        let _gone = writeln!(commands, r#"{{"execute":"qmp_capabilities"}}"#);
        Some(Self {
            said,
            _commands: commands,
        })
    }

    /// Refuses to go on with a machine whose disk the host failed.
    pub(super) fn check(&self) -> Result<()> {
        // What is not there yet has nothing to say.
        let said = fs::read_to_string(&self.said).unwrap_or_default();
        match failure(&said) {
            Some(why) => bail!(why),
            None => Ok(()),
        }
    }
}

/// What the host did to a disk, as these events have it.
fn failure(said: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Event {
        event: String,
        data: Data,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Data {
        node_name: String,
        operation: String,
        reason: String,
    }
    let events = said.lines().filter_map(|line| {
        // Others have other data.
        serde_json::from_str::<Event>(line).ok()
    });
    let mut failures = events.filter(|event| event.event == "BLOCK_IO_ERROR");
    let Data {
        node_name,
        operation,
        reason,
    } = failures.next()?.data;
    Some(format!(
        "{node_name}: the host failed a {operation} of the machine's: {reason}"
    ))
}

#[cfg(test)]
mod tests {
    use super::failure;

    #[test]
    fn a_disk_that_the_host_fails_is_named() {
        let said = r#"{"QMP": {"version": {}, "capabilities": ["oob"]}}
{"return": {}}
{"timestamp": {"seconds": 1}, "event": "RESUME"}
{"timestamp": {"seconds": 1}, "event": "BLOCK_IO_ERROR", "data": {"device": "",
"#;
        assert_eq!(failure(said), None);
        let whole = concat!(
            r#"{"timestamp": {"seconds": 1}, "event": "BLOCK_IO_ERROR", "#,
            r#""data": {"device": "", "nospace": true, "node-name": "disk0", "#,
            r#""reason": "No space left on device", "operation": "write", "#,
            r#""action": "stop"}}"#
        );
        let both = format!("{said}\n{whole}\n{whole}\n");
        let why = "disk0: the host failed a write of the machine's: No space \
                   left on device";
        assert_eq!(failure(&both).as_deref(), Some(why));
    }
}
